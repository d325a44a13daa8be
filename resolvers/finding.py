"""What each list can be filtered and ordered by: one declaration per table, from which the arguments are made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from db import tables
from db.base import Tenant
from db.codes import (
    ArtifactKind,
    ArtifactState,
    DesiredState,
    Health,
    ObservedState,
    PricedResource,
    RunStatus,
    Stage,
    TaskType,
)
from resolvers.filtering import (
    Code,
    Filter,
    Id,
    Metrics,
    Number,
    Parameters,
    Present,
    Some,
    Tags,
    Text,
    Through,
    Time,
    WholeNumber,
)


@dataclass(frozen=True)
class Said:
    """A filter and what it is for."""

    filter: Filter
    description: str


@dataclass(frozen=True)
class Findable:
    """How the rows of a table are found.

    `filters` are the fields of the input `where`, by name. `orders` are columns with their sentences: each needs to be
    unchanging enough to page by. `metrics` is where the metrics of a row are, and by which column, if it has any;
    `parameters` is whether it has those.
    """

    filters: Mapping[str, Said]
    orders: Mapping[str, str]
    metrics: tuple[type[Tenant], str] | None = None
    parameters: bool = False


_CREATED: Final = {
    "created_at": Said(Time("created_at"), "When it was registered."),
    "created_by": Said(Id("created_by", "Principal"), "Any of these principals registered it."),
}
_UPDATED: Final = {"updated_at": Said(Time("updated_at"), "When it was last changed.")}
_NAME: Final = {"name": Said(Text("name"), "Its name.")}
_DESCRIPTION: Final = {"description": Said(Text("description"), "Its description.")}
_TAGS: Final = {"tags": Said(Tags(), "Its tags: each of these conditions holds.")}
_PARAMETERS: Final = {"parameters": Said(Parameters(), "Its parameters: each of these conditions holds.")}
_PROJECT: Final = {
    "project": Said(Id("project_id", "Project"), "It lives in any of these projects."),
    "team": Said(
        Through(tables.Project, "id", Id("team_id", "Team"), own_key="project_id"),
        "Its project belongs to any of these teams.",
    ),
}

_BY_NAME: Final = {"name": "By name, in the order of Unicode."}
_BY_CREATION: Final = {"created_at": "By the time when it was registered."}
_BY_UPDATE: Final = {"updated_at": "By the time when it was last changed."}


def _metrics(points: type[Tenant], owner: str) -> dict[str, Said]:
    return {"metrics": Said(Metrics(points, owner), "Its metrics: each of these conditions holds.")}


def _of_model(filter_: Filter) -> Through:
    return Through(tables.Model, "id", filter_, own_key="model_id")


def _of_data_used(filter_: Filter) -> Through:
    return Through(tables.LineageEdge, "downstream_id", filter_, open_until="valid_to")


FINDABLE: Final[Mapping[type[Tenant], Findable]] = {
    tables.Team: Findable(
        filters={**_NAME, "created_at": _CREATED["created_at"]},
        orders={**_BY_NAME, **_BY_CREATION},
    ),
    tables.Project: Findable(
        filters={
            **_NAME, **_DESCRIPTION,
            "team": Said(Id("team_id", "Team"), "It belongs to any of these teams."),
            "created_at": _CREATED["created_at"],
        },
        orders={**_BY_NAME, **_BY_CREATION},
    ),
    tables.Model: Findable(
        filters={
            **_NAME, **_DESCRIPTION,
            "framework": Said(Text("framework"), "What it is made with."),
            "task": Said(Code("task", TaskType), "It is for any of these tasks."),
            "owner": Said(Id("owner_id", "Principal"), "Any of these principals answers for it."),
            **_PROJECT, **_TAGS,
            "stage": Said(
                Through(tables.Version, "model_id", Code("stage", Stage)), "It has a version in any of these stages."
            ),
            "versions": Said(Some(tables.Version, "model_id"), "It has a version that is like this."),
            "deployments": Said(Some(tables.Deployment, "model_id"), "It has a deployment that is like this."),
            **_CREATED, **_UPDATED,
        },
        orders={**_BY_NAME, "framework": "By framework.", **_BY_CREATION, **_BY_UPDATE},
    ),
    tables.Dataset: Findable(
        filters={
            **_NAME, **_DESCRIPTION, **_PROJECT,
            "versions": Said(Some(tables.DatasetVersion, "dataset_id"), "It has a version that is like this."),
            **_CREATED,
        },
        orders={**_BY_NAME, **_BY_CREATION},
    ),
    tables.DatasetVersion: Findable(
        filters={
            "digest": Said(Text("digest"), "Its digest."),
            "source": Said(Text("source"), "Where the data came from."),
            "row_count": Said(WholeNumber("row_count"), "How many rows it has."),
            "dataset": Said(Id("dataset_id", "Dataset"), "It is a version of any of these datasets."),
            **_CREATED,
        },
        orders={"row_count": "By the number of its rows.", **_BY_CREATION},
    ),
    tables.Experiment: Findable(
        filters={
            **_NAME, **_DESCRIPTION, **_PROJECT, **_TAGS,
            "runs": Said(Some(tables.Run, "experiment_id"), "It has a run that is like this."),
            **_CREATED, **_UPDATED,
        },
        orders={**_BY_NAME, **_BY_CREATION, **_BY_UPDATE},
    ),
    tables.Run: Findable(
        filters={
            **_NAME,
            "status": Said(Code("status", RunStatus), "It has come as far as any of these."),
            **_PROJECT,
            "experiment": Said(Id("experiment_id", "Experiment"), "It is part of any of these experiments."),
            "has_experiment": Said(Present("experiment_id"), "Whether it is part of an experiment."),
            "parent_run": Said(Id("parent_run_id", "Run"), "Any of these runs began it."),
            "has_parent_run": Said(Present("parent_run_id"), "Whether another run began it."),
            "dataset": Said(
                _of_data_used(Through(tables.DatasetVersion, "id", Id("dataset_id", "Dataset"), own_key="upstream_id")),
                "It read a version of any of these datasets.",
            ),
            "dataset_version": Said(
                _of_data_used(Id("upstream_id", "DatasetVersion")), "It read any of these dataset versions."
            ),
            **_TAGS, **_PARAMETERS, **_metrics(tables.RunMetric, "run_id"),
            "started_at": Said(Time("started_at"), "When it began."),
            "ended_at": Said(Time("ended_at"), "When it ended."),
            **_CREATED,
        },
        orders={
            **_BY_NAME,
            "status": "By status, in the order of the alphabet.",
            "started_at": "By the time when it began.",
            "ended_at": "By the time when it ended.",
            **_BY_CREATION,
        },
        metrics=(tables.RunMetric, "run_id"),
        parameters=True,
    ),
    tables.Version: Findable(
        filters={
            "number": Said(WholeNumber("number"), "Its number."),
            "label": Said(Text("label"), "Its label."),
            **_DESCRIPTION,
            "stage": Said(Code("stage", Stage), "It stands in any of these stages."),
            "alias": Said(Through(tables.Alias, "version_id", Text("name")), "An alias of this name points at it."),
            "model": Said(Id("model_id", "Model"), "It is a version of any of these models."),
            "framework": Said(_of_model(Text("framework")), "What its model is made with."),
            "project": Said(_of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
            "run": Said(Id("run_id", "Run"), "Any of these runs produced it."),
            "has_run": Said(Present("run_id"), "Whether a run produced it."),
            "base_version": Said(Id("base_version_id", "Version"), "It was made from any of these versions."),
            "has_base_version": Said(Present("base_version_id"), "Whether it was made from another version."),
            "deployments": Said(Some(tables.Deployment, "version_id"), "It has a deployment that is like this."),
            **_TAGS, **_PARAMETERS, **_metrics(tables.VersionMetric, "version_id"), **_CREATED,
        },
        orders={
            "number": "By number.",
            "label": "By label, in the order of Unicode.",
            "stage": "By stage, in the order of the alphabet.",
            **_BY_CREATION,
        },
        metrics=(tables.VersionMetric, "version_id"),
        parameters=True,
    ),
    tables.Alias: Findable(
        filters={
            **_NAME,
            "version": Said(Id("version_id", "Version"), "It points at any of these versions."),
            **_CREATED, **_UPDATED,
        },
        orders={**_BY_NAME, **_BY_CREATION, **_BY_UPDATE},
    ),
    tables.Artifact: Findable(
        filters={
            "path": Said(Text("path"), "Its path."),
            "kind": Said(Code("kind", ArtifactKind), "It is for any of these."),
            "state": Said(Code("state", ArtifactState), "It is in any of these states."),
            "content_type": Said(Text("content_type"), "Its media type."),
            "size_bytes": Said(WholeNumber("size_bytes"), "How many bytes it has."),
            "sha256": Said(Text("sha256"), "SHA-256 of its bytes, in hexadecimal."),
            **_CREATED,
        },
        orders={
            "path": "By path, in the order of Unicode.",
            "size_bytes": "By size.",
            "kind": "By what it is for, in the order of the alphabet.",
            **_BY_CREATION,
        },
    ),
    tables.Environment: Findable(
        filters={**_NAME, **_DESCRIPTION, **_TAGS, **_CREATED, **_UPDATED},
        orders={**_BY_NAME, **_BY_CREATION, **_BY_UPDATE},
    ),
    tables.Deployment: Findable(
        filters={
            **_NAME,
            "environment": Said(Id("environment_id", "Environment"), "It is in any of these environments."),
            "model": Said(Id("model_id", "Model"), "It runs any of these models."),
            "version": Said(Id("version_id", "Version"), "It is to run any of these versions."),
            "observed_version": Said(Id("observed_version_id", "Version"), "It was seen with any of these versions."),
            "desired_state": Said(Code("desired_state", DesiredState), "It is to be in any of these states."),
            "observed_state": Said(Code("observed_state", ObservedState), "It was seen in any of these states."),
            "health": Said(Code("health", Health), "Its health was any of these when it was last seen."),
            "traffic_percent": Said(Number("traffic_percent"), "Its share of the traffic."),
            "endpoint": Said(Text("endpoint"), "Where it answers."),
            **_TAGS, **_CREATED, **_UPDATED,
        },
        orders={**_BY_NAME, "traffic_percent": "By its share of the traffic.", **_BY_CREATION, **_BY_UPDATE},
    ),
    tables.Price: Findable(
        filters={
            "resource": Said(Code("resource", PricedResource), "It is for any of these resources."),
            "hardware": Said(Text("hardware"), "The hardware it is for."),
            "currency": Said(Text("currency"), "Its currency."),
            "valid_from": Said(Time("valid_from"), "From when on it holds."),
            "valid_to": Said(Time("valid_to"), "Until when it held."),
            **_CREATED,
        },
        orders={"valid_from": "By the time from which it holds.", **_BY_CREATION},
    ),
    tables.DeploymentChange: Findable(
        filters={
            "version": Said(Id("version_id", "Version"), "It was to run any of these versions."),
            "desired_state": Said(Code("desired_state", DesiredState), "It was to be in any of these states."),
            "reason": Said(Text("reason"), "Why."),
            **_CREATED,
        },
        orders={"revision": "By revision.", **_BY_CREATION},
    ),
    tables.DeploymentReport: Findable(
        filters={
            "observed_state": Said(Code("observed_state", ObservedState), "It was seen in any of these states."),
            "observed_version": Said(Id("observed_version_id", "Version"), "It was seen with any of these versions."),
            "health": Said(Code("health", Health), "Its health was any of these."),
            "observed_at": Said(Time("observed_at"), "When it was seen."),
            **_CREATED,
        },
        orders={"observed_at": "By the time when it was seen.", **_BY_CREATION},
    ),
    tables.DeploymentMetric: Findable(
        filters={
            **_NAME,
            "value": Said(Number("value"), "Its value, where that is a finite number."),
            "measured_at": Said(Time("measured_at"), "When it was measured."),
        },
        orders={
            "measured_at": "By the time when it was measured.",
            "value": "By value; one that is no finite number counts as if there were none.",
            **_BY_NAME,
        },
    ),
}  # fmt: skip
