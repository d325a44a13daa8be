"""Carrying out a plan: rows by the thousand, with their events, edges, numbers and jobs, in one transaction."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, literal_column, or_
from sqlalchemy.exc import IntegrityError

from db.base import Row, columns, utc_now
from db.belonging import Route, route
from db.codes import ArtifactState, LineageKind, RunStatus
from db.errors import UNIQUE_VIOLATION, sqlstate
from db.session import Change
from db.tables import (
    Alias,
    Artifact,
    ImportKey,
    LineageEdge,
    Model,
    ModelVersion,
    Price,
    ResourceSample,
    Run,
    RunMetric,
    VersionMetric,
)
from registry.jobs.version_news import many_changed
from registry.kernel.access import Actor
from registry.kernel.errors import Conflict, Failure, NotFound
from registry.kernel.rows import alter, find_all, record_of, shown
from registry.tracking import runs
from registry.transfer.bulk import arrays, core, insert_free, insertion, matching
from registry.transfer.consequences import CONSEQUENCES, inherit_runtimes, link, number
from registry.transfer.declaring import Kind, Values
from registry.transfer.kinds import KINDS
from registry.transfer.planning import Known, Plan, clash, refused
from registry.transfer.reading import Record
from registry.transfer.ruling import hold_aliases, point, refuse_frozen, try_to_point


async def carry_out(change: Change, actor: Actor, source: str, plan: Plan, known: Known) -> dict[str, Counter[str]]:
    """Write what a plan says. Returns: how many lines of each kind were created, updated and left unchanged.

    Raises: LineRefused.
    """
    await _announce(change, plan)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for kind in KINDS:
        title = kind.title
        counts[title]["unchanged"] += plan.unchanged[title]
        # A price ends before another one follows it.
        if plan.known[title]:
            counts[title].update(await _update(change, actor, kind, plan.known[title]))
        if plan.new[title]:
            plan.became |= await _create(change, actor, kind, plan.new[title])
            counts[title]["created"] += len(plan.new[title])
        if plan.points[title]:
            counts[title].update(await _POINTS[kind.table](change, actor, kind, plan.points[title], known))
    await many_changed(change, plan.new[ModelVersion.__name__])
    await _keep_keys(change, source, plan)
    return counts


async def _announce(change: Change, plan: Plan) -> None:
    """Have what waits for news of versions checked again: for their files and metrics, and for the data of their runs.

    Before anything is locked: a worker that checks takes its job first, and then the version.
    """
    news = [*plan.new[Artifact.__name__].values(), *plan.points[VersionMetric.__name__]]
    version_ids = {one.values["version_id"] for one in news if "version_id" in one.values}
    uses = plan.points["DatasetUse"]
    await many_changed(change, version_ids, {one.values["downstream_id"] for one in uses})


async def compared(change: Change, actor: Actor, plan: Plan, known: Known) -> dict[str, Counter[str]]:
    """What `carry_out` would count, without writing: points count as created. Raises: LineRefused."""
    await refuse_frozen(change, plan.new[Artifact.__name__].values())
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for kind in KINDS:
        here = [one for one in plan.known[kind.title] if one[0] not in known.own or _is_old(known, one[1])]
        differing = [(one, values) for _, one, values in await _compared(change, kind, here)]
        differ = [bool(values) for _, values in differing]
        if kind.table is Alias:
            moved = [one for one, values in differing if values]
            for one in (*moved, *plan.new[kind.title].values()):
                await try_to_point(change, actor, one)
        if kind.points and ("run_id" in kind.natural or kind.table is LineageEdge):
            await _refuse_late(change, kind, plan.points[kind.title], known)
        created = len(plan.new[kind.title]) + len(plan.points[kind.title])
        told = {
            "created": created,
            "updated": sum(differ),
            "unchanged": plan.unchanged[kind.title] + differ.count(False),
        }
        counts[kind.title].update(told)
    return counts


def _is_old(known: Known, record: Record) -> bool:
    return (record.kind.title, record.key) in known.digests


async def _create(change: Change, actor: Actor, kind: Kind, records: Mapping[UUID, Record]) -> dict[UUID, UUID]:
    """Make rows. Returns: the ids of those that got others than were meant for them, by these."""
    table: Any = kind.table
    if table is Alias:
        await hold_aliases(change, records.values())
        return {row_id: (await point(change, actor, record)).id for row_id, record in records.items()}
    if table is ModelVersion:
        await number(change, records)
        await inherit_runtimes(change, records)
    if table is Artifact:
        await refuse_frozen(change, records.values())
    template, now = _template(table), utc_now()
    own = {"org_id": change.org_id, "created_by": actor.principal_id, "created_at": now, "updated_at": now}
    common = template | {name: value for name, value in own.items() if name in template}
    if table is Model:
        common["owner_id"] = actor.principal_id
    if table is Run:
        common |= {"started_at": now, "heartbeat_at": now}
    if table is Artifact:
        common["state"] = ArtifactState.EXTERNAL
    rows = [{**common, **record.values, "id": row_id} for row_id, record in records.items()]
    made = await insert_free(change, table, rows)
    for row_id, record in records.items():
        if row_id not in made:
            raise clash(record)
    names = shown(table)
    for row in rows:
        image = {name: row[name] for name in names}
        record_of(change, actor, table.__name__, row["id"], "created", None, image, route(table, row.get))
    if table in CONSEQUENCES:
        await CONSEQUENCES[table](change, actor, records, rows)
    return {}


@lru_cache
def _template(table: type[Row]) -> dict[str, Any]:
    """The columns of a table with the values that a row has where nobody says otherwise."""
    blank: Any = table
    row = blank()
    return {column.name: getattr(row, column.name) for column in columns(table)}


async def _update(change: Change, actor: Actor, kind: Kind, known: Sequence[tuple[UUID, Record]]) -> Counter[str]:
    """Make rows say what their lines say, as far as that may be changed."""
    counts: Counter[str] = Counter()
    for row, record, values in await _compared(change, kind, known):
        try:
            await _alter(change, actor, row, record, values)
        except IntegrityError as error:
            if sqlstate(error) != UNIQUE_VIOLATION:
                raise
            raise clash(record) from None
        except Failure as failure:
            raise refused(record, failure) from None
        counts["updated" if values else "unchanged"] += 1
    return counts


async def _alter(change: Change, actor: Actor, row: Any, record: Record, values: Values) -> None:
    """Change a row as whoever changes one of its kind."""
    if isinstance(row, Alias) and values:
        await point(change, actor, record)
    elif isinstance(row, Run) and values.get("status") == RunStatus.RUNNING:
        await alter(change, actor, row, {name: value for name, value in values.items() if name != "status"})
        await runs.go_on(change, actor, row)
    else:
        await alter(change, actor, row, values, verb=_verb(row, values))


def _verb(row: Any, values: Values) -> str:
    """What happens to a row that gets these values."""
    if isinstance(row, Price):
        return "ended"
    if isinstance(row, Run) and "status" in values:
        return "lost" if values["status"] == RunStatus.LOST else "ended"
    return "updated"


async def _compared(
    change: Change, kind: Kind, known: Sequence[tuple[UUID, Record]]
) -> list[tuple[Any, Record, Values]]:
    """Rows with their records and the columns in which these differ. Raises: LineRefused where that may not be."""
    table: Any = kind.table
    if table is Alias:
        await hold_aliases(change, [one for _, one in known])
    try:
        rows = await find_all(change, table, [row_id for row_id, _ in known], "{}", lock=True)
    except NotFound as missing:
        failure = Conflict("This was deleted here. Restore it, or take the line out of the file.", ("key",))
        raise refused(known[int(missing.path[0])][1], failure) from None
    return [(row, one, _differences(kind, row, one)) for row, (_, one) in zip(rows, known, strict=True)]


def _differences(kind: Kind, row: Any, record: Record) -> Values:
    """The columns that are to change. Raises: LineRefused where one may not."""
    values: Values = {}
    for field in kind.fields:
        if field.column not in record.values or getattr(row, field.column) == record.values[field.column]:
            continue
        if isinstance(row, Artifact) and row.state != ArtifactState.EXTERNAL and field.column == "external_uri":
            # Its bytes are here: the address in the file is that of an export.
            continue
        if not field.editable or _is_over(row, field.column):
            raise refused(record, Conflict("This is set to another value here, and it stays.", (field.name,)))
        values[field.column] = record.values[field.column]
    if isinstance(row, Alias) and values and row.model_id != record.values["model_id"]:
        raise refused(record, Conflict("This is a version of another model than the alias's.", ("version",)))
    return values


def _is_over(row: Any, column: str) -> bool:
    """Whether a column says how something has ended, which then stays."""
    if isinstance(row, Price):
        return column == "valid_to" and row.valid_to is not None
    ended = isinstance(row, Run) and row.status not in (RunStatus.RUNNING, RunStatus.LOST)
    return ended and column in ("status", "ended_at")


async def _keep_keys(change: Change, source: str, plan: Plan) -> None:
    """Remember which rows the keys stand for, and which of them they have brought."""
    rows = [
        {
            "org_id": change.org_id,
            "source": source,
            "kind": record.kind.title,
            "key": record.key,
            "row_id": plan.became.get(row_id, row_id),
            "digest": record.digest,
            "brought": row_id in plan.new[record.kind.title],
        }
        for record, row_id in plan.keys
    ]
    if rows:
        names = list(rows[0])
        statement = insertion(ImportKey, names)
        kept = {name: statement.excluded[name] for name in ("row_id", "digest")}
        statement = statement.on_conflict_do_update(index_elements=names[:4], set_=kept)
        await change.execute(statement, arrays(rows, names))


async def _measure(change: Change, actor: Actor, kind: Kind, records: Sequence[Record], known: Known) -> Counter[str]:
    """Store points; one that is there already with other values is replaced, while its owner takes any."""
    table: Any = kind.table
    rows: dict[tuple[Any, ...], Values] = {}
    for record in records:
        rows[tuple(record.values[name] for name in kind.natural)] = {"org_id": change.org_id, **record.values}
    measured = [one.column for one in kind.fields if one.column not in kind.natural]
    if "run_id" in kind.natural:
        await _refuse_late(change, kind, records, known)
    # In the order of the key: two that share points cannot lock each other.
    given = [rows[key] for key in sorted(rows)]
    names = ["org_id", *kind.natural, *measured]
    statement = insertion(table, names)
    replaced = {name: statement.excluded[name] for name in measured}
    here = core(table).c
    differs = or_(*[here[name].is_distinct_from(statement.excluded[name]) for name in measured])
    own = [here[name] for name in kind.natural]
    upsert = statement.on_conflict_do_update(
        index_elements=["org_id", *kind.natural], set_=replaced, where=differs
    ).returning(*own, literal_column("xmax = 0", Boolean).label("is_new"))
    written = (await change.execute(upsert, arrays(given, names))).all()
    if table is VersionMetric:
        _tell(change, actor, rows, written)
    created = sum(row.is_new for row in written)
    counts = {"created": created, "updated": len(written) - created, "unchanged": len(records) - len(written)}
    return Counter(counts)


def _tell(change: Change, actor: Actor, rows: Mapping[tuple[Any, ...], Values], written: Sequence[Any]) -> None:
    """What is measured of a version decides what becomes of it: one event for each, with all its points."""
    by_version: dict[UUID, list[Values]] = defaultdict(list)
    for row in written:
        values = rows[row.version_id, row.phase, row.name, row.step]
        point = {name: values[name] for name in ("phase", "name", "step", "value", "special")}
        by_version[row.version_id].append({**point, "measured_at": values["measured_at"].isoformat()})
    for version_id, points in by_version.items():
        belongs = Route(owner=(ModelVersion.__name__, version_id))
        record_of(change, actor, ModelVersion.__name__, version_id, "measured", None, {"metrics": points}, belongs)


async def _refuse_late(change: Change, kind: Kind, records: Sequence[Record], known: Known) -> None:
    """A run that has ended takes no points, but for those of the file that brought it and those it has."""
    late = [one for one in records if _is_closed(one, known)]
    if not late:
        return
    names = [one.column for one in kind.fields]
    natural = kind.natural or tuple(names)
    statement = matching(change, kind.table, natural, names)
    found = await change.execute(statement, arrays([one.values for one in late], natural))
    here = {tuple(row) for row in found}
    for one in late:
        if tuple(one.values[name] for name in names) not in here:
            raise refused(one, Conflict("This run has ended; it takes nothing more.", ("run",)))


def _is_closed(record: Record, known: Known) -> bool:
    run: UUID = record.values["downstream_id" if record.kind.table is LineageEdge else "run_id"]
    status = known.facts[run].get("status", RunStatus.RUNNING)
    return run not in known.own and status not in (RunStatus.RUNNING, RunStatus.LOST)


async def _use(change: Change, actor: Actor, kind: Kind, records: Sequence[Record], known: Known) -> Counter[str]:
    """Write which dataset versions runs have read."""
    await _refuse_late(change, kind, records, known)
    links = [("DatasetVersion", one.values["upstream_id"], "Run", one.values["downstream_id"]) for one in records]
    roles = [one.values["role"] for one in records]
    created = await link(change, actor, LineageKind.USED, links, roles)
    return Counter({"created": created, "unchanged": len(records) - created})


_POINTS: Final[Mapping[type[Any], Any]] = {
    RunMetric: _measure,
    ResourceSample: _measure,
    VersionMetric: _measure,
    LineageEdge: _use,
}
