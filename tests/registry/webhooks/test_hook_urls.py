"""Where webhooks may go: the public internet alone, however an address is written, unless the operator says more."""

import pytest

from registry.kernel.errors import InvalidValue
from registry.webhooks.hook_urls import Refused, Target, TrustedHosts, allowed, is_public, target_of

NOBODY = TrustedHosts()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/hook", "example.com"),
        ("https://EXAMPLE.com:443/", "example.com"),
        ("https://example.com", "example.com"),
        ("https://a-b.xn--bcher-kva.example/a/b%20c?token=x", "a-b.xn--bcher-kva.example"),
        ("https://93.184.216.34/", "93.184.216.34"),
        ("https://[2606:2800:220:1:248:1893:25c8:1946]/", "2606:2800:220:1:248:1893:25c8:1946"),
    ],
)
def test_a_url_of_the_public_internet_is_accepted(url: str, host: str) -> None:
    assert target_of(url, NOBODY) == Target(url, host, 443, trusted=False)


@pytest.mark.parametrize(
    "url",
    [
        "", " ", "example.com", "//example.com/", "/hook", "https:", "https:/example.com", "https:///hook", "https://",
        "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com",
        "javascript:alert(1)",
        "https://example.com:8443/", "https://example.com:0/", "https://example.com:99999/", "https://example.com:http/",
        "https://ada@example.com/", "https://ada:secret@example.com/", "https://@example.com/",
        "https://example.com/#fragment", "https://example.com#", "https://example.com/a b", " https://example.com/",
        "https://example.com/\n", "https://exam\tple.com/", "https://example.com\\@evil.example/", "https://\u00e4.example/",
        "https://example.com/\u00e4", "https://exa_mple.com/", "https://-a.example/", "https://a..example/",
        "https://example.com./", "https://%65xample.com/", "https://exam\x00ple.com/", "https://[::1/", "https://]/",
        "https://[fe80::1%25eth0]/", "https://" + "a." * 130 + "example/", "https://example.com/" + "a" * 2_000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("trusted", [NOBODY, TrustedHosts.parse(["other.internal"])])
def test_what_is_no_plain_https_url_is_refused(url: str, trusted: TrustedHosts) -> None:
    with pytest.raises(InvalidValue) as refused:
        target_of(url, trusted)
    assert refused.value.path == ("url",)
    assert refused.value.message.endswith(".")


PRIVATE = [
    "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.2.3",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:93.184.216.34", "fe80::1", "fc00::1", "fd00::1", "ff02::1", "2001:db8::1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::5db8:d822", "64:ff9b:1::1", "2002:7f00:1::", "2002:5db8:d822::1", "2001::1", "2001:0:5db8:d822::1",
    "100::1", "192.88.99.1", "3fff::1", "fec0::1", "not an address", "", "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_public_internet_is_known_as_such(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Refused):
        allowed(Target("", "example.com", 443, trusted=False), [address])
    with pytest.raises(Refused):
        allowed(Target("", "example.com", 443, trusted=False), ["93.184.216.34", address])


@pytest.mark.parametrize("address", [one for one in PRIVATE if one and " " not in one])
def test_a_url_with_such_an_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidValue):
        target_of(f"https://[{address}]/" if ":" in address else f"https://{address}/", NOBODY)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST", "hooks.localhost", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1",
        "017700000001", "0177.0.0.1", "127.0.0.1.", "0", "1.2.3.4.5", "93.184.216.034", "a.0x7f", "[::ffff:7f00:1]",
    ],
)  # fmt: skip
def test_other_spellings_of_this_machine_are_refused(host: str) -> None:
    with pytest.raises(InvalidValue):
        target_of(f"https://{host}/", NOBODY)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
def test_addresses_of_the_public_internet_are_allowed(address: str) -> None:
    assert allowed(Target("", "example.com", 443, trusted=False), [address]) == [address]


def test_a_host_without_an_address_is_refused_even_where_it_is_trusted() -> None:
    with pytest.raises(Refused):
        allowed(Target("", "hooks.internal", 80, trusted=True), [])


def test_a_host_that_the_operator_trusts_may_be_private_and_without_tls() -> None:
    trusted = TrustedHosts.parse(["hooks.internal", "10.0.0.7:8080", "[FD00::1]:81"])
    assert target_of("http://hooks.internal/a", trusted) == Target(
        "http://hooks.internal/a", "hooks.internal", 80, True
    )
    assert target_of("http://Hooks.Internal:9000/", trusted).trusted
    assert target_of("http://10.0.0.7:8080/", trusted).trusted
    assert target_of("http://[fd00::1]:81/", trusted).host == "fd00::1"
    for other in ("http://10.0.0.7/", "http://10.0.0.8:8080/", "http://a.hooks.internal/", "http://[fd00::1]/"):
        with pytest.raises(InvalidValue):
            target_of(other, trusted)
    for never in ("http://ada@hooks.internal/", "ftp://hooks.internal/", "http://hooks.internal/#a"):
        with pytest.raises(InvalidValue):
            target_of(never, trusted)
    assert allowed(target_of("http://hooks.internal/", trusted), ["10.0.0.9"]) == ["10.0.0.9"]


@pytest.mark.parametrize(
    "written",
    ["*", "http://a", "a/b", "a:http", "a:99999", "a b", "ada@a", "fd00::1", "a?b", "a#b", "\u00e4", "127.1", ":80"],
)
def test_what_is_no_host_cannot_be_trusted(written: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        TrustedHosts.parse([written])
