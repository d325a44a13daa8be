"""Resource samples: what a run used of its machine, measured now and then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any

from sqlalchemy.dialects.postgresql import insert
from typing_extensions import Doc

from db import tables
from db.session import Change
from registry.kernel import inputs
from registry.kernel.errors import InvalidValue

MAX_SAMPLES = 1_000
MAX_CORES = 4_096
MAX_PERCENT = 100.0 * MAX_CORES


@dataclass(frozen=True)
class ResourceSample:
    """What a run used of its machine at a moment. Give what was measured; at least one value."""

    sampled_at: Annotated[datetime, Doc("When. Logging the same moment again replaces what it had.")]
    cpu_percent: Annotated[
        float | None, Doc(f"Use of the processors: 100 for each one in full use; at most {MAX_PERCENT:.0f}.")
    ] = None
    gpu_percent: Annotated[
        float | None, Doc(f"Use of the graphics processors: 100 for each one in full use; at most {MAX_PERCENT:.0f}.")
    ] = None
    memory_bytes: Annotated[inputs.BigInt | None, Doc("Memory in use, in bytes.")] = None
    gpu_memory_bytes: Annotated[inputs.BigInt | None, Doc("Memory of graphics processors in use, in bytes.")] = None
    disk_read_bytes: Annotated[inputs.BigInt | None, Doc("Read from disks since the run began, in bytes.")] = None
    disk_written_bytes: Annotated[inputs.BigInt | None, Doc("Written to disks since the run began, in bytes.")] = None
    network_received_bytes: Annotated[
        inputs.BigInt | None, Doc("Received from networks since the run began, in bytes.")
    ] = None
    network_sent_bytes: Annotated[inputs.BigInt | None, Doc("Sent to networks since the run began, in bytes.")] = None


MEASURES = tuple(field.name for field in fields(ResourceSample) if field.name != "sampled_at")
"""What a sample can hold."""


async def store(change: Change, run: tables.Run, samples: Sequence[ResourceSample]) -> None:
    """Store samples of a run; one of the same moment is replaced. They are data and make no events.

    Raises: InvalidValue, naming the place in the list.
    """
    if len(samples) > MAX_SAMPLES:
        raise InvalidValue(f"These are more than {MAX_SAMPLES} samples; send several lists.", ("samples",))
    # By moment, so that one statement never meets the same row twice; the last one given wins.
    rows: dict[datetime, dict[str, Any]] = {}
    for place, sample in enumerate(samples):
        values = stored(sample, ("samples", str(place)))
        rows[values["sampled_at"]] = {"org_id": change.org_id, "run_id": run.id, **values}
    if not rows:
        return
    statement = insert(tables.ResourceSample).values([rows[moment] for moment in sorted(rows)])
    replaced = {name: statement.excluded[name] for name in MEASURES}
    key = ["org_id", "run_id", "sampled_at"]
    await change.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced))


def stored(sample: ResourceSample, path: Sequence[str]) -> dict[str, Any]:
    """A sample as the columns of its row. Raises: InvalidValue, naming the place."""
    values: dict[str, Any] = {"sampled_at": inputs.moment(sample.sampled_at, (*path, "sampledAt"))}
    for name in MEASURES:
        first, *rest = name.split("_")
        here = (*path, first + "".join(part.capitalize() for part in rest))
        value = getattr(sample, name)
        values[name] = None if value is None else _checked(value, here, is_percent=name.endswith("_percent"))
    if all(values[name] is None for name in MEASURES):
        raise InvalidValue("A sample holds at least one value.", path)
    return values


def _checked(value: float, path: Sequence[str], *, is_percent: bool) -> float:
    if is_percent and not (math.isfinite(value) and 0 <= value <= MAX_PERCENT):
        raise InvalidValue(f"A use in percent is a finite number from 0 to {MAX_PERCENT:.0f}.", path)
    if not is_percent and not 0 <= value < 2**63:
        raise InvalidValue("A number of bytes is 0 or more and below 2**63.", path)
    return value
