"""Decides which JSON values may come through the door: no text a database cannot hold, not too deep, not too many."""

MAX_JSON_DEPTH = 64
"""Lists and objects inside each other; the deepest input of the graph needs a tenth of it."""
MAX_JSON_OBJECTS = 20_000
"""A hundred things with a hundred tags each are half of it. Each takes time before any rule sees it."""
MAX_JSON_LISTS = 20_000
"""As many as objects, so that 8 MiB of empty lists are refused early. Numbers are not counted: they are data."""

BAD_TEXT = "A text holds a NUL character or half of a surrogate pair. Remove it: neither can be stored."
TOO_NESTED = f"The variables nest more than {MAX_JSON_DEPTH} levels. Flatten them."
TOO_MANY = f"The variables contain more than {MAX_JSON_OBJECTS:,} objects. Send fewer at once."
TOO_MANY_LISTS = f"The variables contain more than {MAX_JSON_LISTS:,} lists. Send fewer at once."

_PLAIN = frozenset({int, float, bool, type(None)})


def is_bad_text(text: str) -> bool:
    """Tell whether a text holds a NUL or an unpaired surrogate, which PostgreSQL and JSON refuse."""
    if "\x00" in text:
        return True
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def fault_of(value: object) -> str | None:
    """Return a sentence about the first thing that makes a JSON value unacceptable, or None. Looks at keys too."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    objects = lists = 0
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            if is_bad_text(item):
                return BAD_TEXT
        elif depth > MAX_JSON_DEPTH:
            return TOO_NESTED
        elif isinstance(item, dict):
            objects += 1
            if objects > MAX_JSON_OBJECTS:
                return TOO_MANY
            waiting.extend((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            lists += 1
            if lists > MAX_JSON_LISTS:
                return TOO_MANY_LISTS
            # Millions of numbers are passed over without a step for each.
            kinds = set(map(type, item))
            if kinds == {str}:
                waiting.append(("".join(item), depth + 1))
            elif not kinds <= _PLAIN:
                waiting.extend((part, depth + 1) for part in item)
    return None
