"""A model under automation rules, with a deployment that reports what it sees, for tests of what the rules do."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.session import Database
from db.tables import Job
from storage.store import ObjectStore
from tests import sending
from tests.stages import Line
from tests.tenant import Tenant

FIRINGS = """query($id: ID!) { node(id: $id) { ... on Model { automationFirings(last: 20) { totalCount nodes {
    state reason measured ruleRevision slotRevision rule { name } version { id } deployment { id }
    transition { kind reason version { id } automationRule { name } createdBy { name } } } } } } }"""
ACCURACY = {"metricBreach": {"metric": "accuracy", "minimum": 0.8, "reports": 3, "coolDownSeconds": 0}}


@dataclass
class Served:
    """A line of versions of which the last is in production and deployed."""

    line: Line
    environment: str
    deployment: str
    rules: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, tenant: Tenant, count: int = 2) -> "Served":
        line = await Line.of(tenant, count)
        await line.to_production(*line.versions)
        place = await tenant.environment()
        return cls(line, place, await tenant.deployment(version=line.versions[-1], environment=place))

    @property
    def tenant(self) -> Tenant:
        return self.line.tenant

    async def rule(self, trigger: dict[str, Any], **given: Any) -> str:
        """The id of a rule that acts."""
        return await set_rule(self.tenant, self.line.model, trigger, **given)

    async def report(self, *values: Any, deployment: str | None = None, **given: Any) -> None:
        """One report for each value of `accuracy`, a number or the name of a special value."""
        version = given.pop("version", self.line.versions[-1])
        for value in values:
            point = {"special": value} if isinstance(value, str) else {"value": value}
            metrics = [{"name": "accuracy", **point}]
            await self.send(deployment, version=version, metrics=metrics, **given)

    async def feel(self, *healths: str, **given: Any) -> None:
        """One report for each state of health."""
        for health in healths:
            await self.send(None, **{"version": self.line.versions[-1], **given}, health=health)

    async def send(self, deployment: str | None, **given: Any) -> None:
        values = {"deployment": deployment or self.deployment, "observedState": "RUNNING", **given}
        payload = await self.tenant.client.insist("reportDeployment", "deployment { id }", **values)
        assert payload["errors"] == []

    async def firings(self) -> list[dict[str, Any]]:
        """What the rules did, oldest first."""
        return await firings_of(self.line)

    async def in_production(self) -> int | None:
        """The place in the line of what is in production."""
        return await held_by(self.line, "PRODUCTION")


async def set_rule(tenant: Tenant, model: str, trigger: dict[str, Any], **given: Any) -> str:
    """The id of a rule that acts."""
    values = {"model": model, "name": "guard", "isEnabled": True, "trigger": trigger, **given}
    return await tenant.client.make("setAutomationRule", "automationRule", **values)


async def firings_of(line: Line) -> list[dict[str, Any]]:
    """What the rules of a model did, oldest first."""
    found: list[dict[str, Any]] = (await line.tenant.client(FIRINGS, id=line.model))["node"]["automationFirings"][
        "nodes"
    ]
    return found[::-1]


async def held_by(line: Line, stage: str) -> int | None:
    """The place in the line of what a slot holds; None for nothing."""
    version = (await line.slots())[stage][1]
    return None if version is None else line.versions.index(version)


async def wake(database: Database, tenant: Tenant) -> None:
    """Let every job of the organization be due."""
    async with database.change(tenant.org_id) as change:
        own = col(Job.org_id) == tenant.org_id
        await change.execute(update(Job).where(own).values(run_after=utc_now() - timedelta(days=365)))


async def work(tenant: Tenant, store: ObjectStore) -> None:
    """Do every job that is due."""
    await sending.work(tenant.database, store)
