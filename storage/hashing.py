"""Reading an object back to learn what it really holds: SHA-256 and size of a stream."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiobotocore.response import StreamingBody

BLOCK_BYTES = 4 * 1024**2
"""Read, hash and report at once: large enough that a thread's hand-over costs nothing, small enough to hold two."""

OnProgress = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class HashedObject:
    """What was read: the SHA-256 in lower-case hex, and the number of bytes."""

    sha256: str
    size_bytes: int


async def hash_blocks(blocks: AsyncIterator[bytes], on_progress: OnProgress | None) -> HashedObject:
    """Hash a stream of blocks; `on_progress` is awaited after each with the bytes hashed so far.

    A block is hashed in a thread while the next one arrives, so the event loop stays free and neither waits for the
    other. Whatever `on_progress` raises ends the reading and passes through.
    """
    digest = hashlib.sha256()
    size_bytes = 0
    hashing: asyncio.Task[None] | None = None
    try:
        async for block in blocks:
            if hashing is not None:
                await hashing
                if on_progress is not None:
                    await on_progress(size_bytes)
            hashing = asyncio.create_task(asyncio.to_thread(digest.update, block))
            size_bytes += len(block)
    finally:
        if hashing is not None:
            await hashing
    if on_progress is not None and size_bytes:
        await on_progress(size_bytes)
    return HashedObject(digest.hexdigest(), size_bytes)


async def read_block(body: StreamingBody) -> bytes:
    """The next `BLOCK_BYTES` of a stream, fewer only at its end: a socket hands out far smaller pieces."""
    pieces = bytearray()
    while len(pieces) < BLOCK_BYTES and (piece := await body.read(BLOCK_BYTES - len(pieces))):
        pieces += piece
    return bytes(pieces)
