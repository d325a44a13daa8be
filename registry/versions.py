"""Versions: what a model was at one time, where it came from and what was measured of it."""

from collections.abc import Sequence
from typing import Annotated

from typing_extensions import Doc

from db.base import unique_key
from db.codes import LineageKind
from db.session import Change
from db.tables import Model, Run, Version
from registry import inputs, lineage, metrics as metric_points
from registry.access import Action, Actor, require
from registry.changes import add, find, flush
from registry.errors import NameTaken

LABEL_KEY = unique_key(Version, "model_id", "label")


async def create(
    change: Change,
    actor: Actor,
    *,
    model_id: Annotated[inputs.ModelId, Doc("Of which model.")],
    label: Annotated[str, Doc(f"Such as `1.4.0`; unique in the model, 1 to {inputs.MAX_LABEL} characters.")],
    description: Annotated[str | None, Doc("What is new, in Markdown.")] = None,
    run_id: Annotated[inputs.RunId | None, Doc("The run that produced it.")] = None,
    base_version_id: Annotated[inputs.VersionId | None, Doc("The version it was made from, of any model.")] = None,
    parameters: Annotated[Sequence[inputs.Parameter], Doc("Its settings.")] = (),
    metrics: Annotated[Sequence[inputs.Metric], Doc(f"What was measured; at most {inputs.MAX_METRICS} points.")] = (),
    tags: Annotated[Sequence[inputs.Tag], Doc(f"At most {inputs.MAX_TAGS}.")] = (),
) -> Version:
    """A new version in stage DEVELOPMENT, with the next number of its model and its edges in the lineage.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    # The lock makes numbers dense: whoever fails afterwards gives the number back with the transaction.
    model = await find(change, Model, model_id, "model", lock=True)
    require(actor, Action.WRITE, model)
    run = None if run_id is None else await find(change, Run, run_id, "run")
    base = None if base_version_id is None else await find(change, Version, base_version_id, "baseVersion")
    model.version_count += 1
    version = Version(
        org_id=change.org_id,
        model_id=model.id,
        number=model.version_count,
        label=inputs.name(label, ("label",), max_length=inputs.MAX_LABEL),
        description=inputs.text(description, ("description",)),
        run_id=run_id,
        base_version_id=base_version_id,
        parameters=inputs.parameters(parameters),
        tags=inputs.tags(tags),
        created_by=actor.principal_id,
    )
    await add(change, actor, version, {LABEL_KEY: NameTaken("version", version.label, "model", ("label",))})
    if run is not None:
        await lineage.link(change, actor, LineageKind.PRODUCED, [(run, version, None)])
    if base is not None:
        await lineage.link(change, actor, LineageKind.DERIVED, [(base, version, None)])
    await metric_points.log(change, actor, version, metrics)
    await flush(change)
    return version


async def log_metrics(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId, Doc("Which version.")],
    metrics: Annotated[Sequence[inputs.Metric], Doc(f"At most {inputs.MAX_METRICS} points.")],
) -> Version:
    """Add metric points to a version, such as those of a later evaluation.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    version = await find(change, Version, version_id, "version")
    require(actor, Action.WRITE, version)
    await metric_points.log(change, actor, version, metrics)
    return version
