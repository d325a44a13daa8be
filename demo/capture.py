"""What the demo notes down as it is: this process and its machine, the columns of a table and what is in them."""

import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

import numpy as np

from demo.data import Sample, Table

LABEL: Final = "label"
_KIB_BYTES: Final = 1024


def runtime() -> dict[str, Any]:
    """What this very process runs with: Python, the packages that are installed, and the machine."""
    found = {one.name: one.version for one in distributions() if one.name}
    return {
        "pythonVersion": platform.python_version(),
        "packages": [{"name": name, "version": found[name]} for name in sorted(found)],
        "hardware": {"cpu": _cpu(), "cpuCount": os.cpu_count(), "memoryBytes": _memory_bytes()},
    }


def signature(table: Table) -> dict[str, Any]:
    """What a model of this table takes and gives: a column for each feature, and the class with how sure it is."""
    type_ = _type_of(table.test.features)
    columns = [{"name": name, "type": type_} for name in table.feature_names]
    features = [{**column, "source": table.source} for column in columns]
    classes = ", ".join(table.class_names)
    outputs = [
        {"name": LABEL, "type": _type_of(table.test.labels), "description": f"The number of one of: {classes}."},
        {"name": "probabilities", "type": "FLOAT64", "shape": [-1, len(table.class_names)]},
    ]
    return {"inputs": columns, "outputs": outputs, "features": features}


def schema(table: Table) -> dict[str, Any]:
    """The columns of a table with their types."""
    columns = [*zip(table.feature_names, [_type_of(table.test.features)] * len(table.feature_names), strict=True)]
    columns.append((LABEL, _type_of(table.test.labels)))
    return {"columns": [{"name": name, "type": type_, "nullable": False} for name, type_ in columns]}


def profile(table: Table, sample: Sample) -> dict[str, Any]:
    """What is in the columns of some rows of a table."""
    columns = [*zip(table.feature_names, sample.features.T, strict=True), (LABEL, sample.labels)]
    return {"rowCount": str(sample.row_count), "columns": [_column(name, values) for name, values in columns]}


class Gauge:
    """How much this process used, from one moment on."""

    def __init__(self) -> None:
        self._since = (time.monotonic(), time.process_time())

    def sample(self) -> dict[str, Any]:
        """A sample for a run: use of the processors since the last one, and the most memory that was held so far."""
        before, self._since = self._since, (time.monotonic(), time.process_time())
        passed_s, used_s = (now - then for now, then in zip(self._since, before, strict=True))
        unit = 1 if sys.platform == "darwin" else _KIB_BYTES
        return {
            "sampledAt": datetime.now(UTC).isoformat(),
            "cpuPercent": round(100 * used_s / max(passed_s, 1e-6), 1),
            "memoryBytes": str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit),
        }


def _column(name: str, values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "count": str(len(values)),
        "nullCount": str(int(np.isnan(values).sum())),
        "distinctCount": str(len(np.unique(values))),
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "mean": float(values.mean()),
        "stddev": float(values.std()),
    }


def _type_of(array: Any) -> str:
    """The registry's word for the numbers of an array, such as FLOAT64."""
    return str(array.dtype.name).upper()


def _cpu() -> str:
    """What the processor calls itself."""
    try:
        lines: Sequence[str] = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _memory_bytes() -> str:
    return str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
