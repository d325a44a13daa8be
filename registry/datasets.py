"""Datasets and the exact versions of their data."""

import re
from typing import Annotated

from typing_extensions import Doc

from db.base import unique_key
from db.session import Change
from db.tables import Dataset, DatasetVersion, Project
from registry import inputs
from registry.access import Action, Actor, require
from registry.changes import add, find, find_by
from registry.errors import InvalidValue, NameTaken

_DIGEST = re.compile(r"[a-z0-9][a-z0-9.+-]{1,31}:[A-Za-z0-9+/=_-]{8,128}")


async def create(
    change: Change,
    actor: Actor,
    *,
    project_id: Annotated[inputs.ProjectId, Doc("Where it lives.")],
    name: Annotated[str, Doc(f"Unique in the project; 1 to {inputs.MAX_NAME} characters.")],
    description: Annotated[str | None, Doc("What is in it.")] = None,
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
        created_by=actor.principal_id,
    )
    taken = NameTaken("dataset", row.name, "project")
    return await add(change, actor, row, {unique_key(Dataset, "project_id", "name"): taken})


async def create_version(
    change: Change,
    actor: Actor,
    *,
    dataset_id: Annotated[inputs.DatasetId, Doc("Of which dataset.")],
    digest: Annotated[str, Doc("What identifies the data: algorithm and value, such as `sha256:2c26…`.")],
    source: Annotated[str | None, Doc("Where the data came from. Kept as text; never opened.")] = None,
    row_count: Annotated[inputs.BigInt | None, Doc("How many rows it has.")] = None,
) -> DatasetVersion:
    """The version of a dataset with this digest: a new one, or the one that is already known.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    # Locked, so that two clients that log the same data at once get the same version.
    dataset = await find(change, Dataset, dataset_id, "dataset", lock=True)
    require(actor, Action.WRITE, dataset)
    if not _DIGEST.fullmatch(digest):
        raise InvalidValue("A digest is an algorithm, a colon and a value, such as `sha256:2c26…`.", ("digest",))
    if row_count is not None and not 0 <= row_count <= inputs.MAX_STEP:
        raise InvalidValue("A dataset has no rows or more.", ("rowCount",))
    row = await find_by(change, DatasetVersion, dataset_id=dataset.id, digest=digest)
    if row is not None:
        return row
    row = DatasetVersion(
        org_id=change.org_id,
        dataset_id=dataset.id,
        digest=digest,
        source=inputs.text(source, ("source",), max_length=inputs.MAX_URI),
        row_count=row_count,
        created_by=actor.principal_id,
    )
    return await add(change, actor, row)
