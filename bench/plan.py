"""How much is measured: sizes of the data, rounds, and bytes."""

from dataclasses import dataclass, field

from bench.seed import Shape

MIB_BYTES = 1024**2

LARGE = Shape(models=1_000, versions=10, artifacts=3, experiments=100, runs=10_000, metrics=10, steps=100)
"""The organization that everything has to stay fast for: ten million metric points among the rest."""

SMALLER = Shape(models=200, versions=10, artifacts=3, experiments=20, runs=1_000, metrics=10, steps=20)


@dataclass(frozen=True)
class Plan:
    """The extent of one run: `shape` is what the nested query reads, `large` the organization behind the screens,
    `history` how many points the longest metric there has.

    A batch is how many versions are created or promoted in one turn, by `clients` of them at once. Events are told
    for `told_s` seconds in each of `told_rounds`, to one follower and to a `crowd`.
    """

    shape: Shape = field(default_factory=Shape)
    large: Shape = field(default_factory=lambda: LARGE)
    history: int = 1_000_000
    rounds: int = 15
    batch: int = 40
    clients: int = 8
    imported_runs: int = 100
    told_rounds: int = 3
    told_s: float = 3.0
    crowd: int = 1_000
    small_bytes: int = 64 * 1024
    large_bytes: int = 64 * MIB_BYTES


FULL = Plan()
QUICK = Plan(large=SMALLER, history=100_000, rounds=7, batch=16, told_rounds=1, large_bytes=16 * MIB_BYTES)
