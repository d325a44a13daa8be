"""Metric points: measured values of runs and versions, by phase, name and step."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import insert

from db.base import utc_now
from db.codes import SpecialValue
from db.session import Change
from db.tables import ModelVersion, Run, RunMetric, VersionMetric
from registry.kernel import inputs
from registry.kernel.access import Actor
from registry.kernel.errors import InvalidValue
from registry.kernel.rows import record

_SPECIAL = {"nan": SpecialValue.NAN, "inf": SpecialValue.POSITIVE_INFINITY, "-inf": SpecialValue.NEGATIVE_INFINITY}


async def log(change: Change, actor: Actor, owner: Run | ModelVersion, metrics: Sequence[inputs.Metric]) -> None:
    """Store metric points of a run or a version; a point that is there already is replaced.

    Points of a run are data and make no events: a training loop may log thousands. Those of a version decide what
    becomes of it, so they are an event with all of them.

    Raises: InvalidValue, naming the place in the list.
    """
    if len(metrics) > inputs.MAX_METRICS:
        raise InvalidValue(f"These are more than {inputs.MAX_METRICS} metrics; send several lists.", ("metrics",))
    table, owner_column = (RunMetric, "run_id") if isinstance(owner, Run) else (VersionMetric, "version_id")
    # By key, so that one statement never meets the same row twice; the last one given wins.
    points = {}
    for place, metric in enumerate(metrics):
        values = _point(metric, ("metrics", str(place)))
        key = (values["phase"], values["name"], values["step"])
        points[key] = {"org_id": change.org_id, owner_column: owner.id, **values}
    if not points:
        return
    # In the order of the key: two lists that share points cannot lock each other.
    statement = insert(table).values([points[key] for key in sorted(points)])
    replaced = {name: statement.excluded[name] for name in ("value", "special", "measured_at")}
    if isinstance(owner, ModelVersion):
        told = [{**point, "measured_at": point["measured_at"].isoformat()} for point in map(_told, points.values())]
        record(change, actor, owner, "measured", None, {"metrics": told})
    key_columns = ["org_id", owner_column, "phase", "name", "step"]
    await change.execute(statement.on_conflict_do_update(index_elements=key_columns, set_=replaced))


def measured(
    value: float | None, special: SpecialValue | None, path: Sequence[str]
) -> tuple[float | None, SpecialValue | None]:
    """A value as it is stored: a finite one, or the special one that it was instead. Raises: InvalidValue."""
    if value is not None and not math.isfinite(value):
        value, special = None, special or _SPECIAL[str(value)]
    if (value is None) == (special is None):
        raise InvalidValue("Give either a finite value or a special one.", path)
    return value, special


def _told(point: Mapping[str, Any]) -> dict[str, Any]:
    return {name: point[name] for name in ("phase", "name", "step", "value", "special", "measured_at")}


def _point(metric: inputs.Metric, path: Sequence[str]) -> dict[str, Any]:
    if not 0 <= metric.step <= inputs.MAX_STEP:
        raise InvalidValue("A step is a whole number from 0 to 9223372036854775807.", (*path, "step"))
    value, special = measured(metric.value, metric.special, (*path, "value"))
    return {
        "phase": metric.phase,
        "name": inputs.name(metric.name, (*path, "name")),
        "step": metric.step,
        "value": value,
        "special": special,
        "measured_at": inputs.moment(metric.measured_at or utc_now(), (*path, "measuredAt")),
    }
