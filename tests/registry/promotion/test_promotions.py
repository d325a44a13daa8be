"""Promotion: one version a slot, every move written down, nothing moved that the table of transitions does not have."""

from typing import Any

import pytest
from sqlalchemy import text

from db.codes import Role
from db.session import Database
from tests.registry.told import events_about
from tests.stages import EMPTY_SLOTS, Line
from tests.tenant import GraphQLFailed, Tenant, uuid_of

HISTORY = """query($id: ID!) { node(id: $id) { ... on Model { transitions(last: 100) { nodes {
    number kind fromStage toStage reason createdBy { name } version { id }
    cause { number } displaced { number } } } } } }"""


async def history(line: Line) -> list[dict[str, Any]]:
    """Oldest first."""
    nodes = (await line.tenant.client(HISTORY, id=line.model))["node"]["transitions"]["nodes"]
    return list(reversed(nodes))


async def test_what_is_promoted_takes_the_place_of_what_was_there_and_all_of_it_is_written_down(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first, second)
    assert await line.slots() == {"STAGING": (4, None), "PRODUCTION": (2, second)}
    assert await line.stages() == ["ARCHIVED", "PRODUCTION"]
    moves = [
        (one["kind"], one["fromStage"], one["toStage"], one["version"]["id"], one["cause"], one["displaced"])
        for one in await history(line)
    ]
    assert moves == [
        ("PROMOTION", "DEVELOPMENT", "STAGING", first, None, None),
        ("PROMOTION", "STAGING", "PRODUCTION", first, None, None),
        ("PROMOTION", "DEVELOPMENT", "STAGING", second, None, None),
        ("PROMOTION", "STAGING", "PRODUCTION", second, None, {"number": 5}),
        ("DISPLACEMENT", "PRODUCTION", "ARCHIVED", first, {"number": 4}, None),
    ]


async def test_the_slots_of_a_model_without_promotions_are_empty_and_of_revision_0(tenant: Tenant) -> None:
    assert await (await Line.of(tenant, 1)).slots() == EMPTY_SLOTS


@pytest.mark.parametrize(
    ("steps", "to"),
    [
        ((), "PRODUCTION"),
        (("STAGING",), "STAGING"),
        (("STAGING", "PRODUCTION"), "STAGING"),
        (("STAGING", "PRODUCTION"), "PRODUCTION"),
        (("archive",), "STAGING"),
        (("archive",), "PRODUCTION"),
    ],
)
async def test_no_way_leads_past_the_table_of_transitions(tenant: Tenant, steps: tuple[str, ...], to: str) -> None:
    line = await Line.of(tenant, 1)
    (version,) = line.versions
    for step in steps:
        if step == "archive":
            await tenant.client.make("archiveVersion", "transition", version=version)
        else:
            await line.promote(version, step)
    before = await line.slots()
    given = {"version": version, "to": to, "expectedRevision": await line.revision(to)}
    refusal = await tenant.client.refusal("promoteVersion", "transition", **given)
    assert (refusal["code"], refusal["path"]) == ("CONFLICT", ["version"])
    assert await line.slots() == before


@pytest.mark.parametrize("to", ["DEVELOPMENT", "ARCHIVED"])
async def test_a_promotion_leads_to_a_slot(tenant: Tenant, to: str) -> None:
    refusal = await tenant.client.refusal("promoteVersion", "transition", version=await tenant.version(), to=to)
    assert (refusal["code"], refusal["path"]) == ("INVALID_VALUE", ["to"])


async def test_production_moves_only_for_those_who_know_its_revision(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first)
    await line.promote(second, "STAGING")
    document = """mutation($input: PromoteVersionInput!) { promoteVersion(input: $input) { transition { id } errors {
        ... on StaleRevisionError { code path revision version { id } } } } }"""
    for known in (0, 2):
        given = {"version": second, "to": "PRODUCTION", "expectedRevision": known}
        answer = await tenant.client(document, input=given)
        (error,) = answer["promoteVersion"]["errors"]
        assert error == {
            "code": "STALE_REVISION", "path": ["expectedRevision"], "revision": 1, "version": {"id": first}
        }  # fmt: skip
    assert (await line.slots())["PRODUCTION"] == (1, first)
    await line.promote(second, "PRODUCTION", expectedRevision=1)


async def test_what_production_needs_and_was_not_given_is_not_called_stale(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first)
    await line.promote(second, "STAGING")
    for mutation, given in (
        ("promoteVersion", {"version": second, "to": "PRODUCTION"}),
        ("promoteVersion", {"version": second, "to": "PRODUCTION", "expectedRevision": None}),
        ("archiveVersion", {"version": first}),
        ("rollBackModel", {"model": line.model, "reason": "It forgets."}),
    ):
        refusal = await tenant.client.refusal(mutation, "transition", **given)
        assert (refusal["code"], refusal["path"]) == ("INVALID_VALUE", ["expectedRevision"])
        assert refusal["message"] == "Give `expectedRevision`: the revision of the slot PRODUCTION that you have seen."
    assert (await line.slots())["PRODUCTION"] == (1, first)


async def test_staging_moves_without_a_revision_but_not_with_a_wrong_one(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    await line.promote(line.versions[0], "STAGING", expectedRevision=None)
    given = {"version": line.versions[1], "to": "STAGING", "expectedRevision": 0}
    refusal = await tenant.client.refusal("promoteVersion", "transition", **given)
    assert refusal["code"] == "STALE_REVISION"
    await line.promote(line.versions[1], "STAGING", expectedRevision=None)
    assert await line.stages() == ["ARCHIVED", "STAGING"]


async def test_a_version_goes_back_one_stage_where_there_is_room(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first)
    await line.promote(second, "STAGING")
    refusal = await tenant.client.refusal("demoteVersion", "transition", version=first, expectedRevision=1)
    assert (refusal["code"], refusal["path"]) == ("CONFLICT", ["version"])
    await tenant.client.make("demoteVersion", "transition", version=second)
    await tenant.client.make("demoteVersion", "transition", version=first, expectedRevision=1)
    assert await line.stages() == ["STAGING", "DEVELOPMENT"]
    assert await line.slots() == {"STAGING": (5, first), "PRODUCTION": (2, None)}


async def test_an_archived_version_comes_back_to_development_and_no_further(tenant: Tenant) -> None:
    line = await Line.of(tenant, 1)
    await line.promote(line.versions[0], "STAGING")
    await tenant.client.make("archiveVersion", "transition", version=line.versions[0], reason="unused")
    assert await line.stages() == ["ARCHIVED"]
    await tenant.client.make("reactivateVersion", "transition", version=line.versions[0])
    assert await line.stages() == ["DEVELOPMENT"]
    assert [one["reason"] for one in await history(line)] == [None, "unused", None]


ROLES = [
    ("promoteVersion", ("STAGING",), Role.MAINTAINER),
    ("promoteVersion", ("STAGING", "PRODUCTION"), Role.PROMOTER),
    ("demoteVersion", ("STAGING", ""), Role.MAINTAINER),
    ("demoteVersion", ("STAGING", "PRODUCTION", ""), Role.PROMOTER),
    ("archiveVersion", ("",), Role.WRITER),
    ("archiveVersion", ("STAGING", ""), Role.MAINTAINER),
    ("archiveVersion", ("STAGING", "PRODUCTION", ""), Role.PROMOTER),
]


@pytest.mark.parametrize(("mutation", "steps", "role"), ROLES)
async def test_who_may_move_a_version_depends_on_the_slots_it_touches(
    tenant: Tenant, mutation: str, steps: tuple[str, ...], role: Role
) -> None:
    line = await Line.of(tenant, 1)
    (version,) = line.versions
    for step in steps[:-1]:
        await line.promote(version, step)
    stage = steps[-1] or (steps[-2] if len(steps) > 1 else "")
    given: dict[str, Any] = {"version": version} | ({"to": steps[-1]} if steps[-1] else {})
    if stage:
        given["expectedRevision"] = await line.revision(stage)
    ranks = list(Role)
    below = await tenant.member(ranks[ranks.index(role) - 1])
    with pytest.raises(GraphQLFailed) as refused:
        await below.change(mutation, "transition { id }", **given)
    assert refused.value.code == "FORBIDDEN"
    await (await tenant.member(role)).make(mutation, "transition", **given)


async def test_each_version_that_moved_makes_one_event(tenant: Tenant, database: Database) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    await line.to_production(first)
    await line.promote(second, "STAGING")
    transition = await line.promote(second, "PRODUCTION", reason="It is better.")
    *_, promoted = await events_about(database, tenant.org_id, uuid_of(second))
    *_, displaced = await events_about(database, tenant.org_id, uuid_of(first))
    assert promoted.kind == "version.promoted"
    assert promoted.body["before"] == {"stage": "STAGING"}
    assert promoted.body["after"] == {
        "stage": "PRODUCTION", "transition_id": str(uuid_of(transition)), "transition_number": 4, "cause_id": None,
        "undone_id": None, "request_id": None, "automation_rule_id": None, "reason": "It is better.",
        "slot_revisions": {"STAGING": 4, "PRODUCTION": 2},
    }  # fmt: skip
    assert displaced.kind == "version.displaced"
    assert displaced.body["after"]["cause_id"] == str(uuid_of(transition))
    async with database.as_worker() as connection:
        told = await connection.execute(
            text("select kind from ev.event where org_id = :org_id order by seq desc limit 3"),
            {"org_id": tenant.org_id},
        )
        assert list(told.scalars()) == ["version.displaced", "version.promoted", "version.promoted"]


async def test_what_was_in_each_slot_at_any_time_is_known(tenant: Tenant) -> None:
    line = await Line.of(tenant, 3)
    query = """query($id: ID!, $at: DateTime!) { node(id: $id) { ... on Model { slotHistory(where: {at: $at}) { nodes {
        stage revision version { id } transition { createdBy { name } } } } } }
        slotHistory(where: {at: $at, stage: PRODUCTION, hasVersion: true}) { totalCount nodes { version { id } } } }"""
    moments = []
    for version in line.versions:
        await line.to_production(version)
        moments.append((await tenant.client("{ transitions(first: 1) { nodes { createdAt } } }"))["transitions"])
    for number, (version, moment) in enumerate(zip(line.versions, moments, strict=True), 1):
        at = moment["nodes"][0]["createdAt"]
        answer = await tenant.client(query, id=line.model, at=at)
        found = {one["stage"]: one for one in answer["node"]["slotHistory"]["nodes"]}
        assert found["PRODUCTION"]["version"] == {"id": version}
        assert found["PRODUCTION"]["revision"] == number
        assert found["PRODUCTION"]["transition"] == {"createdBy": {"name": "owner"}}
        assert found["STAGING"]["version"] is None
        assert answer["slotHistory"] == {"totalCount": 1, "nodes": [{"version": {"id": version}}]}
    answer = await tenant.client(query, id=line.model, at="2020-03-03T00:00:00Z")
    assert answer["node"]["slotHistory"]["nodes"] == []


async def test_what_is_in_a_slot_cannot_be_deleted(tenant: Tenant) -> None:
    line = await Line.of(tenant, 1)
    await line.promote(line.versions[0], "STAGING")
    refusal = await tenant.client.refusal("deleteVersion", "version", version=line.versions[0])
    assert refusal["code"] == "CONFLICT"
    await tenant.client.make("demoteVersion", "transition", version=line.versions[0])
    await tenant.client.make("deleteVersion", "version", version=line.versions[0])
    refusal = await tenant.client.refusal("promoteVersion", "transition", version=line.versions[0], to="STAGING")
    assert refusal["code"] == "NOT_FOUND"


async def test_a_version_of_a_neighbor_is_not_found(tenant: Tenant, neighbor: Tenant) -> None:
    line = await Line.of(neighbor, 1)
    refusal = await tenant.client.refusal("promoteVersion", "transition", version=line.versions[0], to="STAGING")
    assert refusal["code"] == "NOT_FOUND"
    assert await line.slots() == EMPTY_SLOTS
