"""What a version is made of stays as it is once others rely on it, and what was changed since is not put back."""

from typing import Any

from tests.stages import Line
from tests.tenant import Tenant

FILE = {"kind": "MODEL", "uri": "s3://elsewhere/model"}
SIGNATURE = {"inputs": [{"name": "age", "type": "INT64"}]}


async def add(tenant: Tenant, version: str, path: str) -> str:
    """The id of a new file of a version, kept elsewhere."""
    return await tenant.client.make("createExternalArtifact", "artifact", version=version, path=path, **FILE)


async def outcomes(tenant: Tenant, version: str, here: str, deleted: str) -> set[str]:
    """How each way to change the contents of a version ends; it has a file, and had another one."""
    ways: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("createExternalArtifact", "artifact", {"version": version, "path": tenant.name(), **FILE}),
        ("deleteArtifact", "artifact", {"artifact": here}),
        ("restoreArtifact", "artifact", {"artifact": deleted}),
        ("updateVersion", "version", {"version": version, "signature": SIGNATURE}),
    )
    payloads = [await tenant.client.change(name, f"{row} {{ id }}", **given) for name, row, given in ways]
    return {payload["errors"][0]["code"] if payload["errors"] else "DONE" for payload in payloads}


async def test_what_is_or_was_in_production_takes_no_other_contents(tenant: Tenant) -> None:
    allow = {"to": "STAGING", "gates": [{"integrity": {"allowExternal": True}}]}
    for to in ("STAGING", "PRODUCTION"):
        await tenant.client.make("setPromotionPolicy", "promotionPolicy", **allow | {"to": to})
    line = await Line.of(tenant, 2)
    first, second = line.versions
    here, deleted = await add(tenant, first, "here"), await add(tenant, first, "deleted")
    await tenant.client.make("deleteArtifact", "artifact", artifact=deleted)
    await line.promote(first, "STAGING")
    await tenant.client.make("updateVersion", "version", version=first, runtime={"image": "slim"})
    await line.promote(first, "PRODUCTION")
    assert await outcomes(tenant, first, here, deleted) == {"CONFLICT"}
    await tenant.client.make("updateVersion", "version", version=first, description="what people say may change")
    await line.to_production(second)
    assert await outcomes(tenant, first, here, deleted) == {"CONFLICT"}, "displaced"
    await tenant.client.make("reactivateVersion", "transition", version=first)
    assert await outcomes(tenant, first, here, deleted) == {"CONFLICT"}, "in DEVELOPMENT again"


async def test_what_a_protected_alias_points_at_takes_no_other_contents_meanwhile(tenant: Tenant) -> None:
    line = await Line.of(tenant, 2)
    first, second = line.versions
    here, deleted = await add(tenant, first, "here"), await add(tenant, first, "deleted")
    await tenant.client.make("deleteArtifact", "artifact", artifact=deleted)
    await tenant.client.make("setAlias", "alias", version=first, name="champion")
    await add(tenant, first, "nobody protects the alias")
    gates = [{"integrity": {"allowExternal": True}}]
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=line.model, alias="champion", gates=gates)
    assert await outcomes(tenant, first, here, deleted) == {"CONFLICT"}
    await tenant.client.make("setAlias", "alias", version=second, name="champion")
    assert await outcomes(tenant, first, here, deleted) == {"DONE"}


async def test_what_was_changed_since_a_slot_took_it_is_not_put_back(tenant: Tenant) -> None:
    line = await Line.of(tenant, 3)
    first, second, third = line.versions
    await line.promote(first, "STAGING")
    await line.promote(second, "STAGING")
    await tenant.client.make("updateVersion", "version", version=second, runtime={"image": "slim"})
    await line.promote(third, "STAGING")
    for named in ({}, {"to": second}):
        (error,) = (await line.roll_back("STAGING", **named))["errors"]
        assert error["code"] == "CONFLICT"
        assert "has other contents than STAGING took" in error["message"]
    assert await line.put_back("STAGING", to=first) == first
