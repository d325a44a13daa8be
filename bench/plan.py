"""How much is measured: sizes of the data, rounds, and bytes."""

from dataclasses import dataclass, field

from bench.seed import Shape

MIB_BYTES = 1024**2


@dataclass(frozen=True)
class Plan:
    """The extent of one run. A batch is how many versions are created in one turn, by `clients` of them at once."""

    shape: Shape = field(default_factory=Shape)
    rounds: int = 15
    batch: int = 40
    clients: int = 8
    small_bytes: int = 64 * 1024
    large_bytes: int = 64 * MIB_BYTES


FULL = Plan()
QUICK = Plan(rounds=7, batch=16, large_bytes=16 * MIB_BYTES)
