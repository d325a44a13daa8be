"""Paths: what a thing is called in its organization, such as `risk/fraud/churn`."""

from collections.abc import Sequence
from typing import Final

from registry.kernel import inputs
from registry.kernel.errors import InvalidValue

RESERVED: Final = frozenset({"datasets", "experiments", "environments"})
"""Words of the grammar, in lower case: teams, projects and models have other names."""


def scope_name(value: str, path: Sequence[str] = ("name",), *, max_length: int = inputs.MAX_NAME) -> str:
    """Return the name of a team, project or model as it is stored. Raises: InvalidValue, also when reserved."""
    clean = inputs.name(value, path, max_length=max_length)
    if clean.casefold() in RESERVED:
        raise InvalidValue(f"The name {clean!r} is reserved for paths. Choose another name.", path)
    return clean
