"""Artifacts, their uploads and downloads."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import Parent

from db import tables
from db.codes import ArtifactKind, ArtifactState, UploadState
from registry.files import artifacts as rules, uploads
from registry.kernel.errors import Conflict, InvalidValue, NameTaken, NotFound, TooLarge, UploadIncomplete
from registry.kernel.inputs import BigInt
from resolvers.catalog import artifacts, upload_steps
from resolvers.context import Info
from resolvers.pages.paging import MAX_PAGE
from schema.building.batches import batch
from schema.building.deletion import delete, restore
from schema.building.edges import all_of, one, read
from schema.building.events import events_of
from schema.building.lookups import by_id
from schema.building.mutations import change
from schema.building.node import RowNode
from schema.types.interfaces import Authored, Deletable
from schema.types.tracking.values import DELETED_AT


@strawberry.type(description="Where to get the bytes of an artifact.")
class Download:
    """See `resolvers.catalog.artifacts.Download`."""

    url: str = strawberry.field(description="GET it from here; the answer carries name and media type.")
    expires_at: datetime = strawberry.field(description="When the URL stops working.")


@strawberry.type(description="A part of an upload and where to send it.")
class UploadPart:
    """See `resolvers.catalog.artifacts.UploadPart`."""

    number: int = strawberry.field(description="Its place in the file, from 1.")
    size_bytes: BigInt = strawberry.field(description="Exactly how many bytes to send.")
    url: str = strawberry.field(description="PUT the bytes here. Dead once the upload is completed.")
    expires_at: datetime = strawberry.field(description="When the URL stops working; ask for a new one then.")


async def _download(
    root: Parent[tables.Artifact],
    info: Info,
    expires_seconds: Annotated[
        int, strawberry.argument(description=f"For how many seconds the URL works, 1 to {artifacts.MAX_DOWNLOAD_S}.")
    ] = 300,
) -> artifacts.Download | None:
    return await artifacts.download(root, info.context, expires_seconds)


async def _parts(
    root: Parent[tables.Upload],
    info: Info,
    first: Annotated[int, strawberry.argument(description=f"How many parts, at most {MAX_PAGE}.")] = MAX_PAGE,
    after: Annotated[int, strawberry.argument(description="Only parts behind this number.")] = 0,
) -> list[artifacts.UploadPart]:
    return await artifacts.parts(root, info.context, after, first)


@strawberry.type(description="A file of a run or of a version.")
class Artifact(Deletable, Authored):
    """See `db.tables.Artifact`."""

    table = tables.Artifact

    path: str = strawberry.field(description="Its logical name, such as `plots/roc.png`; unique in its owner.")
    kind: ArtifactKind = strawberry.field(description="What it is for.")
    content_type: str = strawberry.field(description="Its media type.")
    size_bytes: BigInt | None = strawberry.field(description="How many bytes it has; of an external one, said to have.")
    sha256: str | None = strawberry.field(description="SHA-256 of its bytes; of an external one, said to be.")
    state: ArtifactState = strawberry.field(description="Whether its bytes can be relied on.")
    failure: str | None = strawberry.field(description="Why it was quarantined.")
    external_uri: str | None = strawberry.field(description="Where the bytes of an external one are: inert text.")
    verified_at: datetime | None = strawberry.field(description="When the stored bytes were read back and hashed.")
    created_at: datetime = strawberry.field(description="When it was announced.")
    deleted_at: datetime | None = strawberry.field(description=DELETED_AT)

    version = one(tables.ModelVersion, "version_id", description="The version it belongs to, if to one.")
    run = one(tables.Run, "run_id", description="The run it belongs to, if to one.")
    created_by = one(tables.Principal, "created_by", required=True, description="Who announced it.")
    upload = one(
        tables.Upload, "id", child_key="artifact_id",
        description="How its bytes come; null where they were here already or stay elsewhere.",
    )  # fmt: skip
    download = strawberry.field(
        _download, graphql_type=Download | None, description="Where to get its bytes; null unless it is AVAILABLE."
    )
    events = events_of(tables.Artifact)


@strawberry.type(description="The multipart upload that brings the bytes of an artifact.")
class Upload(RowNode):
    """See `db.tables.Upload`."""

    table = tables.Upload

    state: UploadState = strawberry.field(description="How far it has come.")
    part_size_bytes: BigInt = strawberry.field(description="The size of every part but the last, which has the rest.")
    part_count: int = strawberry.field(description="How many parts there are.")
    expires_at: datetime = strawberry.field(description="When it is given up unless completed.")
    created_at: datetime = strawberry.field(description="When it was opened.")

    parts = strawberry.field(
        _parts,
        # Nullable, so that the refusal takes nothing else from the answer.
        graphql_type=list[UploadPart] | None,
        description="Its parts with fresh URLs, in order; empty unless it is OPEN. Only for who may write.",
    )
    events = events_of(tables.Upload)


@strawberry.type
class ArtifactQuery:
    """The reads of artifacts."""

    artifact = read(by_id(tables.Artifact), Artifact | None, description="An artifact by id.")
    artifacts = all_of(tables.Artifact, description="All files of all runs and versions, newest first.")


@strawberry.type
class ArtifactMutation:
    """The changes of artifacts and uploads."""

    create_upload = change(
        rules.begin_upload, tables.Artifact,
        errors=[NotFound, InvalidValue, NameTaken, Conflict, TooLarge],
        description="Announces a file, or goes on with an upload when the same file is announced again. Send its parts"
        " to `artifact.upload.parts`, unless its bytes are there already: within the organization, who may write and"
        " knows the SHA-256 of a file can obtain its bytes.",
        supply=lambda services: {"shelves": services.shelves},
        after=upload_steps.start_upload,
    )  # fmt: skip
    create_uploads = batch(
        create_upload,
        ordered_by=("version_id", "run_id", "path"),
        after=upload_steps.start_uploads,
        description="Announces files.",
    )
    complete_upload = change(
        uploads.complete, tables.Artifact,
        errors=[NotFound, InvalidValue, Conflict, UploadIncomplete],
        description="Joins the parts and has the bytes verified. The artifact is AVAILABLE once a worker has done so.",
        before=("artifact_id", upload_steps.join_parts),
    )  # fmt: skip
    abort_upload = change(
        uploads.abort, tables.Artifact,
        errors=[NotFound, InvalidValue, Conflict], description="Gives up an upload and frees its path.",
    )  # fmt: skip
    create_external_artifact = change(
        rules.add_external, tables.Artifact,
        errors=[NotFound, InvalidValue, NameTaken, Conflict],
        description="Notes a file whose bytes stay elsewhere, unverified. Its URI is never opened.",
    )  # fmt: skip
    delete_artifact = delete(
        tables.Artifact,
        description="Deletes an artifact whose bytes have come, unless its version is in service. Its path is free from"
        " then on.",
    )  # fmt: skip
    restore_artifact = restore(tables.Artifact)
