"""`python -m bench`: start what is needed, measure, print one table."""

import asyncio
import sys
from typing import Annotated

import typer
from rich.console import Console
from uvicorn.loops.auto import auto_loop_factory

from bench import following, importing, nested, points, promotions, questions, screens, uploads, versions
from bench.ground import enlarged, ground, local_settings, server_process
from bench.plan import FULL, QUICK, Plan
from bench.report import Line, as_json, print_table
from server.settings import Settings
from server.telemetry import logs

PIPE_COLUMNS = 120


def main(
    quick: Annotated[bool, typer.Option(help="Fewer rounds: a first impression in half a minute.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> None:
    """Measure this server against the least that the same work costs, each comparison in one run."""
    logs.configure("WARNING")
    lines = run(QUICK if quick else FULL)
    if json:
        sys.stdout.write(as_json(lines) + "\n")
    else:
        out = Console()
        # A pipe has no width of its own, and 80 columns would break every line.
        print_table(lines, out if out.is_terminal else Console(width=PIPE_COLUMNS))


def run(plan: Plan) -> list[Line]:
    """Every line of the table, measured on services of its own."""
    with (
        local_settings() as settings,
        server_process(settings) as address,
        # The event loop that the server uses, too.
        asyncio.Runner(loop_factory=auto_loop_factory()) as runner,
    ):
        return runner.run(_measure(plan, settings, address))


async def _measure(plan: Plan, settings: Settings, address: str) -> list[Line]:
    async with ground(settings, address, plan.shape) as found:
        lines = [
            *await nested.measure(found, plan.rounds),
            *await versions.measure(found, plan),
            *await promotions.measure(found, plan),
            *await uploads.measure(found, plan),
            *await following.measure(found, plan),
        ]
        large = await enlarged(found, plan.large)
        return [
            *lines,
            *await screens.measure(large, plan.rounds),
            *await points.measure(large, plan),
            *await questions.measure(large, plan),
            *await importing.measure(large, plan),
        ]


if __name__ == "__main__":
    typer.run(main)
