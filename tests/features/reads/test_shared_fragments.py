"""One fragment reads what many types have in common, wherever the object comes from."""

from tests.tenant import Tenant

SHARED = """
    __typename
    ... on Taggable { tags { key value } }
    ... on Authored { createdAt createdBy { name } }
    ... on Deletable { deletedAt }
    ... on ProjectResource { project { id } }
    ... on Measured { metrics { name value } }
"""
POINT = {"name": "accuracy", "phase": "TEST", "value": 0.9}
TAG = {"key": "team", "value": "risk"}


async def test_objects_of_many_types_are_read_by_one_fragment(tenant: Tenant) -> None:
    run = await tenant.run(tags=[TAG])
    await tenant.client.make("logRunMetrics", "run", run=run, metrics=[POINT])
    model = await tenant.model(tags=[TAG])
    version = await tenant.version(model, metrics=[POINT])
    environment = await tenant.client.make("createEnvironment", "environment", name=tenant.name())

    found = await tenant.client(
        f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {SHARED} }} }}", ids=[run, model, version, environment]
    )

    shown = {one["__typename"]: one for one in found["nodes"]}
    assert shown.keys() == {"Run", "Model", "ModelVersion", "Environment"}
    assert shown["Run"]["tags"] == shown["Model"]["tags"] == [TAG]
    assert {one["createdBy"]["name"] for one in shown.values()} == {tenant.actor.name}
    assert [one["deletedAt"] for one in shown.values()] == [None] * 4
    assert {one["project"]["id"] for one in shown.values() if "project" in one} == {tenant.project}
    assert [kind for kind, one in shown.items() if "project" not in one] == ["ModelVersion", "Environment"]
    assert [one["metrics"] for one in shown.values() if "metrics" in one] == [[{"name": "accuracy", "value": 0.9}]] * 2


async def test_steps_of_a_lineage_are_read_by_the_same_fragment_in_a_statement_for_each_edge(
    tenant: Tenant, statements: list[str]
) -> None:
    data = await tenant.dataset_version()
    counts = []
    steps = f"steps {{ node {{ {SHARED} }} }}"
    query = f"query($id: ID!) {{ lineageNode(id: $id) {{ downstream(depth: 5) {{ {steps} }} }} }}"
    for _ in range(2):
        run = await tenant.run(datasets=[{"datasetVersion": data}])
        await tenant.client.make("logRunMetrics", "run", run=run, metrics=[POINT])
        await tenant.version(run=run)
        statements.clear()
        found = await tenant.client(query, id=data)
        counts.append(len(statements))
    nodes = [step["node"] for step in found["lineageNode"]["downstream"]["steps"]]
    assert sorted(one["__typename"] for one in nodes) == ["ModelVersion"] * 2 + ["Run"] * 2
    assert {one["createdBy"]["name"] for one in nodes} == {tenant.actor.name}
    assert counts[0] == counts[1]
