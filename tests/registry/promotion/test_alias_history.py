"""What an alias pointed at, at any time: by whom it was set, for which reason, and who approved."""

from typing import Any

from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.codes import Role
from db.tables import Alias
from tests.registry.transfer.test_importing import SMALL, bring, encoded, line
from tests.stages import Line
from tests.tenant import Tenant, uuid_of

AT = """query($at: DateTime!) { aliasHistory(where: {name: {equals: "champion"}, at: $at}) { nodes {
    revision kind reason version { id } createdBy { name } policyRevision verdicts { outcome message }
    request { reviews(first: 5) { nodes { decision createdBy { name } } } } } } }"""
HISTORY = """query($id: ID!) { node(id: $id) { ... on Model {
    aliases { nodes { revisions(first: 20) { totalCount nodes { revision kind reason version { id } validTo } } } }
    aliasHistory(where: {name: {equals: "champion"}}) {
        totalCount nodes { revision kind reason version { id } } } } } }"""


async def champion(tenant: Tenant, version: str, **given: Any) -> None:
    await tenant.client.make("setAlias", "alias", version=version, name="champion", **given)


async def history(tenant: Tenant, model: str) -> list[tuple[int, str, str | None]]:
    """Revision, kind and version of each of the revisions of `@champion`, latest first."""
    held = (await tenant.client(HISTORY, id=model))["node"]["aliasHistory"]["nodes"]
    return [(one["revision"], one["kind"], one["version"] and one["version"]["id"]) for one in held]


async def test_what_an_alias_was_at_a_time_is_told_with_who_set_it_and_who_approved(tenant: Tenant) -> None:
    made, before = await Line.of(tenant, 2), utc_now().isoformat()
    first, second = made.versions
    reviewer, writer = await tenant.member(Role.PROMOTER), await tenant.member(Role.WRITER)
    await champion(tenant, first, reason="The first.")
    then = utc_now().isoformat()
    gates = [{"approvals": {"role": "MAINTAINER"}}]
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=made.model, alias="champion", gates=gates)
    asked = {"version": second, "alias": "champion", "reason": "It is better."}
    request = await writer.make("requestPromotion", "promotionRequest", **asked)
    await reviewer.make("reviewPromotion", "promotionRequest", request=request, decision="APPROVED")
    await tenant.client.make("completePromotion", "promotionRequest", request=request)

    told = [
        (await tenant.client(AT, at=moment))["aliasHistory"]["nodes"]
        for moment in (before, then, utc_now().isoformat())
    ]

    assert told[0] == []
    (was,) = told[1]
    assert was == {
        "revision": 1, "kind": "MOVE", "reason": "The first.", "version": {"id": first}, "createdBy": {"name": "owner"},
        "policyRevision": None, "verdicts": [], "request": None,
    }  # fmt: skip
    (now,) = told[2]
    assert (now["version"], now["reason"], now["policyRevision"]) == ({"id": second}, "It is better.", 1)
    assert [verdict["outcome"] for verdict in now["verdicts"]] == ["PASSED"] * 2
    (review,) = now["request"]["reviews"]["nodes"]
    viewer = (await reviewer("{ viewer { name } }"))["viewer"]
    assert review == {"decision": "APPROVED", "createdBy": viewer}


async def test_revisions_go_on_after_a_removal(tenant: Tenant) -> None:
    made = await Line.of(tenant, 2)
    first, second = made.versions
    await champion(tenant, first)
    await tenant.client.make("removeAlias", "model", model=made.model, name="champion", reason="Unfair.")
    await champion(tenant, second)
    await tenant.client.make("setAlias", "alias", version=first, name="challenger")

    found = (await tenant.client(HISTORY, id=made.model))["node"]

    expected = [
        {"revision": 3, "kind": "MOVE", "reason": None, "version": {"id": second}},
        {"revision": 2, "kind": "REMOVAL", "reason": "Unfair.", "version": None},
        {"revision": 1, "kind": "MOVE", "reason": None, "version": {"id": first}},
    ]
    assert found["aliasHistory"] == {"totalCount": 3, "nodes": expected}
    challenger, again = [one["revisions"] for one in found["aliases"]["nodes"]]
    assert (challenger["totalCount"], again["totalCount"]) == (1, 3)
    ended = [one.pop("validTo") is not None for one in again["nodes"]]
    assert (again["nodes"], ended) == (expected, [False, True, True])


async def test_pointing_again_at_the_same_version_is_no_revision(tenant: Tenant) -> None:
    made = await Line.of(tenant, 1)
    for _ in range(2):
        await champion(tenant, made.versions[0])
    assert await history(tenant, made.model) == [(1, "MOVE", made.versions[0])]


async def test_revisions_are_paged_and_found_by_their_version(tenant: Tenant) -> None:
    made = await Line.of(tenant, 2)
    for turn in range(5):
        await champion(tenant, made.versions[turn % 2])
    query = """query($id: ID!, $after: String) { node(id: $id) { ... on Model { aliases { nodes {
        revisions(first: 2, after: $after) {
            totalCount nodes { revision } pageInfo { endCursor hasNextPage } } } } } } }"""
    seen: list[int] = []
    after, more = None, True
    while more:
        (alias,) = (await tenant.client(query, id=made.model, after=after))["node"]["aliases"]["nodes"]
        page = alias["revisions"]
        seen += [one["revision"] for one in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == [5, 4, 3, 2, 1]
    pointed = "query($id: ID!) { node(id: $id) { ... on ModelVersion { aliasHistory { nodes { revision } } } } }"
    found = (await tenant.client(pointed, id=made.versions[1]))["node"]["aliasHistory"]["nodes"]
    assert [one["revision"] for one in found] == [4, 2]


async def test_the_history_of_a_neighbors_alias_is_not_seen(tenant: Tenant, neighbor: Tenant) -> None:
    await champion(neighbor, await neighbor.version())
    assert (await tenant.client("{ aliasHistory { totalCount } }"))["aliasHistory"]["totalCount"] == 0


async def test_an_imported_alias_begins_a_history_and_goes_on_with_one_that_is_known(tenant: Tenant) -> None:
    await bring(tenant, encoded(*SMALL))
    (model,) = (await tenant.client("{ models { nodes { id } } }"))["models"]["nodes"]
    await tenant.client.make("removeAlias", "model", model=model["id"], name="champion")
    for version in ("v1", "v2"):
        await bring(tenant, encoded(line("Alias", version=version, name="champion")))
    kinds = [(revision, kind) for revision, kind, _ in await history(tenant, model["id"])]
    assert kinds == [(4, "MOVE"), (3, "MOVE"), (2, "REMOVAL"), (1, "MOVE")]
    aliases = "query($id: ID!) { node(id: $id) { ... on Model { aliases { nodes { revision version { label } } } } } }"
    (alias,) = (await tenant.client(aliases, id=model["id"]))["node"]["aliases"]["nodes"]
    assert alias == {"revision": 4, "version": {"label": "1.1"}}


async def test_the_plan_knows_where_an_alias_is_even_if_its_history_does_not(tenant: Tenant) -> None:
    first, second = (await Line.of(tenant, 2)).versions
    await tenant.client.make("setAlias", "alias", version=first, name="champion")
    async with tenant.database.change(tenant.org_id) as change:
        own = col(Alias.org_id) == tenant.org_id
        await change.execute(update(Alias).where(own).values(version_id=uuid_of(second), revision=2))
    query = """query($version: ID!) { version(by: {id: $version}) { promotionPlan(target: {alias: "champion"}) {
        revision displaces { id } } } }"""
    plan = (await tenant.client(query, version=first))["version"]["promotionPlan"]
    assert (plan["revision"], plan["displaces"]["id"]) == (2, second)
