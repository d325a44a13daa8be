"""Part layouts stay within the limits of S3."""

import pytest
from hypothesis import given, settings, strategies as st

from storage.errors import ObjectTooLarge
from storage.layout import LARGEST_OBJECT_BYTES, LARGEST_PART_BYTES, MIB_BYTES, part_layout, planned_parts

MOST_PARTS = 10_000
SMALLEST_S3_PART_BYTES = 5 * MIB_BYTES


@settings(deadline=None)
@given(st.integers(0, LARGEST_OBJECT_BYTES))
def test_every_size_has_a_layout_that_s3_accepts(size_bytes: int) -> None:
    part_size_bytes, part_count = part_layout(size_bytes)

    assert SMALLEST_S3_PART_BYTES <= part_size_bytes <= LARGEST_PART_BYTES
    assert 1 <= part_count <= MOST_PARTS
    assert (part_count - 1) * part_size_bytes < max(size_bytes, 1) <= part_count * part_size_bytes


@settings(deadline=None)
@given(st.integers(0, 3 * 1024**4))
def test_up_to_3_tib_a_thousand_parts_are_enough(size_bytes: int) -> None:
    assert part_layout(size_bytes).part_count <= 1_000


@pytest.mark.parametrize(
    ("size_bytes", "part_size_bytes", "part_count"),
    [
        (0, 8 * MIB_BYTES, 1),
        (1, 8 * MIB_BYTES, 1),
        (8 * MIB_BYTES, 8 * MIB_BYTES, 1),
        (8 * MIB_BYTES + 1, 8 * MIB_BYTES, 2),
        (8000 * MIB_BYTES, 8 * MIB_BYTES, 1000),
        (8000 * MIB_BYTES + 1, 16 * MIB_BYTES, 501),
        (LARGEST_OBJECT_BYTES, 4096 * MIB_BYTES, 1280),
    ],
)
def test_parts_double_from_8_mib(size_bytes: int, part_size_bytes: int, part_count: int) -> None:
    assert part_layout(size_bytes) == (part_size_bytes, part_count)


def test_an_object_over_5_tib_is_refused() -> None:
    with pytest.raises(ObjectTooLarge):
        part_layout(LARGEST_OBJECT_BYTES + 1)


def test_a_negative_size_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        part_layout(-1)


@pytest.mark.parametrize("size_bytes", [0, 1, 8 * MIB_BYTES, 20 * MIB_BYTES + 3, 9000 * MIB_BYTES])
def test_planned_parts_are_numbered_from_one_and_add_up(size_bytes: int) -> None:
    parts = planned_parts(size_bytes)

    assert [part.number for part in parts] == list(range(1, part_layout(size_bytes).part_count + 1))
    assert sum(part.size_bytes for part in parts) == size_bytes
