"""What the demo does: it trains six versions of five models, registers each with its files, and fetches them back."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from demo import data, files, training
from demo.catalogue import Catalogue, Version
from demo.client import Client, RegistryProblem
from demo.data import Sample, Table
from demo.training import Point, Settings, Trained
from demo.transfers import LocalFile, Transfers


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
    base: Version | None = None


@dataclass(frozen=True)
class Registered:
    """A version in the registry with its estimator, and the estimator as it came back from the registry."""

    version: Version
    estimator: Any
    fetched: Any


@dataclass(frozen=True)
class Told:
    """What there is to ask about afterwards: the first batch of digits, and the version that went on from another."""

    first_batch: str
    tuned: Version


class Story:
    """One telling of the demo, in one project, with a folder for its files."""

    def __init__(self, client: Client, project: str, console: Console, folder: Path) -> None:
        self._catalogue = Catalogue(client, project)
        self._transfers = Transfers(client)
        self._console = console
        self._folder = folder

    def tell(self) -> Told:
        """Train and register everything. Raises: RegistryProblem."""
        self._small_tables()
        digits = data.load("digits", batch_count=2)
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
        return self._digits_reader(digits)

    def _small_tables(self) -> None:
        iris, wine, cancer = data.load("iris"), data.load("wine"), data.load("breast_cancer")
        line, trees, stages = training.logistic(), training.forest(60), training.boosting()
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
            Lesson(
                "tumour-screen",
                "Tells malignant from benign breast tumours by the shape of cell nuclei. For show, not for patients.",
                cancer,
                cancer.batches,
                stages,
                lambda: training.boost(stages, cancer),
            ),
        ):
            self._register(lesson)

    def _digits_reader(self, digits: Table) -> Told:
        """A network learns from the first batch; its copy out of the registry goes on with the second."""
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
        epochs = range(training.BASE_EPOCHS + 1, training.BASE_EPOCHS + training.TUNING_EPOCHS + 1)
        going_on = replace(
            lesson,
            batches=[second],
            estimator=base.fetched,
            learn=lambda: training.train_epochs(base.fetched, digits, second, epochs),
            series="1.1",
            base=base.version,
        )
        tuned = self._register(going_on)
        return Told(self._catalogue.dataset_version(digits, "train", first), tuned.version)

    def _register(self, lesson: Lesson) -> Registered:
        """Train one version, register it with its run, bring its files up, and fetch the model back."""
        with busy(self._console, f"{lesson.model} learns …"):
            parameters = training.parameters_of(lesson.estimator)
            if lesson.base:
                parameters["warm_started_from"] = lesson.base.title
            run, trained = self._run(lesson, parameters)
            points = training.measure(trained.estimator, lesson.table.test, "TEST")
            version = self._catalogue.version(
                lesson.model,
                self._catalogue.model(lesson.model, lesson.description),
                lesson.series,
                run=run,
                base=lesson.base,
                parameters=parameters,
                points=points,
            )
            folder = self._folder / version.title
            folder.mkdir()
            written = files.write_all(trained.estimator, lesson.table, version.title, folder)
        artifacts = self._upload(version, written)
        self._catalogue.note_origin(version, lesson.table.origin)
        fetched = self._fetch(artifacts[0], written[0], trained.estimator, lesson.table.test)
        self._report(lesson, version, points, written)
        return Registered(version, trained.estimator, fetched)

    def _run(self, lesson: Lesson, parameters: Settings) -> tuple[str, Trained]:
        """A run with its data, settings and history, ended as it ended."""
        read = [self._catalogue.dataset_version(lesson.table, "train", batch) for batch in lesson.batches]
        kept = self._catalogue.dataset_version(lesson.table, "test", lesson.table.test)
        name = f"{lesson.model} {'fine-tuning' if lesson.base else 'training'}"
        run = self._catalogue.start_run(name, parameters, read, kept)
        try:
            trained = lesson.learn()
            self._catalogue.log(run, trained.history)
        except BaseException:
            # Also when somebody presses Ctrl-C: nobody else would ever end this run.
            self._catalogue.finish(run, "FAILED")
            raise
        self._catalogue.finish(run, "FINISHED")
        return run, trained

    def _upload(self, version: Version, written: Sequence[LocalFile]) -> list[str]:
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

    def _report(self, lesson: Lesson, version: Version, points: Sequence[Point], written: Sequence[LocalFile]) -> None:
        accuracy = next(point.value for point in points if point.name == "accuracy")
        rows = sum(batch.row_count for batch in lesson.batches)
        how = f"went on from {lesson.base.label} with" if lesson.base else "learned from"
        unseen = lesson.table.test.row_count
        size = decimal(sum(file.size_bytes for file in written))
        self._console.print(
            f"[green]✓[/] [bold]{version.title:<22}[/] {f'{how} {rows} rows':<34}"
            f" {accuracy:6.1%} right on {unseen} unseen · {len(written)} files, {size}, verified",
            soft_wrap=True,
        )


def busy(console: Console, what: str) -> AbstractContextManager[object]:
    """Say what goes on while it does, where there is a terminal to say it on."""
    return console.status(what) if console.is_terminal else nullcontext()
