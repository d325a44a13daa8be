"""Where the object store is and how we sign for it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class StoreConfig:
    """One S3 store. Endpoints are `http(s)://host[:port]`; anything else raises ValueError, without repeating it.

    `public_endpoint` is the address clients reach, when it differs from ours: presigned URLs carry it, and nothing else
    does. `stall_s` bounds how long the store may take over one block of a long read; control calls have bounds of their
    own. The keys never appear in the representation.
    """

    endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    public_endpoint: str | None = None
    stall_s: float = 30.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", _origin(self.endpoint, "endpoint"))
        if self.public_endpoint is not None:
            object.__setattr__(self, "public_endpoint", _origin(self.public_endpoint, "public endpoint"))

    @property
    def signing_endpoint(self) -> str:
        """The origin that presigned URLs begin with."""
        return self.public_endpoint or self.endpoint

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine, where a proxy of the environment has no business."""
        return urlsplit(self.endpoint).hostname in _LOOPBACK_HOSTS


def _origin(url: str, name: str) -> str:
    # The URL may hold a password and is therefore not repeated in the message.
    parts = urlsplit(url.strip().rstrip("/"))
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise ValueError(f"the {name} of the object store is written http://host:port or https://host, without a path")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"the {name} of the object store holds no user name: keys are settings of their own")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # Clients leave a default port out of the Host header, and the signature covers that header.
    is_default_port = parts.port is None or parts.port == _DEFAULT_PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if is_default_port else f":{parts.port}")
