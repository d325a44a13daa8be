"""The data sets that scikit-learn ships, split into what is learned from and what is measured on, with digests."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]  # scikit-learn has no types

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

TEST_SHARE: Final = 0.25
SEED: Final = 7
_ORIGIN: Final = "https://archive.ics.uci.edu/dataset/{}"
_UCI_NUMBERS: Final = {"iris": 53, "wine": 109, "breast_cancer": 17, "digits": 80}


@dataclass(frozen=True)
class Sample:
    """Rows of features, float64, and a class number for each, int64."""

    features: Floats
    labels: Labels

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """`sha256:` and the SHA-256 of both arrays, features first.

        Of each array it covers one line of text, type and shape as in `<f8 (112, 4)`, and then the numbers row by row,
        little-endian. The same rows in the same order have the same digest on every machine.
        """
        found = hashlib.sha256()
        for array in (self.features.astype("<f8"), self.labels.astype("<i8")):
            found.update(f"{array.dtype.str} {array.shape}\n".encode())
            found.update(array.tobytes(order="C"))
        return f"sha256:{found.hexdigest()}"


@dataclass(frozen=True)
class Table:
    """A data set: the batches to learn from, in the order they came in, and the rows no training ever reads."""

    name: str
    description: str
    feature_names: list[str]
    class_names: list[str]
    batches: tuple[Sample, ...]
    test: Sample

    @property
    def source(self) -> str:
        """How to get it."""
        return f"sklearn.datasets.load_{self.name}"

    @property
    def origin(self) -> str:
        """The page of who published it."""
        return _ORIGIN.format(_UCI_NUMBERS[self.name])


def load(name: str, *, batch_count: int = 1) -> Table:
    """The data set `iris`, `wine`, `breast_cancer` or `digits`, a quarter of it set aside for measuring.

    The split keeps the shares of the classes and is the same each time, and so are the digests.
    """
    bunch: Any = getattr(datasets, f"load_{name}")()
    features, labels = bunch.data.astype(np.float64), bunch.target.astype(np.int64)
    learn_x, test_x, learn_y, test_y = train_test_split(
        features, labels, test_size=TEST_SHARE, random_state=SEED, stratify=labels
    )
    batches = zip(np.array_split(learn_x, batch_count), np.array_split(learn_y, batch_count), strict=True)
    return Table(
        name=name,
        description=f"{len(labels)} rows, {features.shape[1]} features, {len(bunch.target_names)} classes.",
        feature_names=[str(feature) for feature in bunch.feature_names],
        class_names=[str(label) for label in bunch.target_names],
        batches=tuple(Sample(x, y) for x, y in batches),
        test=Sample(test_x, test_y),
    )
