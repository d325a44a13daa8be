"""A small client of the API: GraphQL over HTTP, refusals as exceptions, retries that change nothing twice."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2

T = TypeVar("T")

PAUSES_S: Final = (0.2, 0.5, 1.0)
TIMEOUT_S: Final = 30.0
_PASSING: Final = {"UNREACHABLE", "UNAVAILABLE", "OVERLOADED", "TIMEOUT"}


class RegistryProblem(Exception):
    """What went wrong, for people, and its stable `code`, for programs.

    UNREACHABLE: no answer. NO_REGISTRY: an answer that no registry gives. Everything else is the server's own code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ChangeRefused(RegistryProblem):
    """A change that the registry refused; nothing was written. `details` are the fields of its first error."""

    def __init__(self, details: dict[str, Any]) -> None:
        super().__init__(details["code"], details["message"])
        self.details = details


class Client:
    """Asks one registry with one token. May be used by several threads at once."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.http = http_client(url)
        self._headers = {"authorization": f"Bearer {token}", "accept": "application/graphql-response+json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.http.close()

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer.

        Raises: RegistryProblem with the code of the first error, also when only a part of the answer failed.
        """
        return persistently(lambda: self._post(document, variables))

    def change(self, mutation: str, selection: str, *, errors: str = "", **values: Any) -> dict[str, Any]:
        """The payload of a mutation, with what `selection` names. `errors` selects more of the errors.

        The idempotency key makes it safe to repeat a change whose answer was lost.
        Raises: ChangeRefused when it was refused, RegistryProblem when it could not be tried.
        """
        kind = f"{mutation[0].upper()}{mutation[1:]}Input!"
        document = (
            f"mutation($input: {kind}) {{ {mutation}(input: $input) {{"
            f" {selection} errors {{ code message path {errors} }} }} }}"
        )
        payload: dict[str, Any] = self.ask(document, input={**values, "idempotencyKey": str(uuid4())})[mutation]
        if payload["errors"]:
            raise ChangeRefused(payload["errors"][0])
        return payload

    @contextmanager
    def follow(self, document: str, **variables: Any) -> Iterator[Iterator[dict[str, Any]]]:
        """What a subscription delivers, message by message, for as long as the block lasts; by server-sent events.

        Raises: RegistryProblem with the code of the first error, also while messages are read.
        """
        headers = {**self._headers, "accept": "text/event-stream"}
        body = {"query": document, "variables": variables}
        try:
            with self.http.stream("POST", f"{self.url}/graphql", json=body, headers=headers) as response:
                yield self._messages(response)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def _messages(self, response: httpx2.Response) -> Iterator[dict[str, Any]]:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.read()
            yield self._data(response.status_code, response.text)
        for line in response.iter_lines():
            name, _, value = line.partition(":")
            if name == "data" and value.strip():
                yield self._data(response.status_code, value)

    def _post(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        try:
            response = self.http.post(
                f"{self.url}/graphql", json={"query": document, "variables": variables}, headers=self._headers
            )
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error
        return self._data(response.status_code, response.text)

    def _unreachable(self, error: Exception) -> RegistryProblem:
        return RegistryProblem("UNREACHABLE", f"The registry at {self.url} does not answer: {error}.")

    def _data(self, status: int, text: str) -> dict[str, Any]:
        """The data of an answer or of a message. Raises: RegistryProblem."""
        try:
            answer: dict[str, Any] = json.loads(text)
            problems: list[dict[str, Any]] = answer.get("errors") or []
        except (ValueError, AttributeError):
            message = f"What answers at {self.url} is no registry: it sent status {status} and no JSON."
            raise RegistryProblem("NO_REGISTRY", message) from None
        if problems:
            code = problems[0].get("extensions", {}).get("code", "UNKNOWN")
            raise RegistryProblem(code, problems[0]["message"])
        data: dict[str, Any] = answer["data"]
        return data


def http_client(url: str) -> httpx2.Client:
    """A client of plain HTTP for `url` and the store beside it."""
    # A proxy from the environment cannot reach this machine's own servers.
    return httpx2.Client(timeout=TIMEOUT_S, trust_env=not is_local(url))


def is_local(url: str) -> bool:
    """Whether the address is on this machine."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")


def persistently(call: Callable[[], T]) -> T:
    """What `call` gives; tried again, up to four times in all, while the reason it fails for may pass."""
    for pause_s in PAUSES_S:
        try:
            return call()
        except RegistryProblem as problem:
            if problem.code not in _PASSING:
                raise
        time.sleep(pause_s)
    return call()
