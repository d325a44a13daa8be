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
              upstream(depth: 5) { truncated steps { depth node { __typename id } } links { kind role upstream downstream } } } } } } }""",
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
