"""Lines that fit into 80 columns, however long a sentence of the registry is."""

from textwrap import wrap
from typing import Final

from rich.console import Group
from rich.text import Text

COLUMNS: Final = 80
TITLE: Final = 20
"""The width of what a line is about."""


def line(sign: str, title: str, what: str) -> Text:
    """What came of something: ✓ or ✗, about what, and what it is."""
    color = "red" if sign == "✗" else "green"
    return Text.assemble((sign, color), " ", (f"{title:<{TITLE}}", "bold"), f" {what}")


def sentence(text: str, *, before: Text | str = "  ") -> Group:
    """A sentence behind something that begins its first line, in as many lines as it takes."""
    start = Text.assemble(before)
    indent = " " * start.cell_len
    first, *rest = wrap(text, COLUMNS - start.cell_len) or [""]
    return Group(Text.assemble(start, first), *(Text(f"{indent}{more}") for more in rest))
