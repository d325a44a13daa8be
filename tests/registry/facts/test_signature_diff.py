"""Changes of a signature: what is compatible and what breaks those who use the model."""

from types import SimpleNamespace
from typing import Any

import pytest

from registry.facts.signature_diff import ChangeKind, SignatureCompatibility, changes, verdict

FIELD = {"name": "a", "type": "INT32", "shape": None, "required": True, "description": None}
TENSOR = FIELD | {"shape": [-1, 4]}
PARAMETER = {"name": "p", "type": "INT32", "default": None, "required": False}
FEATURE = {"name": "f", "type": "INT32", "description": None, "source": None}
COLUMN = {"name": "c", "type": "INT32", "nullable": False, "description": None}


def signature(id: int, **sections: Any) -> Any:
    return SimpleNamespace(id=id, **({"inputs": [], "outputs": [], "parameters": [], "features": []} | sections))


def judged(section: str, before: list[Any], after: list[Any]) -> SignatureCompatibility:
    """What it means that one list of fields follows another."""
    one, two = signature(1, **{section: before}), signature(2, **{section: after})
    return verdict(one, two, changes(one, two))


BREAKING = [
    ("inputs", [], [FIELD]),
    ("inputs", [FIELD], []),
    ("inputs", [FIELD | {"required": False}], []),
    ("inputs", [FIELD], [FIELD | {"name": "renamed", "required": False}]),
    ("inputs", [FIELD], [FIELD | {"type": "INT16"}]),
    ("inputs", [FIELD], [FIELD | {"type": "STRING"}]),
    ("inputs", [FIELD], [FIELD | {"type": "UINT64"}]),
    ("inputs", [TENSOR], [TENSOR | {"type": "INT64"}]),
    ("inputs", [TENSOR], [TENSOR | {"shape": [1, 4]}]),
    ("inputs", [TENSOR], [TENSOR | {"shape": [-1, 4, 1]}]),
    ("inputs", [TENSOR], [FIELD]),
    ("inputs", [FIELD], [TENSOR]),
    ("inputs", [FIELD | {"required": False}], [FIELD]),
    ("inputs", [FIELD, TENSOR | {"name": "b"}], [TENSOR | {"name": "b"}, FIELD]),
    ("inputs", [FIELD], [FIELD | {"name": "b", "required": False}, FIELD]),
    ("outputs", [FIELD], []),
    ("outputs", [FIELD], [FIELD | {"name": "b"}, FIELD]),
    ("columns", [COLUMN], [COLUMN | {"name": "d"}, COLUMN]),
    ("outputs", [FIELD], [FIELD | {"type": "INT64"}]),
    ("outputs", [TENSOR | {"shape": [1, 4]}], [TENSOR]),
    ("outputs", [FIELD], [FIELD | {"required": False}]),
    ("parameters", [], [PARAMETER | {"required": True}]),
    ("parameters", [PARAMETER], []),
    ("parameters", [PARAMETER], [PARAMETER | {"type": "INT8"}]),
    ("parameters", [PARAMETER], [PARAMETER | {"required": True}]),
    ("features", [FEATURE], []),
    ("features", [], [FEATURE]),
    ("features", [FEATURE], [FEATURE | {"type": "INT64"}]),
    ("columns", [COLUMN], []),
    ("columns", [COLUMN], [COLUMN | {"type": "INT64"}]),
    ("columns", [COLUMN], [COLUMN | {"nullable": True}]),
]
COMPATIBLE = [
    ("inputs", [FIELD], [FIELD, FIELD | {"name": "b", "required": False}]),
    ("inputs", [FIELD], [FIELD | {"type": "INT64"}]),
    ("inputs", [FIELD], [FIELD | {"type": "ANY"}]),
    ("inputs", [TENSOR | {"shape": [1, 4]}], [TENSOR]),
    ("inputs", [FIELD], [FIELD | {"required": False}]),
    ("inputs", [FIELD], [FIELD | {"description": "Years."}]),
    ("outputs", [FIELD], [FIELD, FIELD | {"name": "b"}]),
    ("outputs", [TENSOR], [TENSOR | {"shape": [1, 4]}]),
    ("outputs", [FIELD | {"required": False}], [FIELD]),
    ("outputs", [], [FIELD, FIELD | {"name": "b"}]),
    ("parameters", [], [PARAMETER]),
    ("parameters", [PARAMETER], [PARAMETER | {"name": "a"}, PARAMETER]),
    ("parameters", [PARAMETER], [PARAMETER | {"default": 3}]),
    ("parameters", [PARAMETER | {"default": 1}], [PARAMETER | {"default": True}]),
    ("features", [FEATURE], [FEATURE | {"source": "elsewhere", "description": "Mean."}]),
    ("columns", [COLUMN], [COLUMN, COLUMN | {"name": "d"}]),
    ("columns", [COLUMN | {"nullable": True}], [COLUMN]),
]


@pytest.mark.parametrize(("section", "before", "after"), BREAKING)
def test_what_may_fail_from_now_on_is_breaking(section: str, before: list[Any], after: list[Any]) -> None:
    assert judged(section, before, after) is SignatureCompatibility.BREAKING


@pytest.mark.parametrize(("section", "before", "after"), COMPATIBLE)
def test_what_goes_on_working_is_compatible(section: str, before: list[Any], after: list[Any]) -> None:
    one, two = signature(1, **{section: before}), signature(2, **{section: after})
    assert changes(one, two), "a change is listed even where it is compatible"
    assert judged(section, before, after) is SignatureCompatibility.COMPATIBLE


def test_the_same_signature_is_identical() -> None:
    one = signature(1, inputs=[FIELD])
    assert verdict(one, one, changes(one, one)) is SignatureCompatibility.IDENTICAL


def test_breaking_changes_come_first_each_with_its_place_and_a_sentence() -> None:
    one = signature(1, inputs=[FIELD, TENSOR | {"name": "b"}], parameters=[])
    two = signature(2, inputs=[FIELD | {"type": "INT64"}], parameters=[PARAMETER])
    gone, wider, new = changes(one, two)
    assert (gone.path, gone.kind, gone.breaking) == (("inputs", "b"), ChangeKind.REMOVED, True)
    assert (gone.before, gone.after) == ("INT32 [-1,4], required", None)
    assert (wider.path, wider.before, wider.after) == (("inputs", "a", "type"), "INT32", "INT64")
    assert wider.sentence == "The type of the input 'a' changes from INT32 to INT64."
    assert (new.path, new.kind, new.after) == (("parameters", "p"), ChangeKind.ADDED, "INT32, optional")


def test_a_new_field_between_others_is_no_other_order_and_breaks_what_goes_by_position() -> None:
    one = signature(1, outputs=[FIELD, FIELD | {"name": "c"}])
    two = signature(2, outputs=[FIELD, FIELD | {"name": "b"}, FIELD | {"name": "c"}, FIELD | {"name": "d"}])
    between, last = changes(one, two)
    assert (between.path, between.breaking) == (("outputs", "b"), True)
    assert between.sentence == (
        "The output 'b' is new. It stands before 'c': values sent or read by position mean something else."
    )
    assert (last.path, last.breaking, last.sentence) == (("outputs", "d"), False, "The output 'd' is new.")
