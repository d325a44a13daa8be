"""Files from upload to download, over HTTP and straight to the store, as a client does it."""

import asyncio
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import httpx2
import pytest
from graphql import GraphQLObjectType, get_named_type

from db.codes import PrincipalKind, Role
from db.session import Database
from schema.build import build_schema
from storage.store import ObjectStore
from tests import sending
from tests.patience import PATIENCE_S
from tests.tenant import GraphQLFailed, Tenant

DOWNLOAD = (
    "query($id: ID!, $s: Int) { node(id: $id) { ... on Artifact { download(expiresSeconds: $s) { url expiresAt } } } }"
)


def saved_as(response: httpx2.Response) -> str:
    """The name a browser saves a download under."""
    disposition = response.headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    encoded = re.search(r"filename\*=UTF-8''([^;]+)$", disposition)
    if encoded is not None:
        return unquote(encoded[1], errors="strict")
    plain = re.fullmatch(r'attachment; filename="([^"]*)"', disposition)
    assert plain is not None
    return plain[1]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("plots/roc curve.png", "roc curve.png"),
        ("模型/权重.safetensors", "权重.safetensors"),
        (unicodedata.normalize("NFD", "é.txt"), "é.txt"),
        ('a"; filename=evil.exe', 'a"; filename=evil.exe'),
        ("100%25.csv", "100%25.csv"),
        ("😀.bin", "😀.bin"),
    ],
)
async def test_a_download_is_saved_under_the_last_name_of_its_path(
    tenant: Tenant, database: Database, store: ObjectStore, path: str, name: str
) -> None:
    found = await sending.deliver(
        tenant.client, database, store, sending.content(), run=await tenant.run(), path=path, kind="PLOT"
    )
    assert saved_as(await sending.fetch(found["download"]["url"])) == name


@pytest.mark.parametrize(
    ("declared", "sent"),
    [("image/png", "image/png"), ("text/html", "application/octet-stream"), (None, "application/octet-stream")],
)
async def test_a_download_has_the_type_that_was_announced_unless_a_browser_would_run_it(
    tenant: Tenant, database: Database, store: ObjectStore, declared: str | None, sent: str
) -> None:
    found = await sending.deliver(
        tenant.client, database, store, sending.content(), run=await tenant.run(), contentType=declared
    )
    got = await sending.fetch(found["download"]["url"])
    assert (found["contentType"], got.headers["content-type"]) == (sent, sent)


async def test_a_download_url_lives_as_long_as_was_asked(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    found = await sending.deliver(tenant.client, database, store, sending.content(), run=await tenant.run())
    for expires_seconds in (1, 300, 900):
        download = (await tenant.client(DOWNLOAD, id=found["id"], s=expires_seconds))["node"]["download"]
        assert f"X-Amz-Expires={expires_seconds}&" in download["url"]
        until = datetime.fromisoformat(download["expiresAt"]) - datetime.now(UTC)
        assert until <= timedelta(seconds=expires_seconds)
    for expires_seconds in (0, -1, 901, 2**31 - 1):
        with pytest.raises(GraphQLFailed) as refused:
            await tenant.client(DOWNLOAD, id=found["id"], s=expires_seconds)
        assert refused.value.code == "BAD_USER_INPUT"


async def test_a_download_costs_no_statement(
    tenant: Tenant, database: Database, store: ObjectStore, statements: list[str]
) -> None:
    run = await tenant.run()
    for name in ("a", "b", "c"):
        await sending.deliver(tenant.client, database, store, sending.content(), run=run, path=name)
    counts = {}
    for selection in ("state", "state download { url }"):
        statements.clear()
        listed = f"query($id: ID!) {{ node(id: $id) {{ ... on Run {{ artifacts {{ nodes {{ {selection} }} }} }} }} }}"
        assert len((await tenant.client(listed, id=run))["node"]["artifacts"]["nodes"]) == 3
        counts[selection] = len(statements)
    assert len(set(counts.values())) == 1


async def test_a_download_url_opens_nothing_else(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    first, second = [
        urlsplit((await sending.deliver(tenant.client, database, store, sending.content(), **owner))["download"]["url"])
        for owner in ({"run": await tenant.run()}, {"version": await tenant.version()})
    ]
    url = first.geturl()
    async with httpx2.AsyncClient(timeout=PATIENCE_S) as http:
        answers = [
            await http.put(url, content=b"evil"),
            await http.delete(url),
            await http.get(url.replace("octet-stream", "html", 1)),
            await http.get(second._replace(query=first.query).geturl()),
            await http.get(first._replace(query="").geturl()),
        ]
    assert {answer.status_code for answer in answers} <= {400, 403}


async def test_a_readers_download_is_like_anybodys(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data = sending.content()
    found = await sending.deliver(tenant.client, database, store, data, run=await tenant.run())
    reader = await tenant.member(Role.READER, PrincipalKind.SERVICE_ACCOUNT)
    seen = (await reader(DOWNLOAD, id=found["id"]))["node"]
    assert (await sending.fetch(seen["download"]["url"])).content == data


def fields_that_give_urls() -> set[str]:
    """Every field of the graph that leads to a presigned URL, as `Type.field`."""
    types = [shown for shown in build_schema()._schema.type_map.values() if isinstance(shown, GraphQLObjectType)]
    # Where a webhook goes and where a check can be read about was given by people, and is no key to anything.
    givers = {shown.name for shown in types if "url" in shown.fields} - {"Webhook", "VersionCheck"}
    return {
        f"{shown.name}.{name}"
        for shown in types
        for name, field in shown.fields.items()
        if get_named_type(field.type).name in givers
    }


async def test_a_reader_gets_no_url_to_write_to(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    data, run = sending.content(), await tenant.run()
    kept = await sending.deliver(tenant.client, database, store, sending.content(), run=run)
    awaited = await sending.announced(tenant.client, data, run=run, path="other")
    reader = await tenant.member(Role.READER)
    asked = {
        "Artifact.download": (kept["id"], "... on Artifact { id state download { url } }"),
        "Upload.parts": (awaited["upload"]["id"], "... on Upload { id state parts { url } }"),
    }
    assert fields_that_give_urls() == asked.keys()

    answers = {
        field: await reader.post(f"query($id: ID!) {{ node(id: $id) {{ {selection} }} }}", {"id": thing})
        for field, (thing, selection) in asked.items()
    }

    assert answers["Artifact.download"]["data"]["node"]["download"]["url"]
    refused = answers["Upload.parts"]
    assert refused["data"]["node"] == {"id": awaited["upload"]["id"], "state": "OPEN", "parts": None}
    assert [(error["path"], error["extensions"]["code"]) for error in refused["errors"]] == [
        (["node", "parts"], "FORBIDDEN")
    ]


async def test_a_writer_gets_the_urls_of_anybodys_upload(tenant: Tenant) -> None:
    data = sending.content()
    artifact = await sending.announced(tenant.client, data, run=await tenant.run())
    writer = await tenant.member(Role.WRITER)
    await sending.send(await sending.look(writer, artifact["id"]), data)
    assert (await sending.complete(writer, artifact["id"]))["errors"] == []


async def test_a_file_of_another_organization_is_not_there(
    tenant: Tenant, neighbor: Tenant, database: Database, store: ObjectStore
) -> None:
    found = await sending.deliver(tenant.client, database, store, sending.content(), run=await tenant.run())
    for thing in (found["id"], found["upload"]["id"]):
        assert (await neighbor.client("query($id: ID!) { node(id: $id) { id } }", id=thing))["node"] is None


async def test_urls_hold_no_user_text(tenant: Tenant) -> None:
    artifact = await sending.announced(tenant.client, sending.content(), run=await tenant.run(), path="secret/plan.bin")
    for part in artifact["upload"]["parts"]:
        assert "plan" not in part["url"]
        assert urlsplit(part["url"]).path.startswith(f"/models/org/{tenant.org_id}/blob/")


async def test_a_file_kept_elsewhere_is_a_note_that_nobody_follows(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    knocks: list[str] = []

    async def knocked(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append("knock")
        writer.close()

    async with await asyncio.start_server(knocked, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        uri = f"http://{host}:{port}/model.bin"
        artifact = await tenant.client.make(
            "createExternalArtifact", "artifact",
            run=await tenant.run(), path="model.bin", kind="MODEL", uri=uri, sha256="AB" * 32, sizeBytes="5",
        )  # fmt: skip
        await sending.work(database, store)
        found = await sending.look(tenant.client, artifact)
        completed = await sending.complete(tenant.client, artifact)
        aborted = await tenant.client.refusal("abortUpload", "artifact", artifact=artifact)
        # Whoever had come before would have been heard before this one.
        own, writer = await asyncio.open_connection(host, port)
        await asyncio.wait_for(own.read(), PATIENCE_S)
        writer.close()

    assert knocks == ["knock"]
    assert (found["state"], found["externalUri"], found["sha256"]) == ("EXTERNAL", uri, "ab" * 32)
    assert (found["download"], found["upload"], found["verifiedAt"]) == (None, None, None)
    assert [error["code"] for error in completed["errors"]] == ["CONFLICT"]
    assert aborted["code"] == "CONFLICT"


@pytest.mark.parametrize("uri", ["javascript:alert(document.cookie)", "file:///etc/passwd", "s3://b/é?x=<y>&z#f"])
async def test_any_address_of_a_file_kept_elsewhere_stays_text(tenant: Tenant, uri: str) -> None:
    artifact = await tenant.client.make(
        "createExternalArtifact", "artifact", run=await tenant.run(), path="a", kind="OTHER", uri=uri
    )
    assert (await sending.look(tenant.client, artifact))["externalUri"] == uri


async def test_a_declared_digest_gives_no_way_to_the_bytes_of_others(
    tenant: Tenant, neighbor: Tenant, database: Database, store: ObjectStore
) -> None:
    data = sending.content()
    await sending.deliver(tenant.client, database, store, data, run=await tenant.run())

    noted = await neighbor.client.make(
        "createExternalArtifact", "artifact",
        run=await neighbor.run(), path="a", kind="MODEL", uri="s3://x/y",
        sha256=sending.digest(data), sizeBytes=str(len(data)),
    )  # fmt: skip
    announced = await sending.announced(neighbor.client, data, run=await neighbor.run())

    assert (await sending.look(neighbor.client, noted))["download"] is None
    assert announced["download"] is None
