"""The command line of the demo: finds or starts a registry, tells the story, and asks about it."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from demo.catalog import find_place
from demo.client import Client, RegistryProblem, is_local
from demo.lines import COLUMNS
from demo.questions import Links, ask_all
from demo.server import Access, access_to, answers, own_server, reviewer_token
from demo.story import Story, busy

LOG = "server.log"
DEFAULT_URL = f"http://127.0.0.1:{os.environ.get('PORT') or 8000}"

Url = Annotated[str, typer.Option(help="Where the registry answers. Where nothing does, the demo starts one itself.")]
Token = Annotated[str | None, typer.Option(help="The API token. Default: REGISTRY_TOKEN, else the data folder's.")]
ReviewerToken = Annotated[
    str | None,
    typer.Option(help="The token of somebody else, who approves. Default: REGISTRY_REVIEWER_TOKEN, else one is made."),
]


def run(folder: Path) -> None:
    """Run the command, with `folder` for its files. Exits: 0 done, 1 no registry or refused, 130 interrupted."""
    app = typer.Typer(pretty_exceptions_enable=False)
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else COLUMNS)

    @app.command()
    def demo(url: Url = DEFAULT_URL, token: Token = None, reviewer_token: ReviewerToken = None) -> None:
        """Train models, register them, and ask the registry where they came from. Each run adds new versions."""
        try:
            _tell(console, url.rstrip("/"), token, reviewer_token, folder)
        except RegistryProblem as problem:
            said = f"[red]{problem.code}[/] {escape(problem.message)}"
            Console(stderr=True, highlight=False, soft_wrap=True).print(said)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)

    # Without this a SIGTERM would leave a server that was started here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app()


def _tell(console: Console, url: str, token: str | None, reviewers: str | None, folder: Path) -> None:
    data_dir = Path(os.environ.get("DATA_DIR") or ".data")
    with ExitStack() as stack:
        reached = url
        if not answers(url):
            if not is_local(url):
                raise RegistryProblem("UNREACHABLE", f"Nothing answers at {url}.")
            console.print(
                f"Nothing answers at {url}, so a server is started over {escape(str(data_dir))} for as long as this"
                " lasts.",
                soft_wrap=False,
            )
            with busy(console, "The server starts …"):
                reached = stack.enter_context(own_server(data_dir, folder / LOG))
        access = access_to(reached, token, data_dir)
        client = stack.enter_context(Client(reached, access.token))
        place = find_place(client)
        about = f"[bold]Model Registry {place.server_version}[/]\n{escape(place.summary)}\n"
        console.print(about, soft_wrap=False)
        approving = reviewer_token(access, reviewers, data_dir, place.organization)
        reviewer = None if approving is None else stack.enter_context(Client(reached, approving))
        told = Story(client, reviewer, place.project, console, folder).tell()
        console.print(
            "\nThe registry verified every file, and every model file was fetched back: same SHA-256, same predictions."
            " (The demo opens only its own files: reading a pickle runs code.)",
            soft_wrap=False,
        )
        links = Links(url, access.token if access.is_kept and console.is_terminal else None)
        ask_all(client, told, console, links)
    _say_how_to_go_on(console, url, access, is_running=reached == url)


def _say_how_to_go_on(console: Console, url: str, access: Access, *, is_running: bool) -> None:
    console.print()
    if not is_running:
        console.print("The links open once [bold]make serve[/] runs; the data is kept.")
    if not (access.is_kept and console.is_terminal):
        where = f"the text of {access.kept_in}" if access.is_kept else "the token you gave"
        console.print(f"GraphiQL asks for a token: paste {where}.")
    console.print(f"Example queries wait in the tabs of {url}/graphiql.")
