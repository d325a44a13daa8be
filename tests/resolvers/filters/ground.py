"""Runs of one experiment that lists can be asked about: lacking values, equal values, values of many types."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from db.codes import Phase, RunStatus, SpecialValue
from db.tables import Run, RunMetric
from tests.tenant import Tenant, uuid_of

BEGAN = datetime(2026, 3, 3, 12, tzinfo=UTC)
NAMES = ("a", "A", "Äpfel", "äPFEL", "100%", "100_", "a/b", "a\\b", "straße", "z")
VALUES: tuple[Any, ...] = (0, 1, 1.0, -2.5, True, False, "1", "", "Adam", "adam w", 10**15, 1e-9)
TAGS = ("", "Blue", "blue", "green%")


@dataclass(frozen=True)
class Facts:
    """One run. `loss` is the latest finite value of that metric in TEST, `measured` whether there is any value."""

    id: UUID
    name: str
    status: RunStatus
    ended_at: datetime | None
    tags: dict[str, str]
    parameters: dict[str, Any]
    loss: float | None
    measured: bool


@dataclass(frozen=True)
class Ground:
    """Where the runs are."""

    tenant: Tenant
    experiment: UUID
    runs: list[Facts] = field(default_factory=list)


async def lay(tenant: Tenant, count: int) -> Ground:
    """Make the experiment and its runs, the same ones each time."""
    dice = random.Random(7)
    gid = await tenant.client.make("createExperiment", "experiment", project=tenant.project, name=tenant.name())
    ground = Ground(tenant, uuid_of(gid))
    async with tenant.database.change(tenant.org_id) as change:
        for _ in range(count):
            status = dice.choice(list(RunStatus))
            run = Run(
                org_id=tenant.org_id,
                project_id=uuid_of(tenant.project),
                experiment_id=ground.experiment,
                name=dice.choice(NAMES),
                status=status,
                started_at=BEGAN + timedelta(hours=dice.randrange(3)),
                ended_at=None if status == RunStatus.RUNNING else BEGAN + timedelta(days=dice.randrange(3)),
                tags={key: dice.choice(TAGS) for key in ("team", "Café") if dice.random() < 0.6},
                parameters={key: dice.choice(VALUES) for key in ("depth", "optimizer") if dice.random() < 0.8},
                created_by=tenant.actor.principal_id,
            )
            change.add(run)
            await change.flush()
            loss = dice.choice([None, 0.5, 0.5, -1.0, 3.25, SpecialValue.NAN, SpecialValue.POSITIVE_INFINITY])
            finite = loss if isinstance(loss, float) else None
            if loss is not None:
                points = [("loss", Phase.TEST, 1, 99.0, None), ("loss", Phase.TRAINING, 5, 7.0, None)]
                points += [("loss", Phase.TEST, 2, finite, None if finite is not None else loss)]  # type: ignore[list-item]  # a float or a special value
                for name, phase, step, value, special in points:
                    change.add(
                        RunMetric(
                            org_id=tenant.org_id, run_id=run.id, name=name, phase=phase, step=step, value=value,
                            special=special, measured_at=BEGAN,
                        )
                    )  # fmt: skip
            ground.runs.append(
                Facts(run.id, run.name, run.status, run.ended_at, run.tags, run.parameters, finite, loss is not None)
            )
    return ground
