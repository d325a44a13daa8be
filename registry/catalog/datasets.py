"""Datasets and the exact versions of their data."""

import re
from collections.abc import Sequence
from typing import Annotated

from typing_extensions import Doc

from db.base import unique_key
from db.session import Change
from db.tables import Dataset, DatasetVersion, Project
from registry.facts import dataset_facts
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import InvalidValue, NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.rows import add, alter, find, find_by

NAME_KEY = unique_key(Dataset, "project_id", "name")
_DIGEST = re.compile(r"[a-z0-9][a-z0-9.+-]{1,31}:[A-Za-z0-9+/=_-]{8,128}")


async def create(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId, Doc("Where it lives.")],
    name: Annotated[str, Doc(f"Unique in the project; 1 to {inputs.MAX_NAME} characters.")],
    description: Annotated[str | None, Doc("What is in it.")] = None,
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
) -> Dataset:
    """A new dataset, without versions.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    project = await find(change, Project, project_id, "project")
    require(actor, Action.WRITE, project)
    row = Dataset(
        org_id=change.org_id,
        project_id=project.id,
        name=inputs.name(name),
        description=inputs.text(description, ("description",)),
        tags=inputs.tags(tags),
        created_by=actor.principal_id,
    )
    return await add(change, actor, row, {NAME_KEY: NameTaken("dataset", row.name, "project")})


async def update(
    change: Change,
    actor: Actor,
    *,
    dataset_id: Annotated[inputs.DatasetId, Doc("Which one.")],
    name: Annotated[str | Keep, Doc("A new name.")] = KEEP,
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
) -> Dataset:
    """Change what people say about a dataset. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    dataset = await find(change, Dataset, dataset_id, "dataset", lock=True)
    require(actor, Action.WRITE, dataset)
    values = inputs.description_of(name, description, tags)
    taken = {NAME_KEY: NameTaken("dataset", str(values.get("name")), "project")}
    return await alter(change, actor, dataset, values, taken=taken)


async def create_version(
    change: Change,
    actor: Actor,
    *,
    dataset_id: Annotated[inputs.DatasetId, Doc("Of which dataset.")],
    digest: Annotated[
        str,
        Doc(
            "What identifies the data: algorithm and value, such as `sha256:2c26…`; the value has 8 to 128 characters."
        ),
    ],
    source: Annotated[str | None, Doc("Where the data came from. Kept as text; never opened.")] = None,
    row_count: Annotated[inputs.BigInt | None, Doc("How many rows it has.")] = None,
    description: Annotated[str | None, Doc("What is new in it.")] = None,
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
    schema: Annotated[dataset_facts.DatasetSchema | None, Doc("Which columns it has.")] = None,
    profile: Annotated[dataset_facts.DatasetProfile | None, Doc("What was counted in it.")] = None,
) -> DatasetVersion:
    """The version of a dataset with this digest: a new one, or the one that is already known.

    One that is known gets the schema where it has none and the profile; all else of it stays.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    # Locked, so that two clients that log the same data at once get the same version.
    dataset = await find(change, Dataset, dataset_id, "dataset", lock=True)
    require(actor, Action.WRITE, dataset)
    check_digest(digest)
    if row_count is not None and not 0 <= row_count <= inputs.MAX_STEP:
        raise InvalidValue("A dataset has no rows or more.", ("rowCount",))
    row = await find_by(change, DatasetVersion, dataset_id=dataset.id, digest=digest)
    if row is not None:
        return await _completed(change, actor, row, schema, profile)
    row = DatasetVersion(
        org_id=change.org_id,
        dataset_id=dataset.id,
        digest=digest,
        source=inputs.text(source, ("source",), max_length=inputs.MAX_URI),
        row_count=row_count,
        description=inputs.text(description, ("description",)),
        tags=inputs.tags(tags),
        schema_id=None if schema is None else (await dataset_facts.keep(change, actor, schema)).id,
        created_by=actor.principal_id,
    )
    await add(change, actor, row)
    if profile is not None:
        await dataset_facts.put_profile(change, actor, row, profile)
    return row


def check_digest(digest: str) -> str:
    """The digest of data, as it is. Raises: InvalidValue."""
    if not _DIGEST.fullmatch(digest):
        raise InvalidValue("A digest is an algorithm, a colon and a value, such as `sha256:2c26…`.", ("digest",))
    return digest


async def _completed(
    change: Change,
    actor: Actor,
    version: DatasetVersion,
    schema: dataset_facts.DatasetSchema | None,
    profile: dataset_facts.DatasetProfile | None,
) -> DatasetVersion:
    version = await find(change, DatasetVersion, version.id, "digest", lock=True)
    if schema is not None:
        kept = await dataset_facts.keep(change, actor, schema)
        await alter(change, actor, version, {"schema_id": version.schema_id or kept.id})
    if profile is not None:
        await dataset_facts.put_profile(change, actor, version, profile)
    return version


async def update_version(
    change: Change,
    actor: Actor,
    *,
    dataset_version_id: Annotated[inputs.DatasetVersionId, Doc("Which one.")],
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
) -> DatasetVersion:
    """Change what people say about a dataset version. What is not given stays.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    version = await find(change, DatasetVersion, dataset_version_id, "datasetVersion", lock=True)
    require(actor, Action.WRITE, version)
    return await alter(change, actor, version, inputs.description_of(KEEP, description, tags))
