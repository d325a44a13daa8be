"""Draws statements of the product by a seed and says how each is broken on its line."""

import ast
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("db", "registry", "resolvers", "schema", "server", "storage")
DRAWN = Path(__file__).with_name("drawn.jsonl")


@dataclass(frozen=True)
class Break:
    """One statement on one line: where it stands, what it says and what it says when broken."""

    file: str
    line: int
    whole: str
    broken: str

    def text_of(self, line_for: str) -> str:
        """The text of the file with another line in place of the statement. Raises ValueError when it is gone.

        The statement is found by its text, nearest to where it stood, so that changes above it do no harm.
        """
        lines = (ROOT / self.file).read_text().splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.rstrip("\n") == self.whole]
        if not places:
            raise ValueError(f"{self.file} has no longer the line: {self.whole.strip()}")
        lines[min(places, key=lambda number: abs(number + 1 - self.line))] = line_for
        return "".join(lines)


def broken_form(statement: ast.stmt, line: str) -> str | None:
    """The line of a statement when broken: a condition negated, a value lost, an effect left out. None for no way."""
    indent = line[: len(line) - len(line.lstrip())]
    match statement:
        case ast.If(test=test) | ast.While(test=test) if line.lstrip().startswith(("if ", "while ")):
            word = line.split()[0]
            return f"{indent}{word} not ({ast.unparse(test)}):"
        case ast.Return(value=ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()) as value):
            return f"{indent}return not ({ast.unparse(value)})"
        case ast.Return(value=value) if value is not None and not _is_none(value):
            return f"{indent}return None"
        case ast.Assign(targets=[ast.Name() | ast.Attribute() as target], value=value) if not _is_none(value):
            return f"{indent}{ast.unparse(target)} = None"
        case ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Continue() | ast.Break():
            return f"{indent}pass"
        case ast.Expr(value=ast.Call() | ast.Await()):
            return f"{indent}pass"
    return None


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def candidates() -> Iterator[Break]:
    """Every statement inside a function that stands on one line and can be broken, in the order of the files."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            file = path.relative_to(ROOT).as_posix()
            if file.startswith("db/migrations/"):
                continue
            text = path.read_text()
            lines = text.splitlines()
            seen = set()
            for function in ast.walk(ast.parse(text)):
                if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                for statement in ast.walk(function):
                    if not isinstance(statement, ast.stmt) or statement is function or statement.lineno in seen:
                        continue
                    header_ends = statement.body[0].lineno - 1 if isinstance(statement, ast.If | ast.While) else None
                    if (header_ends or statement.end_lineno) != statement.lineno:
                        continue
                    line = lines[statement.lineno - 1]
                    broken = broken_form(statement, line)
                    if broken is not None:
                        seen.add(statement.lineno)
                        yield Break(file, statement.lineno, line, broken)


def draw(seed: int, count: int) -> list[Break]:
    """That many statements, each as likely as any other."""
    return random.Random(seed).sample(list(candidates()), count)


def drawn() -> list[Break]:
    """The breaks that are checked in."""
    return [Break(**json.loads(line)) for line in DRAWN.read_text().splitlines()]


def write(breaks: list[Break]) -> None:
    """Check these in."""
    DRAWN.write_text("".join(json.dumps(asdict(one)) + "\n" for one in breaks))
