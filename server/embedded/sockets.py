"""The folder of the database's Unix socket: private, and with a path short and plain enough for every client."""

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from server.embedded.folder import write_private
from server.embedded.processes import Account

# A socket's path may have 103 bytes on macOS (107 on Linux); `/.s.PGSQL.5432` takes 14 of them.
LONGEST_FOLDER = 103 - 14
# What needs no quoting in an address: a client may split it at a comma or a space.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


@contextlib.contextmanager
def socket_folder(home: Path, account: Account | None) -> Iterator[Path]:
    """An empty folder of mode 0700 that belongs to `account` (this process's user when None), removed at the end.

    It is `home`/run where that path fits, else a new folder in /tmp; one that a killed process left there is removed
    by the next start over the same `home`, which has to be claimed.
    """
    note = home / "socket-folder"
    _remove_noted(note)
    if len(os.fsencode(home / "run")) <= LONGEST_FOLDER and PLAIN_PATH.fullmatch(str(home / "run")):
        folder = home / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(0o700)
    else:
        folder = Path(tempfile.mkdtemp(prefix="registry-", dir="/tmp"))
    try:
        write_private(note, str(folder))
        if account:
            os.chown(folder, account.uid, account.gid)
        yield folder
    finally:
        _remove_noted(note)


def _remove_noted(note: Path) -> None:
    """Remove the folder that `note` names if it is one of ours: a private folder, not a link put in its place."""
    if not note.exists():
        return
    folder = Path(note.read_text())
    with contextlib.suppress(FileNotFoundError):
        mode = folder.lstat().st_mode
        if folder.is_absolute() and stat.S_ISDIR(mode) and stat.S_IMODE(mode) == 0o700:
            shutil.rmtree(folder, ignore_errors=True)
    note.unlink()
