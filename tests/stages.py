"""A model whose versions go from stage to stage, for tests that look at what became of them."""

from dataclasses import dataclass, field
from typing import Any

from db.codes import ArtifactKind, ArtifactState
from db.tables import Artifact
from tests.tenant import Client, Tenant, uuid_of

STAGES = """query($id: ID!) { node(id: $id) { ... on Model {
    staging { stage revision version { id } } production { stage revision version { id } }
    versions(last: 100) { nodes { id stage slot { stage } } } } } }"""

EMPTY_SLOTS = {"STAGING": (0, None), "PRODUCTION": (0, None)}
"""The slots of a model of which no version was promoted."""


async def spoil(tenant: Tenant, version: str) -> None:
    """Give a version a file that nobody here has read, which the graph allows no more once it was in PRODUCTION."""
    async with tenant.database.change(tenant.org_id) as change:
        change.add(
            Artifact(
                org_id=tenant.org_id, version_id=uuid_of(version), kind=ArtifactKind.MODEL, path="m", folded_path="m",
                content_type="application/octet-stream", state=ArtifactState.EXTERNAL, external_uri="s3://elsewhere/m",
                created_by=tenant.actor.principal_id,
            )
        )  # fmt: skip


@dataclass
class Line:
    """A model and its versions, oldest first. Whoever moves one knows the slots."""

    tenant: Tenant
    model: str
    versions: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, tenant: Tenant, count: int) -> "Line":
        """A new model with so many versions."""
        model = await tenant.model()
        return cls(tenant, model, [await tenant.version(model) for _ in range(count)])

    async def slots(self) -> dict[str, tuple[int, str | None]]:
        """By stage the revision and what the slot holds. Fails where slots and stages of versions disagree."""
        model = (await self.tenant.client(STAGES, id=self.model))["node"]
        slots = [model["staging"], model["production"]]
        held = {slot["stage"]: slot["version"] and slot["version"]["id"] for slot in slots}
        for version in model["versions"]["nodes"]:
            in_slot = version["slot"] and version["slot"]["stage"]
            stage = version["stage"] if version["stage"] in ("STAGING", "PRODUCTION") else None
            assert in_slot == stage, "a version is in the slot of its stage and in no other"
            assert stage is None or held[stage] == version["id"]
        return {slot["stage"]: (slot["revision"], held[slot["stage"]]) for slot in slots}

    async def revision(self, stage: str) -> int:
        """What `expectedRevision` is to be."""
        return (await self.slots()).get(stage, (0, None))[0]

    async def stages(self) -> list[str]:
        """The stages of its versions, oldest first."""
        model = (await self.tenant.client(STAGES, id=self.model))["node"]
        return [version["stage"] for version in model["versions"]["nodes"]][::-1]

    async def promote(self, version: str, to: str, client: Client | None = None, **given: Any) -> str:
        """The id of the transition."""
        values = {"version": version, "to": to, "expectedRevision": await self.revision(to), **given}
        return await (client or self.tenant.client).make("promoteVersion", "transition", **values)

    async def to_production(self, *versions: str) -> None:
        """One after the other, by way of STAGING."""
        for version in versions:
            await self.promote(version, "STAGING")
            await self.promote(version, "PRODUCTION")

    async def roll_back(self, stage: str = "PRODUCTION", **given: Any) -> dict[str, Any]:
        """The payload of a rollback."""
        values = {"model": self.model, "stage": stage, "reason": "It forgets.", **given}
        values.setdefault("expectedRevision", await self.revision(stage))
        selection = "transition { kind toStage reason version { id } undone { version { id } } }"
        return await self.tenant.client.change("rollBackModel", selection, **values)

    async def put_back(self, stage: str = "PRODUCTION", **given: Any) -> str:
        """The version that a rollback put back."""
        payload = await self.roll_back(stage, **given)
        assert payload["errors"] == []
        version: str = payload["transition"]["version"]["id"]
        return version
