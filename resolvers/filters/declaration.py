"""What the declarations of what lists are found by are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from db import tables
from db.base import Tenant
from resolvers.filters.fields import Filter, Id, Metrics, Parameters, Present, Tags, Text, Time
from resolvers.filters.links import Some, Through
from resolvers.pages.sort_keys import SortKey


@dataclass(frozen=True)
class Said:
    """A filter and what it is for."""

    filter: Filter
    description: str


@dataclass(frozen=True)
class Findable:
    """How the rows of a table are found.

    `filters` are the fields of the input `where`, by name. `orders` are columns with their sentences: each needs to be
    unchanging enough to page by; `computed` are keys that are no columns, with theirs. `metrics` and `parameters` are
    whether it has those.
    """

    filters: Mapping[str, Said]
    orders: Mapping[str, str]
    computed: Mapping[str, tuple[SortKey, str]] = field(default_factory=dict)
    metrics: bool = False
    parameters: bool = False


def of_model(filter_: Filter) -> Through:
    """A filter on the model of a row."""
    return Through(tables.Model, "id", filter_, own_key="model_id")


_OF_TEAM: Final = Through(tables.Project, "id", Id("team_id", "Team"), own_key="project_id")

CREATED: Final = {
    "created_at": Said(Time("created_at"), "When it was registered."),
    "created_by": Said(Id("created_by", "Principal"), "Any of these principals registered it."),
}
UPDATED: Final = {"updated_at": Said(Time("updated_at"), "When it was last changed.")}
NAME: Final = {"name": Said(Text("name"), "Its name.")}
DESCRIPTION: Final = {"description": Said(Text("description"), "Its description.")}
MODELS_PROJECT: Final = {
    "project": Said(of_model(Id("project_id", "Project")), "Its model lives in any of these projects."),
    "team": Said(of_model(_OF_TEAM), "The project of its model belongs to any of these teams."),
}
TAGS: Final = {"tags": Said(Tags(), "Its tags: each of these conditions holds.")}
RUNTIME: Final = {
    "runtime": Said(Some(tables.Runtime, "id", own_key="runtime_id"), "It was made with a runtime that is like this."),
    "has_runtime": Said(Present("runtime_id"), "Whether it says what it was made with."),
}
PARAMETERS: Final = {"parameters": Said(Parameters(), "Its parameters: each of these conditions holds.")}
PROJECT: Final = {
    "project": Said(Id("project_id", "Project"), "It lives in any of these projects."),
    "team": Said(_OF_TEAM, "Its project belongs to any of these teams."),
}

BY_NAME: Final = {"name": "By name, in the order of Unicode."}
BY_CREATION: Final = {"created_at": "By the time when it was registered."}
BY_UPDATE: Final = {"updated_at": "By the time when it was last changed."}


def metrics(table: type[Tenant], whose: str = "Its metrics") -> dict[str, Said]:
    """The filter on the metrics of a row."""
    return {"metrics": Said(Metrics(table), f"{whose}: each of these conditions holds.")}


def data_used(run: str) -> dict[str, Said]:
    """The filters on the data that a run used; `run` is the column with its id."""

    def of_use(filter_: Filter) -> Through:
        return Through(tables.LineageEdge, "downstream_id", filter_, own_key=run, open_until="valid_to")

    dataset = Through(tables.DatasetVersion, "id", Id("dataset_id", "Dataset"), own_key="upstream_id")
    who = "It" if run == "id" else "Its run"
    return {
        "dataset": Said(of_use(dataset), f"{who} read a version of any of these datasets."),
        "dataset_version": Said(
            of_use(Id("upstream_id", "DatasetVersion")), f"{who} read any of these dataset versions."
        ),
    }
