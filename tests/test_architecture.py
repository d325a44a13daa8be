"""The shape of the code: layers, imports, docstrings, and what no file may hold."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("server", "schema", "resolvers", "registry", "db", "storage")
MODULES = {
    str(path.relative_to(ROOT)): path.read_text() for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))
}
USERS = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("client", "demo")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
PACKAGES = {path: text for path, text in MODULES.items() if path.endswith("__init__.py")}
IMPORT_ON_DEMAND = ["server/cli.py"]
"""Each command imports what it runs on, so that none waits for the imports of the others."""
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_MODULES = 15


def offenders(files: dict[str, str], offends: Callable[[ast.Module, str], object]) -> list[str]:
    """The files that offend, of those that are written by hand for good: a migration is written once and stays."""
    return [
        path for path, text in files.items() if "migrations/versions" not in path and offends(ast.parse(text), text)
    ]


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules that are imported anywhere in a tree; a relative one as dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 50
    assert {f"{layer}/__init__.py" for layer in LAYERS} <= set(PACKAGES)


def test_the_contracts_between_the_layers_are_kept() -> None:
    program = str(Path(sys.executable).with_name("lint-imports"))
    ended = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_package_says_one_sentence_and_holds_nothing() -> None:
    def says_else(tree: ast.Module, _text: str) -> bool:
        return len(tree.body) != 1 or not re.fullmatch(r"[A-Z][^\n]*\.", ast.get_docstring(tree) or "")

    assert offenders(PACKAGES, says_else) == []


def test_a_module_begins_with_what_it_owns() -> None:
    def is_silent(tree: ast.Module, _text: str) -> bool:
        return not re.match(r"[^a-z\s].*\.\Z", ast.get_docstring(tree) or "", re.DOTALL)

    assert offenders(MODULES, is_silent) == []


def test_a_module_imports_at_its_top_and_absolutely() -> None:
    assert offenders(MODULES, lambda tree, _: [f for f in functions(tree) if list(imports(f))]) == IMPORT_ON_DEMAND
    assert offenders(MODULES, lambda tree, _: [name for name in imports(tree) if name.startswith(".")]) == []


def test_modules_and_functions_can_be_taken_in_at_once() -> None:
    def has_a_long_function(tree: ast.Module, _text: str) -> bool:
        return any((one.end_lineno or 0) - one.lineno >= MAX_FUNCTION_LINES for one in functions(tree))

    assert offenders(MODULES, has_a_long_function) == []
    assert offenders(MODULES, lambda _, text: len(text.splitlines()) > MAX_MODULE_LINES) == []


def test_a_folder_can_be_read_as_a_list() -> None:
    modules = Counter(path.rpartition("/")[0] for path in MODULES if not path.endswith("__init__.py"))
    del modules["db/migrations/versions"], modules["db"]
    assert {folder: count for folder, count in modules.items() if count > MAX_MODULES} == {}


def test_nothing_is_left_to_be_done() -> None:
    assert offenders(MODULES | USERS, lambda _, text: re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)) == []


def test_an_exception_to_a_check_names_the_check() -> None:
    unnamed = re.compile(r"# noqa(?!: [A-Z]+\d)|# type: ignore(?!\[[a-z-]+)")
    assert offenders(MODULES | USERS, lambda _, text: unnamed.search(text)) == []


def test_nobody_keeps_a_drawer_for_everything() -> None:
    assert [path for path in MODULES if re.search(r"/(utils?|helpers?|common|misc)(\.py|/)", path)] == []


def test_those_who_use_the_interface_know_nothing_else() -> None:
    own = set(LAYERS)
    assert offenders(USERS, lambda tree, _: own & {name.split(".")[0] for name in imports(tree)}) == []


def test_only_the_database_layer_and_the_embedded_server_know_the_driver() -> None:
    users = offenders(MODULES, lambda tree, _: "asyncpg" in imports(tree))
    assert {path for path in users if not path.startswith("db/")} <= {"server/embedded/postgres.py", "server/local.py"}
