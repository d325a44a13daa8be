"""Changes of a signature or of a schema of data, and whether those who use it notice: compatible or breaking."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from db.codes import DataType
from registry.kernel import inputs

Field = Mapping[str, Any]


class SignatureCompatibility(StrEnum):
    """What a change of the signature means to those who use the model."""

    IDENTICAL = "IDENTICAL"
    COMPATIBLE = "COMPATIBLE"
    BREAKING = "BREAKING"


class ChangeKind(StrEnum):
    """What became of a part."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


@dataclass(frozen=True)
class PartChange:
    """One part that differs: where it stands, how it was and is, and whether it breaks what worked before."""

    path: Sequence[str]
    kind: ChangeKind
    before: str | None
    after: str | None
    breaking: bool
    sentence: str


@dataclass(frozen=True)
class _Rules:
    """What breaks in one list of fields: adding one, removing one, and a changed attribute, given old and new field.

    Where it is `ordered` values may be sent or read by position, so that another position of a field breaks, too.
    """

    word: str
    added: Callable[[Field], bool]
    attributes: Mapping[str, Callable[[Field, Field], bool]]
    ordered: bool = False


def _never(_old: Field, _new: Field) -> bool:
    return False


def _always(_old: Field, _new: Field) -> bool:
    return True


def _is_required(field: Field) -> bool:
    return bool(field["required"])


def _must_now(_old: Field, new: Field) -> bool:
    return bool(new["required"])


def _may_now_be_missing(_old: Field, new: Field) -> bool:
    return not new["required"]


# Each type that holds every value of the one before it.
_WIDER: Final = (
    (DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64),
    (DataType.UINT8, DataType.UINT16, DataType.UINT32, DataType.UINT64),
    (DataType.FLOAT16, DataType.FLOAT32, DataType.FLOAT64),
    (DataType.BFLOAT16, DataType.FLOAT32, DataType.FLOAT64),
    (DataType.COMPLEX64, DataType.COMPLEX128),
    (DataType.CATEGORY, DataType.STRING),
    (DataType.DATE, DataType.DATETIME),
)


def _narrows(old: Field, new: Field) -> bool:
    """Whether a type takes less than before. The bytes of a tensor are of one type: there, no other one will do."""
    if old.get("shape") is not None or new.get("shape") is not None:
        return True
    if new["type"] == DataType.ANY:
        return False
    return not any(
        old["type"] in chain and new["type"] in chain and chain.index(old["type"]) < chain.index(new["type"])
        for chain in _WIDER
    )


def _fits(inner: Sequence[int] | None, outer: Sequence[int] | None) -> bool:
    """Whether every tensor of the first shape is one of the second."""
    if inner is None or outer is None or len(inner) != len(outer):
        return False
    return all(there in (-1, here) for here, there in zip(inner, outer, strict=True))


def _takes_less(old: Field, new: Field) -> bool:
    return not _fits(old["shape"], new["shape"])


def _gives_more(old: Field, new: Field) -> bool:
    return not _fits(new["shape"], old["shape"])


_RULES: Final[Mapping[str, _Rules]] = {
    "inputs": _Rules(
        "input",
        _is_required,
        {"type": _narrows, "shape": _takes_less, "required": _must_now, "description": _never},
        ordered=True,
    ),
    "outputs": _Rules(
        "output",
        lambda _: False,
        {"type": _always, "shape": _gives_more, "required": _may_now_be_missing, "description": _never},
        ordered=True,
    ),
    "parameters": _Rules("parameter", _is_required, {"type": _narrows, "default": _never, "required": _must_now}),
    # Of data: whoever reads it notices what is gone, of another type, or missing now and then.
    "columns": _Rules(
        "column",
        lambda _: False,
        {"type": _always, "nullable": lambda _, new: bool(new["nullable"]), "description": _never},
        ordered=True,
    ),
    # Whoever computes the features has to compute a new one, and may rely on those that are read.
    "features": _Rules("feature", lambda _: True, {"type": _always, "description": _never, "source": _never}),
}


def changes(before: Any, after: Any) -> list[PartChange]:
    """What differs between two signatures or schemas, breaking changes first, then in the order of the lists."""
    found = [
        change
        for section, rules in _RULES.items()
        if hasattr(before, section)
        for change in _section(section, rules, getattr(before, section), getattr(after, section))
    ]
    return sorted(found, key=lambda change: not change.breaking)


def verdict(before: Any, after: Any, found: Sequence[PartChange]) -> SignatureCompatibility:
    """What these differences mean together."""
    if before.id == after.id:
        return SignatureCompatibility.IDENTICAL
    return (
        SignatureCompatibility.BREAKING
        if any(change.breaking for change in found)
        else SignatureCompatibility.COMPATIBLE
    )


_BY_POSITION: Final = "values sent or read by position mean something else"


def _section(section: str, rules: _Rules, before: Sequence[Field], after: Sequence[Field]) -> Iterator[PartChange]:
    old, new = ({field["name"]: field for field in fields} for fields in (before, after))
    for name in [name for name in old if name not in new]:
        sentence = f"The {rules.word} {name!r} is gone."
        yield PartChange((section, name), ChangeKind.REMOVED, _summary(old[name]), None, True, sentence)
    following = _following(old, new) if rules.ordered else {}
    for name, field in new.items():
        if name in old:
            yield from _attributes(section, rules, old[name], field)
            continue
        is_needed, pushed = rules.added(field), following.get(name)
        sentence = f"The {rules.word} {name!r} is new{' and must be supplied' if is_needed else ''}."
        if pushed is not None:
            sentence += f" It stands before {pushed!r}: {_BY_POSITION}."
        breaking = is_needed or pushed is not None
        yield PartChange((section, name), ChangeKind.ADDED, None, _summary(field), breaking, sentence)
    if rules.ordered:
        yield from _order(section, rules, [name for name in old if name in new], [name for name in new if name in old])


def _following(old: Collection[str], new: Collection[str]) -> Mapping[str, str]:
    """For each new name that stands before one that was there, the nearest of those: its position is another now."""
    found, after = {}, None
    for name in reversed(list(new)):
        if name in old:
            after = name
        elif after is not None:
            found[name] = after
    return found


def _attributes(section: str, rules: _Rules, old: Field, new: Field) -> Iterator[PartChange]:
    for attribute, breaks in rules.attributes.items():
        if inputs.same(old[attribute], new[attribute]):
            continue
        before, after = _text(old[attribute]), _text(new[attribute])
        sentence = f"The {attribute} of the {rules.word} {new['name']!r} changes from {before} to {after}."
        path = (section, new["name"], attribute)
        yield PartChange(path, ChangeKind.CHANGED, before, after, breaks(old, new), sentence)


def _order(section: str, rules: _Rules, old: Sequence[str], new: Sequence[str]) -> Iterator[PartChange]:
    if old != new:
        sentence = f"The {rules.word}s stand in another order: {_BY_POSITION}."
        yield PartChange((section,), ChangeKind.CHANGED, ", ".join(old), ", ".join(new), True, sentence)


def _text(value: object) -> str | None:
    return value if isinstance(value, str | None) else orjson.dumps(value).decode()


def _summary(field: Field) -> str:
    shape = "" if field.get("shape") is None else f" {_text(field['shape'])}"
    needed = "" if "required" not in field else ", required" if field["required"] else ", optional"
    return f"{field['type']}{shape}{needed}"
