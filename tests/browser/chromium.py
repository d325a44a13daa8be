"""A headless Chromium driven over its DevTools protocol: open a page, run a script in it, and know what it did."""

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.patience import PATIENCE_S, eventually, in_time

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS: Final = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1400,900",
    "about:blank",
)


def executable() -> str:
    """The installed Chromium; without one the test is skipped, or fails where REQUIRE_ALL_TESTS=1."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("REQUIRE_ALL_TESTS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class ProtocolError(Exception):
    """The browser refused a command: a page that is being left, for one, runs no script."""


class Tab:
    """One browser tab and what it did.

    `addresses` are all it requested, workers and sockets included, but not data: addresses; `complaints` are console
    errors, uncaught exceptions and violations of the page's policy, as JSON text, but for those that the test awaits.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.addresses: list[str] = []
        self._awaited: list[str] = []
        self._complaints: list[str] = []
        self._connection = connection
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._sessions: list[str] = []
        self._calls = 0
        self._listening = asyncio.create_task(self._listen())

    @property
    def complaints(self) -> list[str]:
        return [note for note in self._complaints if not any(text in note for text in self._awaited)]

    async def complains(self, text: str) -> None:
        """Waits for a complaint that holds `text`; all such ones, later ones too, are expected from here on."""
        await eventually(lambda: any(text in note for note in self._complaints))
        self._awaited.append(text)

    async def close(self) -> None:
        """Stops listening; the browser itself is ended by its owner."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of one protocol command, sent to the tab (once attached) or to a worker's `session`."""
        answer = await asyncio.wait_for(await self._send(method, session, params), PATIENCE_S)
        if "error" in answer:
            raise ProtocolError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def attach(self) -> None:
        """Opens the tab and turns on its events."""
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._sessions.append(attached["sessionId"])
        for domain in ("Page", "Network", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        # Workers wait until their requests are watched too.
        await self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)

    async def open(self, address: str) -> None:
        """Goes to `address`; what the page shows is to be waited for."""
        await self.call("Page.navigate", url=address)

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression (awaited if a promise), as JSON carries it."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str) -> Any:
        """Waits until the expression is truthy and answers its value."""
        async with in_time():
            while True:
                with suppress(ProtocolError):
                    if value := await self.run(script):
                        return value
                await asyncio.sleep(0.05)

    async def _send(self, method: str, session: str | None, params: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        self._calls += 1
        answer = self._answers[self._calls] = asyncio.get_running_loop().create_future()
        session = session or next(iter(self._sessions), None)
        envelope = {"id": self._calls, "method": method, "params": params} | ({"sessionId": session} if session else {})
        await self._connection.send(json.dumps(envelope))
        return answer

    async def _listen(self) -> None:
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                # One that waited too long has given its call up.
                if not (answer := self._answers.pop(message["id"])).done():
                    answer.set_result(message)
            else:
                await self._note(message["method"], message["params"])

    async def _note(self, event: str, about: dict[str, Any]) -> None:
        match event:
            case "Network.requestWillBeSent" if not about["request"]["url"].startswith("data:"):
                self.addresses.append(about["request"]["url"])
            case "Network.webSocketCreated":
                self.addresses.append(about["url"])
            case "Runtime.exceptionThrown":
                self._complaints.append(json.dumps(about["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if about["type"] in {"error", "assert"}:
                self._complaints.append(json.dumps(about["args"]))
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                self._complaints.append(json.dumps(about["entry"]))
            case "Target.attachedToTarget" if about["sessionId"] not in self._sessions:
                # The answers come through this very loop, so they are not awaited here.
                for method in ("Network.enable", "Runtime.enable", "Log.enable", "Runtime.runIfWaitingForDebugger"):
                    await self._send(method, about["sessionId"], {})


@asynccontextmanager
async def new_tab() -> AsyncIterator[Tab]:
    """A tab of a fresh Chromium with an empty profile; both are gone at the end."""
    command = [executable(), *FLAGS]
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *command, f"--user-data-dir={profile}", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            async with connect(
                await _debugger_address(Path(profile)), max_size=None, proxy=None, open_timeout=PATIENCE_S
            ) as connection:
                tab = Tab(connection)
                try:
                    await tab.attach()
                    yield tab
                finally:
                    await tab.close()
        finally:
            process.terminate()
            await process.wait()


async def _debugger_address(profile: Path) -> str:
    port_file = profile / "DevToolsActivePort"
    async with in_time():
        while not (found := re.fullmatch(r"(\d+)\n(.+)", port_file.read_text() if port_file.exists() else "")):
            await asyncio.sleep(0.05)
    return f"ws://127.0.0.1:{found[1]}{found[2]}"
