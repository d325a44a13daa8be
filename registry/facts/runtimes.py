"""Runtimes: what a run or a version was made with, kept once under its digest, and how two of them differ."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from typing_extensions import Doc

from db import tables
from db.session import Change
from registry.facts import content_rows
from registry.facts.signature_diff import ChangeKind
from registry.kernel import inputs
from registry.kernel.access import Actor
from registry.kernel.errors import InvalidValue

MAX_PACKAGES = 2_000
MAX_PACKAGE_VERSION = 100
MAX_COUNT = 1_000_000

FACTS: Final = {
    "pythonVersion": "python_version",
    "image": "image",
    "repository": "repository",
    "commit": "commit",
    "cpu": "cpu",
    "cpuCount": "cpu_count",
    "memoryBytes": "memory_bytes",
    "gpu": "gpu",
    "gpuCount": "gpu_count",
}
"""What a runtime says besides its packages: the names of the graph, in order, and where the values are."""

_PACKAGE = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class RuntimePackage:
    """A package that was installed."""

    name: Annotated[
        str, Doc("Kept as Python's packaging normalizes it: small letters, with single hyphens between words.")
    ]
    version: Annotated[str, Doc(f"Such as `2.1.0`; 1 to {MAX_PACKAGE_VERSION} characters.")]


@dataclass(frozen=True)
class Hardware:
    """The machine."""

    cpu: Annotated[str | None, Doc("The processor's model.")] = None
    cpu_count: Annotated[int | None, Doc("How many logical processors.")] = None
    memory_bytes: Annotated[inputs.BigInt | None, Doc("How much memory, in bytes.")] = None
    gpu: Annotated[str | None, Doc("The graphics processor's model.")] = None
    gpu_count: Annotated[int | None, Doc("How many graphics processors.")] = None


@dataclass(frozen=True)
class Runtime:
    """What something was made with. Give what is known; at least one of these."""

    python_version: Annotated[str | None, Doc("Such as `3.12.4`.")] = None
    packages: Annotated[Sequence[RuntimePackage], Doc(f"What was installed; at most {MAX_PACKAGES}.")] = ()
    image: Annotated[str | None, Doc("The container image. Kept as text; never opened.")] = None
    repository: Annotated[str | None, Doc("Where the code is. Kept as text; never opened.")] = None
    commit: Annotated[str | None, Doc("The commit of the code: 7 to 64 hexadecimal digits.")] = None
    hardware: Annotated[Hardware | None, Doc("The machine.")] = None


async def keep(change: Change, actor: Actor, runtime: Runtime, path: str = "runtime") -> tables.Runtime:
    """The row of a runtime. Raises: InvalidValue, naming the place."""
    return await content_rows.keep(change, actor, tables.Runtime, stored(runtime, path))


def stored(runtime: Runtime, path: str = "runtime") -> dict[str, Any]:
    """A runtime as the columns of its row. Raises: InvalidValue, naming the place."""
    values = {
        "python_version": _line(runtime.python_version, (path, "pythonVersion"), max_length=50),
        "packages": _packages(runtime.packages, (path, "packages")),
        "image": inputs.text(runtime.image, (path, "image"), max_length=inputs.MAX_URI),
        "repository": inputs.text(runtime.repository, (path, "repository"), max_length=inputs.MAX_URI),
        "commit": _commit(runtime.commit, (path, "commit")),
        "hardware": _hardware(runtime.hardware, (path, "hardware")),
    }
    if not any(values.values()):
        raise InvalidValue("A runtime says at least one thing, such as the version of Python.", (path,))
    return values


def facts_of(runtime: Any) -> dict[str, str]:
    """What a runtime says besides its packages, as text by the names of the graph; what it does not say is absent."""
    hardware = runtime.hardware or {}
    values = [getattr(runtime, column, hardware.get(column)) for column in FACTS.values()]
    return {name: str(value) for name, value in zip(FACTS, values, strict=True) if value is not None}


@dataclass(frozen=True)
class FactChange:
    """A package or another fact that two runtimes do not share; `before` or `after` is None where it is missing."""

    name: str
    kind: ChangeKind
    before: str | None
    after: str | None


def apart(before: Mapping[str, str], after: Mapping[str, str]) -> list[FactChange]:
    """The facts that differ, in the order of the first and then of the second."""
    names = list(before) + [name for name in after if name not in before]
    return [
        FactChange(name, _kind(before.get(name), after.get(name)), before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def package_name(given: str) -> str:
    """The name of a package as it is kept: what Python's packaging takes for the same has one name."""
    return re.sub(r"[-_.]+", "-", given.lower())


def _kind(before: str | None, after: str | None) -> ChangeKind:
    if before is None:
        return ChangeKind.ADDED
    return ChangeKind.REMOVED if after is None else ChangeKind.CHANGED


def _line(value: str | None, path: Sequence[str], *, max_length: int = inputs.MAX_NAME) -> str | None:
    return None if value is None else inputs.name(value, path, max_length=max_length)


def _packages(packages: Sequence[RuntimePackage], path: tuple[str, ...]) -> dict[str, str]:
    if len(packages) > MAX_PACKAGES:
        raise InvalidValue(f"{len(packages)} packages are more than {MAX_PACKAGES}.", path)
    found: dict[str, str] = {}
    for place, package in enumerate(packages):
        here = (*path, str(place))
        given = inputs.name(package.name, (*here, "name"))
        if not _PACKAGE.fullmatch(given.lower()):
            raise InvalidValue("A package's name has letters, digits, dots, hyphens and underscores.", (*here, "name"))
        name = package_name(given)
        if name in found:
            raise InvalidValue(f"The package {name!r} stands here twice.", (*here, "name"))
        found[name] = inputs.name(package.version, (*here, "version"), max_length=MAX_PACKAGE_VERSION)
    return found


def _commit(value: str | None, path: Sequence[str]) -> str | None:
    if value is None:
        return None
    commit = value.strip().lower()
    if not _COMMIT.fullmatch(commit):
        raise InvalidValue("A commit has 7 to 64 hexadecimal digits.", path)
    return commit


def _hardware(hardware: Hardware | None, path: tuple[str, ...]) -> dict[str, Any] | None:
    if hardware is None:
        return None
    values = {
        "cpu": _line(hardware.cpu, (*path, "cpu")),
        "cpu_count": _count(hardware.cpu_count, (*path, "cpuCount")),
        "memory_bytes": _count(hardware.memory_bytes, (*path, "memoryBytes"), inputs.MAX_STEP),
        "gpu": _line(hardware.gpu, (*path, "gpu")),
        "gpu_count": _count(hardware.gpu_count, (*path, "gpuCount")),
    }
    return values if any(value is not None for value in values.values()) else None


def _count(value: int | None, path: Sequence[str], most: int = MAX_COUNT) -> int | None:
    if value is not None and not 0 <= value <= most:
        raise InvalidValue(f"This is a whole number from 0 to {most}.", path)
    return value
