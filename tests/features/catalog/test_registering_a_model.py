"""Registering models and versions over HTTP, as a client does it."""

from tests.tenant import Tenant


async def test_a_model_with_its_run_and_data_is_one_query(tenant: Tenant) -> None:
    data = await tenant.dataset_version(digest="sha256:2c26b46b68ffc68ff99b453c1d304134", rowCount="150")
    run = await tenant.run(
        parameters=[{"name": "max_depth", "value": 3}], datasets=[{"datasetVersion": data, "role": "TRAINING"}]
    )
    model = await tenant.model(name="iris", tags=[{"key": "owner", "value": "ada"}])
    await tenant.client.make(
        "createVersion",
        "version",
        model=model,
        label="1.0.0",
        run=run,
        metrics=[{"name": "accuracy", "phase": "TEST", "value": 0.97}],
    )

    answer = await tenant.client(
        """query($id: ID!) { node(id: $id) { ... on Model {
            name tags { key value }
            versions { totalCount nodes { number label stage metrics { name phase value step }
              run { name parameters { name value } }
              upstream(depth: 5) { truncated steps { depth node { __typename id } }
                links { kind role upstream downstream } } } } } } }""",
        id=model,
    )

    (version,) = answer["node"]["versions"]["nodes"]
    assert answer["node"]["tags"] == [{"key": "owner", "value": "ada"}]
    assert answer["node"]["versions"]["totalCount"] == 1
    assert (version["number"], version["label"], version["stage"]) == (1, "1.0.0", "DEVELOPMENT")
    assert version["metrics"] == [{"name": "accuracy", "phase": "TEST", "value": 0.97, "step": "0"}]
    assert version["run"]["parameters"] == [{"name": "max_depth", "value": 3}]
    assert [step["node"] for step in version["upstream"]["steps"]] == [
        {"__typename": "Run", "id": run},
        {"__typename": "DatasetVersion", "id": data},
    ]
    assert [link["kind"] for link in version["upstream"]["links"]] == ["PRODUCED", "USED"]


async def test_a_training_script_is_told_back_what_it_did(tenant: Tenant) -> None:
    run = await tenant.run(parameters=[{"name": "rate", "value": 0.1}])
    for step in range(3):
        point = {"name": "loss", "phase": "TRAINING", "value": 1 / (step + 1), "step": step}
        await tenant.client.make("logRunMetrics", "run", run=run, metrics=[point])
    await tenant.client.make("logRunParameters", "run", run=run, parameters=[{"name": "depth", "value": 3}])
    ended = await tenant.client.change(
        "finishRun", "run { status endedAt parameters { name value } metrics { step value } }", run=run
    )
    assert ended["run"].pop("endedAt")
    assert ended["run"] == {
        "status": "FINISHED",
        "parameters": [{"name": "depth", "value": 3}, {"name": "rate", "value": 0.1}],
        "metrics": [{"step": "2", "value": 1 / 3}],
    }
    refused = await tenant.client.refusal(
        "logRunMetrics", "run", run=run, metrics=[{"name": "loss", "phase": "TEST", "value": 1.0}]
    )
    assert (refused["code"], refused["path"]) == ("CONFLICT", ["run"])


async def test_ending_a_run_twice_is_what_a_retry_does_and_no_failure(tenant: Tenant) -> None:
    run = await tenant.run()
    first = await tenant.client.change("finishRun", "run { endedAt }", run=run, status="FAILED")
    again = await tenant.client.change("finishRun", "run { endedAt }", run=run, status="FAILED")
    assert again == first


async def test_versions_stand_highest_number_first_and_know_what_was_made_from_them(tenant: Tenant) -> None:
    model = await tenant.model()
    base = await tenant.version(model, label="1")
    derived = [await tenant.version(model, label=f"1.{place}", baseVersion=base) for place in (1, 2)]
    answer = await tenant.client(
        """query($id: ID!, $base: ID!) { node(id: $id) { ... on Model { versions { nodes { number label } } } }
            base: node(id: $base) { ... on ModelVersion { derivedVersions { totalCount nodes { id } } } } }""",
        id=model,
        base=base,
    )
    labels = [(version["number"], version["label"]) for version in answer["node"]["versions"]["nodes"]]
    assert labels == [(3, "1.2"), (2, "1.1"), (1, "1")]
    assert answer["base"]["derivedVersions"] == {"totalCount": 2, "nodes": [{"id": gid} for gid in derived[::-1]]}
