"""What every gate is: a value with settings that judges a case and says what would make it pass."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from db.codes import GateOutcome
from db.session import Reader
from registry.kernel.errors import InvalidValue
from registry.promotion.targets import Target

Measured: TypeAlias = str | float | int | bool | None
Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A version that is to go somewhere, and what gates may ask about it. Rows are columns by name."""

    reader: Reader
    org_id: UUID
    target: Target
    version: Any
    champion: Any | None
    """What is in PRODUCTION now; None for nothing."""
    digest: str
    """Of the version's files, signature and runtime as they are now."""
    request: Any | None
    """The open request to go there; None for none."""
    now: datetime


@dataclass(frozen=True)
class GateVerdict:
    """What a gate said. `message` says what would make it pass, where it does not."""

    gate: "Gate"
    outcome: GateOutcome
    message: str
    measured: Measured = None
    bound: Measured = None

    @property
    def passed(self) -> bool:
        """Whether this gate is open."""
        return self.outcome == GateOutcome.PASSED


@dataclass(frozen=True)
class Gate(ABC):
    """A condition with its settings, which are the fields of the class; the rest follows from their declarations.

    A new kind is a frozen dataclass in this package whose fields are declared as those of rules are, in `GATES`.
    """

    def checked(self, path: Path) -> "Gate":
        """The gate as it is stored. Raises: InvalidValue where its settings cannot be meant."""
        return self

    @abstractmethod
    async def judge(self, case: Case) -> GateVerdict:
        """What is true of a case now."""

    def passes(self, message: str, measured: Measured = None, bound: Measured = None) -> GateVerdict:
        """It may go on."""
        return GateVerdict(self, GateOutcome.PASSED, message, _plain(measured), _plain(bound))

    def fails(self, message: str, measured: Measured = None, bound: Measured = None) -> GateVerdict:
        """It may not, until something is done about the version."""
        return GateVerdict(self, GateOutcome.FAILED, message, _plain(measured), _plain(bound))

    def waits(self, message: str, measured: Measured = None, bound: Measured = None) -> GateVerdict:
        """It may not yet: somebody else has to act, or time to pass."""
        return GateVerdict(self, GateOutcome.WAITING, message, _plain(measured), _plain(bound))


def finite(value: float | None, path: Path) -> None:
    """Refuse NaN and the infinities as a bound. Raises: InvalidValue."""
    if value is not None and not math.isfinite(value):
        raise InvalidValue("A bound is a finite number: nothing compares with NaN or infinity.", path)


def bounds(minimum: float | None, maximum: float | None, path: Path, crossed: str = "no value could pass") -> None:
    """Refuse bounds that cannot be meant: none, one that is not finite, or the one beyond the other.

    `crossed` says what would follow from the last. Raises: InvalidValue.
    """
    finite(minimum, (*path, "minimum"))
    finite(maximum, (*path, "maximum"))
    if minimum is None and maximum is None:
        raise InvalidValue("Give `minimum`, `maximum` or both.", path)
    if minimum is not None and maximum is not None and minimum > maximum:
        raise InvalidValue(f"`minimum` is greater than `maximum`: {crossed}.", path)


def number(value: float) -> str:
    """A number as people read it."""
    return f"{value:.6g}"


def _plain(value: Measured) -> Measured:
    """What JSON can hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
