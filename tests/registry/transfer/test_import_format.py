"""The documentation of files says what the code takes."""

from pathlib import Path

from registry.transfer.declaring import Field, Kind
from registry.transfer.kinds import KINDS

DOCUMENT = Path(__file__).parents[3] / "docs" / "import.md"


def told(field: Field) -> str:
    name = f"**{field.name}**" if field.required else field.name
    return f"{name} → {field.refers}" if field.refers else name


def row_of(kind: Kind) -> str:
    by_column = {field.column: field.name for field in kind.fields}
    by_column |= {"model_id": "model", "folded_path": "path"}
    same = ", ".join(by_column.get(column, column) for column in kind.natural)
    alone = "all of these" if kind.points else "key only"
    return f"| {kind.title} | {', '.join(map(told, kind.fields))} | {same or alone} |"


def test_every_kind_stands_in_the_table_with_its_fields() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ") and "→ names" not in line]
    assert rows == [row_of(kind) for kind in KINDS]


def test_a_kind_comes_after_those_that_it_names() -> None:
    titles = [kind.title for kind in KINDS]
    for kind in KINDS:
        assert {field.refers for field in kind.references} <= set(titles[: titles.index(kind.title) + 1])
