"""One S3 server for the session, one client of it, and keys no other test knows."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from storage.keys import blob_key
from storage.store import ObjectStore
from tests.patience import PATIENCE_S
from tests.storage.s3_server import BUCKET, OwnServer, Server, s3_server
from tests.storage.uploader import Read, Uploader


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server all tests of this process share; each process has one, so none can end another's."""
    with s3_server(tmp_path_factory.mktemp("object store")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> OwnServer:
    """A server of the test's own, to stop or to kill."""
    return lambda: s3_server(tmp_path / "own store")


@pytest.fixture(scope="session")
async def store(server: Server) -> AsyncIterator[ObjectStore]:
    async with ObjectStore(server.config) as entered:
        await entered.ensure_bucket(BUCKET)
        yield entered


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def key() -> str:
    return blob_key(uuid4(), secrets.token_hex(32), uuid4())


@pytest.fixture
def uploader(store: ObjectStore, http: httpx2.AsyncClient) -> Uploader:
    return Uploader(store, http)


@pytest.fixture
def read(uploader: Uploader) -> Read:
    """Download an object by URL."""
    return uploader.read
