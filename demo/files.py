"""The files of a version: the model itself, how much each feature counts, and a picture of its mistakes."""

import json
from pathlib import Path
from typing import Any, Final

import joblib  # type: ignore[import-untyped]  # joblib has no types
import numpy as np
from matplotlib.figure import Figure
from sklearn.inspection import permutation_importance  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.metrics import confusion_matrix  # type: ignore[import-untyped]  # scikit-learn has no types

from demo.data import SEED, Floats, Sample, Table
from demo.transfers import LocalFile

DPI: Final = 120
_INK: Final = "#1c2733"


def write_all(estimator: Any, table: Table, title: str, folder: Path) -> list[LocalFile]:
    """Write the three files of a version into `folder`, the model first; `title` heads the picture."""
    model, importance, picture = folder / "model.joblib", folder / "importance.json", folder / "confusion.png"
    joblib.dump(estimator, model)
    importance.write_text(json.dumps(_importance(estimator, table), indent=2))
    draw_confusion(estimator, table, title, picture)
    return [
        LocalFile.measured(model, "model.joblib", "MODEL", "application/octet-stream"),
        LocalFile.measured(importance, "feature_importance.json", "FEATURE_IMPORTANCE", "application/json"),
        LocalFile.measured(picture, "plots/confusion_matrix.png", "CONFUSION_MATRIX", "image/png"),
    ]


def read_model(path: Path) -> Any:
    """The estimator in a file that this program wrote itself: reading a pickle runs code, so never open another's."""
    return joblib.load(path)


def same_predictions(one: Any, other: Any, sample: Sample) -> bool:
    """Whether two estimators say the same of every row, to the last bit of each probability."""
    return bool(np.array_equal(one.predict_proba(sample.features), other.predict_proba(sample.features)))


def draw_confusion(estimator: Any, table: Table, title: str, to: Path) -> None:
    """Draw which class of the test rows was taken for which, as a PNG: a row for each true class, darker for more."""
    counts = confusion_matrix(table.test.labels, estimator.predict(table.test.features))
    class_count = len(table.class_names)
    right = int(np.trace(counts))
    side_inches = 2.6 + 0.42 * class_count
    # A figure of its own, never pyplot: nothing global, no window, safe in any thread.
    figure = Figure(figsize=(side_inches + 0.6, side_inches), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > 0.5 else _INK
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=9)
    places = range(class_count)
    longest = max(len(name) for name in table.class_names)
    axes.set_xticks(
        places, table.class_names, rotation=30 if longest > 2 else 0, ha="right" if longest > 2 else "center"
    )
    axes.set_yticks(places, table.class_names)
    axes.set_xlabel("taken for")
    axes.set_ylabel("really")
    axes.set_title(f"{title}\n{right} of {table.test.row_count} test rows right", fontsize=10, color=_INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.savefig(to)


def _importance(estimator: Any, table: Table) -> dict[str, Any]:
    """How much each feature counts, most first: as trees say themselves, else the accuracy lost when shuffled."""
    if hasattr(estimator, "feature_importances_"):
        method, values = "impurity", estimator.feature_importances_
    else:
        method, values = "permutation", _permuted(estimator, table.test)
    ranked = sorted(zip(table.feature_names, values.tolist(), strict=True), key=lambda pair: -pair[1])
    return {"method": method, "features": [{"name": name, "importance": value} for name, value in ranked]}


def _permuted(estimator: Any, sample: Sample) -> Floats:
    found: Floats = permutation_importance(
        estimator, sample.features, sample.labels, n_repeats=2, random_state=SEED
    ).importances_mean
    return found
