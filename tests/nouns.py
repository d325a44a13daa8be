"""The words of the graph for a kind of thing: in the names of mutations, of payload fields and of inputs."""

from db.base import noun_of
from db.belonging import KINDS


def noun(kind: str) -> str:
    """Return the word for a kind in the names of mutations, such as `Version` for `ModelVersion`."""
    return noun_of(KINDS[kind]).title().replace("_", "") if kind in KINDS else kind


def own_field(kind: str) -> str:
    """Return the field of a payload, and of an input, for a thing of this kind."""
    word = noun(kind)
    return word[0].lower() + word[1:]


def kind_of(field: str) -> str:
    """Return the kind of thing in a field of a payload, `own_field` the other way round."""
    return next((kind for kind in KINDS if own_field(kind) == field), field)
