"""Small values inside things: tags, parameters and metrics, as clients see them."""

from collections import namedtuple
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import strawberry
from strawberry import Parent

from db.codes import Phase, SpecialValue
from registry.kernel.inputs import MAX_PARAMETERS, MAX_TAGS, BigInt, ParameterValue
from schema.execution.query_cost import rows_inside

DELETED_AT = "When it was deleted; null while it is there. By its id it is still found, in lists and by name it is not."


class _Pair(NamedTuple):
    """A key or name with its value."""

    key: str
    value: Any


@strawberry.type(description="A key with a value, set by people.")
class Tag:
    """One tag."""

    key: str = strawberry.field(description="Unique among the tags of a thing.")
    value: str = strawberry.field(description="May be empty.")


@strawberry.type(description="A setting of a run or a version.")
class Parameter:
    """One parameter."""

    key: str = strawberry.field(name="name", description="Unique among the parameters of a thing.")
    value: ParameterValue = strawberry.field(description="Text, a number or a boolean.")


@strawberry.type(description="A measured value at a step.")
class Metric:
    """One metric point."""

    name: str = strawberry.field(description="What was measured.")
    phase: Phase = strawberry.field(description="On which data.")
    step: BigInt = strawberry.field(description="Position in the history.")
    value: float | None = strawberry.field(description="The value; null where `special` says what it was instead.")
    special: SpecialValue | None = strawberry.field(description="What was measured instead of a finite number.")
    measured_at: datetime = strawberry.field(description="When it was measured.")


def entries(shown: Any, column: str, *, limit: int, description: str) -> Any:
    """The list of at most `limit` entries that a row holds as JSON, each shown as the graph type `shown`."""
    names = [field.python_name for field in shown.__strawberry_definition__.fields]
    make = namedtuple(shown.__name__, names)  # type: ignore[misc]  # the names are those of the graph type

    def resolve(root: Parent[Any]) -> list[Any]:
        return [make(*map(entry.get, names)) for entry in getattr(root, column)]

    return strawberry.field(
        resolve,
        graphql_type=list[shown],
        description=f"{description} At most {limit:,}.",
        metadata={"rows": rows_inside(limit)},
    )


def _pairs(values: Mapping[str, Any]) -> list[_Pair]:
    return [_Pair(key, values[key]) for key in sorted(values)]


def _tags(root: Parent[Any]) -> list[_Pair]:
    return _pairs(root.tags)


def _parameters(root: Parent[Any]) -> list[_Pair]:
    return _pairs(root.parameters)


def tags() -> Any:
    """The tags of a row that has a column of them."""
    return strawberry.field(_tags, graphql_type=list[Tag], description=f"By key; at most {MAX_TAGS}.")


def parameters() -> Any:
    """The parameters of a row that has a column of them."""
    return strawberry.field(
        _parameters,
        graphql_type=list[Parameter],
        description=f"By name; at most {MAX_PARAMETERS}.",
        metadata={"rows": rows_inside(MAX_PARAMETERS)},
    )
