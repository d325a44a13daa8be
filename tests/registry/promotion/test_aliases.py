"""Aliases: set, moved, raced and removed."""

import asyncio
from typing import Any

import pytest

from db.codes import Role
from db.session import Database
from tests.registry.told import events_about
from tests.stages import spoil
from tests.tenant import Client, GraphQLFailed, Tenant, uuid_of

ALIASES = "query($id: ID!) { node(id: $id) { ... on Model { aliases { nodes { name revision version { id } } } } } }"

PLAN = """query($version: ID!) { version(by: {id: $version}) { promotionPlan(target: {alias: "@champion"}) {
    isPossible obstacle isPermitted revision verdicts { message } } } }"""


async def point(tenant: Tenant, version: str, name: str = "champion", **given: object) -> str:
    return await tenant.client.make("setAlias", "alias", version=version, name=name, **given)


async def plan_of(tenant: Tenant, version: str, client: Client | None = None) -> dict[str, Any]:
    found: dict[str, Any] = (await (client or tenant.client)(PLAN, version=version))["version"]["promotionPlan"]
    return found


async def aliases_of(tenant: Tenant, model: str) -> dict[str, tuple[int, str]]:
    answer = await tenant.client(ALIASES, id=model)
    return {one["name"]: (one["revision"], one["version"]["id"]) for one in answer["node"]["aliases"]["nodes"]}


async def test_an_alias_is_set_and_moved_and_counts_its_moves(tenant: Tenant, database: Database) -> None:
    model = await tenant.model()
    first, second = await tenant.version(model), await tenant.version(model)

    alias = await point(tenant, first)
    assert await point(tenant, second, "@champion", expectedRevision=1) == alias
    assert await point(tenant, second) == alias

    assert await aliases_of(tenant, model) == {"champion": (2, second)}
    kinds = [event.kind for event in await events_about(database, tenant.org_id, uuid_of(alias))]
    assert kinds == ["alias.created", "alias.moved"]


async def test_an_alias_that_was_moved_meanwhile_is_not_moved_unseen(tenant: Tenant) -> None:
    model = await tenant.model()
    first, second = await tenant.version(model), await tenant.version(model)
    await point(tenant, first, expectedRevision=0)

    refused = await tenant.client.refusal("setAlias", "alias", version=second, name="champion", expectedRevision=0)

    assert (refused["code"], refused["path"]) == ("STALE_REVISION", ["expectedRevision"])
    assert await aliases_of(tenant, model) == {"champion": (1, first)}


async def test_whoever_knows_an_older_alias_is_told_its_revision_and_its_version(tenant: Tenant) -> None:
    model = await tenant.model()
    first, second = await tenant.version(model), await tenant.version(model)
    await point(tenant, first)
    request = await tenant.client.make("requestPromotion", "promotionRequest", version=second, alias="champion")
    known = {"expectedRevision": 7}
    for mutation, given in (
        ("setAlias", {"version": second, "name": "champion"}),
        ("removeAlias", {"model": model, "name": "champion"}),
        ("rollBackAlias", {"model": model, "name": "champion", "reason": "It forgets."}),
        ("requestPromotion", {"version": second, "alias": "champion"}),
        ("completePromotion", {"request": request}),
    ):
        title = mutation[0].upper() + mutation[1:]
        document = f"""mutation($input: {title}Input!) {{ {mutation}(input: $input) {{
            errors {{ ... on StaleRevisionError {{ code revision version {{ id }} }} }} }} }}"""
        (error,) = (await tenant.client(document, input=given | known))[mutation]["errors"]
        assert error == {"code": "STALE_REVISION", "revision": 1, "version": {"id": first}}, mutation


async def test_an_archived_version_gets_no_alias_and_one_that_has_it_keeps_it(tenant: Tenant) -> None:
    model = await tenant.model()
    first, second = await tenant.version(model), await tenant.version(model)
    alias = await point(tenant, first)
    asked = await tenant.client.make("requestPromotion", "promotionRequest", version=second, alias="champion")
    for version in (first, second):
        await tenant.client.make("archiveVersion", "transition", version=version)

    assert await point(tenant, first) == alias
    for mutation, row, given in (
        ("setAlias", "alias", {"name": "champion"}), ("requestPromotion", "promotionRequest", {"alias": "champion"}),
    ):  # fmt: skip
        refused = await tenant.client.refusal(mutation, row, version=second, **given)
        assert (refused["code"], refused["path"]) == ("CONFLICT", ["version"])
        assert refused["message"].startswith("This version is archived. Reactivate it first")
    state = "query($id: ID!) { node(id: $id) { ... on PromotionRequest { state } } }"
    assert (await tenant.client(state, id=asked))["node"] == {"state": "STALE"}
    assert await aliases_of(tenant, model) == {"champion": (1, first)}


async def test_nobody_asks_for_what_an_alias_points_at_already(tenant: Tenant) -> None:
    version = await tenant.version()
    await point(tenant, version)
    refused = await tenant.client.refusal("requestPromotion", "promotionRequest", version=version, alias="champion")
    assert (refused["code"], refused["path"]) == ("CONFLICT", ["version"])
    assert refused["message"] == "@champion points at this version already: there is nothing left to do."
    plan = await plan_of(tenant, version)
    assert (plan["isPossible"], plan["obstacle"]) == (False, refused["message"])


async def test_the_plan_of_an_alias_that_no_policy_protects_is_what_happens(tenant: Tenant) -> None:
    model, writer = await tenant.model(), await tenant.member(Role.WRITER)
    version, other = await tenant.version(model), await tenant.version(model)
    for one in (version, other):
        await spoil(tenant, one)

    plan = await plan_of(tenant, version, writer)
    request = await writer.make("requestPromotion", "promotionRequest", version=version, alias="champion")
    done = await writer.change("completePromotion", "promotionRequest { state }", request=request)
    await writer.make("setAlias", "alias", version=other, name="champion", expectedRevision=1)

    assert plan == {"isPossible": True, "obstacle": None, "isPermitted": True, "verdicts": [], "revision": 0}
    assert done["promotionRequest"] == {"state": "COMPLETED"}
    assert await aliases_of(tenant, model) == {"champion": (2, other)}
    await tenant.client.make("archiveVersion", "transition", version=version)
    assert (await plan_of(tenant, version, writer))["obstacle"].startswith("This version is archived.")


async def test_to_complete_a_request_for_a_protected_alias_takes_more_than_to_write(tenant: Tenant) -> None:
    version, writer = await tenant.version(), await tenant.member(Role.WRITER)
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", alias="champion", gates=[])
    request = await writer.make("requestPromotion", "promotionRequest", version=version, alias="champion")
    with pytest.raises(GraphQLFailed) as refused:
        await writer.change("completePromotion", "promotionRequest { id }", request=request)
    assert refused.value.code == "FORBIDDEN"
    assert (await plan_of(tenant, version, writer))["isPermitted"] is False


async def test_a_name_that_is_set_by_hand_completes_the_request_for_it(tenant: Tenant) -> None:
    version = await tenant.version()
    request = await tenant.client.make("requestPromotion", "promotionRequest", version=version, alias="champion")
    await point(tenant, version)
    asked = "query($id: ID!) { node(id: $id) { ... on PromotionRequest { state aliasRevision { revision } } } }"
    assert (await tenant.client(asked, id=request))["node"] == {"state": "COMPLETED", "aliasRevision": {"revision": 1}}


async def test_of_many_who_expect_the_same_revision_one_wins(tenant: Tenant) -> None:
    model = await tenant.model()
    versions = [await tenant.version(model) for _ in range(10)]

    payloads = await asyncio.gather(*[
        tenant.client.change("setAlias", "alias { id }", version=version, name="champion", expectedRevision=0)
        for version in versions
    ])  # fmt: skip

    won = [version for version, payload in zip(versions, payloads, strict=True) if not payload["errors"]]
    assert len(won) == 1
    assert await aliases_of(tenant, model) == {"champion": (1, won[0])}


async def test_a_removed_alias_can_be_set_again(tenant: Tenant, database: Database) -> None:
    model = await tenant.model()
    version = await tenant.version(model)
    alias = await point(tenant, version)

    await tenant.client.make("removeAlias", "model", model=model, name="@champion")
    gone = await aliases_of(tenant, model)
    again = await tenant.client.refusal("removeAlias", "model", model=model, name="champion")
    unseen = await tenant.client.refusal("setAlias", "alias", version=version, name="champion", expectedRevision=0)
    await point(tenant, version, expectedRevision=2)

    assert gone == {}
    assert unseen["code"] == "STALE_REVISION"
    assert await aliases_of(tenant, model) == {"champion": (3, version)}
    assert (again["code"], again["path"]) == ("NOT_FOUND", ["name"])
    removed = (await events_about(database, tenant.org_id, uuid_of(alias)))[-1]
    assert (removed.kind, removed.body["before"]["name"], removed.body["after"]) == ("alias.removed", "champion", None)


async def test_models_have_aliases_of_the_same_name(tenant: Tenant) -> None:
    first, second = await tenant.version(), await tenant.version()
    assert await point(tenant, first) != await point(tenant, second)


DISGUISED = ["@@champion", "@ @champion", " @@champion", "@@@champion", "@\u00a0@champion"]
ROWS = {"removeAlias": "model", "requestPromotion": "promotionRequest", "setPromotionPolicy": "promotionPolicy"}


@pytest.mark.parametrize("name", DISGUISED)
async def test_no_name_passes_for_the_protected_alias_of_another(tenant: Tenant, name: str) -> None:
    """Stored as `@champion`, it would be what clients ask for as `@champion`, and no policy would be for it."""
    model = await tenant.model()
    version = await tenant.version(model)
    given: dict[str, dict[str, Any]] = {
        "setAlias": {"version": version, "name": name},
        "removeAlias": {"model": model, "name": name},
        "rollBackAlias": {"model": model, "name": name, "reason": "It forgets."},
        "requestPromotion": {"version": version, "alias": name},
        "setPromotionPolicy": {"model": model, "alias": name, "gates": []},
    }
    for mutation, values in given.items():
        refused = await tenant.client.refusal(mutation, ROWS.get(mutation, "alias"), **values)
        path = "alias" if "alias" in values else "name"
        assert (refused["code"], refused["path"]) == ("INVALID_VALUE", [path]), mutation
        assert refused["message"] == "No alias begins with `@`. Write `champion` or `@champion`."
    plan = """query($version: ID!, $alias: String!) { version(by: {id: $version}) {
        promotionPlan(target: {alias: $alias}) { isPermitted } } }"""
    with pytest.raises(GraphQLFailed, match="No alias begins with `@`"):
        await tenant.client(plan, version=version, alias=name)


@pytest.mark.parametrize("name", ["production", "@Staging", "DEVELOPMENT", " archived "])
async def test_no_alias_is_called_as_a_stage(tenant: Tenant, name: str) -> None:
    model = await tenant.model()
    version = await tenant.version(model)
    given: dict[str, dict[str, Any]] = {
        "setAlias": {"version": version, "name": name},
        "rollBackAlias": {"model": model, "name": name, "reason": "It forgets."},
        "requestPromotion": {"version": version, "alias": name},
        "setPromotionPolicy": {"model": model, "alias": name, "gates": []},
    }
    for mutation, values in given.items():
        refused = await tenant.client.refusal(mutation, ROWS.get(mutation, "alias"), **values)
        path = "alias" if "alias" in values else "name"
        assert (refused["code"], refused["path"]) == ("INVALID_VALUE", [path]), mutation
        assert "is a stage, not an alias" in refused["message"]
    gone = await tenant.client.refusal("removeAlias", "model", model=model, name=name)
    assert gone["code"] == "NOT_FOUND"


async def test_aliases_are_filtered_with_or_without_their_at_sign(tenant: Tenant) -> None:
    model = await tenant.model()
    version = await tenant.version(model)
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=model, alias="@champion", gates=[])
    await tenant.client.make("setAlias", "alias", version=version, name="champion")
    await tenant.client.make("setAlias", "alias", version=version, name="candidate")
    await tenant.client.make(
        "requestPromotion", "promotionRequest", version=await tenant.version(model), alias="champion"
    )
    lists = {
        "versions": ("ModelVersionWhereInput", "alias"),
        "promotionPolicies": ("PromotionPolicyWhereInput", "alias"),
        "promotionRequests": ("PromotionRequestWhereInput", "alias"),
        "aliasHistory": ("AliasRevisionWhereInput", "name"),
    }
    conditions: list[dict[str, Any]] = [
        {"equals": "champion"},
        {"in": ["x", "champion"]},
        {"startsWith": "CHAMP"},
        {"contains": "champ"},
    ]
    for field, (kind, name) in lists.items():
        query = f"query($where: {kind}) {{ {field}(where: $where) {{ totalCount }} }}"
        for condition in conditions:
            at = {key: [f"@{one}" for one in value] if key == "in" else f"@{value}" for key, value in condition.items()}
            for asked in (condition, at):
                assert await tenant.client(query, where={name: asked}) == {field: {"totalCount": 1}}, (field, asked)
        with pytest.raises(GraphQLFailed) as refused:
            await tenant.client(query, where={name: {"equals": "@@champion"}})
        assert refused.value.code == "BAD_USER_INPUT"
