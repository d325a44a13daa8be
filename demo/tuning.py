"""A search for the best settings: a run with a trial for each, all in one experiment, and one of them given up."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sklearn.ensemble import GradientBoostingClassifier  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.metrics import log_loss  # type: ignore[import-untyped]  # scikit-learn has no types
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]  # scikit-learn has no types

from demo import capture, training
from demo.catalog import Catalog
from demo.client import Client
from demo.data import SEED, Sample, Table
from demo.training import Point, Settings, Trained

EXPERIMENT: Final = "tumor-screen-settings"
STAGES: Final = 40
PATIENCE_STAGES: Final = 8
METRIC: Final = "log_loss"
SEARCHED: Final = ("learning_rate", "max_depth")
GRID: Final = [dict(zip(SEARCHED, chosen, strict=True)) for chosen in itertools.product((0.05, 0.2, 0.8, 3.0), (1, 2))]

_BEST: Final = """query BestTrial($search: ID!) { node(id: $search) { ... on Run {
  bestTrials(metric: "log_loss", phase: VALIDATION, direction: MINIMIZE, first: 1) {
    places { run { id name parameters { name value } } }
  }
} } }"""


@dataclass(frozen=True)
class Search:
    """A search that has ended: its experiment, its run, how its trials ended, and the settings of the best one."""

    experiment: str
    run: str
    finished_count: int
    given_up_count: int
    best: str
    settings: Mapping[str, float]


def search(client: Client, catalog: Catalog, table: Table) -> Search:
    """Try every setting of the grid on a part of the batch, and ask the registry which was the best on the rest."""
    learn, check = _split(table.batches[0])
    experiment = catalog.experiment(EXPERIMENT, "How fast and how deep are the trees of tumor-screen to learn?")
    reads = [(catalog.dataset_version(table, "train", table.batches[0]), "TRAINING")]
    settings: Settings = {"algorithm": "GradientBoostingClassifier", "n_estimators": STAGES, "trials": len(GRID)}
    run = catalog.start_run("tumor-screen search", settings, reads, experiment=experiment)
    endings: list[str] = []
    with catalog.ending(run):
        for number, chosen in enumerate(GRID, 1):
            trial = catalog.start_run(
                f"trial {number}", {"n_estimators": STAGES, **chosen}, reads, experiment=experiment, parent=run
            )
            with catalog.ending(trial) as how:
                gauge = capture.Gauge()
                trained, is_given_up = _try(chosen, learn, check)
                catalog.log(trial, trained.history)
                catalog.log_samples(trial, [gauge.sample()])
                how.status = "CANCELED" if is_given_up else "FINISHED"
            endings.append(how.status)
        best = client.ask(_BEST, search=run)["node"]["bestTrials"]["places"][0]["run"]
    return Search(
        experiment,
        run,
        endings.count("FINISHED"),
        endings.count("CANCELED"),
        best["name"],
        {one["name"]: one["value"] for one in best["parameters"] if one["name"] in SEARCHED},
    )


def tuned(settings: Mapping[str, float]) -> Any:
    """An estimator with the settings that a search found."""
    depth = int(settings["max_depth"])
    return training.boosting().set_params(n_estimators=STAGES, learning_rate=settings["learning_rate"], max_depth=depth)


def narrowed(table: Table, prefix: str) -> Table:
    """The table with only the features whose names begin so."""
    kept = [place for place, name in enumerate(table.feature_names) if name.startswith(prefix)]

    def narrow(sample: Sample) -> Sample:
        return Sample(sample.features[:, kept], sample.labels)

    return replace(
        table,
        feature_names=[table.feature_names[place] for place in kept],
        batches=tuple(map(narrow, table.batches)),
        test=narrow(table.test),
    )


def _try(settings: Mapping[str, float], learn: Sample, check: Sample) -> tuple[Trained, bool]:
    """One trial, and whether it was given up because the loss had long stopped to fall."""
    estimator: Any = GradientBoostingClassifier(n_estimators=STAGES, random_state=SEED, **settings)
    history: list[Point] = []

    def is_hopeless(stage: int, model: Any, _: object) -> bool:
        # The stages that are still to come hold nothing yet; the generator ends before it reads them.
        *_, probabilities = itertools.islice(model.staged_predict_proba(check.features), stage + 1)
        history.append(Point(METRIC, "VALIDATION", float(log_loss(check.labels, probabilities)), stage + 1))
        history.append(Point("deviance", "TRAINING", float(model.train_score_[stage]), stage + 1))
        losses = [point.value for point in history if point.phase == "VALIDATION"]
        return stage >= PATIENCE_STAGES and min(losses[-PATIENCE_STAGES:]) > losses[0]

    estimator.fit(learn.features, learn.labels, monitor=is_hopeless)
    return Trained(estimator, history), len(estimator.estimators_) < STAGES


def _split(batch: Sample) -> tuple[Sample, Sample]:
    learn_x, check_x, learn_y, check_y = train_test_split(
        batch.features, batch.labels, test_size=0.25, random_state=SEED, stratify=batch.labels
    )
    return Sample(learn_x, learn_y), Sample(check_x, check_y)
