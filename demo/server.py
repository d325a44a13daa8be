"""Where the registry is: the server that answers, or one that the demo starts for as long as it lasts."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2

from demo.client import RegistryProblem, http_client, is_local

REVIEWER: Final = "demo-reviewer"
REVIEWER_TOKEN_MINUTES: Final = 10
START_S: Final = 120.0
STOP_S: Final = 45.0


@dataclass(frozen=True)
class Access:
    """A token, and whether it is the one that the server keeps in the file `kept_in` of its data folder."""

    token: str = field(repr=False)
    is_kept: bool
    kept_in: Path


def answers(url: str) -> bool:
    """Whether a registry answers at `url`.

    Raises: RegistryProblem with code NO_REGISTRY when something else does.
    """
    with http_client(url) as http:
        try:
            response = http.get(f"{url}/livez")
        except httpx2.TransportError:
            return False
    if response.status_code == 200 and "json" in response.headers.get("content-type", ""):
        return True
    raise RegistryProblem(
        "NO_REGISTRY",
        f"What answers at {url} is no registry. Say with --url where yours is, or give an address where nothing"
        " answers, such as http://127.0.0.1:8001: the demo then starts a server by itself.",
    )


@contextmanager
def own_server(data_dir: Path, log_file: Path) -> Iterator[str]:
    """Run `registry serve` over the data folder for as long as the block lasts; the address it answers at.

    What it logs goes to `log_file`.
    Raises: RegistryProblem with code NO_SERVER when it ends or does not answer within two minutes.
    """
    port = _free_port()
    environment = {**os.environ, "DATA_DIR": str(data_dir), "HOST": "127.0.0.1", "PORT": str(port)}
    with log_file.open("w") as log:
        # The standard output has the token in its greeting, so it is not kept.
        process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=log
        )
        try:
            _await_ready(process, f"http://127.0.0.1:{port}", log_file)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def access_to(url: str, given: str | None, data_dir: Path) -> Access:
    """The token to ask with: the one given, that of REGISTRY_TOKEN, or the one that a server on this machine keeps.

    Raises: RegistryProblem with code UNAUTHENTICATED when there is none.
    """
    kept_in = data_dir / "token"
    token = given or os.environ.get("REGISTRY_TOKEN")
    if token:
        return Access(token.strip(), is_kept=False, kept_in=kept_in)
    # The kept token is this machine's alone and goes to no other.
    if is_local(url) and kept_in.is_file():
        return Access(kept_in.read_text().strip(), is_kept=True, kept_in=kept_in)
    message = (
        "No token is known. Give --token or set REGISTRY_TOKEN; `make token` or `registry token create` makes one."
    )
    raise RegistryProblem("UNAUTHENTICATED", message)


def reviewer_token(access: Access, given: str | None, data_dir: Path, organization: str) -> str | None:
    """A token of somebody else, who reviews: the one given, that of REGISTRY_REVIEWER_TOKEN, or a new one, valid for a
    few minutes; None where there is none and none can be made.

    The API makes no principals. The command line does, which works on the data folder that this machine's server keeps.
    Raises: RegistryProblem with code NO_REVIEWER when it refuses.
    """
    token = given or os.environ.get("REGISTRY_REVIEWER_TOKEN")
    if token:
        return token.strip()
    if not access.is_kept:
        return None
    whose = ("--organization", organization, "--principal", REVIEWER, "--role", "MAINTAINER")
    lasting = ("--expires-minutes", str(REVIEWER_TOKEN_MINUTES))
    made = subprocess.run(
        [sys.executable, "-m", "server", "token", "create", *whose, *lasting],
        env={**os.environ, "DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RegistryProblem("NO_REVIEWER", f"No token of a reviewer can be made: {made.stderr.strip()}")
    return made.stdout.strip()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _await_ready(process: "subprocess.Popen[bytes]", url: str, log_file: Path) -> None:
    ends = time.monotonic() + START_S
    with http_client(url) as http:
        while process.poll() is None and time.monotonic() < ends:
            try:
                if http.get(f"{url}/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
    last_lines = "\n".join(log_file.read_text(errors="replace").splitlines()[-5:])
    raise RegistryProblem("NO_SERVER", f"The server did not start. The last it said:\n{last_lines}")
