"""Files on their way to the object store and back, each part straight to its presigned URL, digests compared."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import httpx2

from demo.client import ChangeRefused, Client, RegistryProblem, persistently

CHUNK_BYTES: Final = 1024 * 1024
PARALLEL_PARTS: Final = 4
ROUNDS: Final = 3
"""How often parts that the store does not have, or not whole, are sent."""
POLL_S: Final = 0.1
PATIENCE_S: Final = 60.0

_ARTIFACT: Final = "id path state failure sha256 sizeBytes upload { partSizeBytes partCount }"
_PART: Final = """query Part($artifact: ID!, $before: Int!) {
  node(id: $artifact) { ... on Artifact { upload { parts(first: 1, after: $before) { sizeBytes url } } } }
}"""
_STATES: Final = "query States($ids: [ID!]!) { nodes(ids: $ids) { ... on Artifact { id path state failure } } }"
_DOWNLOAD: Final = "query File($id: ID!) { node(id: $id) { ... on Artifact { sha256 download { url } } } }"

Advance = Callable[[int], object]
"""Told of bytes sent; negative when they have to be sent again."""


@dataclass(frozen=True)
class LocalFile:
    """A file on disk and what the registry is to know of it. `name` is its path in the registry."""

    path: Path
    name: str
    kind: str
    content_type: str
    size_bytes: int
    sha256: str

    @classmethod
    def measured(cls, path: Path, name: str, kind: str, content_type: str) -> Self:
        """The file at `path`, read once for its size and digest, never whole in memory."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
        return cls(path, name, kind, content_type, path.stat().st_size, digest.hexdigest())


class Transfers:
    """Uploads and downloads for one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def upload(self, version: str, file: LocalFile, advance: Advance) -> str:
        """Bring a file to a version; the id of its artifact, whose bytes the registry verifies from now on.

        Bytes that the registry has already are not sent, and an upload that was broken off goes on where it broke:
        announcing the same file again finds it, and asking to complete it tells which parts are missing.
        Raises: RegistryProblem.
        """
        artifact: dict[str, Any] = self._client.change(
            "createUpload",
            f"artifact {{ {_ARTIFACT} }}",
            version=version,
            path=file.name,
            kind=file.kind,
            sha256=file.sha256,
            sizeBytes=str(file.size_bytes),
            contentType=file.content_type,
        )["artifact"]
        identity: str = artifact["id"]
        if artifact["state"] == "PENDING":
            self._send_what_is_missing(artifact, file, advance)
        else:
            advance(file.size_bytes)
        return identity

    def await_verified(self, artifacts: Sequence[str]) -> None:
        """Return when all of them can be downloaded.

        Raises: RegistryProblem with code QUARANTINED when the stored bytes are not the announced ones, NOT_VERIFIED
        after a minute.
        """
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            nodes = self._client.ask(_STATES, ids=list(artifacts))["nodes"]
            for node in nodes:
                if node["state"] in ("QUARANTINED", "ABANDONED"):
                    reason = node["failure"] or "its upload was given up"
                    raise RegistryProblem(node["state"], f"{node['path']} is {node['state'].lower()}: {reason}.")
            if all(node["state"] == "AVAILABLE" for node in nodes):
                return
            time.sleep(POLL_S)
        message = "The uploads were not verified within a minute. Is a worker running? `registry worker` is one."
        raise RegistryProblem("NOT_VERIFIED", message)

    def download(self, artifact: str, to: Path) -> str:
        """Fetch the bytes of an artifact into the file `to`; their SHA-256, compared with what the registry says.

        Raises: RegistryProblem, with code DIGEST_MISMATCH when other bytes arrived.
        """
        node = self._client.ask(_DOWNLOAD, id=artifact)["node"]
        digest = hashlib.sha256()
        with self._client.http.stream("GET", node["download"]["url"]) as response, to.open("wb") as file:
            response.raise_for_status()
            for chunk in response.iter_bytes(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != node["sha256"]:
            raise RegistryProblem("DIGEST_MISMATCH", f"The bytes that arrived are not those of {node['sha256']}.")
        return digest.hexdigest()

    def _send_what_is_missing(self, artifact: dict[str, Any], file: LocalFile, advance: Advance) -> None:
        part_size_bytes = int(artifact["upload"]["partSizeBytes"])
        part_count: int = artifact["upload"]["partCount"]
        for _ in range(ROUNDS):
            missing = self._complete(artifact["id"], part_count)
            if not missing:
                return
            with ThreadPoolExecutor(PARALLEL_PARTS) as pool:
                sends = pool.map(
                    lambda number: self._send_part(
                        artifact["id"], file, number, (number - 1) * part_size_bytes, advance
                    ),
                    missing,
                )
                list(sends)
        if missing := self._complete(artifact["id"], part_count):
            raise RegistryProblem("UPLOAD_INCOMPLETE", f"The store does not keep parts {missing} of {file.name}.")

    def _complete(self, artifact: str, part_count: int) -> list[int]:
        """Ask to join the parts; the numbers of those that have to be sent first, none when it is done."""
        try:
            self._client.change(
                "completeUpload",
                "artifact { id }",
                errors="... on UploadIncompleteError { partNumbers }",
                artifact=artifact,
            )
        except ChangeRefused as refusal:
            if refusal.code != "UPLOAD_INCOMPLETE":
                raise
            return refusal.details["partNumbers"] or list(range(1, part_count + 1))
        return []

    def _send_part(self, artifact: str, file: LocalFile, number: int, offset_bytes: int, advance: Advance) -> None:
        """Send one part; each attempt asks for a fresh URL, because the last one may have been too old."""

        def attempt() -> None:
            part = self._client.ask(_PART, artifact=artifact, before=number - 1)["node"]["upload"]["parts"][0]
            size_bytes = int(part["sizeBytes"])
            sent_bytes = 0

            def count(chunk_bytes: int) -> None:
                nonlocal sent_bytes
                sent_bytes += chunk_bytes
                advance(chunk_bytes)

            try:
                response = self._client.http.put(
                    part["url"],
                    content=_slice(file.path, offset_bytes, size_bytes, count),
                    headers={"content-length": str(size_bytes)},
                )
                response.raise_for_status()
            except httpx2.HTTPError as error:
                advance(-sent_bytes)
                raise RegistryProblem("UNREACHABLE", f"Part {number} of {file.name} did not arrive.") from error

        persistently(attempt)


def _slice(path: Path, offset_bytes: int, size_bytes: int, advance: Advance) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset_bytes)
        while size_bytes > 0 and (chunk := file.read(min(CHUNK_BYTES, size_bytes))):
            size_bytes -= len(chunk)
            yield chunk
            advance(len(chunk))
