"""Highlights: which words of a row a search has found, as pieces of text and never as markup."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from registry.graph.search import Term

MAX_HIGHLIGHTS = 10
MAX_FRAGMENTS = 3
_FRAGMENT = 160
_LEAD = 40
_MOST_TEXT = 20_000

_TEXTS = {
    "name": "name",
    "label": "label",
    "path": "path",
    "digest": "digest",
    "description": "description",
    "source": "source",
    "external_uri": "externalUri",
    "endpoint": "endpoint",
}
_PAIRS = ("tags", "parameters")

# As `registry.search_words` does it: what parts words, signs of scripts without spaces, and camelCase.
_BETWEEN = r"\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\xa0\u2000-\u206f\u3000-\u303f\ufe00-\ufe0f\ufeff"
_SIGN = r"\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_WORD = re.compile(f"[{_SIGN}]|[^{_BETWEEN}{_SIGN}]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class Part:
    """A piece of a text, and whether it was searched for."""

    text: str
    matched: bool


@dataclass(frozen=True)
class Fragment:
    """A stretch of a text: its pieces in order, without gaps."""

    parts: Sequence[Part]


@dataclass(frozen=True)
class Highlight:
    """Where a field holds what was searched for."""

    field: str
    fragments: Sequence[Fragment]


class Wanted:
    """The words that are to be marked."""

    def __init__(self, groups: Sequence[Sequence[Term]]) -> None:
        self._whole: set[str] = set()
        self._beginnings: set[str] = set()
        for term in (term for group in groups for term in group if not term.negated):
            words = [word for start, end in _words(term.text) for word in _forms(term.text[start:end])]
            self._whole.update(words)
            if term.prefix and words:
                self._beginnings.update(words[-2:])

    def has(self, word: str) -> bool:
        """Whether a word is to be marked."""
        lowered = word.lower()
        return lowered in self._whole or lowered.startswith(tuple(self._beginnings))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where the words stand in a text: parts of a camelCase word, or else the whole word."""
        found: list[tuple[int, int]] = []
        for start, end in _words(text):
            humps = [span for span in _humps(text, start, end) if self.has(text[span[0] : span[1]])]
            found += humps or ([(start, end)] if self.has(text[start:end]) else [])
        return found


def highlights(row: Any, wanted: Wanted) -> list[Highlight]:
    """What of a row was searched for, at most MAX_HIGHLIGHTS; the words of its name first."""
    found: list[Highlight] = []
    for field, text in _fields(row):
        if spans := wanted.spans(text):
            found.append(Highlight(field, _fragments(text, spans)))
            if len(found) == MAX_HIGHLIGHTS:
                break
    return found


def _fields(row: Any) -> Iterator[tuple[str, str]]:
    left = _MOST_TEXT
    for column, field in _TEXTS.items():
        if text := getattr(row, column, None):
            yield field, text[:_MOST_TEXT]
    for column in _PAIRS:
        for key, value in (getattr(row, column, None) or {}).items():
            text = f"{key}: {value}"[:left]
            left -= len(text)
            if not text:
                return
            yield column, text


def _fragments(text: str, spans: Sequence[tuple[int, int]]) -> list[Fragment]:
    """The stretches around the spans: the whole text if it is short."""
    found: list[Fragment] = []
    until = 0
    for start, end in spans:
        if end <= until:
            continue
        if len(found) == MAX_FRAGMENTS:
            break
        begin = 0 if len(text) <= _FRAGMENT else max(until, start - _LEAD)
        until = len(text) if len(text) <= _FRAGMENT else max(end, min(len(text), begin + _FRAGMENT))
        found.append(Fragment(_parts(text, begin, until, spans)))
    return found


def _parts(text: str, begin: int, until: int, spans: Sequence[tuple[int, int]]) -> list[Part]:
    parts: list[Part] = []
    place = begin
    for start, end in spans:
        if start >= place and end <= until:
            parts += [Part(text[place:start], False), Part(text[start:end], True)]
            place = end
    return [part for part in (*parts, Part(text[place:until], False)) if part.text]


def _words(text: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in _WORD.finditer(text))


def _humps(text: str, start: int, end: int) -> list[tuple[int, int]]:
    places = [start, *(found.start() for found in _HUMP.finditer(text, start, end)), end]
    return list(pairwise(places))


def _forms(word: str) -> list[str]:
    """A word of a search as a row may have it: in one piece, and part by part if it is in camelCase."""
    return [*(word[start:end].lower() for start, end in _humps(word, 0, len(word))), word.lower()]
