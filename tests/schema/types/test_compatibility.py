"""What changed since an earlier version: found for any number of versions by the same statements."""

from typing import Any
from uuid import uuid4

import pytest

from db.base import utc_now
from db.tables import ModelVersion
from tests.schema.valid_inputs import unknown
from tests.tenant import GraphQLFailed, Tenant, uuid_of

CHANGES = """query($ids: [ID!]!, $since: ID) { nodes(ids: $ids) { ... on ModelVersion {
    signatureChange(since: $since) { verdict since { label } changes { path kind breaking before after } } } } }"""


def taking(*names: str, **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": name, "type": "INT64", **more} for name in names]}


async def change_of(tenant: Tenant, version: str, since: str | None = None) -> Any:
    return (await tenant.client(CHANGES, ids=[version], since=since))["nodes"][0]["signatureChange"]


async def test_a_version_is_compared_with_the_last_one_before_it_that_has_a_signature(tenant: Tenant) -> None:
    model = await tenant.model()
    first = await tenant.version(model, label="1", signature=taking("a"))
    await tenant.version(model, label="2")
    third = await tenant.version(model, label="3", signature=taking("a", "b"))
    fourth = await tenant.version(model, label="4", signature=taking("a", "b"))
    other = await tenant.model()
    for _ in range(2):
        await tenant.version(other, signature=taking("z"))
    assert await change_of(tenant, first) is None
    assert await change_of(tenant, third) == {
        "verdict": "BREAKING",
        "since": {"label": "1"},
        "changes": [
            {"path": ["inputs", "b"], "kind": "ADDED", "breaking": True, "before": None, "after": "INT64, required"}
        ],
    }
    assert await change_of(tenant, fourth) == {"verdict": "IDENTICAL", "since": {"label": "3"}, "changes": []}


async def test_a_deleted_version_is_passed_over_but_can_be_named(tenant: Tenant) -> None:
    model = await tenant.model()
    await tenant.version(model, label="1", signature=taking("a"))
    gone = await tenant.version(model, label="2", signature=taking("b"))
    third = await tenant.version(model, label="3", signature=taking("a"))
    async with tenant.database.change(tenant.org_id) as change:
        (await change.get_one(ModelVersion, (tenant.org_id, uuid_of(gone)))).deleted_at = utc_now()
    found = await change_of(tenant, third)
    assert (found["verdict"], found["since"]) == ("IDENTICAL", {"label": "1"})
    assert (await change_of(tenant, third, gone))["verdict"] == "BREAKING"


async def test_any_version_can_be_compared_with(tenant: Tenant) -> None:
    model = await tenant.model()
    first = await tenant.version(model, label="1", signature=taking("a"))
    await tenant.version(model, label="2", signature=taking("b"))
    third = await tenant.version(model, label="3", signature=taking("a", required=False))
    other = await tenant.version(label="other", signature=taking("a", required=False))
    bare = await tenant.version()
    found = await change_of(tenant, third, first)
    assert (found["verdict"], found["since"]) == ("COMPATIBLE", {"label": "1"})
    assert (await change_of(tenant, third, other))["verdict"] == "IDENTICAL"
    assert (await change_of(tenant, first, third))["verdict"] == "BREAKING"
    assert await change_of(tenant, third, bare) is None
    assert await change_of(tenant, bare, third) is None


async def test_what_is_not_there_for_the_asker_is_not_compared_with(tenant: Tenant, neighbor: Tenant) -> None:
    own = await tenant.version(signature=taking("a"))
    theirs = await neighbor.version(signature=taking("secret"))
    assert await change_of(tenant, own, theirs) is None
    assert await change_of(tenant, own, unknown("ModelVersion")) is None
    for wrong in (tenant.project, "nonsense"):
        with pytest.raises(GraphQLFailed) as refused:
            await change_of(tenant, own, wrong)
        assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("chosen", [True, False])
async def test_the_changes_of_many_versions_take_as_many_statements_as_those_of_one(
    tenant: Tenant, statements: list[str], count: int, *, chosen: bool
) -> None:
    model = await tenant.model()
    made = [await tenant.version(model, signature=taking(f"f{i}")) for i in range(6)]
    statements.clear()
    answer = await tenant.client(CHANGES, ids=made[1 : count + 1], since=made[0] if chosen else None)
    assert [node["signatureChange"]["verdict"] for node in answer["nodes"]] == ["BREAKING"] * count
    # The view opened, the versions, what each is compared with, the signatures, and the earlier versions.
    assert len(statements) == 5


async def test_a_list_of_versions_reads_no_signature_that_nobody_asks_for(
    tenant: Tenant, statements: list[str]
) -> None:
    model = await tenant.model()
    await tenant.version(model, signature=taking("a"), runtime={"image": "slim"})
    statements.clear()
    await tenant.client("query($id: ID!) { model(by: {id: $id}) { versions { nodes { id label } } } }", id=model)
    assert not [sent for sent in statements if "registry.signature" in sent or "registry.runtime" in sent]


async def test_the_schema_of_data_is_compared_with_the_one_before(tenant: Tenant) -> None:
    dataset = await tenant.client.make("createDataset", "dataset", project=tenant.project, name="data")
    for columns in (["a", "b"], None, ["a"]):
        schema = columns and {"columns": [{"name": name, "type": "STRING"} for name in columns]}
        given = {"dataset": dataset, "digest": f"sha256:{uuid4().hex}", "schema": schema}
        made = await tenant.client.make("createDatasetVersion", "datasetVersion", **given)
    query = """query($id: ID!) { node(id: $id) { ... on DatasetVersion {
        schemaChange { verdict since { id } changes { path sentence } } } } }"""
    found = (await tenant.client(query, id=made))["node"]["schemaChange"]
    assert found["verdict"] == "BREAKING"
    assert found["changes"] == [{"path": ["columns", "b"], "sentence": "The column 'b' is gone."}]


DIFFERENCE = """query($from: ID!, $to: ID!) { runtimeDifference(from: $from, to: $to) {
    before { image } after { image }
    packages { name kind before after } facts { name before after } } }"""


async def test_the_difference_of_two_runtimes_is_found_from_what_was_made_with_them(tenant: Tenant) -> None:
    packages = [{"name": "NumPy", "version": "2.0"}, {"name": "torch", "version": "2.5"}]
    run = await tenant.run(runtime={"image": "a", "packages": packages})
    packages = [{"name": "numpy", "version": "2.1"}, {"name": "onnx", "version": "1.17"}]
    version = await tenant.version(runtime={"image": "a", "packages": packages, "hardware": {"gpuCount": 2}})
    found = (await tenant.client(DIFFERENCE, **{"from": run, "to": version}))["runtimeDifference"]
    assert found == {
        "before": {"image": "a"},
        "after": {"image": "a"},
        "packages": [
            {"name": "numpy", "kind": "CHANGED", "before": "2.0", "after": "2.1"},
            {"name": "onnx", "kind": "ADDED", "before": None, "after": "1.17"},
            {"name": "torch", "kind": "REMOVED", "before": "2.5", "after": None},
        ],
        "facts": [{"name": "gpuCount", "before": None, "after": "2"}],
    }


async def test_there_is_no_difference_to_what_has_no_runtime_or_is_not_the_askers(
    tenant: Tenant, neighbor: Tenant
) -> None:
    own = await tenant.run(runtime={"image": "a"})
    for other in (await tenant.run(), unknown("ModelVersion"), await neighbor.run(runtime={"image": "b"})):
        assert await tenant.client(DIFFERENCE, **{"from": own, "to": other}) == {"runtimeDifference": None}
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(DIFFERENCE, **{"from": own, "to": tenant.project})
    assert refused.value.code == "BAD_USER_INPUT"
