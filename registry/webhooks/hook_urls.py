"""Where webhooks may go: which URLs are accepted, and which addresses their hosts may lead to.

By default only `https` on port 443 of hosts in the public internet: a URL that people choose must not become a way into
the network of this server. Hosts that the operator trusts are excepted.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from registry.kernel.errors import InvalidValue

MAX_URL = 2_000
_PATH = ("url",)
_PORTS: Final = {"http": 80, "https": 443}
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRINTABLE = re.compile(r"[!-~]+")

# Global addresses of IPv6 are those of 2000::/3; NAT64 and mapped addresses are outside. Python's `is_global`, which
# differs from one release to the next, lets pass what is listed here: Teredo and 6to4, which carry an IPv4 address that
# a gateway would take us to, their relay, and what is kept for protocols and documents.
_GLOBAL = ip_network("2000::/3")
_NOT_PUBLIC = tuple(
    ip_network(one) for one in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)


@dataclass(frozen=True)
class TrustedHosts:
    """Hosts that the operator named, each with a port or None for every port: `http` and private are fine there."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, written: Iterable[str]) -> "TrustedHosts":
        """From `host` and `host:port`; an IPv6 address stands in brackets. Raises: ValueError."""
        return cls(frozenset(_trusted(one) for one in written))

    def include(self, host: str, port: int) -> bool:
        """Whether this one is trusted."""
        return (host, None) in self.hosts or (host, port) in self.hosts


@dataclass(frozen=True)
class Target:
    """A URL that was accepted, and what it says. `host` is in lower case and without brackets."""

    url: str
    host: str
    port: int
    trusted: bool


class Refused(Exception):
    """An address that must not be connected to. The text is a sentence for whoever owns the webhook."""


def target_of(url: str, trusted: TrustedHosts, path: tuple[str, ...] = _PATH) -> Target:
    """What a URL says, if it is one that webhooks may have. Names are not looked up here.

    Raises: InvalidValue.
    """
    if len(url) > MAX_URL:
        raise InvalidValue(f"This has {len(url)} characters; at most {MAX_URL} are allowed.", path)
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise InvalidValue(
            "A URL has no spaces, backslashes or characters beyond ASCII. Percent-encode them; write a host as xn--….",
            path,
        )
    try:
        parts = urlsplit(url)
        host, given = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidValue("This is no URL, such as https://example.com/hook.", path) from None
    _check_shape(url, parts, path)
    _check_host(host, path)
    port = _PORTS[parts.scheme] if given is None else given
    is_trusted = trusted.include(host, port)
    if not is_trusted:
        _check_untrusted(parts.scheme, host, port, path)
    return Target(url, host, port, is_trusted)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and carries none that is not."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if any(found in network for network in _NOT_PUBLIC) or (found.version == 6 and found not in _GLOBAL):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def allowed(target: Target, addresses: Iterable[str]) -> list[str]:
    """The addresses that the host of a target leads to, if all of them may be connected to.

    All, and not only the first: which one is connected to is not ours to say.

    Raises: Refused.
    """
    found = list(addresses)
    if not found:
        raise Refused("The host has no address.")
    if not target.trusted and not all(is_public(address) for address in found):
        raise Refused("The host leads to an address that is not of the public internet.")
    return found


def _check_shape(url: str, parts: SplitResult, path: tuple[str, ...]) -> None:
    if parts.scheme not in _PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        raise InvalidValue("A URL begins with https://.", path)
    if "@" in parts.netloc:
        raise InvalidValue("A URL holds no user name or password. Deliveries are signed instead.", path)
    if "#" in url:
        raise InvalidValue("A URL holds no fragment: what follows # is never sent.", path)


def _check_host(host: str, path: tuple[str, ...]) -> None:
    """Refuse hosts that are neither a name nor an address in its usual form."""
    if ":" in host:
        if "%" not in host and _address(host) is not None:
            return
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):
        # What ends in a number is an address to some programs: 127.1 and 0x7f000001 are 127.0.0.1.
        if isinstance(_address(host), IPv4Address):
            return
    elif len(host) <= 253 and _NAME.fullmatch(host):
        return
    raise InvalidValue("This URL has no host that is a name, such as example.com, or an address.", path)


def _check_untrusted(scheme: str, host: str, port: int, path: tuple[str, ...]) -> None:
    if scheme != "https" or port != _PORTS["https"]:
        raise InvalidValue("Webhooks go to https:// on port 443 only, unless the operator trusts the host.", path)
    if host == "localhost" or host.endswith(".localhost") or (_address(host) is not None and not is_public(host)):
        raise InvalidValue(
            "Webhooks go to the public internet only, unless the operator trusts the host by WEBHOOK_TRUSTED_HOSTS.",
            path,
        )


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _trusted(written: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{written.lower()}")
        host, port = parts.hostname or "", parts.port
        _check_host(host, _PATH)
    except (ValueError, InvalidValue):
        raise ValueError(f"{written!r} is no host, such as hooks.internal, 10.0.0.7:8080 or [fd00::1]") from None
    if parts.netloc != written.lower() or "@" in written:
        raise ValueError(f"{written!r} is no host, such as hooks.internal, 10.0.0.7:8080 or [fd00::1]")
    return host, port
