"""Files from upload to download, over HTTP and straight to the store, as a client does it."""

import hashlib
import os

import httpx2

from db.session import Database
from server.worker import work_once
from storage.store import ObjectStore
from tests.tenant import Tenant

ARTIFACT = """artifact { id state sha256 failure download { url }
  upload { state partCount partSizeBytes parts { number sizeBytes url } } }"""


async def test_a_file_of_several_parts_comes_back_as_it_was(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    content = os.urandom(9 * 1024 * 1024)
    version = await tenant.version()
    created = await tenant.client.change(
        "createUpload",
        ARTIFACT,
        version=version,
        path="models/größe.bin",
        kind="MODEL",
        sha256=hashlib.sha256(content).hexdigest(),
        sizeBytes=str(len(content)),
        contentType="application/octet-stream",
    )
    assert created["errors"] == []
    artifact = created["artifact"]
    async with httpx2.AsyncClient() as http:
        start = 0
        for part in artifact["upload"]["parts"]:
            size_bytes = int(part["sizeBytes"])
            put = await http.put(part["url"], content=content[start : start + size_bytes])
            assert put.status_code == 200
            start += size_bytes
        completed = await tenant.client.change("completeUpload", ARTIFACT, artifact=artifact["id"])
        assert completed["errors"] == []
        assert completed["artifact"]["state"] == "VERIFYING"
        assert completed["artifact"]["download"] is None
        while await work_once(database, store):
            pass
        answer = await tenant.client(f"query($id: ID!) {{ node(id: $id) {{ ... on Artifact {{ {ARTIFACT[10:]} }} }}", id=artifact["id"])
        assert answer["node"]["state"] == "AVAILABLE"
        got = await http.get(answer["node"]["download"]["url"])
    assert got.content == content
    assert "gr%C3%B6%C3%9Fe.bin" in got.headers["content-disposition"]
