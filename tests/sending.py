"""How a client brings a file into the registry: it announces the file, sends its parts, has them joined and checked."""

import hashlib
from collections.abc import Collection
from typing import Any
from uuid import uuid4

import httpx2

from db.session import Database
from registry.webhooks.hook_urls import TrustedHosts
from registry.webhooks.vault import Vault
from server.workers.courier import Courier
from server.workers.job_handlers import WorkerServices
from server.workers.worker import work_once
from storage.layout import SMALLEST_PART_BYTES
from storage.store import ObjectStore
from tests.patience import PATIENCE_S
from tests.tenant import Client

FIELDS = """id path kind state contentType sizeBytes sha256 failure externalUri verifiedAt download { url expiresAt }
    upload { id state partCount partSizeBytes parts { number sizeBytes url } }"""
TWO_PARTS_BYTES = SMALLEST_PART_BYTES + 1_000


def content(size_bytes: int = 1_000) -> bytes:
    """Bytes that no other test has; with `TWO_PARTS_BYTES` enough for two parts."""
    return uuid4().bytes.ljust(size_bytes, b"-")[:size_bytes]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def announce(client: Client, data: bytes, **given: Any) -> dict[str, Any]:
    """The payload of `createUpload` for these bytes; `given` names at least the owner."""
    values = {"path": "model.bin", "kind": "MODEL", "sha256": digest(data), "sizeBytes": str(len(data)), **given}
    return await client.change("createUpload", f"artifact {{ {FIELDS} }}", **values)


async def announced(client: Client, data: bytes, **given: Any) -> dict[str, Any]:
    """The artifact of an upload that was accepted."""
    payload = await announce(client, data, **given)
    assert payload["errors"] == []
    artifact: dict[str, Any] = payload["artifact"]
    return artifact


async def put(url: str, body: bytes) -> int:
    """The status the store answers a part with."""
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        return (await http.put(url, content=body)).status_code


async def send(artifact: dict[str, Any], data: bytes, only: Collection[int] | None = None) -> None:
    """Send the parts, or those with the numbers given."""
    part_size_bytes = int(artifact["upload"]["partSizeBytes"])
    for part in artifact["upload"]["parts"]:
        if only is None or part["number"] in only:
            start = (part["number"] - 1) * part_size_bytes
            assert await put(part["url"], data[start : start + int(part["sizeBytes"])]) == httpx2.codes.OK


async def complete(client: Client, artifact_id: str, **given: Any) -> dict[str, Any]:
    """The payload of `completeUpload`."""
    selection = f"artifact {{ {FIELDS} }} errors {{ ... on UploadIncompleteError {{ partNumbers }} }}"
    return await client.change("completeUpload", selection, artifact=artifact_id, **given)


async def look(client: Client, artifact_id: str) -> dict[str, Any]:
    """The artifact as it is now."""
    answer = await client(f"query($id: ID!) {{ node(id: $id) {{ ... on Artifact {{ {FIELDS} }} }} }}", id=artifact_id)
    artifact: dict[str, Any] = answer["node"]
    return artifact


def worker_services(database: Database, store: ObjectStore) -> WorkerServices:
    """The services for all jobs but deliveries: no secret can be read, and nobody is reached."""
    return WorkerServices(database, Vault.of(None), Courier(TrustedHosts(), "test"), store=store)


async def work(database: Database, store: ObjectStore) -> None:
    """Do every job that is due."""
    services = worker_services(database, store)
    while await work_once(services):
        pass


async def deliver(client: Client, database: Database, store: ObjectStore, data: bytes, **given: Any) -> dict[str, Any]:
    """Announce, send, complete and check; the artifact as it is then."""
    artifact = await announced(client, data, **given)
    await send(artifact, data)
    assert (await complete(client, artifact["id"]))["errors"] == []
    await work(database, store)
    return await look(client, artifact["id"])


async def fetch(url: str) -> httpx2.Response:
    """What a client of the store gets for a URL."""
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        return await http.get(url)
