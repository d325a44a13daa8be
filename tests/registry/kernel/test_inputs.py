"""Names, texts, tags and parameters: what is stored is readable, in one normal form, and never lies about its order."""

import unicodedata

import pytest
from hypothesis import example, given, strategies as st

from registry.files.artifacts import clean_path
from registry.kernel import inputs
from registry.kernel.errors import InvalidValue
from registry.kernel.inputs import MAX_NAME, MAX_PARAMETER_TEXT, MAX_TAGS, MAX_TEXT, Parameter, ParameterValue, Tag

any_text = st.text(st.characters(codec=None), max_size=300)
odd_text = st.text(
    st.sampled_from(
        "aé\u0301\u0308\u200b\u200d\u202e\u2066\u200f\u061c\ufeff\u00a0\u2028\u2029\u3000\u0958\U0001d160\n\t\0\x7f\x85"
        "\ud800\udfff\U0001f468\u05d0\u0627\ufffe\U0010ffff İ"
    ),
    max_size=220,
)


def visible(text: str) -> bool:
    return any(unicodedata.category(c) not in ("Cf", "Mn", "Me", "Zs", "Zl", "Zp", "Cc", "Cs") for c in text)


@given(any_text | odd_text)
@example("x" * MAX_NAME)
@example("x" * (MAX_NAME + 1))
@example("e\u0301" * MAX_NAME)
@example("\u0958" * MAX_NAME)
def test_a_name_is_stored_in_one_form_or_refused(value: str) -> None:
    try:
        stored = inputs.name(value)
    except InvalidValue as refused:
        stored = None
        message = refused.message
    if stored is None:
        assert message.endswith(".")
        return
    assert stored == unicodedata.normalize("NFC", value).strip()
    assert inputs.name(stored) == stored
    assert inputs.name(unicodedata.normalize("NFD", value)) == stored
    assert 1 <= len(stored) <= MAX_NAME
    assert visible(stored)
    assert stored.encode()
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in stored)


@pytest.mark.parametrize("marks", ["\u0301" * 31, "\u0301\u0323" * 16, "\u0f73" * 31])
def test_marks_that_follow_one_another_are_few(marks: str) -> None:
    few, many = f"a{marks[:30]}b{marks[:30]}c", f"a{marks}b"
    assert inputs.name(few) == unicodedata.normalize("NFC", few)
    for refuse in (inputs.name, inputs.address, inputs.text):
        with pytest.raises(InvalidValue, match="More than 30 combining characters") as refused:
            refuse(many, ("here",))
        assert refused.value.path == ("here",)
    with pytest.raises(InvalidValue, match="More than 30 combining characters"):
        clean_path(f"models/{many}")


@pytest.mark.parametrize(
    "value",
    [
        "größe", "モデル", "модель", "نموذج", "דגם", "👩‍👩‍👧", "v1 final", "a\u200db", "x", "ﬁ", "١٢٣", 
        "'; drop table model; --",         "../../etc/passwd", "<script>", "%00", "\\", "null", "0", "ÅÅ",
    ],
)  # fmt: skip
def test_a_name_may_be_in_any_language(value: str) -> None:
    assert inputs.name(value) == value


@pytest.mark.parametrize(
    "value",
    ["", " ", "\t\n", "\u00a0", "\u3000", "\u200b", "\u200d\u200d", "\u2060", "\ufeff", "\u0301", "\u00ad", "\u2028"],
)
def test_a_name_that_nobody_can_see_is_refused(value: str) -> None:
    with pytest.raises(InvalidValue, match="visible"):
        inputs.name(value)


@pytest.mark.parametrize(
    "value", [
        "a\u202eb", "\u202aa", "a\u2066", "a\u200e", "a\u200fb", "a\u061cb",
        "a\nb", "a\0b", "a\x1b[0m", "a\x85b", "a\u2028b", "a\ud800",
    ],
)  # fmt: skip
def test_a_name_that_could_show_as_another_is_refused(value: str) -> None:
    with pytest.raises(InvalidValue, match="control, line-break or text-direction"):
        inputs.name(value)


def test_length_is_counted_in_code_points_of_the_stored_form() -> None:
    assert inputs.name("e\u0301" * MAX_NAME) == "é" * MAX_NAME
    assert inputs.name("\U0001f600" * MAX_NAME)
    with pytest.raises(InvalidValue, match="201 characters; at most 200"):
        inputs.name("\U0001f600" * (MAX_NAME + 1))
    with pytest.raises(InvalidValue, match="400 characters"):
        inputs.name("\u0958" * MAX_NAME)


@given(any_text | odd_text)
def test_free_text_is_stored_as_it_is_or_refused(value: str) -> None:
    bad = any(
        unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t" for c in unicodedata.normalize("NFC", value)
    )
    if bad:
        with pytest.raises(InvalidValue, match="control characters"):
            inputs.text(value, ("description",))
    else:
        assert inputs.text(value, ("description",)) == unicodedata.normalize("NFC", value)


def test_free_text_keeps_white_space_and_may_be_empty_or_absent() -> None:
    assert inputs.text(" a\r\n\tb ", ("t",)) == " a\r\n\tb "
    assert inputs.text("", ("t",)) == ""
    assert inputs.text(None, ("t",)) is None
    assert inputs.text("x" * MAX_TEXT, ("t",))
    with pytest.raises(InvalidValue, match="10001 characters"):
        inputs.text("x" * (MAX_TEXT + 1), ("t",))


def test_tags_have_unique_keys_after_they_are_normalized() -> None:
    assert inputs.tags([Tag("a", "1"), Tag("b")]) == {"a": "1", "b": ""}
    for twin in (" a", "a"):
        with pytest.raises(InvalidValue, match="twice") as refused:
            inputs.tags([Tag("a", "1"), Tag(twin, "2")])
        assert refused.value.path == ("tags", "1", "key")


def test_there_are_at_most_a_hundred_tags_with_bounded_keys_and_values() -> None:
    assert len(inputs.tags([Tag(str(place)) for place in range(MAX_TAGS)])) == MAX_TAGS
    with pytest.raises(InvalidValue, match="101 tags"):
        inputs.tags([Tag(str(place)) for place in range(MAX_TAGS + 1)])
    assert inputs.tags([Tag("k" * 100, "v" * 1_000)])
    for tag, part in ((Tag("k" * 101), "key"), (Tag("k", "v" * 1_001), "value")):
        with pytest.raises(InvalidValue) as refused:
            inputs.tags([tag])
        assert refused.value.path == ("tags", "0", part)


@pytest.mark.parametrize(
    "value", [None, [], {}, float("nan"), float("inf"), 2**63, -(2**63), "x" * (MAX_PARAMETER_TEXT + 1), "\0", object()]
)
def test_a_parameter_that_cannot_be_kept_is_refused_with_its_place(value: object) -> None:
    with pytest.raises(InvalidValue) as refused:
        inputs.parameters([Parameter("good", ParameterValue(1)), Parameter("bad", ParameterValue(value))])
    assert refused.value.path == ("parameters", "1", "value")


@pytest.mark.parametrize("value", ["", "x" * MAX_PARAMETER_TEXT, 0, 2**63 - 1, 1 - 2**63, 1e308, -0.5, True, False])
def test_a_parameter_keeps_its_type(value: object) -> None:
    kept = inputs.parameters([Parameter("p", ParameterValue(value))])["p"]
    assert kept == value
    assert type(kept) is type(value)


def test_a_thing_has_at_most_a_thousand_parameters_each_once() -> None:
    many = [Parameter(str(place), ParameterValue(place)) for place in range(1_001)]
    assert len(inputs.parameters(many[:-1])) == 1_000
    with pytest.raises(InvalidValue, match="1001 parameters"):
        inputs.parameters(many)
    with pytest.raises(InvalidValue, match="twice") as refused:
        inputs.parameters([many[0], many[0]])
    assert refused.value.path == ("parameters", "1", "name")
