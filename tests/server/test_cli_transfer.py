"""`registry import` and `registry export` as an operator runs them."""

import gzip
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from resolvers.ids import encode
from tests import services
from tests.server import processes
from tests.server.commands import registry
from tests.server.processes import Ran

LINES = [
    {"kind": "Team", "key": "t", "name": "research"},
    {"kind": "Project", "key": "p", "team": "t", "name": "churn"},
    {"kind": "Model", "key": "m", "project": "p", "name": "churn", "framework": "sklearn"},
]


@pytest.fixture
def organization(database_url: str) -> str:
    """The name of an organization."""
    name = f"org-{uuid4().hex[:8]}"
    made = registry("token", "create", "--organization", name, **given(database_url))
    assert made.status == 0, made.err
    return name


def given(url: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "DATABASE_ROLE_PREFIX": services.ROLES.prefix}


def written(path: Path, *lines: object) -> str:
    content = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def counts(ran: Ran) -> dict[str, list[int]]:
    """Created, updated, unchanged and refused lines by kind, as they are printed."""
    assert ran.out.splitlines()[0].split() == ["kind", "created", "updated", "unchanged", "refused"]
    rows = [line.split() for line in ran.out.splitlines()[1:]]
    return {row[0]: [int(cell) for cell in row[1:]] for row in rows}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_file_comes_in_once_and_what_goes_out_is_all_of_it(
    tmp_path: Path, database_url: str, organization: str, suffix: str
) -> None:
    file = written(tmp_path / f"in{suffix}", *LINES)
    where = ("--organization", organization)
    first = registry("import", file, *where, **given(database_url))
    assert (first.status, first.err) == (0, "")
    assert counts(first) == {"Team": [1, 0, 0, 0], "Project": [1, 0, 0, 0], "Model": [1, 0, 0, 0]}
    again = registry("import", file, *where, **given(database_url))
    assert counts(again) == {"Team": [0, 0, 1, 0], "Project": [0, 0, 1, 0], "Model": [0, 0, 1, 0]}
    out = processes.registry("export", "-", *where, **given(database_url))
    assert out.status == 0, out.err
    told = [orjson.loads(line) for line in out.out.splitlines()]
    assert [(one["kind"], one["name"]) for one in told] == [
        ("Team", "default"), ("Team", "research"), ("Project", "default"), ("Project", "churn"), ("Model", "churn"),
    ]  # fmt: skip


def test_one_project_goes_out_by_its_name_or_id_and_what_leads_elsewhere_is_told(
    tmp_path: Path, database_url: str, organization: str
) -> None:
    other = [
        {"kind": "Project", "key": "q", "team": "t", "name": "base"},
        {"kind": "Model", "key": "n", "project": "q", "name": "base", "framework": "sklearn"},
        {"kind": "ModelVersion", "key": "w", "model": "n", "label": "1"},
        {"kind": "ModelVersion", "key": "v", "model": "m", "label": "1", "baseVersion": "w"},
    ]
    where = ("--organization", organization)
    registry("import", written(tmp_path / "in.jsonl", *LINES, *other), *where, **given(database_url))
    out = registry("export", "-", "--project", "churn", *where, **given(database_url))
    told = [orjson.loads(line) for line in out.out.splitlines()]
    assert [one["kind"] for one in told] == ["Team", "Project", "Model", "ModelVersion"]
    assert out.err.splitlines() == [
        "4 lines.", "Left out, because they lead to other projects: ModelVersion.baseVersion (1)."
    ]  # fmt: skip
    for name in (told[1]["key"], encode("Project", UUID(told[1]["key"]))):
        assert registry("export", "-", "--project", name, *where, **given(database_url)).out == out.out
    kept = written(tmp_path / "kept.jsonl", "kept")
    ran = registry("export", kept, "--project", "nowhere", *where, **given(database_url))
    assert (ran.status, ran.err.strip()) == (1, "There is no project 'nowhere'.")
    assert Path(kept).read_bytes() == b'"kept"\n'


def test_a_dry_run_lists_every_line_that_would_be_refused_and_writes_nothing(
    tmp_path: Path, database_url: str, organization: str
) -> None:
    bad = [{"kind": "Robot"}, {"kind": "Model", "project": "nowhere", "name": "m", "framework": "sklearn"}]
    file = written(tmp_path / "in.jsonl", *LINES, *bad)
    ran = registry("import", file, "--dry-run", "--organization", organization, **given(database_url))
    assert ran.status == 1
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["line 4, kind", "line 5, Model, project"]
    assert [row[0] for row in counts(ran).values()] == [0, 1, 1, 1]
    out = registry("export", "-", "--organization", organization, **given(database_url))
    assert len(out.out.splitlines()) == 2


def test_what_cannot_be_done_is_told_in_one_sentence(tmp_path: Path, database_url: str, organization: str) -> None:
    where = ("--organization", organization)
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b"\n" * 1000)[:-4])
    for words in (
        ("import", str(tmp_path / "nowhere.jsonl"), *where),
        ("import", str(tmp_path), *where),
        ("import", str(cut), *where),
        ("import", written(tmp_path / "bad.jsonl", {"kind": "Team", "name": "\0"}), *where),
        ("export", str(tmp_path / "no" / "folder.jsonl"), *where),
        ("export", "-", "--organization", "nobody-has-this-name"),
    ):
        ran = registry(*words, **given(database_url))
        assert (ran.status, len(ran.err.splitlines())) == (1, 1), ran.err


def test_who_may_not_organize_imports_nothing(tmp_path: Path, database_url: str, organization: str) -> None:
    where = ("--organization", organization)
    registry("token", "create", *where, "--principal", "reader", "--role", "READER", **given(database_url))
    file = written(tmp_path / "in.jsonl", *LINES)
    ran = registry("import", file, *where, "--as", "reader", **given(database_url))
    assert (ran.status, ran.err.split(" you need ")[0]) == (1, "To organize in this organization")
    assert registry("import", file, *where, "--as", "admin", **given(database_url)).status == 0
