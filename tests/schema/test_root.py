"""The root of the graph joins every area, and no area imports another."""

import pkgutil
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import strawberry
from graphql import GraphQLObjectType

from schema import types
from schema.building.node import RowNode
from schema.root import AREAS, joined
from schema.types.graph import search
from schema.types.promotion import promotion_event
from schema.types.tracking.price import PriceQuery
from tests.schema.built import SCHEMA

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
ROOTS = ("Query", "Mutation", "Subscription")


def declared(module: ModuleType) -> Iterator[type]:
    return (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__)


def brings_something(module: ModuleType) -> bool:
    """Whether a module declares a type of a table, or fields of a root."""
    return any(
        one.__name__.endswith(ROOTS) or (issubclass(one, RowNode) and "table" in vars(one)) for one in declared(module)
    )


def test_every_module_that_brings_something_to_the_graph_is_an_area() -> None:
    found = [import_module(one.name) for one in pkgutil.walk_packages(types.__path__, f"{types.__name__}.")]
    assert {one.__name__ for one in found if brings_something(one)} == {area.__name__ for area in AREAS}


def test_the_contract_on_areas_names_all_that_stand_alone() -> None:
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    contract = next(one for one in contracts if one["name"] == "Areas of the graph meet only in the root")
    # Search shows results of many areas, and events of promotions are events.
    assert set(contract["modules"]) == {area.__name__ for area in AREAS if area not in (search, promotion_event)}
    assert "ignore_imports" not in contract


@strawberry.type
class FirstQuery:
    """The reads of an area."""

    first: int


@strawberry.type
class SecondQuery:
    """The reads of another."""

    second: int


@strawberry.type
class SecondMutation:
    """The changes of that one."""

    changed: int


def area(*parts: type) -> ModuleType:
    """A module in which these classes stand."""
    made = ModuleType(__name__)
    vars(made).update({part.__name__: part for part in parts})
    return made


def names_of(root: Any) -> list[str]:
    return [field.python_name for field in root.__strawberry_definition__.fields]


def test_the_fields_of_a_root_stand_in_the_order_of_the_areas() -> None:
    areas = [area(SecondQuery, SecondMutation), area(FirstQuery)]
    assert names_of(joined("Query", areas, description="Reads.")) == ["second", "first"]
    assert names_of(joined("Query", reversed(areas), description="Reads.")) == ["first", "second"]
    assert names_of(joined("Mutation", areas, description="Changes.")) == ["changed"]


LOOKED_FOR = {
    "Query": [
        "node", "nodes", "viewer", "organization", "search", "team", "teams", "project", "projects", "model", "models",
        "version", "versions", "run", "runs", "experiment", "experiments", "dataset", "datasets", "artifact",
        "artifacts", "transitions", "promotionRequests", "promotionPolicies", "automationRules", "environment",
        "environments", "deployment", "deployments", "statistics", "events", "webhook", "webhooks", "serverVersion",
    ],
    "Mutation": [
        "createTeam", "createProject", "createModel", "createVersion", "setAlias", "createRun", "createExperiment",
        "createDataset", "createUpload", "promoteVersion", "requestPromotion", "setPromotionPolicy",
        "setAutomationRule", "createEnvironment", "createDeployment", "setPrice", "createWebhook",
    ],
    "Subscription": ["events", "modelEvents", "promotionEvents", "heartbeat"],
}  # fmt: skip
"""Fields of the roots in the order in which a person looks for them."""


@pytest.mark.parametrize("root", LOOKED_FOR)
def test_the_fields_of_a_root_stand_in_the_order_in_which_a_person_looks_for_them(root: str) -> None:
    fields = list(cast(GraphQLObjectType, SCHEMA.get_type(root)).fields)
    assert [name for name in fields if name in LOOKED_FOR[root]] == LOOKED_FOR[root]
    assert (fields[0], fields[-1]) == (LOOKED_FOR[root][0], LOOKED_FOR[root][-1]) or root == "Mutation"


def test_classes_that_come_first_and_last_are_there_once() -> None:
    areas = [area(SecondQuery), area(FirstQuery)]
    assert names_of(joined("Query", areas, first=[FirstQuery], description="Reads.")) == ["first", "second"]
    assert names_of(joined("Query", [areas[1]], last=[SecondQuery], description="Reads.")) == ["first", "second"]


def test_what_an_area_imports_from_elsewhere_is_not_its_own() -> None:
    assert names_of(joined("Query", [area(FirstQuery, PriceQuery)], description="Reads.")) == ["first"]
