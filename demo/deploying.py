"""Where versions run: environments, deployments and their shares of the traffic, and what an agent reports of them."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from demo.catalog import ModelVersion
from demo.client import Client
from demo.data import Sample

REQUESTS: Final = 40
_DESCRIPTIONS: Final = {"staging": "Where versions are tried.", "production": "Where people rely on them."}

_FIND: Final = """query Environment($by: IdOrOwnName!, $names: [String!]) {
  environment(by: $by) { id deployments(first: 100, where: { name: { in: $names } }) { nodes { id name } } }
}"""


@dataclass(frozen=True)
class Placement:
    """A version that is to run somewhere, with its share of the traffic and the requests that come in there."""

    environment: str
    name: str
    version: ModelVersion
    traffic_percent: float
    estimator: Any
    requests: Sample


@dataclass(frozen=True)
class Seen:
    """How some requests went, one row at a time: how many of how many failed, the first failure, the median time."""

    request_count: int
    failure_count: int
    failure: str | None
    latency_ms: float | None

    @property
    def is_healthy(self) -> bool:
        """Whether every request was answered."""
        return not self.failure_count

    @property
    def message(self) -> str:
        """What there is to say about it: why it fails, if it does."""
        return self.failure or f"{self.request_count} of {self.request_count} requests answered."


def deploy(client: Client, placements: Sequence[Placement]) -> None:
    """Let each version run, found again where it is there, share the traffic out, and report how it does.

    Those of one environment, and in it those of one model, stand together.
    """
    for environment_name, there in groupby(placements, lambda one: one.environment):
        placed = list(there)
        environment, known = _environment(client, environment_name, [one.name for one in placed])
        for model, alike in groupby(placed, lambda one: one.version.model_id):
            shares = []
            for placement in alike:
                deployment = _run(client, environment, known.get(placement.name), placement)
                shares.append({"deployment": deployment, "trafficPercent": placement.traffic_percent})
                client.change("reportDeployment", "deployment { id }", deployment=deployment, **_report(placement))
            values = {"environment": environment, "model": model, "shares": shares}
            client.change("shiftTraffic", "environment { id }", **values, reason="As the demo tells it.")


def _environment(client: Client, name: str, deployments: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The id of an environment, made when missing, and the ids of some of its deployments by name."""
    found = client.ask(_FIND, by={"name": name}, names=deployments)["environment"]
    if found is None:
        made = client.change("createEnvironment", "environment { id }", name=name, description=_DESCRIPTIONS[name])
        return made["environment"]["id"], {}
    return found["id"], {one["name"]: one["id"] for one in found["deployments"]["nodes"]}


def _run(client: Client, environment: str, known: str | None, placement: Placement) -> str:
    """The id of the deployment, which is to run the version from now on."""
    wanted = {
        "version": placement.version.id,
        "desiredState": "RUNNING",
        "reason": f"{placement.version.label} is out.",
    }
    if known is not None:
        client.change("updateDeployment", "deployment { id }", deployment=known, **wanted)
        return known
    values = {"environment": environment, "name": placement.name, **wanted}
    made = client.change("createDeployment", "deployment { id }", **values)
    return str(made["deployment"]["id"])


def observe(estimator: Any, requests: Sample) -> Seen:
    """Let an estimator answer some requests, as they come in."""
    answers = list(_answers(estimator, requests))
    failures = [answer for answer in answers if isinstance(answer, str)]
    times_ms = [answer for answer in answers if isinstance(answer, float)]
    median_ms = statistics.median(times_ms) if times_ms else None
    return Seen(len(answers), len(failures), failures[0] if failures else None, median_ms)


def _report(placement: Placement) -> dict[str, Any]:
    """What an agent reports of real predictions."""
    seen = observe(placement.estimator, placement.requests)
    metrics = [{"name": "error_rate", "value": seen.failure_count / seen.request_count}]
    if seen.latency_ms is not None:
        metrics.append({"name": "latency_ms", "value": seen.latency_ms})
    return {
        "observedState": "RUNNING",
        "version": placement.version.id,
        "health": "HEALTHY" if seen.is_healthy else "UNHEALTHY",
        "healthMessage": seen.message,
        "metrics": metrics,
    }


def _answers(estimator: Any, requests: Sample) -> Iterator[float | str]:
    """For each request how long it took, in milliseconds, or why it failed."""
    for row in requests.features[:REQUESTS]:
        begun = time.perf_counter()
        try:
            estimator.predict(row.reshape(1, -1))
        except ValueError as error:
            yield str(error)
        else:
            yield (time.perf_counter() - begun) * 1_000
