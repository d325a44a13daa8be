"""The demo as a newcomer runs it: a process of its own that knows an address and a token, and nothing of the server."""

import ast
import asyncio
import io
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import numpy as np
import pytest
from rich.console import Console

from db.codes import Role
from db.session import Database
from demo.catalog import Catalog
from demo.client import ChangeRefused, Client, RegistryProblem
from demo.data import Sample, load
from demo.deploying import Placement
from demo.promoting import Candidate, Promotions
from demo.server import Access, access_to, answers, own_server, reviewer_token
from demo.training import fit_at_once, logistic, measure
from demo.transfers import LocalFile, Transfers
from demo.tuning import narrowed
from resolvers.ids import encode
from server.workers.worker import work_once
from storage.store import ObjectStore
from tests.patience import PATIENCE_S
from tests.sending import worker_services
from tests.tenant import Tenant

# Eighteen versions are trained, which a busy machine takes its time for.
pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]
SERVER_SIDE = {"server", "schema", "resolvers", "registry", "db", "storage"}
MIB_BYTES = 1024 * 1024

MODELS = """{ models(first: 6) { nodes { name versions(first: 6) { nodes {
  label baseVersion { label } metrics { name phase value }
  run { status metrics { name phase step } }
  artifacts(first: 5) { nodes { path state kind download { url } } }
  upstream { steps { node { __typename ... on DatasetVersion { digest } } } } } } } } }"""

OPERATED = """{
  experiments(first: 2) { nodes { runs(first: 50) { nodes {
    name status parentRun { id } childRuns(first: 0) { totalCount }
    cost { amount currency complete } resources { sampleCount }
  } } } }
  deployments(first: 10) { nodes {
    name environment { name } version { label runtime { pythonVersion packages { name } hardware { cpuCount } }
      signatureChange { verdict } aliases(first: 2) { nodes { name } } }
    trafficPercent health inSync metrics { name value }
  } }
  datasets(first: 10) { nodes { name versions(first: 5) { nodes {
    rowCount schema { columns { name type } } profile { columns { name count } }
  } } } }
  prices(first: 5) { totalCount }
}"""

PROMOTED = """{ models(first: 1, where: { stage: PRODUCTION }) { nodes { name
  slotHistory(first: 10, where: { stage: PRODUCTION }) { nodes { version { label } transition {
    kind reason request { state reviews(first: 5) { nodes { decision createdBy { id } } } }
  } } }
  promotionPolicies(first: 5) { nodes { stage isAutomatic revision gates { kind } } }
} } }"""


@dataclass(frozen=True)
class Shown:
    """What a run of the demo printed, and the status it ended with."""

    status: int
    out: str
    err: str


@asynccontextmanager
async def working(database: Database, store: ObjectStore) -> AsyncIterator[None]:
    """Verify uploads for as long as the block lasts, as the worker beside a server does."""

    services = worker_services(database, store)

    async def work() -> None:
        while True:
            if not await work_once(services):
                await asyncio.sleep(0.05)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def demo(url: str, **settings: str) -> Shown:
    """Run the demo against an address, with only these settings."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "demo", "--url", url),
        cwd=ROOT,
        env=environment | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Shown(process.returncode or 0, out.decode(), err.decode())


async def test_two_demos_leave_what_they_tell_of(
    live: str, tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    reviewer = await tenant.member(Role.MAINTAINER)
    tokens = {"REGISTRY_TOKEN": tenant.client.token, "REGISTRY_REVIEWER_TOKEN": reviewer.token}
    async with working(database, store):
        first, second = [await demo(live, **tokens) for _ in range(2)]
    models = (await tenant.client(MODELS))["models"]["nodes"]
    found = {model["name"]: {version["label"]: version for version in model["versions"]["nodes"]} for model in models}

    assert [(shown.status, shown.err) for shown in (first, second)] == [(0, ""), (0, "")]
    assert {name: sorted(versions) for name, versions in found.items()} == {
        "iris-species": ["1.0.0", "1.0.1"],
        "wine-cultivar": ["1.0.0", "1.0.1"],
        "tumor-screen": ["1.0.0", "1.0.1", "1.1.0", "1.1.1", "2.0.0", "2.0.1"],
        "digits-forest": ["1.0.0", "1.0.1"],
        "digits-reader": ["1.0.0", "1.0.1", "1.1.0", "1.1.1", "1.2.0", "1.2.1"],
    }
    for versions in found.values():
        for version in versions.values():
            files_can_be_relied_on(version)
            quality_is_better_than_guessing(version)
    await the_confusion_matrix_is_a_picture(found["iris-species"]["1.0.0"])
    the_tuned_network_goes_on_where_its_base_ended(found["digits-reader"])
    assert data_read_by(found["wine-cultivar"]["1.0.0"]) == data_read_by(found["wine-cultivar"]["1.0.1"])

    operated = await tenant.client(OPERATED)
    the_search_has_trials_and_a_price(operated)
    what_is_deployed_is_the_newest(operated["deployments"]["nodes"])
    the_data_is_described(operated["datasets"]["nodes"])
    (promoted,) = (await tenant.client(PROMOTED))["models"]["nodes"]
    what_is_in_production_was_approved(promoted, encode("Principal", reviewer.actor.principal_id))

    for answer in (
        "digits-reader 1.0.0    its run read the data ",
        "digits-reader 1.1.0    made from digits-reader 1.0.0 ",
        "6 trials finished, 2 given up",
        "production, 90%, healthy",
        "signature  BREAKING",
        "log loss, test     █",
        "tumor-screen 1.1.0   may not go to PRODUCTION yet:",
        "✗ No recall_malignant was measured in test;",
        f"{reviewer.actor.name} approves: it is in PRODUCTION",
        "told live: 1.1.0 promoted, STAGING → PRODUCTION, by owner",
        "tumor-screen 1.1.0   is back in PRODUCTION",
        "told live: 1.1.0 rolled back, ARCHIVED → PRODUCTION, by owner",
    ):
        assert answer in first.out
    assert first.out.count(f"{live}/graphiql#query=query+") == 10
    assert not [token for token in tokens.values() if token in first.out + second.out]
    lines = (first.out + second.out).splitlines()
    assert [line for line in lines if len(line) > 80 and not line.startswith(live)] == []


def files_can_be_relied_on(version: dict[str, Any]) -> None:
    assert {file["path"]: file["state"] for file in version["artifacts"]["nodes"]} == {
        "model.joblib": "AVAILABLE",
        "feature_importance.json": "AVAILABLE",
        "plots/confusion_matrix.png": "AVAILABLE",
        "data/origin.html": "EXTERNAL",
    }


def quality_is_better_than_guessing(version: dict[str, Any]) -> None:
    measured = {(one["name"], one["phase"]): one["value"] for one in version["metrics"]}
    assert 0.8 < measured["accuracy", "TEST"] <= 1
    assert version["run"]["status"] == "FINISHED"


async def the_confusion_matrix_is_a_picture(version: dict[str, Any]) -> None:
    (picture,) = [file for file in version["artifacts"]["nodes"] if file["kind"] == "CONFUSION_MATRIX"]
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        got = await http.get(picture["download"]["url"])
    assert got.headers["content-type"] == "image/png"
    assert got.content.startswith(b"\x89PNG")


def the_tuned_network_goes_on_where_its_base_ended(versions: dict[str, Any]) -> None:
    latest = [{metric["step"] for metric in versions[label]["run"]["metrics"]} for label in ("1.0.0", "1.1.0")]
    assert latest == [{"20"}, {"35"}]
    assert versions["1.1.0"]["baseVersion"] == {"label": "1.0.0"}


def the_search_has_trials_and_a_price(found: dict[str, Any]) -> None:
    (experiment,) = found["experiments"]["nodes"]
    runs = experiment["runs"]["nodes"]
    searches = [run for run in runs if run["parentRun"] is None]
    trials = [run for run in runs if run["parentRun"]]
    assert [run["childRuns"]["totalCount"] for run in searches] == [8, 8]
    assert [run["status"] for run in searches] == ["FINISHED", "FINISHED"]
    assert sorted(run["status"] for run in trials) == ["CANCELED"] * 4 + ["FINISHED"] * 12
    assert {run["resources"]["sampleCount"] for run in trials} == {1}
    assert {(run["cost"]["currency"], run["cost"]["complete"]) for run in runs} == {("EUR", True)}
    assert found["prices"]["totalCount"] == 1


def what_is_deployed_is_the_newest(deployments: list[dict[str, Any]]) -> None:
    shown = {
        (one["environment"]["name"], one["name"]): (one["version"]["label"], one["trafficPercent"], one["health"])
        for one in deployments
    }
    assert shown == {
        ("production", "digits-champion"): ("1.1.1", 90, "HEALTHY"),
        ("production", "digits-challenger"): ("1.2.1", 10, "HEALTHY"),
        ("production", "tumor-screen"): ("1.1.1", 100, "HEALTHY"),
        ("staging", "tumor-screen-next"): ("2.0.1", 100, "UNHEALTHY"),
    }
    for one in deployments:
        version, measured = one["version"], {metric["name"]: metric["value"] for metric in one["metrics"]}
        assert one["inSync"]
        assert measured["error_rate"] == (0 if one["health"] == "HEALTHY" else 1)
        assert version["runtime"]["hardware"]["cpuCount"] == os.cpu_count()
        assert version["runtime"]["pythonVersion"] == platform.python_version()
        assert "scikit-learn" in {package["name"] for package in version["runtime"]["packages"]}
        challenges = one["name"] in ("digits-challenger", "tumor-screen-next")
        assert version["aliases"]["nodes"] == [{"name": "challenger" if challenges else "champion"}]
        assert (version["signatureChange"]["verdict"] == "BREAKING") == (one["environment"]["name"] == "staging")


def the_data_is_described(datasets: list[dict[str, Any]]) -> None:
    found = {one["name"]: one["versions"]["nodes"] for one in datasets}
    (iris,) = found["iris-train"]
    assert [column["type"] for column in iris["schema"]["columns"]] == ["FLOAT64"] * 4 + ["INT64"]
    assert {column["count"] for column in iris["profile"]["columns"]} == {iris["rowCount"]}
    assert sorted(len(one["schema"]["columns"]) for one in found["breast-cancer-train"]) == [11, 31]


def what_is_in_production_was_approved(model: dict[str, Any], reviewer: str) -> None:
    assert model["name"] == "tumor-screen"
    held = model["slotHistory"]["nodes"]
    assert [(one["version"]["label"], one["transition"]["kind"]) for one in held] == [
        *(("1.1.1", "ROLLBACK"), ("2.0.1", "PROMOTION"), ("1.1.1", "PROMOTION")),
        *(("1.1.0", "ROLLBACK"), ("2.0.0", "PROMOTION"), ("1.1.0", "PROMOTION")),
    ]
    for transition in (one["transition"] for one in held):
        if transition["kind"] == "ROLLBACK":
            assert "30 features" in transition["reason"]
        else:
            reviews = [{"decision": "APPROVED", "createdBy": {"id": reviewer}}]
            assert transition["request"] == {"state": "COMPLETED", "reviews": {"nodes": reviews}}
    policies = {one["stage"]: one for one in model["promotionPolicies"]["nodes"]}
    assert [one["revision"] for one in policies.values()] == [1, 1]
    assert {"kind": "Approvals"} in policies["PRODUCTION"]["gates"]


def data_read_by(version: dict[str, Any]) -> set[str]:
    digests = {step["node"]["digest"] for step in version["upstream"]["steps"] if "digest" in step["node"]}
    assert len(digests) == 2
    return digests


async def test_a_token_that_is_not_known_is_refused_in_a_sentence(live: str) -> None:
    shown = await demo(live, REGISTRY_TOKEN="mistyped")
    assert shown.status == 1
    assert "UNAUTHENTICATED" in shown.err
    assert "Traceback" not in shown.err


async def test_without_any_token_it_says_where_one_comes_from(live: str, tmp_path: Path) -> None:
    shown = await demo(live, DATA_DIR=str(tmp_path))
    assert shown.status == 1
    assert "registry token create" in shown.err


# --- the client ---------------------------------------------------------------------------------------------------


@pytest.fixture
def client(live: str, tenant: Tenant) -> Iterator[Client]:
    with Client(live, tenant.client.token) as found:
        yield found


def in_a_thread(call: Callable[[], Any]) -> Any:
    """The demo's client waits for answers, which come from the loop that the test runs in."""
    return asyncio.to_thread(call)


async def test_a_broken_off_upload_goes_on_with_the_parts_that_are_missing(
    client: Client, tenant: Tenant, database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    content, version = os.urandom(9 * MIB_BYTES), await tenant.version()
    (tmp_path / "weights").write_bytes(content)
    file = LocalFile.measured(tmp_path / "weights", "weights.bin", "MODEL", "application/octet-stream")
    begun = await tenant.client.change(
        "createUpload",
        "artifact { upload { parts { url } } }",
        version=version,
        path=file.name,
        kind=file.kind,
        sha256=file.sha256,
        sizeBytes=str(file.size_bytes),
        contentType=file.content_type,
    )
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        first = begun["artifact"]["upload"]["parts"][0]["url"]
        assert (await http.put(first, content=content[: 8 * MIB_BYTES])).status_code == 200
    sent: list[int] = []
    transfers = Transfers(client)

    async with working(database, store):
        artifact = await in_a_thread(lambda: transfers.upload(version, file, sent.append))
        await in_a_thread(lambda: transfers.await_verified([artifact]))
        digest = await in_a_thread(lambda: transfers.download(artifact, tmp_path / "back"))

    assert sum(sent) == 1 * MIB_BYTES
    assert digest == file.sha256
    assert (tmp_path / "back").read_bytes() == content


async def test_bytes_that_the_registry_has_are_not_sent_again(
    client: Client, tenant: Tenant, database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("the same in both")
    file = LocalFile.measured(tmp_path / "notes", "notes.txt", "OTHER", "text/plain")
    one, other = await tenant.version(), await tenant.version()
    transfers = Transfers(client)
    async with working(database, store):
        first = await in_a_thread(lambda: transfers.upload(one, file, lambda _: None))
        await in_a_thread(lambda: transfers.await_verified([first]))
    file.path.unlink()
    second = await in_a_thread(lambda: transfers.upload(other, file, lambda _: None))
    await in_a_thread(lambda: transfers.await_verified([second]))


async def test_bytes_other_than_announced_are_told_as_quarantined(
    client: Client, tenant: Tenant, database: Database, store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "notes").write_text("announced")
    file = LocalFile.measured(tmp_path / "notes", "notes.txt", "OTHER", "text/plain")
    (tmp_path / "notes").write_text("different")
    transfers, version = Transfers(client), await tenant.version()
    async with working(database, store):
        artifact = await in_a_thread(lambda: transfers.upload(version, file, lambda _: None))
        with pytest.raises(RegistryProblem) as refused:
            await in_a_thread(lambda: transfers.await_verified([artifact]))
    assert refused.value.code == "QUARANTINED"


async def test_a_refused_change_raises_its_code_and_its_sentence(client: Client) -> None:
    with pytest.raises(ChangeRefused) as refused:
        await in_a_thread(lambda: client.change("createTeam", "team { id }", name=""))
    assert refused.value.code == "INVALID_VALUE"
    assert refused.value.details["path"] == ["name"]


async def test_where_nobody_else_has_a_token_no_approval_is_asked_for(client: Client, tenant: Tenant) -> None:
    out = io.StringIO()
    catalog = Catalog(client, tenant.project)
    promotions = Promotions(client, None, catalog, Console(file=out, width=80))
    await in_a_thread(lambda: promotions.tell(*two_candidates(catalog)))
    (model,) = (await tenant.client(PROMOTED))["models"]["nodes"]
    kinds = {gate["kind"] for one in model["promotionPolicies"]["nodes"] for gate in one["gates"]}
    assert "Approvals" not in kinds
    assert "REGISTRY_REVIEWER_TOKEN" in out.getvalue()
    assert [one["transition"]["kind"] for one in model["slotHistory"]["nodes"]] == ["ROLLBACK", *["PROMOTION"] * 2]
    told = [line.partition("told live: ")[2] for line in out.getvalue().splitlines() if "told live" in line]
    assert told == [
        "1.0.0 promoted, STAGING → PRODUCTION, by owner",
        "2.0.0 promoted, STAGING → PRODUCTION, by owner",
        "1.0.0 rolled back, ARCHIVED → PRODUCTION, by owner",
    ]


def two_candidates(catalog: Catalog) -> list[Candidate]:
    """A version that takes what is sent to it, and one that takes less, both to run in the same place."""
    iris = load("iris")
    model = catalog.model("irises", "Tells irises.")
    candidates = []
    for table, series in ((iris, "1.0"), (narrowed(iris, "petal "), "2.0")):
        estimator = logistic()
        fit_at_once(estimator, table)
        run = catalog.start_run("training", {}, [(catalog.dataset_version(table, "train", table.test), "TEST")])
        points = measure(estimator, table.test, "TEST")
        version = catalog.version(
            "irises", model, series, run=run, base=None, table=table, parameters={}, points=points
        )
        placement = Placement("production", "irises", version, 100, estimator, iris.test)
        candidates.append(Candidate(placement, table.test))
    return candidates


async def test_a_subscription_that_is_refused_raises_its_code(client: Client) -> None:
    def first() -> Any:
        with client.follow('subscription { promotionEvents(after: "mistyped") { cursor } }') as messages:
            return next(messages)

    with pytest.raises(RegistryProblem) as refused:
        await in_a_thread(first)
    assert refused.value.code == "BAD_USER_INPUT"


def test_the_same_rows_have_the_same_digest_however_they_lie_in_memory() -> None:
    sample = load("iris").test
    other = Sample(np.asfortranarray(sample.features).astype(">f8"), sample.labels.astype(">i8"))
    assert other.digest == sample.digest


def test_other_rows_have_another_digest() -> None:
    sample = load("iris").test
    assert Sample(sample.features[::-1], sample.labels[::-1]).digest != sample.digest


# --- where the registry is ----------------------------------------------------------------------------------------


@pytest.fixture
def web_page() -> Iterator[str]:
    """The address of something that is no registry."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_another_program_at_the_address_is_not_taken_for_a_registry(web_page: str) -> None:
    with pytest.raises(RegistryProblem) as refused:
        answers(web_page)
    assert refused.value.code == "NO_REGISTRY"


def test_the_kept_token_goes_to_this_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGISTRY_TOKEN", raising=False)
    (tmp_path / "token").write_text("kept")
    assert access_to("http://127.0.0.1:8000", None, tmp_path).token == "kept"
    with pytest.raises(RegistryProblem):
        access_to("https://registry.example.org", None, tmp_path)


def test_nobody_is_made_who_approves_on_a_server_whose_token_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGISTRY_REVIEWER_TOKEN", raising=False)
    access = access_to("https://registry.example.org", "given", tmp_path)
    assert reviewer_token(access, None, tmp_path, "acme") is None
    assert reviewer_token(access, "another", tmp_path, "acme") == "another"


def test_a_reviewer_who_cannot_be_made_is_told_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REGISTRY_REVIEWER_TOKEN", raising=False)
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(RegistryProblem) as refused:
        reviewer_token(Access("kept", is_kept=True, kept_in=tmp_path / "token"), None, tmp_path, "acme")
    assert refused.value.code == "NO_REVIEWER"
    assert "LOG_LEVEL" in refused.value.message


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder to be made; as root the database runs as another user, who has to pass through its parent."""
    folder = Path(tempfile.mkdtemp(prefix="demo test "))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


def test_a_server_of_its_own_lasts_as_long_as_the_demo(data_dir: Path, tmp_path: Path) -> None:
    with own_server(data_dir, tmp_path / "log") as url:
        access = access_to(url, None, data_dir)
        with Client(url, access.token) as client:
            assert client.ask("{ organization { name } }") == {"organization": {"name": "default"}}
        reviewing = reviewer_token(access, None, data_dir, "default")
        assert reviewing is not None
        with Client(url, reviewing) as reviewer:
            viewer = reviewer.ask("{ viewer { name kind roles { role } } }")["viewer"]
        assert viewer == {"name": "demo-reviewer", "kind": "USER", "roles": [{"role": "MAINTAINER"}]}
    assert not answers(url)
    assert access.token not in (tmp_path / "log").read_text()


def test_a_server_that_cannot_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(RegistryProblem) as refused, own_server(tmp_path / "data", tmp_path / "log"):
        pass
    assert refused.value.code == "NO_SERVER"
    assert "LOG_LEVEL" in refused.value.message


def test_the_demo_knows_only_the_api() -> None:
    imported: set[str] = set()
    for path in (ROOT / "demo").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    assert not imported & SERVER_SIDE
