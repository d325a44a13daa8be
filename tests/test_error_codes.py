"""The list of error codes in the documentation is the whole list."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import ROOT

DOCUMENT = (ROOT / "docs" / "errors.md").read_text()
LISTED = re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT, re.MULTILINE)
DOORS = ["registry/kernel/errors.py", "schema/**/*.py", "server/doors/*.py", "server/auth.py"]
ABSTRACT = {"REGISTRY_ERROR"}
"""The code of what is never raised itself."""


CODE = re.compile(r"[A-Z]+(_[A-Z]+)*")


def strings(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def codes_in(path: Path) -> Iterator[str]:
    """Whatever is given as a code: to a variable of that name, under that key, to a refusal before any operation.

    In these files a string of several words in capitals is nothing else.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "_" in node.value:
            yield node.value
        elif isinstance(node, ast.Assign) and any(
            getattr(one, "id", "") in ("code", "INTERNAL") for one in node.targets
        ):
            yield from strings(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "code":
                    yield from strings(value)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("too_much", "RequestRefused"):
            yield from (text for one in node.args[:2] for text in strings(one))


CODES = {
    code for pattern in DOORS for path in ROOT.glob(pattern) for code in codes_in(path) if CODE.fullmatch(code)
} - ABSTRACT


def test_every_code_is_listed_once_and_no_other() -> None:
    assert sorted(LISTED) == sorted(CODES)


@pytest.mark.parametrize("table", re.findall(r"(?:^\|.*\n)+", DOCUMENT, re.MULTILINE))
def test_codes_stand_in_alphabetical_order(table: str) -> None:
    listed = re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)
    assert listed == sorted(listed)
