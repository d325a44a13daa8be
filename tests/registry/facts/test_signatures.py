"""Signatures: kept once, checked field by field, and set once for each version."""

import asyncio
from typing import Any

import pytest

from db import tables
from db.codes import DataType
from registry.catalog import versions
from registry.facts.signatures import MAX_FIELDS, Signature, SignatureFeature, SignatureField, SignatureParameter, keep
from registry.kernel.errors import Conflict, InvalidValue
from registry.kernel.inputs import ParameterValue
from tests.registry.told import events_about
from tests.tenant import Tenant, uuid_of

AGE = SignatureField("age", DataType.INT64)
IMAGE = SignatureField("image", DataType.FLOAT32, shape=[-1, 28, 28])
FULL = Signature(
    inputs=[IMAGE, AGE],
    outputs=[SignatureField("class", DataType.STRING, description="Which digit.")],
    parameters=[SignatureParameter("top", DataType.INT32, default=ParameterValue(3))],
    features=[SignatureFeature("mean", DataType.FLOAT64, source="features.daily")],
)


async def kept(tenant: Tenant, signature: Signature) -> tables.Signature:
    async with tenant.database.change(tenant.org_id) as change:
        return await keep(change, tenant.actor, signature)


async def update(tenant: Tenant, version: str, **given: Any) -> tables.ModelVersion:
    async with tenant.database.change(tenant.org_id) as change:
        return await versions.update(change, tenant.actor, version_id=uuid_of(version), **given)


async def refused(tenant: Tenant, **given: Any) -> InvalidValue:
    with pytest.raises(InvalidValue) as refusal:
        await kept(tenant, Signature(**given))
    return refusal.value


async def test_the_same_signature_is_kept_once_and_told_once(tenant: Tenant) -> None:
    first, second = await kept(tenant, FULL), await kept(tenant, FULL)
    assert first.id == second.id
    assert second.inputs[0] == {
        "name": "image", "type": "FLOAT32", "shape": [-1, 28, 28], "required": True, "description": None,
    }  # fmt: skip
    assert [event.kind for event in await events_about(tenant.database, tenant.org_id, first.id)] == [
        "signature.created"
    ]


async def test_what_is_said_in_another_order_or_of_another_type_is_another_signature(tenant: Tenant) -> None:
    one = await kept(tenant, Signature(inputs=[AGE, IMAGE]))
    assert (await kept(tenant, Signature(inputs=[IMAGE, AGE]))).digest != one.digest
    assert (await kept(tenant, Signature(outputs=[AGE, IMAGE]))).digest != one.digest


async def test_names_that_look_the_same_are_the_same(tenant: Tenant) -> None:
    one = await kept(tenant, Signature(inputs=[SignatureField("größe", DataType.INT8)]))
    assert (await kept(tenant, Signature(inputs=[SignatureField(" gro\u0308ße", DataType.INT8)]))).id == one.id


async def test_signatures_kept_at_the_same_moment_are_one(tenant: Tenant) -> None:
    found = await asyncio.gather(*[kept(tenant, FULL) for _ in range(8)])
    assert len({row.id for row in found}) == 1


async def test_organizations_do_not_share_signatures(tenant: Tenant, neighbor: Tenant) -> None:
    own, theirs = await kept(tenant, FULL), await kept(neighbor, FULL)
    assert own.digest == theirs.digest
    assert own.id != theirs.id


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, ()),
        ({"inputs": [AGE, SignatureField("", DataType.INT8)]}, ("inputs", "1", "name")),
        ({"inputs": [AGE, SignatureField(" age", DataType.INT8)]}, ("inputs", "1", "name")),
        ({"outputs": [SignatureField("a\0", DataType.INT8)]}, ("outputs", "0", "name")),
        ({"outputs": [SignatureField("a", DataType.INT8, shape=[2, -2])]}, ("outputs", "0", "shape", "1")),
        ({"outputs": [SignatureField("a", DataType.INT8, shape=[2**31])]}, ("outputs", "0", "shape", "0")),
        ({"outputs": [SignatureField("a", DataType.INT8, shape=[1] * 33)]}, ("outputs", "0", "shape")),
        ({"inputs": [SignatureField("a", DataType.INT8, description="x" * 1001)]}, ("inputs", "0", "description")),
        ({"features": [SignatureFeature("a", DataType.INT8, source="x" * 2001)]}, ("features", "0", "source")),
        ({"inputs": [SignatureField(f"f{i}", DataType.INT8) for i in range(MAX_FIELDS + 1)]}, ("inputs",)),
    ],
)
async def test_a_signature_that_says_nonsense_is_refused_at_its_place(
    tenant: Tenant, given: dict[str, Any], path: tuple[str, ...]
) -> None:
    assert (await refused(tenant, **given)).path == ("signature", *path)


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        (DataType.INT8, "3"), (DataType.INT8, True), (DataType.INT8, 1.5), (DataType.FLOAT32, "x"),
        (DataType.BOOLEAN, 1), (DataType.STRING, 1), (DataType.STRING, False), (DataType.FLOAT64, float("nan")),
    ],
)  # fmt: skip
async def test_a_default_is_of_its_type(tenant: Tenant, type_: DataType, default: object) -> None:
    parameter = SignatureParameter("a", type_, default=ParameterValue(default))
    assert (await refused(tenant, parameters=[parameter])).path == ("signature", "parameters", "0", "default")


async def test_what_must_be_given_has_no_default(tenant: Tenant) -> None:
    parameter = SignatureParameter("a", DataType.INT8, default=ParameterValue(1), required=True)
    assert (await refused(tenant, parameters=[parameter])).path == ("signature", "parameters", "0", "default")


@pytest.mark.parametrize(
    ("type_", "default"),
    [(DataType.INT8, 3), (DataType.FLOAT16, 1), (DataType.BOOLEAN, False), (DataType.DATE, "2026"), (DataType.ANY, 1)],
)
async def test_a_default_that_is_of_its_type_is_kept(tenant: Tenant, type_: DataType, default: object) -> None:
    row = await kept(tenant, Signature(parameters=[SignatureParameter("a", type_, default=ParameterValue(default))]))
    assert row.parameters[0]["default"] == default


async def test_a_version_gets_its_signature_once(tenant: Tenant) -> None:
    version = await tenant.version()
    first = await update(tenant, version, signature=Signature(inputs=[AGE]))
    same = await update(tenant, version, signature=Signature(inputs=[AGE]), description="known")
    assert (same.signature_id, same.description) == (first.signature_id, "known")
    with pytest.raises(Conflict) as refusal:
        await update(tenant, version, signature=Signature(inputs=[IMAGE]), description="lost")
    assert refusal.value.path == ("signature",)
    assert (await update(tenant, version)).description == "known"


async def test_a_signature_is_seen_over_http_with_the_place_of_its_fault(tenant: Tenant) -> None:
    model = await tenant.model()
    signature = {"inputs": [{"name": "a", "type": "INT8"}, {"name": "a", "type": "INT8"}]}
    error = await tenant.client.refusal("createVersion", "version", model=model, label="1", signature=signature)
    assert error["path"] == ["signature", "inputs", "1", "name"]
    signature["inputs"][1]["name"] = "b"
    shown = "version { signature { inputs { name type shape required } outputs { name } versions { totalCount } } }"
    made = await tenant.client.change("createVersion", shown, model=model, label="1", signature=signature)
    assert made["version"]["signature"] == {
        "inputs": [{"name": name, "type": "INT8", "shape": None, "required": True} for name in "ab"],
        "outputs": [],
        "versions": {"totalCount": 1},
    }
