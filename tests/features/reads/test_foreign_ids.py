"""Ids of a neighbor look exactly like ids of nothing, and no answer holds anything of the neighbor."""

import json
from typing import Any

import pytest

from tests.schema.valid_inputs import MUTATIONS, reference_fields, row_of, title, unknown, valid_input
from tests.tenant import Tenant

REFERENCES = [(mutation, name) for mutation in MUTATIONS for name in reference_fields(mutation)]
SECRET = "neighbor-secret"
EVERYTHING = """{
    viewer { id name } organization { id name teams { totalCount nodes { id name projects { nodes { id name } } } } }
    prices { totalCount nodes { id amount hardware validTo } }
    teams { totalCount nodes { id name } } projects { totalCount nodes { id name description } }
    models { totalCount nodes { id name description tags { key value } versions { totalCount nodes { id label } } } }
    experiments { totalCount nodes { id name description } }
    runs { totalCount nodes { id name parameters { name value } tags { key } } }
    environments { totalCount nodes { id name description } }
    webhooks { totalCount nodes { id name host url eventsBehind deliveries { totalCount nodes { id kind } } } }
    automationRules { totalCount nodes { id name revision removedAt } }
    promotionPolicies { totalCount nodes { id revision removedAt } }
    promotionRequests { totalCount nodes { id reason state } }
    deployments { totalCount nodes { id name endpoint revision trafficPercent changes { nodes { reason } } } }
    datasets { totalCount nodes { id name versions { totalCount nodes { id digest source } } } } }"""


async def full_neighbor(neighbor: Tenant) -> list[str]:
    """The ids of a neighbor's things, each of which holds the secret."""
    told = {"name": SECRET, "type": "INT64", "description": SECRET}
    profile = {"columns": [{"name": SECRET, "maximum": SECRET}]}
    data = await neighbor.dataset_version(source=SECRET, schema={"columns": [told]}, profile=profile)
    named = {"project": neighbor.project, "name": SECRET, "description": SECRET}
    experiment = await neighbor.client.make("createExperiment", "experiment", **named)
    run = await neighbor.run(
        experiment=experiment,
        name=SECRET,
        parameters=[{"name": SECRET, "value": SECRET}],
        datasets=[{"datasetVersion": data}],
        runtime={"image": SECRET},
    )
    model = await neighbor.model(name=SECRET, description=SECRET, tags=[{"key": SECRET, "value": SECRET}])
    version = await neighbor.version(model, label=SECRET, run=run, signature={"inputs": [told]})
    team = await neighbor.client.make("createTeam", "team", name=SECRET)
    project = await neighbor.client.make("createProject", "project", team=team, name=SECRET, description=SECRET)
    alias = await neighbor.client.make("setAlias", "alias", version=version, name=SECRET)
    place = await neighbor.client.make("createEnvironment", "environment", name=SECRET, description=SECRET)
    named = {"name": SECRET, "endpoint": SECRET, "reason": SECRET}
    serving = await neighbor.deployment(environment=place, version=version, **named)
    price = {"resource": "RUN_HOUR", "hardware": SECRET, "amount": "0.5", "currency": "EUR"}
    await neighbor.client.make("setPrice", "price", **price)
    hook = await neighbor.client.make("createWebhook", "webhook", name=SECRET, url=f"https://{SECRET}.example/hook")
    ping = await neighbor.client.make("testWebhook", "webhookDelivery", webhook=hook)
    trigger = {"gatesOpen": {"to": "STAGING"}}
    rule = await neighbor.client.make("setAutomationRule", "automationRule", model=model, name=SECRET, trigger=trigger)
    policy = await neighbor.client.make("setPromotionPolicy", "promotionPolicy", model=model, to="STAGING", gates=[])
    asked = {"version": version, "to": "STAGING", "reason": SECRET}
    request = await neighbor.client.make("requestPromotion", "promotionRequest", **asked)
    return [data, run, model, version, team, project, experiment, alias, place, serving, hook, ping,
            rule, policy, request]  # fmt: skip


def untouched(answer: Any, *, foreign: list[str]) -> bool:
    """Whether nothing of the neighbor stands in an answer."""
    text = json.dumps(answer)
    return SECRET not in text and not any(gid in text for gid in foreign)


async def test_a_query_of_everything_shows_nothing_of_a_neighbor(tenant: Tenant, neighbor: Tenant) -> None:
    foreign = await full_neighbor(neighbor)
    answer = await tenant.client.post(EVERYTHING)
    assert "errors" not in answer
    assert untouched(answer, foreign=foreign)
    assert answer["data"]["models"]["totalCount"] == 0
    assert answer["data"]["teams"]["totalCount"] == answer["data"]["projects"]["totalCount"] == 1
    assert not untouched(await neighbor.client.post(EVERYTHING), foreign=foreign)


@pytest.mark.parametrize(("mutation", "name"), REFERENCES)
async def test_a_neighbors_id_in_a_mutation_is_answered_like_an_id_of_nothing(
    tenant: Tenant, neighbor: Tenant, mutation: str, name: str
) -> None:
    own, theirs = await valid_input(tenant, mutation), await valid_input(neighbor, mutation)
    if name == "run" and "path" in own:
        del own["version"]
        theirs["run"] = await neighbor.run()
    # What is for a project or for a model is set for a model here.
    theirs.setdefault("project", neighbor.project)
    document = f"""mutation($input: {title(mutation)}Input!) {{ {mutation}(input: $input) {{
        {row_of(mutation)} {{ id }} replayed errors {{ __typename code path message }} }} }}"""
    foreign, nothing = [
        await tenant.client.post(document, {"input": {**own, name: id_}})
        for id_ in (theirs[name], unknown(reference_fields(mutation)[name]))
    ]
    assert foreign == nothing
    assert foreign["data"][mutation]["errors"][0]["code"] == "NOT_FOUND"
    assert untouched(foreign, foreign=[theirs[name]])


async def test_no_mutation_of_a_stranger_changes_a_neighbor(tenant: Tenant, neighbor: Tenant) -> None:
    await full_neighbor(neighbor)
    before = await neighbor.client(EVERYTHING)
    for mutation, name in REFERENCES:
        kind = reference_fields(mutation)[name]
        if kind != "Artifact" and mutation not in ("createUpload", "createExternalArtifact"):
            theirs = {
                "Model": before["models"]["nodes"][0]["id"],
                "Experiment": before["experiments"]["nodes"][0]["id"],
                "Run": before["runs"]["nodes"][0]["id"],
                "Team": before["teams"]["nodes"][0]["id"],
                "Project": before["projects"]["nodes"][0]["id"],
                "Dataset": before["datasets"]["nodes"][0]["id"],
                "Price": before["prices"]["nodes"][0]["id"],
                "Environment": before["environments"]["nodes"][0]["id"],
                "Deployment": before["deployments"]["nodes"][0]["id"],
                "Principal": before["viewer"]["id"],
                "Webhook": before["webhooks"]["nodes"][0]["id"],
                "WebhookDelivery": before["webhooks"]["nodes"][0]["deliveries"]["nodes"][0]["id"],
                "AutomationRule": before["automationRules"]["nodes"][0]["id"],
                "PromotionPolicy": before["promotionPolicies"]["nodes"][0]["id"],
                "PromotionRequest": before["promotionRequests"]["nodes"][0]["id"],
                "DatasetVersion": before["datasets"]["nodes"][0]["versions"]["nodes"][0]["id"],
                "ModelVersion": before["models"]["nodes"][0]["versions"]["nodes"][0]["id"],
            }[kind]
            await tenant.client.change(mutation, "replayed", **{**await valid_input(tenant, mutation), name: theirs})
    assert await neighbor.client(EVERYTHING) == before


async def test_a_walk_from_a_neighbors_thing_is_not_begun(tenant: Tenant, neighbor: Tenant) -> None:
    foreign = await full_neighbor(neighbor)
    answer = await tenant.client.post(
        """query($ids: [ID!]!, $id: ID!) {
            nodes(ids: $ids) { id ... on LineageNode { upstream { steps { node { id } } } } }
            lineageNode(id: $id) { downstream { links { upstream downstream } } } }""",
        {"ids": foreign, "id": foreign[0]},
    )
    assert answer["data"] == {"nodes": [None] * len(foreign), "lineageNode": None}


async def test_a_cursor_of_a_neighbors_list_leads_nowhere_but_into_ones_own(tenant: Tenant, neighbor: Tenant) -> None:
    await neighbor.model()
    own = await tenant.model()
    page = await neighbor.client("{ models { pageInfo { endCursor } } }")
    query = """query($after: String, $before: String) {
        a: models(after: $after) { nodes { id } } b: models(before: $before, last: 9) { nodes { id } } }"""
    cursor = page["models"]["pageInfo"]["endCursor"]
    answer = await tenant.client(query, after=cursor, before=cursor)
    assert answer["a"]["nodes"] + answer["b"]["nodes"] == [{"id": own}]
