"""Deployments: what is wanted, with its history, its lineage and its share of the traffic, however many ask at once."""

import asyncio
import math
from typing import Any

import pytest

from db.base import utc_now
from db.codes import DesiredState, Role
from db.session import Database
from db.tables import Deployment
from registry.kernel.errors import InvalidValue
from registry.serving import deployments
from tests.registry.told import events_about
from tests.tenant import GraphQLFailed, Tenant, uuid_of

SHARES = "query($id: ID!) { node(id: $id) { ... on Environment { deployments(last: 100) { nodes {"
SHARES += " id name desiredState trafficPercent } } } } }"
CHANGES = """query($id: ID!) { node(id: $id) { ... on Deployment { revision changes { totalCount nodes {
    revision desiredState trafficPercent reason version { id } createdBy { name } deployment { id } } } } } }"""


async def update(tenant: Tenant, deployment: str, **given: Any) -> str:
    return await tenant.client.make("updateDeployment", "deployment", deployment=deployment, **given)


async def refused(tenant: Tenant, mutation: str, **given: Any) -> tuple[str, list[str], str]:
    kind = "environment" if mutation == "shiftTraffic" else "deployment"
    refusal = await tenant.client.refusal(mutation, kind, **given)
    return refusal["code"], refusal["path"], refusal["message"]


async def shares_in(tenant: Tenant, environment: str) -> dict[str, float]:
    answer = await tenant.client(SHARES, id=environment)
    return {one["name"]: one["trafficPercent"] for one in answer["node"]["deployments"]["nodes"]}


async def side_by_side(tenant: Tenant, **percents: float) -> tuple[str, str, dict[str, str]]:
    """A model, an environment and its deployments there, by name."""
    model, environment = await tenant.model(), await tenant.environment()
    version = await tenant.version(model)
    made = {
        name: await tenant.deployment(environment=environment, version=version, name=name, trafficPercent=percent)
        for name, percent in percents.items()
    }
    return model, environment, made


async def test_a_new_deployment_is_to_run_and_has_not_been_seen(tenant: Tenant) -> None:
    version = await tenant.version()
    made = await tenant.deployment(
        version=version, name="iris", endpoint="https://iris.example/v1", trafficPercent=12.5
    )
    answer = await tenant.client(
        """query($id: ID!) { node(id: $id) { ... on Deployment { name desiredState trafficPercent endpoint revision
            observedState observedAt observedVersion { id } health healthMessage inSync version { id } } } }""",
        id=made,
    )
    assert answer["node"] == {
        "name": "iris",
        "desiredState": "RUNNING",
        "trafficPercent": 12.5,
        "endpoint": "https://iris.example/v1",
        "revision": 1,
        "observedState": "UNKNOWN",
        "observedAt": None,
        "observedVersion": None,
        "health": "UNKNOWN",
        "healthMessage": None,
        "inSync": False,
        "version": {"id": version},
    }


async def test_each_difference_in_what_is_wanted_is_a_revision_with_its_reason(
    tenant: Tenant, database: Database
) -> None:
    model = await tenant.model()
    first, second = await tenant.version(model), await tenant.version(model)
    made = await tenant.deployment(version=first, reason="first try")

    await update(tenant, made, version=second, trafficPercent=30.0, reason="better")
    await update(tenant, made, version=second, trafficPercent=30.0, reason="nothing new")
    await update(tenant, made, tags=[{"key": "owner", "value": "ml"}])
    await update(tenant, made, desiredState="STOPPED")

    found = (await tenant.client(CHANGES, id=made))["node"]
    told = [(one["revision"], one["version"]["id"], one["reason"]) for one in found["changes"]["nodes"]]
    assert told == [(3, second, None), (2, second, "better"), (1, first, "first try")]
    assert [one["desiredState"] for one in found["changes"]["nodes"]] == ["STOPPED", "RUNNING", "RUNNING"]
    assert (found["revision"], found["changes"]["totalCount"]) == (3, 3)
    assert {one["createdBy"]["name"] for one in found["changes"]["nodes"]} == {"owner"}
    assert {one["deployment"]["id"] for one in found["changes"]["nodes"]} == {made}
    events = await events_about(database, tenant.org_id, uuid_of(made))
    assert [event.kind for event in events] == ["deployment.created"] + ["deployment.updated"] * 3
    assert events[2].body["before"] == {"tags": {}}


async def test_what_was_changed_meanwhile_is_not_changed_unseen(tenant: Tenant) -> None:
    made = await tenant.deployment()
    await update(tenant, made, trafficPercent=1.0, expectedRevision=1)
    code, path, message = await refused(tenant, "updateDeployment", deployment=made, endpoint=None, expectedRevision=1)
    assert (code, path) == ("STALE_REVISION", ["expectedRevision"])
    assert message == "The deployment is at revision 2 now. Look again."


async def test_a_deployment_stays_with_its_model(tenant: Tenant) -> None:
    made = await tenant.deployment()
    other = await tenant.version()
    code, path, _ = await refused(tenant, "updateDeployment", deployment=made, version=other)
    assert (code, path) == ("INVALID_VALUE", ["version"])


async def test_a_name_is_unique_in_its_environment(tenant: Tenant) -> None:
    version, first = await tenant.version(), await tenant.environment()
    await tenant.deployment(environment=first, version=version, name="iris")
    again = {"environment": first, "version": version, "name": "iris"}
    assert (await refused(tenant, "createDeployment", **again))[:2] == ("NAME_TAKEN", ["name"])
    await tenant.deployment(version=version, name="iris")


async def test_shares_of_a_model_in_an_environment_stay_within_the_whole(tenant: Tenant) -> None:
    model, environment, made = await side_by_side(tenant, stable=70.0, canary=20.05)
    version = await tenant.version(model)
    new = {"environment": environment, "version": version, "name": "third"}

    code, path, message = await refused(tenant, "createDeployment", trafficPercent=9.96, **new)
    assert (code, path) == ("CONFLICT", ["trafficPercent"])
    assert "9.95 percent" in message
    assert (await refused(tenant, "updateDeployment", deployment=made["canary"], trafficPercent=30.01))[0] == "CONFLICT"

    await tenant.deployment(trafficPercent=9.95, **new)
    assert await shares_in(tenant, environment) == {"stable": 70.0, "canary": 20.05, "third": 9.95}


async def test_thirds_and_tenths_add_up_without_rounding(tenant: Tenant) -> None:
    _, environment, _ = await side_by_side(tenant, a=33.33, b=33.33, c=33.34)
    assert sum(map(round, (await shares_in(tenant, environment)).values())) == 99
    tenths = {f"part{number}": 0.1 for number in range(10)} | {"rest": 99.0}
    await side_by_side(tenant, **tenths)
    # In floats a hundred times 0.29 is less than 29.
    model, environment, _ = await side_by_side(tenant, little=0.29, most=99.71)
    more = {"environment": environment, "version": await tenant.version(model), "name": "more"}
    assert (await refused(tenant, "createDeployment", trafficPercent=0.01, **more))[0] == "CONFLICT"


async def test_other_models_and_other_environments_share_nothing(tenant: Tenant) -> None:
    _, environment, _ = await side_by_side(tenant, one=100.0)
    version = await tenant.version()
    await tenant.deployment(environment=environment, version=version, trafficPercent=100.0)
    await tenant.deployment(version=version, trafficPercent=100.0)


async def test_a_stopped_deployment_leaves_its_share_to_others_and_may_not_start_without_it(tenant: Tenant) -> None:
    _, _, made = await side_by_side(tenant, old=100.0, new=0.0)
    await update(tenant, made["old"], desiredState="STOPPED")
    await update(tenant, made["new"], trafficPercent=60.0)

    again = {"deployment": made["old"], "desiredState": "RUNNING"}
    code, path, message = await refused(tenant, "updateDeployment", **again)
    assert (code, path) == ("CONFLICT", ["trafficPercent"])
    assert "40.00 percent" in message
    await update(tenant, made["old"], desiredState="RUNNING", trafficPercent=40.0)


async def test_a_deleted_deployment_leaves_its_share_to_others(tenant: Tenant, database: Database) -> None:
    _, _, made = await side_by_side(tenant, old=100.0, new=0.0)
    async with database.change(tenant.org_id) as change:
        (await change.get_one(Deployment, (tenant.org_id, uuid_of(made["old"])))).deleted_at = utc_now()
    await update(tenant, made["new"], trafficPercent=100.0)


async def test_shares_of_stopped_deployments_may_be_shifted_and_do_not_count(tenant: Tenant) -> None:
    model, environment, made = await side_by_side(tenant, live=100.0, spare=0.0)
    await update(tenant, made["spare"], desiredState="STOPPED")
    shares = [{"deployment": made["spare"], "trafficPercent": 80.0}]
    await tenant.client.make("shiftTraffic", "environment", environment=environment, model=model, shares=shares)
    assert await shares_in(tenant, environment) == {"live": 100.0, "spare": 80.0}


async def test_traffic_is_shifted_in_one_step(tenant: Tenant) -> None:
    model, environment, made = await side_by_side(tenant, stable=100.0, canary=0.0)
    shares = [
        {"deployment": made["canary"], "trafficPercent": 10.0},
        {"deployment": made["stable"], "trafficPercent": 90.0},
    ]
    given = {"environment": environment, "model": model, "shares": shares, "reason": "canary"}
    assert await tenant.client.make("shiftTraffic", "environment", **given) == environment

    assert await shares_in(tenant, environment) == {"stable": 90.0, "canary": 10.0}
    changes = (await tenant.client(CHANGES, id=made["stable"]))["node"]["changes"]["nodes"]
    assert [(one["trafficPercent"], one["reason"]) for one in changes] == [(90.0, "canary"), (100.0, None)]


async def test_a_shift_that_does_not_fit_moves_nothing(tenant: Tenant) -> None:
    model, environment, made = await side_by_side(tenant, stable=50.0, canary=0.0, apart=40.0)
    shares = [
        {"deployment": made["canary"], "trafficPercent": 10.01},
        {"deployment": made["stable"], "trafficPercent": 50.0},
    ]
    code, path, message = await refused(tenant, "shiftTraffic", environment=environment, model=model, shares=shares)
    assert (code, path) == ("CONFLICT", ["shares"])
    assert "60.00 percent" in message
    assert await shares_in(tenant, environment) == {"stable": 50.0, "canary": 0.0, "apart": 40.0}


async def test_a_shift_is_of_one_model_in_one_environment(tenant: Tenant) -> None:
    model, environment, made = await side_by_side(tenant, stable=50.0)
    here = {"environment": environment, "model": model}
    other_model = await tenant.deployment(environment=environment)
    other_place = await tenant.deployment(version=await tenant.version(model))
    own = {"deployment": made["stable"], "trafficPercent": 1.0}
    for stray in (other_model, other_place):
        shares = [own, {"deployment": stray, "trafficPercent": 1.0}]
        assert (await refused(tenant, "shiftTraffic", **here, shares=shares))[:2] == (
            "INVALID_VALUE",
            ["shares", "1", "deployment"],
        )
    for shares in ([], [own, own], [own] * 101):
        assert (await refused(tenant, "shiftTraffic", **here, shares=shares))[:2] == ("INVALID_VALUE", ["shares"])
    bad = [{**own, "trafficPercent": 100.5}]
    assert (await refused(tenant, "shiftTraffic", **here, shares=bad))[1] == ["shares", "0", "trafficPercent"]
    assert await shares_in(tenant, environment) | {"stable": 50.0} == await shares_in(tenant, environment)


async def test_of_many_who_want_the_last_of_the_traffic_no_more_than_the_whole_is_given(tenant: Tenant) -> None:
    names = {f"part{number}": 0.0 for number in range(10)}
    _, environment, made = await side_by_side(tenant, **names)
    payloads = await asyncio.gather(
        *[
            tenant.client.insist("updateDeployment", "deployment { id }", deployment=one, trafficPercent=30.0)
            for one in made.values()
        ]
    )
    assert sum(not payload["errors"] for payload in payloads) == 3
    assert {error["code"] for payload in payloads for error in payload["errors"]} == {"CONFLICT"}
    assert sum((await shares_in(tenant, environment)).values()) == 90.0


async def test_those_who_make_deployments_at_once_do_not_share_out_more_than_there_is(tenant: Tenant) -> None:
    model, environment = await tenant.model(), await tenant.environment()
    given = {"environment": environment, "trafficPercent": 60.0}
    versions = [await tenant.version(model) for _ in range(8)]
    payloads = await asyncio.gather(
        *[
            tenant.client.insist("createDeployment", "deployment { id }", name=version, version=version, **given)
            for version in versions
        ]
    )
    assert sum(not payload["errors"] for payload in payloads) == 1
    assert sum((await shares_in(tenant, environment)).values()) == 60.0


async def test_shifts_in_opposite_directions_at_once_both_end(tenant: Tenant) -> None:
    model, environment, made = await side_by_side(tenant, blue=50.0, green=50.0)
    forth = [("blue", 90.0), ("green", 10.0)]
    back = [("green", 90.0), ("blue", 10.0)]
    payloads = await asyncio.gather(
        *[
            tenant.client.insist(
                "shiftTraffic",
                "environment { id }",
                environment=environment,
                model=model,
                shares=[{"deployment": made[name], "trafficPercent": percent} for name, percent in shares],
            )
            for shares in (forth, back) * 5
        ]
    )
    assert [payload["errors"] for payload in payloads] == [[]] * 10
    assert sorted((await shares_in(tenant, environment)).values()) == [10.0, 90.0]


@pytest.mark.parametrize("percent", [math.nan, math.inf, -math.inf, -0.01, 100.01, 101.0, 2.0**63, 33.333])
async def test_a_share_is_a_percentage_with_two_decimals(tenant: Tenant, percent: float) -> None:
    environment, version = uuid_of(await tenant.environment()), uuid_of(await tenant.version())
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(InvalidValue) as refusal:
            await deployments.create(
                change, tenant.actor, environment_id=environment, version_id=version, name="a", traffic_percent=percent
            )
    assert refusal.value.path == ("trafficPercent",)


async def test_no_share_is_written_as_zero_whatever_its_sign(tenant: Tenant) -> None:
    environment, version = uuid_of(await tenant.environment()), uuid_of(await tenant.version())
    async with tenant.database.change(tenant.org_id) as change:
        made: Deployment = await deployments.create(
            change, tenant.actor, environment_id=environment, version_id=version, name="a", traffic_percent=-0.0
        )
    assert math.copysign(1, made.traffic_percent) == 1
    assert made.desired_state == DesiredState.RUNNING


@pytest.mark.parametrize("endpoint", ["", " https://a", "https://a\n", "https://a\u202eb", "x\ud800", "x" * 2_001])
async def test_an_endpoint_is_one_line_of_visible_text(tenant: Tenant, endpoint: str) -> None:
    made = uuid_of(await tenant.deployment())
    async with tenant.database.change(tenant.org_id) as change:
        with pytest.raises(InvalidValue) as refusal:
            await deployments.update(change, tenant.actor, deployment_id=made, endpoint=endpoint)
    assert refusal.value.path == ("endpoint",)


async def test_an_endpoint_may_be_anything_else_and_be_taken_away(tenant: Tenant) -> None:
    made = await tenant.deployment(endpoint="javascript:alert(1)")
    changes = "deployment { endpoint revision }"
    gone = await tenant.client.change("updateDeployment", changes, deployment=made, endpoint=None)
    assert gone["deployment"] == {"endpoint": None, "revision": 2}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"reason": "x" * 2_001}, ["reason"]),
        ({"reason": "a\u0007b"}, ["reason"]),
        ({"tags": [{"key": "a"}, {"key": "a"}]}, ["tags", "1", "key"]),
    ],
)
async def test_what_cannot_be_stored_is_refused_and_nothing_changes(
    tenant: Tenant, given: dict[str, Any], path: list[str]
) -> None:
    made = await tenant.deployment()
    assert (await refused(tenant, "updateDeployment", deployment=made, desiredState="STOPPED", **given))[:2] == (
        "INVALID_VALUE",
        path,
    )
    assert (await tenant.client(CHANGES, id=made))["node"]["revision"] == 1


async def test_a_reader_changes_nothing(tenant: Tenant) -> None:
    made = await tenant.deployment()
    reader = await tenant.member(Role.READER)
    with pytest.raises(GraphQLFailed) as refusal:
        await reader.change("updateDeployment", "deployment { id }", deployment=made, desiredState="STOPPED")
    assert refusal.value.code == "FORBIDDEN"
