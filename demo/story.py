"""What the demo does: it trains and tunes five models, registers their versions with files, and deploys some."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from demo import data, deploying, files, training, tuning
from demo.catalog import Catalog, ModelVersion
from demo.client import Client, RegistryProblem
from demo.data import Sample, Table
from demo.deploying import Placement
from demo.lines import line, sentence
from demo.promoting import Candidate, Promotions
from demo.training import Point, Settings, Trained
from demo.transfers import LocalFile, Transfers

NARROW: Final = "mean "
"""How the names of the features begin that the narrow version takes."""


@dataclass(frozen=True)
class Lesson:
    """What one version is to become: its model, the data it learns from, and how."""

    model: str
    description: str
    table: Table
    batches: Sequence[Sample]
    estimator: Any
    learn: Callable[[], Trained]
    series: str = "1.0"
    base: ModelVersion | None = None


@dataclass(frozen=True)
class Registered:
    """A version in the registry with its estimator, and the estimator as it came back from the registry."""

    version: ModelVersion
    estimator: Any
    fetched: Any


@dataclass(frozen=True)
class Told:
    """What there is to ask about: the first batch of digits, some versions, the run of the search, what is deployed."""

    first_batch: str
    tuned: ModelVersion
    wide: ModelVersion
    narrow: ModelVersion
    search: str
    deployments: list[str]


class Story:
    """One telling of the demo, in one project, with a folder for its files; `reviewer` approves as somebody else."""

    def __init__(self, client: Client, reviewer: Client | None, project: str, console: Console, folder: Path) -> None:
        self._client = client
        self._catalog = Catalog(client, project)
        self._promotions = Promotions(client, reviewer, self._catalog, console)
        self._transfers = Transfers(client)
        self._console = console
        self._folder = folder

    def tell(self) -> Told:
        """Train, tune, register and deploy everything, some by way of promotion. Raises: RegistryProblem."""
        self._catalog.price_runs("0.40", "EUR")
        self._small_tables()
        digits, cancer = data.load("digits", batch_count=2), data.load("breast_cancer")
        forest = training.forest(250)
        self._register(
            Lesson(
                "digits-forest",
                "Reads handwritten digits with 250 trees; the largest file of the demo.",
                digits,
                digits.batches,
                forest,
                lambda: training.grow_forest(forest, digits),
            )
        )
        champion, challenger = self._digits_reader(digits)
        search, wide, narrow = self._tumor_screen(cancer)
        for reliable, new in ((champion, challenger), (wide, narrow)):
            self._catalog.name_version(reliable.version, "champion")
            self._catalog.name_version(new.version, "challenger")
        # Whoever sends requests sends every feature, also to a version that takes fewer.
        screening, hasty = [
            Placement("production", "tumor-screen", one.version, 100, one.fetched, cancer.test)
            for one in (wide, narrow)
        ]
        self._promotions.tell(Candidate(screening, cancer.test), Candidate(hasty, tuning.narrowed(cancer, NARROW).test))
        placements = [
            Placement("production", "digits-champion", champion.version, 90, champion.fetched, digits.test),
            Placement("production", "digits-challenger", challenger.version, 10, challenger.fetched, digits.test),
            screening,
            replace(hasty, environment="staging", name="tumor-screen-next"),
        ]
        self._deploy(placements)
        first_batch = self._catalog.dataset_version(digits, "train", digits.batches[0])
        deployed = [one.name for one in placements]
        return Told(first_batch, champion.version, wide.version, narrow.version, search, deployed)

    def _small_tables(self) -> None:
        iris, wine = data.load("iris"), data.load("wine")
        line, trees = training.logistic(), training.forest(60)
        for lesson in (
            Lesson(
                "iris-species",
                "Tells three species of iris by their petals and sepals.",
                iris,
                iris.batches,
                line,
                lambda: training.fit_at_once(line, iris),
            ),
            Lesson(
                "wine-cultivar",
                "Tells three Italian cultivars by a chemical analysis of the wine.",
                wine,
                wine.batches,
                trees,
                lambda: training.grow_forest(trees, wine),
            ),
        ):
            self._register(lesson)

    def _digits_reader(self, digits: Table) -> tuple[Registered, Registered]:
        """A network learns from the first batch; copies out of the registry go on with the second, then with both."""
        first, second = digits.batches
        network = training.network()
        lesson = Lesson(
            "digits-reader",
            "Reads handwritten digits of 8 by 8 pixels.",
            digits,
            [first],
            network,
            lambda: training.train_epochs(network, digits, first, range(1, training.BASE_EPOCHS + 1)),
        )
        base = self._register(lesson)
        tuned = self._register(self._going_on(lesson, base, "1.1", [second], training.BASE_EPOCHS))
        epochs = training.BASE_EPOCHS + training.TUNING_EPOCHS
        return tuned, self._register(self._going_on(lesson, tuned, "1.2", [first, second], epochs))

    def _going_on(
        self, lesson: Lesson, base: Registered, series: str, batches: Sequence[Sample], epochs_done: int
    ) -> Lesson:
        epochs = range(epochs_done + 1, epochs_done + training.TUNING_EPOCHS + 1)
        rows = training.joined(batches)
        return replace(
            lesson,
            batches=batches,
            estimator=base.fetched,
            learn=lambda: training.train_epochs(base.fetched, lesson.table, rows, epochs),
            series=series,
            base=base.version,
        )

    def _tumor_screen(self, cancer: Table) -> tuple[str, Registered, Registered]:
        """Settings as a guess, then those that a search found, then these with a third of the features."""
        guess = training.boosting()
        lesson = Lesson(
            "tumor-screen",
            "Tells malignant from benign breast tumors by the shape of cell nuclei. For show, not for patients.",
            cancer,
            cancer.batches,
            guess,
            lambda: training.boost(guess, cancer),
        )
        self._register(lesson)
        with busy(self._console, "A search for better settings …"):
            search = tuning.search(self._client, self._catalog, cancer)
        settings = ", ".join(f"{name} {value:g}" for name, value in search.settings.items())
        counts = f"{search.finished_count} trials finished, {search.given_up_count} given up"
        self._console.print(line("✓", "tumor-screen search", counts))
        self._console.print(sentence(f"best: {settings}", before="    "))
        wide = self._register(_boosted(lesson, cancer, search.settings, "1.1"))
        narrow = self._register(_boosted(lesson, tuning.narrowed(cancer, NARROW), search.settings, "2.0"))
        return search.run, wide, narrow

    def _deploy(self, placements: Sequence[Placement]) -> None:
        with busy(self._console, "Deployments answer their first requests …"):
            deploying.deploy(self._client, placements)
        self._console.print(line("✓", f"{len(placements)} deployments", "run and reported how they do"))

    def _register(self, lesson: Lesson) -> Registered:
        """Train one version, register it with its run, bring its files up, and fetch the model back."""
        with busy(self._console, f"{lesson.model} learns …"):
            parameters = training.parameters_of(lesson.estimator)
            if lesson.base:
                parameters["warm_started_from"] = lesson.base.title
            run, trained = self._run(lesson, parameters)
            points = training.measure(trained.estimator, lesson.table.test, "TEST")
            version = self._catalog.version(
                lesson.model,
                self._catalog.model(lesson.model, lesson.description),
                lesson.series,
                run=run,
                base=lesson.base,
                table=lesson.table,
                parameters=parameters,
                points=points,
            )
            folder = self._folder / version.title
            folder.mkdir()
            written = files.write_all(trained.estimator, lesson.table, version.title, folder)
        artifacts = self._upload(version, written)
        self._catalog.note_origin(version, lesson.table.origin)
        fetched = self._fetch(artifacts[0], written[0], trained.estimator, lesson.table.test)
        self._report(lesson, version, points, written)
        return Registered(version, trained.estimator, fetched)

    def _run(self, lesson: Lesson, parameters: Settings) -> tuple[str, Trained]:
        """A run with its data, settings and history, ended as it ended."""
        read = [self._catalog.dataset_version(lesson.table, "train", batch) for batch in lesson.batches]
        kept = self._catalog.dataset_version(lesson.table, "test", lesson.table.test)
        name = f"{lesson.model} {'fine-tuning' if lesson.base else 'training'}"
        reads = [*((one, "TRAINING") for one in read), (kept, "TEST")]
        run = self._catalog.start_run(name, parameters, reads)
        with self._catalog.ending(run):
            trained = lesson.learn()
            self._catalog.log(run, trained.history)
        return run, trained

    def _upload(self, version: ModelVersion, written: Sequence[LocalFile]) -> list[str]:
        """Bring the files up and wait until the registry has verified them; their ids in the same order."""
        columns = (TextColumn("  {task.description}"), BarColumn(30), DownloadColumn(), TransferSpeedColumn())
        with Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        ) as progress:
            task = progress.add_task(version.title, total=sum(file.size_bytes for file in written))
            artifacts = [
                self._transfers.upload(version.id, file, lambda sent: progress.advance(task, sent)) for file in written
            ]
            progress.update(task, description=f"{version.title}: the registry reads the bytes back")
            self._transfers.await_verified(artifacts)
        return artifacts

    def _fetch(self, artifact: str, sent: LocalFile, estimator: Any, sample: Sample) -> Any:
        """The estimator as the registry gives it back, after its digest and its predictions were compared.

        Raises: RegistryProblem with code DIGEST_MISMATCH or PREDICTIONS_DIFFER.
        """
        copy = sent.path.with_name("fetched.joblib")
        if self._transfers.download(artifact, copy) != sent.sha256:
            raise RegistryProblem("DIGEST_MISMATCH", f"{sent.name} came back with other bytes than were sent.")
        fetched = files.read_model(copy)
        if not files.same_predictions(estimator, fetched, sample):
            raise RegistryProblem("PREDICTIONS_DIFFER", f"{sent.name} came back and predicts something else.")
        return fetched

    def _report(
        self, lesson: Lesson, version: ModelVersion, points: Sequence[Point], written: Sequence[LocalFile]
    ) -> None:
        accuracy = next(point.value for point in points if point.name == "accuracy")
        rows = sum(batch.row_count for batch in lesson.batches)
        how = f"from {lesson.base.label}, {rows} more rows" if lesson.base else f"learned from {rows} rows"
        right = f"{accuracy:6.1%} of {lesson.table.test.row_count} right"
        size = decimal(sum(file.size_bytes for file in written))
        self._console.print(line("✓", version.title, f"{how:<26} {right} · {size}"))


def _boosted(lesson: Lesson, table: Table, settings: Mapping[str, float], series: str) -> Lesson:
    """The lesson again with the settings of a search, on a table that may have fewer features."""
    estimator = tuning.tuned(settings)
    return replace(
        lesson,
        table=table,
        batches=table.batches,
        estimator=estimator,
        learn=lambda: training.boost(estimator, table),
        series=series,
    )


def busy(console: Console, what: str) -> AbstractContextManager[object]:
    """Say what goes on while it does, where there is a terminal to say it on."""
    return console.status(what) if console.is_terminal else nullcontext()
