"""The courier: what it posts can be verified, and nothing that an endpoint or a name server does leads it astray."""

import asyncio
import base64
import json
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from registry.kernel.errors import Overloaded
from registry.webhooks.deliveries import Answer, Message
from registry.webhooks.hook_urls import TrustedHosts
from server.workers import courier
from server.workers.courier import Courier, Lookup, body_of, signature_of
from tests.patience import PATIENCE_S, eventually
from tests.receiver import DOCUMENT, is_genuine, receiver

ORG = UUID(int=7)
MESSAGE = Message("ping_1", ORG, "webhook.ping", datetime(2026, 1, 2, tzinfo=UTC), f"Webhook:{UUID(int=8)}")
SECRET = b"0" * 32
TRUSTED = TrustedHosts.parse(["127.0.0.1", "hooks.test"])


def here(_host: str, _port: int) -> list[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def sending(
    trusted: TrustedHosts = TRUSTED,
    lookup: Lookup = here,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = PATIENCE_S,
) -> AsyncIterator[Courier]:
    async with Courier(trusted, "2.0", lookup=lookup, tls=tls, timeout_s=timeout_s) as found:
        yield found


async def sent(url: str, **given: object) -> Answer:
    async with sending(**given) as by:  # type: ignore[arg-type]  # as `sending` takes them
        return await by.send(url, [SECRET], MESSAGE)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of a server called `hooks.test`, and of a client that believes it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(plain + certificate.public_bytes(serialization.Encoding.PEM))
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=file)
    server.load_cert_chain(file)
    return server, client


def test_the_document_shows_every_field_of_a_body() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert json.loads(example).keys() == json.loads(body_of(MESSAGE)).keys()


async def test_a_receiver_can_verify_what_comes() -> None:
    async with receiver() as endpoint:
        answer = await sent(endpoint.url)
    assert (answer.status, answer.fault) == (204, None)
    assert answer.duration_milliseconds >= 0
    (one,) = endpoint.received
    secret = "whsec_" + base64.b64encode(SECRET).decode()
    assert is_genuine(secret, one.headers, one.body)
    assert not is_genuine(secret, one.headers, one.body + b" ")
    assert not is_genuine(secret, {**one.headers, "webhook-id": "other"}, one.body)
    assert not is_genuine(secret, {**one.headers, "webhook-timestamp": "1"}, one.body)
    assert one.body == body_of(MESSAGE)
    assert one.headers["user-agent"] == "model-registry/2.0"


def test_a_signature_is_that_of_standard_webhooks() -> None:
    # The example of their specification.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature_of(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [200, 201, 202, 299])
async def test_any_status_of_success_will_do(status: int) -> None:
    async with receiver([status]) as endpoint:
        assert (await sent(endpoint.url)).fault is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_leads_nowhere(status: int) -> None:
    async with receiver() as elsewhere, receiver([status]) as endpoint:
        endpoint.headers = {"location": elsewhere.url}
        answer = await sent(endpoint.url)
        assert elsewhere.received == []
    assert answer.status == status
    assert "redirects are not followed" in (answer.fault or "")


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
async def test_any_other_status_is_a_failure(status: int) -> None:
    async with receiver([status]) as endpoint:
        endpoint.body = b"<secret of the endpoint>"
        answer = await sent(endpoint.url)
    assert (answer.status, answer.fault) == (status, f"The endpoint answered {status}.")


async def test_a_long_answer_is_not_read_to_its_end() -> None:
    read = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        try:
            while read < 100_000_000:
                writer.write(b"x" * 65536)
                read += 65536
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async with raw(flood) as url:
        assert (await sent(url)).status == 200
    assert read < 16_000_000, "more than fits into the buffers in between"


async def test_an_answer_that_dallies_counts_by_its_status() -> None:
    async def dally(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        await reader.read()
        writer.close()

    async with raw(dally) as url:
        assert (await sent(url)).fault is None


@asynccontextmanager
async def raw(serve: object) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]  # a handler of connections
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000])
async def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with raw(talk) as url:
        found = await sent(url)
    assert found.status is None
    assert (found.fault or "").endswith(".")


async def test_silence_is_a_failure_in_time() -> None:
    async with receiver() as endpoint:
        endpoint.held.clear()
        answer = await sent(endpoint.url, timeout_s=0.1)
    assert answer == Answer(None, "No answer came within 0.1 s.", answer.duration_milliseconds)


async def test_a_name_server_that_hangs_is_a_failure_in_time() -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        asked.set()
        over.wait()
        return []

    async with sending(lookup=hang, timeout_s=0.1) as by:

        async def has_hung() -> bool:
            assert (await by.send("http://hooks.test/", [SECRET], MESSAGE)).fault == "No answer came within 0.1 s."
            return asked.is_set()

        # Where the machine is slow the time may be over before anybody is asked.
        await eventually(has_hung)
        over.set()


async def test_nobody_keeps_the_name_servers_from_others_and_who_is_not_looked_up_is_not_to_blame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courier, "_LOOK_UPS", 4)
    over = threading.Event()
    hanging: list[str] = []

    def lookup(host: str, _port: int) -> list[str]:
        if host == "hangs.test":
            hanging.append(host)
            over.wait()
        return ["127.0.0.1"]

    trusted = TrustedHosts.parse(["hangs.test", "hooks.test"])
    async with receiver() as endpoint, sending(trusted, lookup, timeout_s=0.1) as by:
        port = endpoint.base.rpartition(":")[2]
        hangs, hooks = f"http://hangs.test:{port}/", f"http://hooks.test:{port}/"

        async def hang_until_refused() -> None:
            while True:
                assert (await by.send(hangs, [SECRET], MESSAGE)).fault == "No answer came within 0.1 s."

        with pytest.raises(Overloaded):
            await asyncio.wait_for(hang_until_refused(), PATIENCE_S)
        await eventually(lambda: len(hanging) == 2)
        by._timeout_s = PATIENCE_S
        with pytest.raises(Overloaded):
            await by.send(hooks, [SECRET], MESSAGE)
        assert (await by.send(hooks, [SECRET], replace(MESSAGE, org_id=UUID(int=9)))).fault is None
        over.set()

        async def is_sent() -> bool:
            with suppress(Overloaded):
                await by.send(hooks, [SECRET], MESSAGE)
            return len(endpoint.received) > 1

        await eventually(is_sent)


async def test_nobody_there_and_no_such_host_are_failures() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert (await sent(f"http://127.0.0.1:{port}/")).fault == "No connection could be made."
    assert (await sent("http://hooks.test/", lookup=unknown)).fault == "The host of the endpoint was not found."


PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["64:ff9b::a9fe:a9fe"], [PUBLIC, "127.0.0.1"], ["::1"]],
)
async def test_a_host_that_leads_into_a_private_network_is_not_connected_to(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: connected.append(address))
    answer = await sent("https://example.com/", trusted=TrustedHosts(), lookup=lambda *_: addresses)
    assert answer.fault == "The host leads to an address that is not of the public internet."
    assert connected == []


async def test_a_name_is_looked_up_once_so_that_a_second_answer_cannot_lead_elsewhere(
    certified: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = certified
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    async with receiver(tls=server) as endpoint:
        port = endpoint.base.rpartition(":")[2]
        answer = await sent(f"https://hooks.test:{port}/", lookup=rebinding, tls=client)
    assert answer.fault is None
    assert asked == ["hooks.test"]
    assert endpoint.received[0].headers["host"] == f"hooks.test:{port}"


async def test_a_certificate_must_be_that_of_the_host(certified: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = certified
    async with receiver(tls=server) as endpoint:
        port = endpoint.base.rpartition(":")[2]
        other = TrustedHosts.parse(["other.test", "hooks.test"])
        wrong = await sent(f"https://other.test:{port}/", trusted=other, tls=client)
        unknown = await sent(f"https://hooks.test:{port}/", trusted=other)
        assert endpoint.received == []
    for answer in (wrong, unknown):
        assert answer.fault == "The certificate of the endpoint is not valid for its host."


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as proxy, receiver() as endpoint:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base)
        assert (await sent(endpoint.url)).fault is None
        assert proxy.received == []


async def test_what_is_no_longer_trusted_is_refused_at_the_next_delivery() -> None:
    async with receiver() as endpoint:
        answer = await sent(endpoint.url, trusted=TrustedHosts())
        assert endpoint.received == []
    assert answer.status is None
    assert "unless the operator trusts the host" in (answer.fault or "")


async def test_connections_are_used_again_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "_IDLE_CONNECTION_S", PATIENCE_S)
    ports: set[int] = set()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername")[1])
        for _ in range(3):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(body_of(MESSAGE)))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    async with raw(note) as url, sending() as by:
        for _ in range(3):
            assert (await by.send(url, [SECRET], MESSAGE)).fault is None
    assert len(ports) == 1


def test_hosts_are_looked_up_by_the_system() -> None:
    assert set(courier.look_up("localhost", 80)) <= {"127.0.0.1", "::1"}
