"""How each model of the demo learns, and what was measured while it did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.ensemble import (  # type: ignore[import-untyped]  # scikit-learn has no types
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.metrics import accuracy_score, log_loss, recall_score  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.neural_network import MLPClassifier  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]  # scikit-learn has no types

from demo.data import SEED, Sample, Table

BASE_EPOCHS: Final = 20
TUNING_EPOCHS: Final = 15

Settings = dict[str, str | float | bool]


@dataclass(frozen=True)
class Point:
    """One measured value; `step` counts epochs, trees or stages from 1, or is 0 where there is no history."""

    name: str
    phase: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class Trained:
    """A model that has learned, and the history of its learning."""

    estimator: Any
    history: list[Point]


def joined(batches: Sequence[Sample]) -> Sample:
    """All rows of some batches, in their order."""
    return Sample(
        np.concatenate([batch.features for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
    )


def parameters_of(estimator: Any) -> Settings:
    """The settings of an estimator that are set, or of the last step of a pipeline."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    shown: Settings = {"algorithm": type(last).__name__}
    for name, value in last.get_params(deep=False).items():
        if value is not None:
            shown[name] = value if isinstance(value, str | int | float) else str(value)
    return shown


def measure(estimator: Any, sample: Sample, phase: str, step: int = 0) -> list[Point]:
    """Accuracy and log loss on a sample."""
    probabilities = estimator.predict_proba(sample.features)
    guesses = estimator.classes_[probabilities.argmax(axis=1)]
    return [
        Point("accuracy", phase, float(accuracy_score(sample.labels, guesses)), step),
        Point("log_loss", phase, float(log_loss(sample.labels, probabilities, labels=estimator.classes_)), step),
    ]


def recall(estimator: Any, sample: Sample, class_number: int, name: str) -> Point:
    """Of the rows of one class, the share that is found."""
    guesses = estimator.predict(sample.features)
    return Point(name, "TEST", float(recall_score(sample.labels, guesses, labels=[class_number], average="macro")))


def logistic() -> Any:
    """A straight line between the classes, over scaled features."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=200, random_state=SEED))


def fit_at_once(estimator: Any, table: Table) -> Trained:
    """Learn in one go; there is nothing to measure on the way."""
    batch = table.batches[0]
    estimator.fit(batch.features, batch.labels)
    return Trained(estimator, measure(estimator, batch, "TRAINING"))


def forest(tree_count: int) -> Any:
    """Many trees, each grown on other rows."""
    return RandomForestClassifier(n_estimators=tree_count, random_state=SEED)


def grow_forest(estimator: Any, table: Table) -> Trained:
    """Grow the forest in five steps, each measured on the rows set aside."""
    batch = joined(table.batches)
    history: list[Point] = []
    estimator.set_params(warm_start=True)
    for tree_count in np.linspace(0, estimator.n_estimators, 6, dtype=int)[1:].tolist():
        estimator.set_params(n_estimators=tree_count)
        estimator.fit(batch.features, batch.labels)
        history += measure(estimator, table.test, "TEST", tree_count)
    return Trained(estimator, history)


def boosting() -> Any:
    """Small trees, each correcting those before it."""
    return GradientBoostingClassifier(n_estimators=60, learning_rate=0.1, max_depth=2, random_state=SEED)


def boost(estimator: Any, table: Table) -> Trained:
    """Boost, and read the loss of every stage on both sides of the split."""
    batch = table.batches[0]
    estimator.fit(batch.features, batch.labels)
    return Trained(
        estimator, list(_stages(estimator, batch, "TRAINING")) + list(_stages(estimator, table.test, "TEST"))
    )


def network() -> Any:
    """A network with one hidden layer."""
    return MLPClassifier(hidden_layer_sizes=(64,), learning_rate_init=0.001, batch_size=64, random_state=SEED)


def train_epochs(estimator: Any, table: Table, batch: Sample, epochs: range) -> Trained:
    """Go through the batch once for each epoch, wherever the estimator stands; the epochs are the steps."""
    history: list[Point] = []
    for epoch in epochs:
        estimator.partial_fit(batch.features, batch.labels, classes=range(len(table.class_names)))
        history.append(Point("loss", "TRAINING", float(estimator.loss_), epoch))
        history += measure(estimator, table.test, "TEST", epoch)
    return Trained(estimator, history)


def _stages(estimator: Any, sample: Sample, phase: str) -> Iterator[Point]:
    for stage, probabilities in enumerate(estimator.staged_predict_proba(sample.features), 1):
        yield Point("log_loss", phase, float(log_loss(sample.labels, probabilities)), stage)
