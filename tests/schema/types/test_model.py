"""A model shows its slots, its latest version, and one version by label, number or alias."""

from typing import Any

import pytest

from tests.stages import Line
from tests.tenant import GraphQLFailed, Tenant

SLOTS = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on Model {
    production { ...Shown } staging { ...Shown } latestVersion { id } } } }
    fragment Shown on StageSlot { stage revision updatedAt model { id } version { id } transition { kind } }"""
VERSION = """query($id: ID!, $label: String, $number: Int, $alias: String) { node(id: $id) { ... on Model {
    version(label: $label, number: $number, alias: $alias) { id } } } }"""


def empty(model: str, stage: str, **more: Any) -> dict[str, Any]:
    nothing = {"revision": 0, "updatedAt": None, "version": None, "transition": None}
    return {"stage": stage, "model": {"id": model}, **nothing, **more}


async def test_slots_are_never_null_also_side_by_side_with_models_that_have_them(tenant: Tenant) -> None:
    lines = [await Line.of(tenant, count) for count in (0, 1, 2)]
    await lines[1].promote(lines[1].versions[0], "STAGING")
    fresh, staged, other = (await tenant.client(SLOTS, ids=[line.model for line in lines]))["nodes"]
    for line, shown in ((lines[0], fresh), (lines[2], other)):
        assert shown["production"] == empty(line.model, "PRODUCTION")
        assert shown["staging"] == empty(line.model, "STAGING")
    assert staged["production"] == empty(lines[1].model, "PRODUCTION"), (
        "its row exists, since its stages are locked together"
    )
    assert staged["staging"]["updatedAt"]
    assert staged["staging"] | {"updatedAt": None} == empty(
        lines[1].model, "STAGING", revision=1, version={"id": lines[1].versions[0]}, transition={"kind": "PROMOTION"}
    )
    assert [one["latestVersion"] and one["latestVersion"]["id"] for one in (fresh, staged, other)] == [
        None, lines[1].versions[0], lines[2].versions[1],
    ]  # fmt: skip


async def test_a_deleted_version_is_not_the_latest_and_not_found_by_its_names(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    await tenant.client.make("deleteVersion", "version", version=line.versions[1])
    (shown,) = (await tenant.client(SLOTS, ids=[line.model]))["nodes"]
    assert shown["latestVersion"] == {"id": line.versions[0]}
    assert (await tenant.client(VERSION, id=line.model, number=2))["node"]["version"] is None
    assert (await tenant.client(VERSION, id=line.model, number=1))["node"]["version"] == {"id": line.versions[0]}


async def test_a_version_is_found_by_label_number_or_alias_in_its_own_model_alone(tenant: Tenant) -> None:
    model, other = await tenant.model(), await tenant.model()
    first = await tenant.version(model, label="1.0.0 é")
    second = await tenant.version(model, label="2.0.0")
    await tenant.version(other, label="3.0.0")
    await tenant.client.make("setAlias", "alias", version=first, name="champion")
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"label": " 1.0.0 e\u0301 "}, first), ({"label": "2.0.0"}, second), ({"label": "3.0.0"}, None),
        ({"number": 2}, second), ({"number": 3}, None), ({"number": -(2**31)}, None),
        ({"alias": "champion"}, first), ({"alias": "@champion"}, first), ({"alias": "challenger"}, None),
    ]  # fmt: skip
    for given, found in cases:
        answer = (await tenant.client(VERSION, id=model, **given))["node"]["version"]
        assert answer == (found and {"id": found}), given
    assert (await tenant.client(VERSION, id=other, alias="champion"))["node"]["version"] is None


@pytest.mark.parametrize("given", [{}, {"label": None}, {"label": "1", "number": 1}, {"number": 1, "alias": "a"}])
async def test_a_version_that_is_named_in_no_way_or_in_two_is_refused(tenant: Tenant, given: dict[str, Any]) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(VERSION, id=await tenant.model(), **given)
    assert refused.value.code == "BAD_USER_INPUT"
    assert "exactly one" in str(refused.value)
