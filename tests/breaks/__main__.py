"""`python -m tests.breaks draw|reach|catch`: draw breaks, note which tests reach them, see which are caught.

`draw SEED COUNT` writes drawn.jsonl. `reach FOLDER [pytest arguments]` runs the tests once with a note in place of each
statement's line break, so that FOLDER/<number> lists the tests that come by. `catch FOLDER [numbers]` breaks one after
the other and runs the tests that came by it until one fails. Run it in a clone: it changes files and puts them back.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.breaks.drawing import ROOT, Break, draw, drawn, write

AT_MOST = 600


@contextmanager
def replaced(file: str, text: str) -> Iterator[None]:
    """A file with another text for the length of a block."""
    path = ROOT / file
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def noting(number: int, one: Break, folder: Path) -> str:
    """The line of a statement, after a note of the test that comes by."""
    indent = one.whole[: len(one.whole) - len(one.whole.lstrip())]
    test = "__import__('os').environ.get('PYTEST_CURRENT_TEST', '?')"
    note = f"with open({str(folder / str(number))!r}, 'a') as noted: noted.write({test} + '\\n')"
    return f"{indent}{note}\n{one.whole}\n"


def reach(folder: Path, arguments: list[str]) -> int:
    """Run the tests with a note at each statement."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for number, one in enumerate(drawn()):
            stack.enter_context(replaced(one.file, one.text_of(noting(number, one, folder))))
        return subprocess.run([sys.executable, "-m", "pytest", "-n", "2", "-q", *arguments], check=False).returncode


def tests_by(folder: Path, number: int) -> list[str]:
    """The tests that came by a statement, evenly chosen where they are very many."""
    path = folder / str(number)
    if not path.exists():
        return []
    found = dict.fromkeys(line.rsplit(" (", 1)[0] for line in path.read_text().splitlines() if line != "?")
    ids = list(found)
    return ids[:: max(1, -(-len(ids) // AT_MOST))]


def catch(folder: Path, numbers: list[int]) -> None:
    """Say of each break whether a test fails."""
    for number, one in enumerate(drawn()):
        if numbers and number not in numbers:
            continue
        ids = tests_by(folder, number)
        caught = "not reached"
        if ids:
            with replaced(one.file, one.text_of(one.broken + "\n")):
                listed = folder / f"{number}.ids"
                listed.write_text("\n".join(ids))
                ran = subprocess.run(
                    [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", "2", f"@{listed}"],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
            failed = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            caught = (
                f"caught by {failed[0][:150]}" if failed else f"status {ran.returncode}" if ran.returncode else "missed"
            )
        print(f"{number:2} {one.file}:{one.line} {one.whole.strip()!r} of {len(ids)}: {caught}", flush=True)


match sys.argv[1:]:
    case ["draw", seed, count]:
        write(draw(int(seed), int(count)))
    case ["reach", folder, *arguments]:
        sys.exit(reach(Path(folder).resolve(), arguments))
    case ["catch", folder, *numbers]:
        catch(Path(folder).resolve(), [int(number) for number in numbers])
    case _:
        sys.exit(__doc__)
