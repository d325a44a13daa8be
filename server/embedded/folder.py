"""The folder of one service inside the data folder: where it really lives, who owns it, its lock and its secrets."""

import contextlib
import fcntl
import json
import os
import secrets
import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.embedded.errors import DataFolderForeign, DataFolderInUse, ServiceFailed
from server.embedded.processes import command_line, current_user_is_root, is_running

# Where root's database lives when other users cannot pass through the data folder's parents, as in /root.
OUTSIDE = Path("/var/lib/model-registry")
# After a killed owner its guardian stops the service; one that lost its guardian too is stopped by the next start.
LEFTOVER_WAIT_S = 40.0
LEFTOVER_PATIENCE_S = 3.0


@dataclass(frozen=True)
class ServiceFolder:
    """The claimed folder of one service.

    `lock_fd` goes to every process of the service, so that the claim lasts as long as any of them.
    """

    home: Path
    lock_fd: int

    def secret(self, name: str) -> str:
        """The random secret kept in the file `name` (43 characters, mode 0600), made at the first call."""
        path = self.home / name
        if not path.exists():
            fresh = path.with_name(name + ".new")
            fresh.unlink(missing_ok=True)
            write_private(fresh, secrets.token_urlsafe(32))
            fresh.replace(path)
        return path.read_text()

    def record_service(self, pid: int) -> None:
        """Note the service's process, for a later start that finds it left behind."""
        _write_record(self.lock_fd, os.getpid(), pid)


@contextlib.contextmanager
def claim(
    data_dir: Path, service: str, *, shared_with: int | None = None, outside: Path = OUTSIDE
) -> Iterator[ServiceFolder]:
    """Claim the folder of `service` inside `data_dir`, making both when missing; they belong to one start at a time.

    With `shared_with` (a user id other than root's) that user must be able to reach the folder: where the parents of
    `data_dir` do not let it through, the folder is made below `outside`, with a symbolic link in its place. No mode of
    a folder that was there before is ever changed. Raises DataFolderInUse while another start holds it, and
    DataFolderForeign when another user made it.
    """
    home = _home(data_dir, service, shared_with, outside)
    if home.stat().st_uid != os.geteuid():
        raise DataFolderForeign(
            f"{home} was made by user {home.stat().st_uid} and this is user {os.geteuid()}:"
            " start as that user, or choose another data folder."
        )
    lock_fd = os.open(home / "service.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _lock(lock_fd, home)
        try:
            yield ServiceFolder(home, lock_fd)
        finally:
            _write_record(lock_fd, None, None)
    finally:
        os.close(lock_fd)


def make_folder(path: Path, mode: int) -> None:
    """Make one folder with exactly `mode`; a folder that exists keeps the mode it has."""
    try:
        path.mkdir(mode)
    except FileExistsError:
        return
    path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read; raises FileExistsError rather than reuse one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _home(data_dir: Path, service: str, shared_with: int | None, outside: Path) -> Path:
    data_dir = data_dir.absolute()
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    # Passing through without listing is all that the other user needs, and root's own files in it stay closed.
    make_folder(data_dir, 0o711 if current_user_is_root() else 0o700)
    place = data_dir / service
    if place.is_symlink() and not place.exists():
        raise ServiceFailed(
            f"{place} points at {place.readlink()}, which is gone:"
            " restore it, or remove the link to begin with no data."
        )
    if not place.exists():
        if shared_with is None or _lets_others_pass(data_dir):
            make_folder(place, 0o700 if shared_with is None else 0o711)
        else:
            _make_outside(place, outside)
    return place.resolve()


def _lets_others_pass(folder: Path) -> bool:
    resolved = folder.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (resolved, *resolved.parents))


def _make_outside(place: Path, outside: Path) -> None:
    """The link is made last and decides between two first starts; a name at random can never meet older data."""
    outside.parent.mkdir(parents=True, exist_ok=True)
    make_folder(outside, 0o711)
    target = outside / f"{place.name}-{secrets.token_hex(6)}"
    make_folder(target, 0o711)
    try:
        place.symlink_to(target)
    except FileExistsError:
        target.rmdir()


def _lock(lock_fd: int, home: Path) -> None:
    started = time.monotonic()
    while not _try_lock(lock_fd):
        owner, service = _read_record(lock_fd)
        waited_s = time.monotonic() - started
        holder = owner if owner and is_running(owner) else None
        if holder or waited_s > LEFTOVER_WAIT_S:
            raise DataFolderInUse(
                f"{home} is in use by process {holder or service or '(unknown)'}:"
                " stop that one first, or choose another data folder."
            )
        if service and waited_s > LEFTOVER_PATIENCE_S and str(home) in command_line(service):
            with contextlib.suppress(ProcessLookupError):
                os.kill(service, signal.SIGINT)
        time.sleep(0.05)
    _write_record(lock_fd, os.getpid(), None)


def _try_lock(lock_fd: int) -> bool:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_record(lock_fd: int) -> tuple[int | None, int | None]:
    """The owner and its service; nothing while the owner is between locking and writing."""
    text = os.pread(lock_fd, 200, 0)
    if not text.endswith(b"\n"):
        return None, None
    record = json.loads(text)
    return record["owner"], record["service"]


def _write_record(lock_fd: int, owner: int | None, service: int | None) -> None:
    os.ftruncate(lock_fd, 0)
    os.pwrite(lock_fd, json.dumps({"owner": owner, "service": service}).encode() + b"\n", 0)
