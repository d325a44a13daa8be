"""What the demo writes into the registry besides files: data, models, runs and versions, found where they are there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from demo import capture
from demo.client import ChangeRefused, Client, RegistryProblem
from demo.data import Sample, Table
from demo.training import Point, Settings

METRICS_PER_CHANGE: Final = 1_000

_PLACE: Final = """{
  serverVersion
  viewer { name }
  organization { name }
  projects(first: 100) { nodes { id name } }
}"""
_MODEL: Final = "query Model($by: IdOrName!) { model(by: $by) { id } }"
_DATASETS: Final = """query Datasets($project: ID!, $after: String) {
  node(id: $project) { ... on Project {
    datasets(first: 100, after: $after) { nodes { id name } pageInfo { hasNextPage endCursor } }
  } }
}"""
_LABELS: Final = """query Labels($model: ID!) {
  node(id: $model) { ... on Model { versions(first: 100) { nodes { label } } } }
}"""

_EXPERIMENT: Final = "query Experiment($by: IdOrName!) { experiment(by: $by) { id } }"
_PRICES: Final = "{ prices(first: 100) { nodes { resource hardware validTo } } }"


@dataclass
class Ending:
    """How a run is to end."""

    status: str = "FINISHED"


@dataclass(frozen=True)
class Place:
    """Where the demo writes: a project by id and name, in whose organization, as whom, on which server."""

    project: str
    project_name: str
    organization: str
    viewer: str
    server_version: str

    @property
    def summary(self) -> str:
        """All of it but the server, in a line."""
        return f"organization {self.organization} · project {self.project_name} · as {self.viewer}"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version."""

    id: str
    model_id: str
    model: str
    label: str

    @property
    def title(self) -> str:
        """What people call it."""
        return f"{self.model} {self.label}"


def find_place(client: Client) -> Place:
    """The project `default`, else the newest one.

    Raises: RegistryProblem with code NO_PROJECT when the organization has none that the token may see.
    """
    found = client.ask(_PLACE)
    projects = found["projects"]["nodes"]
    if not projects:
        raise RegistryProblem("NO_PROJECT", "There is no project. Make one with `createTeam` and `createProject`.")
    project = next((one for one in projects if one["name"] == "default"), projects[0])
    return Place(
        project["id"], project["name"], found["organization"]["name"], found["viewer"]["name"], found["serverVersion"]
    )


class Catalog:
    """Writes into one project. Names are found again at the next run; versions and runs are made anew."""

    def __init__(self, client: Client, project: str) -> None:
        self._client = client
        self._project = project
        self._runtime = capture.runtime()

    def dataset_version(self, table: Table, part: str, sample: Sample) -> str:
        """The id of the exact rows of a sample, in the dataset `<table>-<part>`."""
        dataset = self._dataset(f"{table.name.replace('_', '-')}-{part}", table.description)
        made = self._client.change(
            "createDatasetVersion",
            "datasetVersion { id }",
            dataset=dataset,
            digest=sample.digest,
            source=table.source,
            rowCount=str(sample.row_count),
            schema=capture.schema(table),
            profile=capture.profile(table, sample),
        )
        return str(made["datasetVersion"]["id"])

    def model(self, name: str, description: str) -> str:
        """The id of the model of this name."""
        known = self._client.ask(_MODEL, by={"name": {"project": self._project, "name": name}})["model"]
        if known is None:
            tags = [{"key": "made-by", "value": "demo"}]
            known = self._client.change(
                "createModel",
                "model { id }",
                project=self._project,
                name=name,
                framework="sklearn",
                task="CLASSIFICATION",
                description=description,
                tags=tags,
            )["model"]
        return str(known["id"])

    def experiment(self, name: str, description: str) -> str:
        """The id of the experiment of this name."""
        by = {"name": {"project": self._project, "name": name}}
        known = self._client.ask(_EXPERIMENT, by=by)["experiment"]
        if known is None:
            values = {"project": self._project, "name": name, "description": description}
            known = self._client.change("createExperiment", "experiment { id }", **values)["experiment"]
        return str(known["id"])

    def price_runs(self, amount: str, currency: str) -> None:
        """Let an hour of a run cost this much, unless it has a price already."""
        for price in self._client.ask(_PRICES)["prices"]["nodes"]:
            if price["resource"] == "RUN_HOUR" and not price["hardware"] and not price["validTo"]:
                return
        self._client.change("setPrice", "price { id }", resource="RUN_HOUR", amount=amount, currency=currency)

    def start_run(
        self,
        name: str,
        parameters: Settings,
        reads: Sequence[tuple[str, str]],
        *,
        experiment: str | None = None,
        parent: str | None = None,
    ) -> str:
        """The id of a new run of this very process; it reads dataset versions, each with its role."""
        made = self._client.change(
            "createRun",
            "run { id }",
            project=self._project,
            name=name,
            parameters=_parameters(parameters),
            datasets=[{"datasetVersion": one, "role": role} for one, role in reads],
            experiment=experiment,
            parentRun=parent,
            runtime=self._runtime,
        )
        return str(made["run"]["id"])

    def log(self, run: str, points: Sequence[Point]) -> None:
        """Add measured points to a run."""
        for start in range(0, len(points), METRICS_PER_CHANGE):
            chunk = _metrics(points[start : start + METRICS_PER_CHANGE])
            self._client.change("logRunMetrics", "run { id }", run=run, metrics=chunk)

    def log_samples(self, run: str, samples: Sequence[dict[str, Any]]) -> None:
        """Add what a run used of the machine."""
        self._client.change("logRunResourceSamples", "run { id }", run=run, samples=samples)

    @contextmanager
    def ending(self, run: str) -> Iterator[Ending]:
        """End a run after the block, as the block says, or as FAILED when it fails."""
        how = Ending()
        try:
            yield how
        except BaseException:
            # Also when somebody presses Ctrl-C: nobody else would ever end this run.
            self._finish(run, "FAILED")
            raise
        self._finish(run, how.status)

    def version(
        self,
        model_name: str,
        model: str,
        series: str,
        *,
        run: str,
        base: ModelVersion | None,
        table: Table,
        parameters: Settings,
        points: Sequence[Point],
    ) -> ModelVersion:
        """A new version of the model, labeled with the next free number behind `series`, such as 1.0.3 behind 1.0."""
        label = self._next_label(model, series)
        made = self._client.change(
            "createVersion",
            "version { id label }",
            model=model,
            label=label,
            run=run,
            baseVersion=base.id if base else None,
            parameters=_parameters(parameters),
            metrics=_metrics(points),
            signature=capture.signature(table),
            runtime=self._runtime,
        )["version"]
        return ModelVersion(made["id"], model, model_name, made["label"])

    def measure(self, version: ModelVersion, points: Sequence[Point]) -> None:
        """Add what was measured of a version after it was registered."""
        self._client.change("logVersionMetrics", "version { id }", version=version.id, metrics=_metrics(points))

    def name_version(self, version: ModelVersion, alias: str) -> None:
        """Let an alias of the model, such as `champion`, point at the version."""
        self._client.change("setAlias", "alias { id }", version=version.id, name=alias)

    def note_origin(self, version: ModelVersion, uri: str) -> None:
        """Tell where the data was published, as an artifact whose bytes stay there."""
        self._client.change(
            "createExternalArtifact",
            "artifact { id }",
            version=version.id,
            path="data/origin.html",
            kind="OTHER",
            uri=uri,
        )

    def _finish(self, run: str, status: str) -> None:
        self._client.change("finishRun", "run { id }", run=run, status=status)

    def _dataset(self, name: str, description: str) -> str:
        try:
            made = self._client.change(
                "createDataset", "dataset { id }", project=self._project, name=name, description=description
            )
        except ChangeRefused as refusal:
            if refusal.code != "NAME_TAKEN":
                raise
            return next(str(row["id"]) for row in self._datasets() if row["name"] == name)
        return str(made["dataset"]["id"])

    def _datasets(self) -> Iterator[dict[str, Any]]:
        after: str | None = None
        while True:
            page = self._client.ask(_DATASETS, project=self._project, after=after)["node"]["datasets"]
            yield from page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def _next_label(self, model: str, series: str) -> str:
        nodes = self._client.ask(_LABELS, model=model)["node"]["versions"]["nodes"]
        ends = [node["label"].removeprefix(f"{series}.") for node in nodes if node["label"].startswith(f"{series}.")]
        return f"{series}.{max((int(end) for end in ends if end.isdecimal()), default=-1) + 1}"


def _parameters(settings: Settings) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in settings.items()]


def _metrics(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [
        {"name": point.name, "phase": point.phase, "value": point.value, "step": str(point.step)} for point in points
    ]
