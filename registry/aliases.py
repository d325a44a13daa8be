"""Aliases: names of a model, such as `champion`, that point at one of its versions and can be moved."""

from typing import Annotated

from typing_extensions import Doc

from db.session import Change
from db.tables import Alias, Model, Version
from registry import inputs
from registry.access import Action, Actor, require
from registry.changes import add, alter, find, find_by, image, record
from registry.errors import Conflict, NotFound

MODEL = Annotated[inputs.ModelId, Doc("Of which model.")]
NAME = Annotated[str, Doc(f"Such as `champion`, with or without `@`; 1 to {inputs.MAX_LABEL} characters.")]


async def point(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId, Doc("The version it is to point at.")],
    name: NAME,
    expected_revision: Annotated[
        int | None, Doc("Its revision as you know it, 0 for none yet; refused if it was moved since.")
    ] = None,
) -> Alias:
    """Make an alias point at a version of its model. A new alias begins with revision 1, each move adds 1.

    Raises: Forbidden, NotFound, InvalidValue, Conflict.
    """
    version = await find(change, Version, version_id, "version")
    # The lock puts those who set the same alias at the same moment in a row.
    await find(change, Model, version.model_id, "version", lock=True)
    require(actor, Action.WRITE, version)
    clean = _clean(name)
    alias = await find_by(change, Alias, model_id=version.model_id, name=clean)
    current = 0 if alias is None else alias.revision
    if expected_revision is not None and expected_revision != current:
        raise Conflict(f"The alias {clean!r} is at revision {current} by now. Look again.", ("expectedRevision",))
    if alias is None:
        return await add(
            change,
            actor,
            Alias(
                org_id=change.org_id,
                model_id=version.model_id,
                version_id=version.id,
                name=clean,
                created_by=actor.principal_id,
            ),
        )
    if alias.version_id == version.id:
        return alias
    return await alter(change, actor, alias, {"version_id": version.id, "revision": current + 1}, verb="moved")


async def remove(change: Change, actor: Actor, *, model_id: MODEL, name: NAME) -> Model:
    """Take an alias from a model.

    Raises: Forbidden, NotFound, InvalidValue.
    """
    model = await find(change, Model, model_id, "model", lock=True)
    require(actor, Action.WRITE, model)
    alias = await find_by(change, Alias, model_id=model.id, name=_clean(name))
    if alias is None:
        raise NotFound("Alias", ("name",))
    record(change, actor, alias, "removed", image(alias), None)
    await change.delete(alias)
    return model


def _clean(name: str) -> str:
    return inputs.name(name.removeprefix("@"), max_length=inputs.MAX_LABEL)
