"""The kinds of gates, and how they are kept as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter

from registry.kernel.errors import InvalidValue
from registry.promotion.gates.contents import CleanLineage, Integrity, RequiredArtifacts, RequiredFacts
from registry.promotion.gates.gate import Gate, GateVerdict, Path
from registry.promotion.gates.measures import EvaluationAge, MetricThreshold, NotWorseThanChampion
from registry.promotion.gates.others import Approvals, ExternalCheck, MinimumStay

GATES: Final[Mapping[str, type[Gate]]] = {
    gate.__name__: gate
    for gate in (
        MetricThreshold, NotWorseThanChampion, EvaluationAge, Integrity, RequiredArtifacts, RequiredFacts, CleanLineage,
        Approvals, ExternalCheck, MinimumStay,
    )
}  # fmt: skip
_SHAPES: Final[Mapping[str, TypeAdapter[Gate]]] = {name: TypeAdapter(gate) for name, gate in GATES.items()}
MAX_GATES = 20
_ONCE: Final = (Approvals.__name__, Integrity.__name__, CleanLineage.__name__)
ALWAYS: Final = Integrity()
"""What holds where no policy says otherwise."""


def checked(gates: Sequence[Gate], path: Path) -> list[dict[str, Any]]:
    """Gates as they are kept.

    Raises: InvalidValue for too many, for settings that cannot be meant, for gates that contradict each other.
    """
    if len(gates) > MAX_GATES:
        raise InvalidValue(f"{len(gates)} gates are more than {MAX_GATES}.", path)
    kept = [gate.checked((*path, str(place))) for place, gate in enumerate(gates)]
    for place, gate in enumerate(kept):
        if gate in kept[:place]:
            raise InvalidValue("This gate stands here twice.", (*path, str(place)))
    _agree([(place, gate) for place, gate in enumerate(kept) if isinstance(gate, MetricThreshold)], path)
    # Approvals may be asked of several roles: two by maintainers, and one of an administrator.
    once = [(type(gate).__name__, getattr(gate, "role", None)) for gate in kept]
    for place, (kind, role) in enumerate(once):
        if kind in _ONCE and (kind, role) in once[:place]:
            raise InvalidValue(f"{kind} stands here more than once.", (*path, str(place)))
    return [as_json(gate) for gate in kept]


def as_json(gate: Gate) -> dict[str, Any]:
    """A gate with its kind."""
    kind = type(gate).__name__
    return {"kind": kind, **_SHAPES[kind].dump_python(gate, mode="json")}


def of_json(kept: Mapping[str, Any]) -> Gate:
    """The gate that was kept; settings that this release does not know are left out."""
    return _SHAPES[kept["kind"]].validate_python(kept)


def verdict_as_json(verdict: GateVerdict) -> dict[str, Any]:
    """A verdict as history keeps it."""
    return {
        "gate": as_json(verdict.gate),
        "outcome": verdict.outcome.value,
        "message": verdict.message,
        "measured": verdict.measured,
        "bound": verdict.bound,
    }


def _agree(thresholds: Sequence[tuple[int, MetricThreshold]], path: Path) -> None:
    """Refuse bounds on the same metric between which there is nothing. Raises: InvalidValue."""
    ranges: dict[tuple[str, str], tuple[float, float]] = {}
    for place, gate in thresholds:
        low, high = ranges.get((gate.metric, gate.phase), (float("-inf"), float("inf")))
        low = low if gate.minimum is None else max(low, gate.minimum)
        high = high if gate.maximum is None else min(high, gate.maximum)
        if low > high:
            raise InvalidValue(
                f"This contradicts another gate on {gate.metric}: no value could pass both.", (*path, str(place))
            )
        ranges[gate.metric, gate.phase] = (low, high)
