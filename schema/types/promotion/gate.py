"""Gates and what they say. The type of each kind is made from its class: a new kind is in the graph by itself."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any, Final, get_type_hints

import strawberry
from strawberry import Parent
from typing_extensions import Doc

from db.codes import GateOutcome
from registry.kernel.inputs import ParameterValue
from registry.promotion.gates.gate import Gate as GateRule
from registry.promotion.gates.kinds import GATES, of_json
from schema.building.inputs import shape_of


@strawberry.interface(description="A condition that a version has to fulfil. Its type says which, its fields say how.")
class Gate:
    """See `registry.promotion.gates.gate.Gate`."""

    kind: str = strawberry.field(description="The name of its type.", resolver=lambda root: type(root).__name__)


def _shown(kind: str, rule: type[GateRule]) -> Any:
    """The graph type of a kind of gate: the fields of its class, with their documentation."""
    hints = get_type_hints(rule, include_extras=True)
    names = [field.name for field in dataclasses.fields(rule)]
    docs = {
        name: next(extra.documentation for extra in hints[name].__metadata__ if isinstance(extra, Doc))
        for name in names
    }

    def is_type_of(cls: Any, obj: Any, info: Any) -> bool:
        return isinstance(obj, rule)

    namespace: dict[str, Any] = {name: strawberry.field(description=docs[name]) for name in names}
    namespace["__annotations__"] = {name: shape_of(hints[name]).graphql_type for name in names}
    namespace |= {"is_type_of": classmethod(is_type_of), "value_class": rule}
    made = type(kind, (Gate,), namespace)
    return strawberry.type(made, description=inspect.cleandoc(rule.__doc__ or ""))


GATE_TYPES: Final = tuple(_shown(kind, rule) for kind, rule in GATES.items())


@strawberry.type(description="What a gate said of a version.")
class GateVerdict:
    """See `registry.promotion.gates.gate.GateVerdict`."""

    gate: Gate = strawberry.field(description="The gate.")
    outcome: GateOutcome = strawberry.field(description="Whether it is open.")
    message: str = strawberry.field(description="What was found and, unless it is open, what would open it.")
    measured: ParameterValue | None = strawberry.field(
        description="What was found, as a value; null where there is none."
    )
    bound: ParameterValue | None = strawberry.field(description="What it was compared with; null where there is none.")


@dataclasses.dataclass(frozen=True)
class _Kept:
    """A verdict out of history."""

    gate: GateRule
    outcome: GateOutcome
    message: str
    measured: Any
    bound: Any


def _gates(root: Parent[Any]) -> list[Any]:
    return [of_json(kept) for kept in root.gates]


def _verdicts(root: Parent[Any]) -> list[Any]:
    return [_kept(one) for one in root.verdicts]


def _kept(one: Mapping[str, Any]) -> _Kept:
    return _Kept(of_json(one["gate"]), GateOutcome(one["outcome"]), one["message"], one["measured"], one["bound"])


def gates() -> Any:
    """The gates that a row holds as JSON."""
    return strawberry.field(
        _gates, graphql_type=list[Gate], description="What has to be open, in this order.", metadata={"rows": 1}
    )


def verdicts() -> Any:
    """The verdicts that a row holds as JSON."""
    return strawberry.field(
        _verdicts, graphql_type=list[GateVerdict], metadata={"rows": 1},
        description="What the gates said when it happened, in the order of the policy; none where none was asked.",
    )  # fmt: skip
