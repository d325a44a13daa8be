"""`python -m bench.generate`: fill an organization of the registry that runs here, to try an interface at full size."""

import asyncio
import sys
import time
from datetime import timedelta
from typing import Annotated

import typer
from sqlalchemy import select
from sqlmodel import col

from bench.plan import LARGE
from bench.seed import Shape, seed
from db.session import Database
from db.tables import Project
from registry.tenants.onboarding import token_for
from registry.tenants.tokens import authenticate
from server.local import local_services
from server.settings import Settings


def main(
    organization: Annotated[str, typer.Option(help="The organization to make and fill.")] = "large",
    models: Annotated[int, typer.Option(help="How many models.", min=0)] = LARGE.models,
    versions: Annotated[int, typer.Option(help="How many versions of each model.", min=1)] = LARGE.versions,
    artifacts: Annotated[
        int, typer.Option(help="How many artifacts of each version; without bytes.", min=0)
    ] = LARGE.artifacts,
    experiments: Annotated[int, typer.Option(help="How many experiments.", min=1)] = LARGE.experiments,
    runs: Annotated[int, typer.Option(help="How many runs.", min=0)] = LARGE.runs,
    metrics: Annotated[int, typer.Option(help="How many metrics of each run.", min=0)] = LARGE.metrics,
    steps: Annotated[int, typer.Option(help="How many points of each metric.", min=0)] = LARGE.steps,
) -> None:
    """Make an organization, fill it by COPY and print a token for it.

    MIGRATION_DATABASE_URL must name a superuser: row-level security allows no COPY to others.
    """
    shape = Shape(models, versions, artifacts, experiments, runs, metrics, steps)
    with local_services(Settings(), with_store=False) as local:
        began = time.perf_counter()
        token = asyncio.run(_fill(local.settings, organization, shape))
    taken_s = time.perf_counter() - began
    sys.stderr.write(f"{shape.models} models, {shape.runs} runs and {shape.points} points in {taken_s:.1f} s.\n")
    sys.stdout.write(f"{token}\n")


async def _fill(settings: Settings, organization: str, shape: Shape) -> str:
    database = Database.connect(settings.database, settings.roles, pool_size=2)
    try:
        token = await token_for(database, organization, "bench", lifetime=timedelta(days=1))
        actor = await authenticate(database, token)
        async with database.change(actor.org_id) as change:
            found = await change.execute(select(col(Project.id)).where(col(Project.org_id) == actor.org_id).limit(1))
            project_id = found.scalar_one()
        await seed(settings.migration_database, [(actor, project_id)], shape)
        return token
    finally:
        await database.close()


if __name__ == "__main__":
    typer.run(main)
