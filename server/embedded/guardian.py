"""A small program between the owner and one service, which ends the service in order however the owner ends.

It runs as a script with only the standard library. Its standard input is a socket to the owner: the owner sends one
line of JSON (`argv`, `env`, `account`, `keep_fds`, `stops`), the guardian answers with one line (`pid` or `error`), and
from then on the end of that stream means "stop". A closed stream and a killed owner look the same, so there is one way
to stop.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

# A process forked from the owner may hold a copy of the stream, so the parent's id is looked at as well.
OWNER_CHECK_S = 1.0
PR_SET_PDEATHSIG = 1
END_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def _tied_to_this_process(death_signal: int) -> Callable[[], None] | None:
    """What the child does before it becomes the service: ask Linux for `death_signal` should the guardian be killed.

    It has to run after the change of user, which clears the request. Elsewhere there is no such request, and the
    next start over the data folder ends what was left behind.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    guardian_pid = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != guardian_pid:
            os._exit(1)

    return tie


def _start(plan: dict[str, Any]) -> subprocess.Popen[bytes]:
    uid, gid = plan["account"] or (None, None)
    return subprocess.Popen(  # noqa: S603 - to run what its owner sends is what a guardian is for
        plan["argv"],
        env=plan["env"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        umask=0o077,
        pass_fds=plan["keep_fds"],
        preexec_fn=_tied_to_this_process(plan["stops"][0][0]),
    )


def _wait_for_an_end(
    service: subprocess.Popen[bytes], owner: socket.socket, owner_pid: int, wake: socket.socket
) -> None:
    """Return when the service has ended, the owner has closed the stream or died, or a signal asks for it."""
    with selectors.DefaultSelector() as selector:
        selector.register(owner, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while service.poll() is None and os.getppid() == owner_pid:
            ready = {key.fileobj for key, _ in selector.select(OWNER_CHECK_S)}
            if owner in ready or (wake in ready and END_SIGNALS & set(wake.recv(64))):
                return


def _stop(service: subprocess.Popen[bytes], stops: list[tuple[int, float]]) -> int:
    for number, patience_s in stops:
        service.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return service.wait(patience_s)
    return service.wait()


def _listen_for_signals() -> socket.socket:
    """Make the signals that mean "stop", and the end of the service, wake the loop."""
    read_end, write_end = socket.socketpair()
    write_end.setblocking(False)
    signal.set_wakeup_fd(write_end.detach())
    for number in (*END_SIGNALS, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return read_end


def main() -> int:
    """Run one service to its end and return its exit status (128 + n when signal n ended it)."""
    owner_pid = int(sys.argv[1])
    wake = _listen_for_signals()
    with socket.socket(fileno=0) as owner:
        plan = json.loads(owner.makefile("rb").readline() or b"null")
        if plan is None:
            return 1
        try:
            service = _start(plan)
        except (OSError, subprocess.SubprocessError) as error:
            owner.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
            return 1
        with contextlib.suppress(OSError):
            owner.sendall(json.dumps({"pid": service.pid}).encode() + b"\n")
        _wait_for_an_end(service, owner, owner_pid, wake)
        status = _stop(service, plan["stops"])
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
