"""Versions: what a model was at one time, where it came from and what was measured of it."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from typing_extensions import Doc

from db.base import unique_key
from db.codes import LineageKind
from db.session import Change
from db.tables import Model, ModelVersion, Run
from registry.catalog.immutability import check_changeable
from registry.facts import runtimes, signatures
from registry.graph import lineage
from registry.jobs.version_news import version_changed
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict, NameTaken
from registry.kernel.inputs import KEEP, Keep
from registry.kernel.rows import add, alter, find, flush
from registry.tracking import metrics as metric_points

LABEL_KEY = unique_key(ModelVersion, "model_id", "label")


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
    signature: Annotated[signatures.Signature | None, Doc("What it takes and gives.")] = None,
    runtime: Annotated[runtimes.Runtime | None, Doc("What it was made with; what its run was, if absent.")] = None,
) -> ModelVersion:
    """A new version in stage DEVELOPMENT, with the next number of its model and its edges in the lineage.

    Raises: Forbidden, NotFound, InvalidValue, NameTaken.
    """
    model = await find(change, Model, model_id, "model", lock=True)
    require(actor, Action.WRITE, model)
    run = None if run_id is None else await find(change, Run, run_id, "run")
    base = None if base_version_id is None else await find(change, ModelVersion, base_version_id, "baseVersion")
    facts = await _kept(change, actor, signature, runtime)
    version = ModelVersion(
        org_id=change.org_id,
        model_id=model.id,
        number=next_number(model),
        label=inputs.name(label, ("label",), max_length=inputs.MAX_LABEL),
        description=inputs.text(description, ("description",)),
        run_id=run_id,
        base_version_id=base_version_id,
        signature_id=facts["signature_id"],
        runtime_id=facts["runtime_id"] or (None if run is None else run.runtime_id),
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
    await version_changed(change, version.id)
    return version


def next_number(model: Model) -> int:
    """The number of a new version of a model, which must be locked.

    The lock makes numbers dense: a change that fails afterwards gives its number back with the transaction.
    """
    model.version_count += 1
    return model.version_count


async def update(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId, Doc("Which version.")],
    description: Annotated[str | Keep | None, Doc("A new description; null removes it.")] = KEEP,
    tags: Annotated[Sequence[inputs.Tag] | Keep, Doc("All tags it is to have; others are removed.")] = KEEP,
    signature: Annotated[signatures.Signature | None, Doc("What it takes and gives, where nobody said so yet.")] = None,
    runtime: Annotated[runtimes.Runtime | None, Doc("What it was made with, where nobody said so yet.")] = None,
) -> ModelVersion:
    """Change what people say about a version. Its signature and its runtime stay once they are set.

    Raises: Forbidden, NotFound, InvalidValue, Conflict when another signature or runtime is set.
    """
    # First: a worker has the job before it locks the version, and must not wait for whoever waits for the job.
    await version_changed(change, version_id)
    version = await find(change, ModelVersion, version_id, "version", lock=True)
    require(actor, Action.WRITE, version)
    values = inputs.description_of(KEEP, description, tags)
    facts = await _kept(change, actor, signature, runtime)
    given = {column: key for column, key in facts.items() if key is not None}
    for column, key in given.items():
        name = column.removesuffix("_id")
        if getattr(version, column) not in (None, key):
            raise Conflict(f"This version has another {name}, and it stays.", (name,))
        if getattr(version, column) is None:
            await check_changeable(change, version, name)
    return await alter(change, actor, version, values | given)


async def _kept(
    change: Change, actor: Actor, signature: signatures.Signature | None, runtime: runtimes.Runtime | None
) -> dict[str, UUID | None]:
    """The ids of a signature and a runtime by the columns that hold them; None where none is given."""
    return {
        "signature_id": None if signature is None else (await signatures.keep(change, actor, signature)).id,
        "runtime_id": None if runtime is None else (await runtimes.keep(change, actor, runtime)).id,
    }


async def log_metrics(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId, Doc("Which version.")],
    metrics: Annotated[Sequence[inputs.Metric], Doc(f"At most {inputs.MAX_METRICS} points.")],
) -> ModelVersion:
    """Add metric points to a version, such as those of a later evaluation.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    version = await find(change, ModelVersion, version_id, "version")
    require(actor, Action.WRITE, version)
    await metric_points.log(change, actor, version, metrics)
    await version_changed(change, version.id)
    return version
