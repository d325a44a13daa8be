"""Row ids: UUID version 7, so that sorting by id is sorting by time of creation."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last_ms = 0
_last_counter = 0


def uuid7() -> UUID:
    """A new id, greater than every id this process made before.

    Layout of RFC 9562 section 5.7: 48 bits of Unix time in milliseconds, then 12 bits used as a counter
    within the millisecond (its "method 1") and 62 random bits.
    """
    global _last_ms, _last_counter
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _last_counter = now_ms, 0
        else:
            _last_counter += 1
            if _last_counter > 0xFFF:
                _last_ms, _last_counter = _last_ms + 1, 0
        ms, counter = _last_ms, _last_counter
    random = int.from_bytes(os.urandom(8)) & (2**62 - 1)
    return UUID(int=(ms << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | random)
