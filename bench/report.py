"""The table: what was measured, against what, and how many times as long it takes."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import orjson
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Line:
    """One comparison: medians in milliseconds of the same work, ours and the baseline's, and their statements.

    Statements that only begin or end a transaction are not counted; None where a baseline sends none.
    """

    thing: str
    baseline: str
    ours_ms: float
    baseline_ms: float
    statements: int | None = None
    baseline_statements: int | None = None

    @property
    def ratio(self) -> float:
        """How many times as long ours takes."""
        return self.ours_ms / self.baseline_ms


def as_json(lines: Sequence[Line]) -> str:
    """The lines and the machine they hold for."""
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    shown = [{**asdict(line), "ratio": line.ratio} for line in lines]
    return orjson.dumps({"machine": machine, "lines": shown}, option=orjson.OPT_INDENT_2).decode()


def print_table(lines: Sequence[Line], out: Console) -> None:
    """One table of ratios."""
    table = Table(title="Times are medians; a ratio of 1 would be the speed of the baseline")
    for heading in ("what", "against"):
        table.add_column(heading)
    for heading in ("ours", "baseline", "ratio", "statements"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            line.thing, line.baseline, f"{line.ours_ms:.2f} ms", f"{line.baseline_ms:.2f} ms", f"{line.ratio:.2f}",
            "" if line.statements is None else f"{line.statements} / {line.baseline_statements}",
        )  # fmt: skip
    out.print(table)
