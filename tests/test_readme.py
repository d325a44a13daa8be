"""The README and the guides tell the truth: their queries run, their commands exist, the settings are all there."""

import asyncio
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.main import get_command

from db.session import Database
from server.cli import app as command_line
from server.reference import settings_table
from storage.store import ObjectStore
from tests import sending
from tests.patience import in_time
from tests.tenant import Tenant

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
# Whoever uses the registry reads the README and these.
GUIDES = ("registering", "finding", "promotion", "frontend", "operating", "configuration")
TEXT = "\n".join([README, *((ROOT / f"docs/{guide}.md").read_text() for guide in GUIDES)])
QUERIES = re.findall(r"```graphql\n(.*?)```", TEXT, re.DOTALL)
SCRIPTS = re.findall(r"```bash\n(.*?)```", TEXT + (ROOT / "docs/events.md").read_text(), re.DOTALL)
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]

LEARNED = """{ datasets(first: 1) { nodes { versions(first: 1) { nodes { downstream(depth: 5) { steps { node {
    __typename ... on Deployment { name health } } } } } } } } }"""


@pytest.fixture
async def filled(tenant: Tenant) -> Tenant:
    """An organization in which every question of the README has an answer."""
    data = await tenant.dataset_version()
    run = await tenant.run(datasets=[{"datasetVersion": data}], parameters=[{"name": "depth", "value": 3}])
    model = await tenant.model()
    accurate = [{"name": "accuracy", "phase": "VALIDATION", "value": 0.95}]
    runtime = {"packages": [{"name": "scikit-learn", "version": "1.6.1"}]}
    first = await tenant.version(model, run=run, metrics=accurate, runtime=runtime)
    await tenant.version(model, run=run, baseVersion=first)
    return tenant


def test_there_are_six_questions_three_about_finding_and_two_about_promotion() -> None:
    assert len(QUERIES) == 10


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split("(")[0].split("{")[0].strip())
async def test_a_query_runs_as_it_stands(query: str, filled: Tenant) -> None:
    variables = {"project": filled.project} if "$project" in query else {}
    if "$version" in query:
        variables["version"] = await filled.version()

    answer = await filled.client(query, **variables)

    (found,) = answer.values()
    assert found.get("nodes", True)
    assert found.get("errors", []) == []


def test_the_request_for_curl_is_a_query(tenant: Tenant) -> None:
    (command,) = [command for command in COMMANDS if command.startswith("curl")]
    words = shlex.split(command)
    assert json.loads(words[words.index("-d") + 1]).keys() == {"query"}


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
async def test_the_upload_by_curl_brings_a_file_there_and_back(
    tenant: Tenant, database: Database, store: ObjectStore, live: str, tmp_path: Path
) -> None:
    (script,) = [script for script in SCRIPTS if "createUpload" in script]
    data = sending.content(sending.TWO_PARTS_BYTES)
    (tmp_path / "model.bin").write_bytes(data)

    uploading = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8000", live),
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "TOKEN": tenant.client.token, "VERSION": await tenant.version()},
    )  # fmt: skip
    try:
        async with in_time():
            while uploading.returncode is None:
                await sending.work(database, store)
                await asyncio.sleep(0.1)
    finally:
        if uploading.returncode is None:
            uploading.kill()
        await uploading.wait()

    assert uploading.returncode == 0
    assert (tmp_path / "copy.bin").read_bytes() == data


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
async def test_the_steps_by_curl_lead_from_the_data_to_where_the_version_runs(
    tenant: Tenant, live: str, tmp_path: Path
) -> None:
    (script,) = [script for script in SCRIPTS if "createDeployment" in script]
    stepping = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script.replace("http://127.0.0.1:8000", live),
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "TOKEN": tenant.client.token},
    )  # fmt: skip
    async with in_time():
        assert await stepping.wait() == 0

    (dataset,) = (await tenant.client(LEARNED))["datasets"]["nodes"]
    steps = [step["node"] for step in dataset["versions"]["nodes"][0]["downstream"]["steps"]]
    assert {"__typename": "Deployment", "name": "recommender", "health": "HEALTHY"} in steps


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
async def test_the_events_are_followed_by_curl(tenant: Tenant, live: str) -> None:
    (script,) = [script for script in SCRIPTS if "subscription" in script]
    following = await asyncio.create_subprocess_exec(
        "bash", "-euc", script.replace("http://127.0.0.1:8000", live), stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "TOKEN": tenant.client.token},
    )  # fmt: skip
    assert following.stdout is not None
    try:
        async with in_time():
            assert b"event: next" in await following.stdout.readline()
            assert b'"cursor"' in await following.stdout.readline()
            await tenant.version()
            while b'"kind":"version.created"' not in await following.stdout.readline():
                assert following.returncode is None
    finally:
        # While the stream is open, the application does not end.
        following.kill()
        await following.communicate()


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"`make ([a-z]+)", TEXT)) | set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) <= targets
    )


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("registry")])
def test_a_command_of_the_command_line_exists_with_its_options(command: str) -> None:
    words = shlex.split(command)[1:]
    found = get_command(command_line)
    while words and not words[0].startswith("-"):
        found = found.commands[words.pop(0)]  # type: ignore[attr-defined]  # a group, or the lookup fails as it should
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_table_is_that_of_the_settings() -> None:
    assert settings_table() in (ROOT / "docs/configuration.md").read_text()


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 250


def test_links_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
