"""Whether the files of a version are all there and right, as it is shown, filtered by and gated on."""

import pytest
from sqlalchemy import insert

from db.codes import ArtifactState
from db.session import Database
from db.tables import Artifact
from tests.tenant import Tenant, uuid_of

BROKEN, PENDING, READY = "BROKEN", "PENDING", "READY"
STATUS = "query($id: ID!) { node(id: $id) { ... on ModelVersion { status } } }"
PLAN = """query($version: ID!) { version(by: {id: $version}) { promotionPlan(target: {stage: STAGING}) {
    verdicts { gate { __typename } outcome } } } }"""
CASES: list[tuple[list[tuple[str, str]], str]] = [
    ([], READY),
    ([("a", "AVAILABLE"), ("b", "EXTERNAL")], READY),
    ([("a", "ABANDONED")], READY),
    ([("a", "AVAILABLE"), ("b", "PENDING")], PENDING),
    ([("a", "VERIFYING")], PENDING),
    ([("a", "QUARANTINED")], BROKEN),
    ([("a", "QUARANTINED"), ("b", "PENDING")], BROKEN),
    ([("a", "QUARANTINED"), ("b", "AVAILABLE")], BROKEN),
    # Sent again under the same path, and found right; not yet, where it is still on its way.
    ([("a", "QUARANTINED"), ("a", "AVAILABLE")], READY),
    ([("a", "QUARANTINED"), ("a", "VERIFYING")], BROKEN),
    ([("a", "QUARANTINED"), ("a", "QUARANTINED"), ("a", "AVAILABLE"), ("b", "PENDING")], PENDING),
]


async def version_with(tenant: Tenant, database: Database, files: list[tuple[str, str]]) -> str:
    """A version with files at these paths in these states, and a deleted one that was wrong."""
    version = await tenant.version()
    shared = {"org_id": tenant.org_id, "version_id": uuid_of(version), "kind": "MODEL", "content_type": "x/y",
              "created_by": tenant.actor.principal_id}  # fmt: skip
    async with database.change(tenant.org_id) as change:
        for path, state in files:
            named = {"path": path, "folded_path": path, "state": ArtifactState(state)}
            await change.execute(insert(Artifact).values(**shared, **named))
    dropped = {"version": version, "kind": "OTHER", "path": "dropped", "uri": "s3://x/y"}
    artifact = await tenant.client.make("createExternalArtifact", "artifact", **dropped)
    await tenant.client.make("deleteArtifact", "artifact", artifact=artifact)
    async with database.change(tenant.org_id) as change:
        (await change.get_one(Artifact, (tenant.org_id, uuid_of(artifact)))).state = ArtifactState.QUARANTINED
    return version


@pytest.mark.parametrize(("files", "status"), CASES)
async def test_a_version_tells_whether_its_files_are_all_there_and_right(
    tenant: Tenant, database: Database, files: list[tuple[str, str]], status: str
) -> None:
    version = await version_with(tenant, database, files)
    assert (await tenant.client(STATUS, id=version))["node"] == {"status": status}
    listed = "query($where: ModelVersionWhereInput) { versions(where: $where) { nodes { id } } }"
    for wanted in (BROKEN, PENDING, READY):
        shown = (await tenant.client(listed, where={"status": wanted}))["versions"]["nodes"]
        assert shown == ([{"id": version}] if wanted == status else [])
    everything = (await tenant.client(listed, where={"status": [BROKEN, PENDING, READY]}))["versions"]["nodes"]
    assert everything == [{"id": version}]
    gates = [{"integrity": {"allowExternal": True}}]
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", to="STAGING", gates=gates)
    (verdict,) = (await tenant.client(PLAN, version=version))["version"]["promotionPlan"]["verdicts"]
    outcome = {READY: "PASSED", PENDING: "WAITING", BROKEN: "FAILED"}[status]
    assert verdict == {"gate": {"__typename": "Integrity"}, "outcome": outcome}
