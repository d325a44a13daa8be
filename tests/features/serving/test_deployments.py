"""From data to where it runs: a canary goes live, is seen, is stopped, and the past is still known. Over HTTP."""

from datetime import timedelta
from typing import Any

from db.base import utc_now
from db.codes import PrincipalKind, Role
from tests.tenant import Tenant

RUNS_WHERE = """query($id: ID!, $asOf: DateTime) { lineageNode(id: $id) { downstream(asOf: $asOf) {
    truncated
    steps { depth node { __typename
        ... on ModelVersion { id label }
        ... on Deployment { id name environment { name } trafficPercent observedState health version { label } } } }
    links { kind upstream downstream } } } }"""
BOARD = """query($name: String!) { environment(by: { name: $name }) { deployments { totalCount nodes {
    name desiredState trafficPercent inSync health version { label model { name } } } } } }"""


async def runs_where(tenant: Tenant, data: str, moment: str | None = None) -> dict[str, Any]:
    found = await tenant.client(RUNS_WHERE, id=data, asOf=moment)
    walk: dict[str, Any] = found["lineageNode"]["downstream"]
    return walk


def of_kind(walk: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [step["node"] for step in walk["steps"] if step["node"]["__typename"] == kind]


def deployed(walk: dict[str, Any], kind: str = "DEPLOYED") -> set[tuple[str, str]]:
    return {(link["upstream"], link["downstream"]) for link in walk["links"] if link["kind"] == kind}


def observed(walk: dict[str, Any]) -> set[tuple[str, str]]:
    return deployed(walk, "OBSERVED")


async def test_which_models_learned_from_this_data_and_where_do_they_run_now(tenant: Tenant) -> None:
    data, clean = await tenant.dataset_version(), await tenant.dataset_version()
    model = await tenant.model(name="churn")
    bad = await tenant.version(model, label="1.0.0", run=await tenant.run(datasets=[{"datasetVersion": data}]))
    tuned = await tenant.version(label="tuned", baseVersion=bad)
    good = await tenant.version(model, label="1.1.0", run=await tenant.run(datasets=[{"datasetVersion": clean}]))
    production, staging = await tenant.environment(name="production"), await tenant.environment(name="staging")
    live = await tenant.deployment(environment=production, version=bad, name="churn", trafficPercent=100.0)
    trial = await tenant.deployment(environment=staging, version=tuned, name="churn-tuned")
    apart = await tenant.deployment(environment=staging, version=good, name="churn-clean")
    agent = await tenant.member(Role.WRITER, PrincipalKind.SERVICE_ACCOUNT)
    report = {"deployment": live, "observedState": "RUNNING", "version": bad, "health": "HEALTHY"}
    await agent.make("reportDeployment", "deployment", **report)

    walk = await runs_where(tenant, data)
    assert {node["label"] for node in of_kind(walk, "ModelVersion")} == {"1.0.0", "tuned"}
    assert of_kind(walk, "Deployment") == [
        {
            "__typename": "Deployment",
            "id": live,
            "name": "churn",
            "environment": {"name": "production"},
            "trafficPercent": 100.0,
            "observedState": "RUNNING",
            "health": "HEALTHY",
            "version": {"label": "1.0.0"},
        },
        {
            "__typename": "Deployment",
            "id": trial,
            "name": "churn-tuned",
            "environment": {"name": "staging"},
            "trafficPercent": 0.0,
            "observedState": "UNKNOWN",
            "health": "UNKNOWN",
            "version": {"label": "tuned"},
        },
    ]
    assert deployed(walk) == {(bad, live), (tuned, trial)}
    assert observed(walk) == {(bad, live)}
    assert not walk["truncated"]
    assert [node["id"] for node in of_kind(await runs_where(tenant, clean), "Deployment")] == [apart]


async def test_what_ran_before_is_still_known_after_it_was_replaced_and_stopped(tenant: Tenant) -> None:
    model = await tenant.model()
    data = [await tenant.dataset_version() for _ in range(2)]
    old, new = [await tenant.version(model, run=await tenant.run(datasets=[{"datasetVersion": one}])) for one in data]
    made = await tenant.deployment(version=old)
    moments = [utc_now().isoformat()]
    for change in ({"version": new}, {"desiredState": "STOPPED"}, {"trafficPercent": 5.0}, {"desiredState": "RUNNING"}):
        await tenant.client.make("updateDeployment", "deployment", deployment=made, **change)
        moments.append(utc_now().isoformat())

    past = [
        ["".join("on" if deployed(await runs_where(tenant, one, moment)) else "off") for one in data]
        for moment in moments
    ]

    assert past == [["on", "off"], ["off", "on"], ["off", "off"], ["off", "off"], ["off", "on"]]
    assert deployed(await runs_where(tenant, data[1])) == {(new, made)}
    up = await tenant.client(
        "query($id: ID!) { lineageNode(id: $id) { upstream { steps { depth node { id } } } } }", id=made
    )
    assert [step["node"]["id"] for step in up["lineageNode"]["upstream"]["steps"]][::2] == [new, data[1]]


async def test_a_canary_goes_live_step_by_step(tenant: Tenant) -> None:
    model, environment = await tenant.model(name="churn"), await tenant.environment(name="production")
    first, second = await tenant.version(model, label="1.0.0"), await tenant.version(model, label="2.0.0")
    stable = await tenant.deployment(environment=environment, version=first, name="stable", trafficPercent=100.0)
    canary = await tenant.deployment(environment=environment, version=second, name="canary")
    for percent in (10.0, 50.0, 100.0):
        shares = [
            {"deployment": stable, "trafficPercent": 100.0 - percent},
            {"deployment": canary, "trafficPercent": percent},
        ]
        given = {"environment": environment, "model": model, "shares": shares, "reason": f"canary at {percent}"}
        await tenant.client.make("shiftTraffic", "environment", **given)
        report = {"deployment": canary, "observedState": "RUNNING", "version": second, "health": "HEALTHY"}
        await tenant.client.make("reportDeployment", "deployment", **report)
    await tenant.client.make("updateDeployment", "deployment", deployment=stable, desiredState="STOPPED")

    board = (await tenant.client(BOARD, name="production"))["environment"]["deployments"]
    assert board["totalCount"] == 2
    assert board["nodes"][0] == {
        "name": "canary",
        "desiredState": "RUNNING",
        "trafficPercent": 100.0,
        "inSync": True,
        "health": "HEALTHY",
        "version": {"label": "2.0.0", "model": {"name": "churn"}},
    }
    assert (board["nodes"][1]["desiredState"], board["nodes"][1]["trafficPercent"]) == ("STOPPED", 0.0)


async def test_a_version_and_a_model_know_where_they_are_to_run(tenant: Tenant) -> None:
    model = await tenant.model()
    first, second = await tenant.version(model), await tenant.version(model)
    one, two = await tenant.deployment(version=first), await tenant.deployment(version=second)
    answer = await tenant.client(
        """query($ids: [ID!]!) { nodes(ids: $ids) {
            ... on ModelVersion { deployments { nodes { id } } } ... on Model { deployments { nodes { id } } } } }""",
        ids=[first, second, model],
    )
    found = [[made["id"] for made in node["deployments"]["nodes"]] for node in answer["nodes"]]
    assert found == [[one], [two], [two, one]]


async def test_a_rollout_that_hangs_does_not_hide_where_the_version_before_still_runs(tenant: Tenant) -> None:
    model = await tenant.model()
    data = [await tenant.dataset_version() for _ in range(2)]
    old, new = [await tenant.version(model, run=await tenant.run(datasets=[{"datasetVersion": one}])) for one in data]
    made = await tenant.deployment(version=old)

    async def report(**given: Any) -> str:
        await tenant.client.make("reportDeployment", "deployment", deployment=made, **given)
        return utc_now().isoformat()

    running = await report(observedState="RUNNING", version=old)
    await tenant.client.make("updateDeployment", "deployment", deployment=made, version=new)
    hangs = await report(observedState="RUNNING")
    walks = [await runs_where(tenant, one) for one in data]
    assert [deployed(walk) for walk in walks] == [set(), {(new, made)}]
    assert [observed(walk) for walk in walks] == [{(old, made)}, set()]
    assert [node["id"] for node in of_kind(walks[0], "Deployment")] == [made]

    through = await report(observedState="RUNNING", version=new)
    failed = await report(observedState="FAILED")
    past = [[observed(await runs_where(tenant, one, at)) for one in data] for at in (running, hangs, through, failed)]
    assert past == [[{(old, made)}, set()], [{(old, made)}, set()], [set(), {(new, made)}], [set(), set()]]


async def test_a_version_knows_where_it_was_last_seen(tenant: Tenant) -> None:
    model = await tenant.model()
    old, new = await tenant.version(model), await tenant.version(model)
    hanging, stopped, _ = [await tenant.deployment(version=new) for _ in range(3)]
    for made, state in ((hanging, "RUNNING"), (stopped, "STOPPED")):
        report = {"deployment": made, "observedState": state, "version": old}
        await tenant.client.make("reportDeployment", "deployment", **report)
    answer = await tenant.client(
        """query($id: ID!, $model: ID!) { node(id: $id) { ... on ModelVersion { deployments { totalCount }
            all: observedDeployments { nodes { id version { id } } }
            now: observedDeployments(where: { observedState: RUNNING }) { nodes { id } } } }
            model(by: { id: $model }) {
                versions(where: { observedDeployments: { observedState: RUNNING } }) { nodes { id } } } }""",
        id=old,
        model=model,
    )
    assert answer["node"] == {
        "deployments": {"totalCount": 0},
        "all": {"nodes": [{"id": made, "version": {"id": new}} for made in (stopped, hanging)]},
        "now": {"nodes": [{"id": hanging}]},
    }
    assert answer["model"]["versions"]["nodes"] == [{"id": old}]


async def test_what_is_deleted_runs_nowhere_and_what_comes_back_runs_as_it_was_last_seen(tenant: Tenant) -> None:
    data = await tenant.dataset_version()
    version = await tenant.version(run=await tenant.run(datasets=[{"datasetVersion": data}]))
    made = await tenant.deployment(version=version, desiredState="STOPPED")
    report = {"deployment": made, "observedState": "RUNNING", "version": version}
    await tenant.client.make("reportDeployment", "deployment", **report)
    found = [observed(await runs_where(tenant, data))]
    for mutation in ("deleteDeployment", "restoreDeployment"):
        await tenant.client.make(mutation, "deployment", deployment=made)
        found.append(observed(await runs_where(tenant, data)))
    assert found == [{(version, made)}, set(), {(version, made)}]


FOUND = """query($where: DeploymentWhereInput, $orderBy: DeploymentOrderInput) {
    deployments(where: $where, orderBy: $orderBy) { nodes { name inSync } } }"""


async def test_deployments_are_found_by_where_their_model_lives_and_by_how_they_were_seen(tenant: Tenant) -> None:
    team = await tenant.client.make("createTeam", "team", name="vision")
    project = await tenant.client.make("createProject", "project", team=team, name="digits")
    model = await tenant.model(project=project)
    old, new = await tenant.version(model), await tenant.version(model)
    await tenant.deployment(name="unseen", desiredState="RUNNING")
    for name, seen, minute in (("right", new, 1), ("behind", old, 2), ("untold", None, 0)):
        made = await tenant.deployment(name=name, version=new)
        report = {"observedState": "RUNNING", "health": "UNHEALTHY" if seen == old else "HEALTHY"}
        at = (utc_now() - timedelta(minutes=minute)).isoformat()
        told = {} if seen is None else {"version": seen}
        await tenant.client.make("reportDeployment", "deployment", deployment=made, observedAt=at, **report, **told)
    stopped = await tenant.deployment(name="stopped", version=new, desiredState="STOPPED")
    at = (utc_now() - timedelta(minutes=9)).isoformat()
    await tenant.client.make(
        "reportDeployment", "deployment", deployment=stopped, observedState="STOPPED", observedAt=at
    )

    async def names(where: dict[str, Any], field: str = "NAME", direction: str = "ASC") -> list[str]:
        order = {"field": field, "direction": direction}
        found = (await tenant.client(FOUND, where=where, orderBy=order))["deployments"]["nodes"]
        assert "inSync" not in where or {one["inSync"] for one in found} == {where["inSync"]}
        return [one["name"] for one in found]

    theirs = ["behind", "right", "stopped", "untold"]
    assert await names({"project": project}) == await names({"team": team}) == theirs
    assert await names({"project": tenant.project}) == ["unseen"]
    assert await names({"inSync": True}) == ["right", "stopped"]
    assert await names({"inSync": False}) == await names({"not": {"inSync": True}}) == ["behind", "unseen", "untold"]
    since = (utc_now() - timedelta(minutes=5)).isoformat()
    assert await names({"observedAt": {"gt": since}}) == ["behind", "right", "untold"]
    assert await names({}, "OBSERVED_AT", "DESC") == ["untold", "right", "behind", "stopped", "unseen"]
    assert (await names({"team": team}, "HEALTH"))[-2:] == ["behind", "stopped"]
