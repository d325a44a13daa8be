"""Aliases: set, moved, raced and removed."""

import asyncio

from db.session import Database
from tests.registry.told import events_about
from tests.tenant import Tenant, uuid_of

ALIASES = "query($id: ID!) { node(id: $id) { ... on Model { aliases { nodes { name revision version { id } } } } } }"


async def point(tenant: Tenant, version: str, name: str = "champion", **given: object) -> str:
    return await tenant.client.make("setAlias", "alias", version=version, name=name, **given)


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

    assert (refused["code"], refused["path"]) == ("CONFLICT", ["expectedRevision"])
    assert await aliases_of(tenant, model) == {"champion": (1, first)}


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
    await point(tenant, version, expectedRevision=0)

    assert gone == {}
    assert (again["code"], again["path"]) == ("NOT_FOUND", ["name"])
    removed = (await events_about(database, tenant.org_id, uuid_of(alias)))[-1]
    assert (removed.kind, removed.body["before"]["name"], removed.body["after"]) == ("alias.removed", "champion", None)


async def test_models_have_aliases_of_the_same_name(tenant: Tenant) -> None:
    first, second = await tenant.version(), await tenant.version()
    assert await point(tenant, first) != await point(tenant, second)
