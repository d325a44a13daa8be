"""A command imports what it needs and nothing that takes long beside it."""

import subprocess
import sys

import pytest

from tests.server.processes import ROOT, environment

GRAPH = {"strawberry", "graphql"}
WEB = {"starlette", "uvicorn"}
STORE = {"aioboto3", "aiobotocore", "boto3", "botocore"}
DATABASE = {"alembic", "asyncpg", "sqlalchemy", "sqlmodel"}
PROGRAM = """
import sys
from typer.testing import CliRunner
from server.cli import app
ran = CliRunner().invoke(app, sys.argv[1:])
print(ran.exit_code, *{name.partition(".")[0] for name in sys.modules})
"""
# Nothing answers there, so that the command ends once it has imported all it needs, also to explain that.
NOWHERE = {"DATABASE_URL": "postgresql://me@127.0.0.1:1/db", "MINIO_ENDPOINT": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("words", "status", "needed", "spared"),
    [
        (("--help",), "0", {"typer"}, GRAPH | WEB | STORE | DATABASE),
        (("token", "--help"), "0", {"typer"}, GRAPH | WEB | STORE | DATABASE),
        (("token", "create"), "1", {"sqlalchemy"}, GRAPH | WEB | STORE | {"alembic", "joserfc"}),
        (("worker",), "1", {"aioboto3"}, GRAPH | WEB | {"alembic"}),
    ],
    ids=["help", "help of tokens", "token", "worker"],
)
def test_a_command_imports_only_what_it_needs(
    words: tuple[str, ...], status: str, needed: set[str], spared: set[str]
) -> None:
    command = [sys.executable, "-c", PROGRAM, *words]
    ran = subprocess.run(command, cwd=ROOT, env=environment(NOWHERE), capture_output=True, text=True, check=True)
    found, *imported = ran.stdout.split()
    assert found == status
    assert needed <= set(imported), "the names of packages are read right"
    assert not spared & set(imported)
