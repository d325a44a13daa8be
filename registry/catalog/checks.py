"""Checks: what other systems, such as test pipelines, found out about a version, bound to its contents."""

from typing import Annotated

from typing_extensions import Doc

from db.session import Change, Within
from db.tables import ModelVersion, VersionCheck
from registry.catalog.version_digest import digest_of
from registry.jobs.version_news import version_changed
from registry.kernel import inputs
from registry.kernel.access import Action, Actor, require
from registry.kernel.errors import Conflict
from registry.kernel.inputs import MAX_REASON
from registry.kernel.rows import add, database_time, find


async def report(
    change: Change,
    actor: Actor,
    *,
    version_id: Annotated[inputs.VersionId, Doc("Which version.")],
    name: Annotated[str, Doc(f"Which check, such as `bias-audit`; 1 to {inputs.MAX_NAME} characters.")],
    digest: Annotated[str, Doc("The `digest` of the version that was checked: refused if it is another one by now.")],
    passed: Annotated[bool, Doc("Whether it passed.")],
    summary: Annotated[str | None, Doc(f"What was found, for people; at most {MAX_REASON} characters.")] = None,
    url: Annotated[str | None, Doc("Where to read more: text that this server never opens.")] = None,
) -> VersionCheck:
    """Take what a check found. The latest report of a check about the present contents counts.

    Raises: Forbidden, NotFound, InvalidValue, Conflict where the version has other contents than those checked.
    """
    # Before the version is locked: a worker that looks takes its job first, and then the version.
    await version_changed(change, version_id)
    # Locked: of two reports at once the one that is stored last is the latest.
    version = await find(change, ModelVersion, version_id, "version", lock=True)
    require(actor, Action.WRITE, version)
    current = await digest_of(Within(change), version)
    row = VersionCheck(
        org_id=change.org_id,
        model_id=version.model_id,
        version_id=version.id,
        name=inputs.name(name),
        digest=digest,
        passed=passed,
        summary=inputs.text(summary, ("summary",), max_length=MAX_REASON),
        url=None if url is None else inputs.address(url, ("url",)),
        created_by=actor.principal_id,
        created_at=await database_time(change),
    )
    if digest != current:
        raise Conflict(f"The version has the digest {current} now: check what it is by now.", ("digest",))
    return await add(change, actor, row)
