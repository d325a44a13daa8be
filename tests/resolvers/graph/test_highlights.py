"""Highlights: the words that were searched for, in short stretches that are the text itself."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from db.tables import Model
from registry.graph.search import Term, parse
from resolvers.graph.highlights import MAX_FRAGMENTS, MAX_HIGHLIGHTS, Wanted, highlights


def model(**columns: Any) -> Model:
    return Model(**{"name": "thing", "framework": "sklearn", "tags": {}, **columns})


def marked(text: str, name: str) -> list[str]:
    """The words of a name that a search marks."""
    found = highlights(model(name=name), Wanted(parse(text)))
    return [part.text for one in found for fragment in one.fragments for part in fragment.parts if part.matched]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("fraud", "fraud-detector", ["fraud"]),
        ("det", "Fraud Detector", ["Detector"]),
        ("det ", "Fraud Detector", []),
        ("detector fraud", "fraud_detector", ["fraud", "detector"]),
        ('"fraud detector"', "fraud_detector", ["fraud", "detector"]),
        ("scorer", "FraudScorer", ["Scorer"]),
        ("fraudscorer", "FraudScorer", ["FraudScorer"]),
        ("FraudScorer", "fraudscorer", ["fraudscorer"]),
        ("-fraud or scorer", "fraud scorer", ["scorer"]),
        ("检测", "欺诈检测", ["检", "测"]),
        ("", "fraud", []),
        ("...", "fraud", []),
    ],
)
def test_the_words_that_were_searched_for_are_marked(text: str, name: str, words: list[str]) -> None:
    assert marked(text, name) == words


def test_a_long_text_is_shown_in_a_few_stretches() -> None:
    text = " ".join(["word"] * 100 + ["zebra"]) + " word" * 100
    (found,) = highlights(model(description=text), Wanted(parse("zebra")))
    (fragment,) = found.fragments
    shown = "".join(part.text for part in fragment.parts)
    assert shown in text
    assert len(shown) == 160
    many = highlights(model(description=(" zebra" + " word" * 60) * 9), Wanted(parse("zebra")))
    assert len(many[0].fragments) == MAX_FRAGMENTS


def test_a_thing_with_many_matches_shows_a_few() -> None:
    row = model(name="zebra", tags={f"zebra {place}": "" for place in range(50)})
    found = highlights(row, Wanted(parse("zebra")))
    assert [one.field for one in found] == ["name", *["tags"] * (MAX_HIGHLIGHTS - 1)]


@given(text=st.text(max_size=40), name=st.text(min_size=1, max_size=100))
def test_the_pieces_of_a_short_text_are_the_text(text: str, name: str) -> None:
    for found in highlights(model(name=name), Wanted(parse(text))):
        assert "".join(part.text for fragment in found.fragments for part in fragment.parts) == name


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("a b", [[Term("a"), Term("b", prefix=True)]]),
        ("a b ", [[Term("a"), Term("b")]]),
        ('"a b"', [[Term("a b")]]),
        ('"a b', [[Term("a b", prefix=True)]]),
        ("a -b", [[Term("a"), Term("b", negated=True)]]),
        ('a -"b c"', [[Term("a"), Term("b c", negated=True)]]),
        ("a OR b", [[Term("a")], [Term("b", prefix=True)]]),
        ("or a", [[Term("a", prefix=True)]]),
        ("a or", [[Term("a"), Term("or", prefix=True)]]),
        ("-", [[Term("-", prefix=True)]]),
        ("", []),
    ],
)
def test_what_is_typed_becomes_terms(text: str, groups: list[list[Term]]) -> None:
    assert parse(text) == groups
