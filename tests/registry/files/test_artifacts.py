"""Artifacts: their paths and owners, what they announce, where bytes go, and those whose bytes stay elsewhere."""

import unicodedata
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from db.codes import ArtifactKind, ArtifactState, UploadState
from db.session import Database
from db.tables import Artifact, Upload
from registry.files import artifacts, uploads
from registry.files.artifacts import clean_path
from registry.files.shelves import Shelves
from registry.kernel.errors import InvalidValue, NameTaken, NotFound, RegistryError, TooLarge
from registry.kernel.inputs import MAX_URI, BigInt
from tests.tenant import Tenant, uuid_of

SHELVES = Shelves("models", "artifacts", 1_000)
SHA256 = "ab" * 32


async def begin(tenant: Tenant, **given: Any) -> Artifact:
    values = {"path": "a.bin", "kind": ArtifactKind.MODEL, "sha256": SHA256, "size_bytes": BigInt(5), **given}
    async with tenant.database.change(tenant.org_id) as change:
        return await artifacts.begin_upload(change, tenant.actor, shelves=SHELVES, **values)


async def keep_elsewhere(tenant: Tenant, **given: Any) -> Artifact:
    values = {"path": "a.bin", "kind": ArtifactKind.MODEL, "uri": "s3://elsewhere/a.bin", **given}
    async with tenant.database.change(tenant.org_id) as change:
        return await artifacts.add_external(change, tenant.actor, **values)


async def upload_of(database: Database, artifact: Artifact) -> Upload:
    async with database.change(artifact.org_id) as change:
        found = await change.execute(select(Upload).where(col(Upload.artifact_id) == artifact.id))
        return found.scalar_one()


async def refused(tenant: Tenant, failure: type[RegistryError], **given: Any) -> RegistryError:
    with pytest.raises(failure) as raised:
        await begin(tenant, **given)
    return raised.value


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "./a",
        "a/./b",
        "..\\a",
        "a\\b",
        "C:/a",
        "file:a",
        " a",
        "a ",
        "a/ b",
        "a\u00a0",
        "a\x00b",
        "a\nb",
        "a\x7f",
        "a\u0085b",
        "a\u2028b",
        "safe\u202egpj.exe",
        "a\u200bb",
        "\ufeffa",
        "a\ud800b",
    ],
)
def test_a_path_that_could_lead_elsewhere_or_lie_is_refused(path: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        clean_path(path)
    assert refusal.value.path == ("path",)


@pytest.mark.parametrize(
    "path", ["a", "a/b/c.txt", "...", "..a", "a..", "größe/模型.bin", "%2e%2e/a", "~root", "a b", "-rf", "𝔪odel"]
)
def test_an_unusual_path_is_kept_as_it_is(path: str) -> None:
    assert clean_path(path) == path


def test_a_path_is_measured_in_bytes() -> None:
    assert clean_path("ü" * 127)
    assert clean_path("/".join(["a" * 255] * 4))
    for path in ("ü" * 128, "/".join(["a" * 204] * 5) + "/aaaaa", "/".join(["ü" * 127] * 5)):
        with pytest.raises(InvalidValue, match="bytes"):
            clean_path(path)


def test_a_path_is_measured_in_the_form_it_is_kept_in() -> None:
    assert clean_path(unicodedata.normalize("NFD", "ü" * 127)) == "ü" * 127


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Model.bin", "model.BIN"),
        ("Straße", "STRASSE"),
        ("ü", unicodedata.normalize("NFD", "Ü")),
        ("ſ", "s"),
        ("Σ/ς", "σ/σ"),
    ],
)
async def test_paths_that_some_file_system_holds_for_the_same_collide(tenant: Tenant, first: str, second: str) -> None:
    run = uuid_of(await tenant.run())
    await begin(tenant, run_id=run, path=first)

    failure = await refused(tenant, NameTaken, run_id=run, path=second)

    assert isinstance(failure, NameTaken)
    assert failure.path == ("path",)


async def test_a_path_in_another_normal_form_is_the_same_upload(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    first = await begin(tenant, run_id=run, path="ü")

    again = await begin(tenant, run_id=run, path=unicodedata.normalize("NFD", "ü"))

    assert again.id == first.id


async def test_the_longest_path_fits_its_index_also_where_folding_makes_it_longer(tenant: Tenant) -> None:
    path = "/".join(["ᾀ" * 85] * 4)
    assert len(path.encode()) > 1_000

    artifact = await begin(tenant, run_id=uuid_of(await tenant.run()), path=path)

    assert len(artifact.folded_path.encode()) > len(path.encode())


async def test_each_owner_has_paths_of_its_own(tenant: Tenant) -> None:
    run, other, version = (
        uuid_of(await tenant.run()),
        uuid_of(await tenant.run()),
        uuid_of(await tenant.version()),
    )

    made = [await begin(tenant, **owner) for owner in ({"run_id": run}, {"run_id": other}, {"version_id": version})]

    assert len({artifact.id for artifact in made}) == 3


async def test_an_artifact_has_exactly_one_owner(tenant: Tenant) -> None:
    run, version = uuid_of(await tenant.run()), uuid_of(await tenant.version())
    await refused(tenant, InvalidValue)
    await refused(tenant, InvalidValue, run_id=run, version_id=version)


async def test_an_owner_of_another_organization_does_not_exist(tenant: Tenant, neighbor: Tenant) -> None:
    run, version = uuid_of(await neighbor.run()), uuid_of(await neighbor.version())
    foreign = await refused(tenant, NotFound, run_id=run)
    await refused(tenant, NotFound, version_id=version)
    assert str(foreign) == str(await refused(tenant, NotFound, run_id=uuid4()))


async def test_a_digest_in_capitals_is_the_same_digest(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    first = await begin(tenant, run_id=run)
    again = await begin(tenant, run_id=run, sha256=SHA256.upper())
    assert (again.id, again.sha256) == (first.id, SHA256)


@pytest.mark.parametrize("sha256", ["", "ab", "g" * 64, "a" * 63, "a" * 65, SHA256 + "\n", " " + SHA256[1:], "١" * 64])
async def test_what_is_no_digest_is_refused(tenant: Tenant, sha256: str) -> None:
    failure = await refused(tenant, InvalidValue, run_id=uuid_of(await tenant.run()), sha256=sha256)
    assert isinstance(failure, InvalidValue)
    assert failure.path == ("sha256",)


async def test_a_size_is_none_or_more_and_at_most_the_limit(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    await refused(tenant, InvalidValue, run_id=run, size_bytes=BigInt(-1))
    too_large = await refused(tenant, TooLarge, run_id=run, size_bytes=BigInt(SHELVES.max_size_bytes + 1))
    assert isinstance(too_large, TooLarge)
    assert too_large.limit_bytes == SHELVES.max_size_bytes

    for size_bytes in (0, SHELVES.max_size_bytes):
        artifact = await begin(tenant, run_id=run, path=f"{size_bytes}", size_bytes=BigInt(size_bytes))
        assert artifact.size_bytes == size_bytes


@pytest.mark.parametrize("kind", ArtifactKind)
async def test_models_and_checkpoints_go_to_the_bucket_of_models(tenant: Tenant, kind: ArtifactKind) -> None:
    artifact = await begin(tenant, run_id=uuid_of(await tenant.run()), kind=kind)
    upload = await upload_of(tenant.database, artifact)
    assert upload.bucket == ("models" if kind in ("MODEL", "CHECKPOINT") else "artifacts")


async def test_a_key_holds_identifiers_and_the_digest_only(tenant: Tenant) -> None:
    artifact = await begin(tenant, run_id=uuid_of(await tenant.run()), path="secret plan/größe.bin")
    upload = await upload_of(tenant.database, artifact)
    assert upload.object_key == f"org/{tenant.org_id}/blob/{SHA256}/{upload.id}"


async def test_another_file_at_the_same_path_is_refused(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    await begin(tenant, run_id=run)
    await refused(tenant, NameTaken, run_id=run, sha256="cd" * 32)
    await refused(tenant, NameTaken, run_id=run, size_bytes=BigInt(6))


@pytest.mark.parametrize("state", [ArtifactState.QUARANTINED, ArtifactState.ABANDONED])
async def test_a_failed_artifact_lets_go_of_its_path(tenant: Tenant, state: ArtifactState) -> None:
    run = uuid_of(await tenant.run())
    failed = await begin(tenant, run_id=run)
    async with tenant.database.change(tenant.org_id) as change:
        (await change.get_one(Artifact, (tenant.org_id, failed.id))).state = state

    again = await begin(tenant, run_id=run)

    assert again.id != failed.id
    assert again.state == ArtifactState.PENDING


async def test_an_active_media_type_is_not_kept(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    page = await begin(tenant, run_id=run, path="a", content_type="text/html; charset=utf-8")
    table = await begin(tenant, run_id=run, path="b", content_type="Text/CSV; header=present")
    assert (page.content_type, table.content_type) == ("application/octet-stream", "text/csv")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/key with space",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "data:text/html,<script>",
        "s3://b/" + unicodedata.normalize("NFD", "größe"),
    ],
)
async def test_the_address_of_bytes_elsewhere_is_kept_to_the_letter(tenant: Tenant, uri: str) -> None:
    artifact = await keep_elsewhere(tenant, run_id=uuid_of(await tenant.run()), uri=uri)
    assert (artifact.state, artifact.external_uri) == (ArtifactState.EXTERNAL, uri)


@pytest.mark.parametrize(
    "uri", ["", " ", " s3://b/k", "s3://b/k\n", "s3://b/\x00", "s3://b/\u202e", "a" * (MAX_URI + 1)]
)
async def test_an_address_that_cannot_be_meant_is_refused(tenant: Tenant, uri: str) -> None:
    run = uuid_of(await tenant.run())
    with pytest.raises(InvalidValue) as refusal:
        await keep_elsewhere(tenant, run_id=run, uri=uri)
    assert refusal.value.path == ("uri",)


async def test_what_is_said_of_bytes_elsewhere_is_checked_for_its_form_only(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    artifact = await keep_elsewhere(tenant, run_id=run, sha256=SHA256.upper(), size_bytes=BigInt(10**15))
    assert (artifact.sha256, artifact.size_bytes, artifact.verified_at) == (SHA256, 10**15, None)
    for given in ({"sha256": "x"}, {"size_bytes": BigInt(-1)}):
        with pytest.raises(InvalidValue):
            await keep_elsewhere(tenant, run_id=run, path="other", **given)


async def test_bytes_elsewhere_are_never_taken_for_an_upload(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run())
    await keep_elsewhere(tenant, run_id=run, sha256=SHA256, size_bytes=BigInt(5))
    await refused(tenant, NameTaken, run_id=run)
    with pytest.raises(NameTaken):
        await keep_elsewhere(tenant, run_id=run)


async def test_giving_up_is_told_in_the_rows(tenant: Tenant) -> None:
    artifact = await begin(tenant, run_id=uuid_of(await tenant.run()))
    async with tenant.database.change(tenant.org_id) as change:
        given_up = await uploads.abort(change, tenant.actor, artifact_id=artifact.id)
    assert given_up.state == ArtifactState.ABANDONED
    assert (await upload_of(tenant.database, artifact)).state == UploadState.ABORTED
