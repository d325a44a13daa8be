"""Global ids: the kind of a thing and its id, as one opaque text that is unique in the whole graph."""

import binascii
from base64 import b64decode, b64encode
from typing import NamedTuple
from uuid import UUID

from registry.kernel.errors import BadInput

_LONGEST = 128


class GlobalId(NamedTuple):
    """What a global id says."""

    kind: str
    id: UUID


def encode(kind: str, id: UUID) -> str:
    """The global id of a thing: base64 of `Kind:uuid`, as Relay servers write it. Clients must not take it apart."""
    return b64encode(f"{kind}:{id}".encode()).decode()


def decode(text: str) -> GlobalId:
    """The parts of a global id. Raises: BadInput when this server cannot have given it out."""
    if len(text) <= _LONGEST:
        try:
            kind, _, uuid = b64decode(text, validate=True).decode("ascii").partition(":")
            if kind.isalpha() and str(UUID(uuid)) == uuid:
                return GlobalId(kind, UUID(uuid))
        except (binascii.Error, ValueError):
            pass
    raise BadInput("This is no id of this server. Send an id as you got it, unchanged.")


def decode_as(kind: str, text: str, argument: str) -> UUID:
    """The id of a thing of one kind. Raises: BadInput, naming the argument."""
    try:
        found = decode(text)
    except BadInput as refused:
        raise BadInput(f"`{argument}`: {refused.message}") from None
    if found.kind != kind:
        raise BadInput(f"`{argument}` takes the id of a {kind}, and this is the id of a {found.kind}.")
    return found.id
