"""docs/architecture.md names functions that exist, where it says they are."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STEPS = re.findall(r"\| `([a-z_/]+\.py)` `([A-Za-z_.]+)` \|", (ROOT / "docs/architecture.md").read_text())


def definitions(path: Path) -> set[str]:
    """The functions of a module, those of a class after its name."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            functions = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {f"{node.name}.{one.name}" for one in functions}
    return found


@pytest.mark.parametrize(("path", "name"), STEPS)
def test_a_step_of_a_walk_is_a_function_of_its_file(path: str, name: str) -> None:
    assert name in definitions(ROOT / path)


def test_every_step_names_its_place() -> None:
    rows = [line for line in (ROOT / "docs/architecture.md").read_text().splitlines() if line.startswith("| ")]
    walked = [line for line in rows if not line.startswith("| Step")]
    assert len(STEPS) == len(walked) > 30
