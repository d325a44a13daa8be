"""How a file is cut into the parts of a multipart upload, within the limits every S3 store shares."""

from typing import NamedTuple

from storage.errors import ObjectTooLarge

MIB_BYTES = 1024**2
SMALLEST_PART_BYTES = 8 * MIB_BYTES
"""S3 wants 5 MiB of every part but the last; 8 MiB keeps the request count low without costing a client memory."""
LARGEST_PART_BYTES = 5 * 1024**3
WANTED_PART_COUNT = 1_000
"""One page of ListParts, and one answer's worth of presigned URLs."""
LARGEST_OBJECT_BYTES = 5 * 1024**4


class PartLayout(NamedTuple):
    """Every part is `part_size_bytes` long but the last, which holds the rest."""

    part_size_bytes: int
    part_count: int


class PlannedPart(NamedTuple):
    """One part to upload: its number, from 1, and its exact length."""

    number: int
    size_bytes: int


def part_layout(size_bytes: int) -> PartLayout:
    """The part size, doubled from 8 MiB until 1,000 parts are enough, and the number of parts.

    Past 3.9 TiB the next doubling would exceed the largest part S3 takes (5 GiB), so the count grows instead, to 1,280
    at most (S3 allows 10,000). An empty file is one part of no bytes: a multipart upload cannot be completed without a
    part. Raises ObjectTooLarge beyond 5 TiB, ValueError for a negative size.
    """
    if size_bytes < 0:
        raise ValueError("a file cannot have a negative size")
    if size_bytes > LARGEST_OBJECT_BYTES:
        raise ObjectTooLarge(size_bytes, LARGEST_OBJECT_BYTES)
    part_size_bytes = SMALLEST_PART_BYTES
    while size_bytes > part_size_bytes * WANTED_PART_COUNT and part_size_bytes * 2 <= LARGEST_PART_BYTES:
        part_size_bytes *= 2
    return PartLayout(part_size_bytes, max(1, -(-size_bytes // part_size_bytes)))


def planned_parts(size_bytes: int) -> list[PlannedPart]:
    """Every part of a file of this size, in order; their lengths add up to it. Raises as `part_layout` does."""
    part_size_bytes, part_count = part_layout(size_bytes)
    last_size_bytes = size_bytes - part_size_bytes * (part_count - 1)
    full = [PlannedPart(number, part_size_bytes) for number in range(1, part_count)]
    return [*full, PlannedPart(part_count, last_size_bytes)]
