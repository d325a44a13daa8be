"""What frontend teams build with works on the graph and on the documents of its screens."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.node_tools import Ran, run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GENERATED = HERE / "generated"
SCREENS = sorted((ROOT / "schema/screens").glob("*.graphql"))
LINTED = ("schema/schema.graphql", "schema/screens", "schema/examples", "tests/features/documents")

pytestmark = pytest.mark.usefixtures("installed")


async def tool(package: str, *arguments: str, folder: Path = HERE) -> Ran:
    """Run the program of an npm package of this folder."""
    home = HERE / "node_modules" / package
    programs = json.loads((home / "package.json").read_text())["bin"]
    program = programs if isinstance(programs, str) else next(iter(programs.values()))
    return await run(folder, "node", str(home / program), *arguments)


def for_relay(document: str) -> tuple[str, str]:
    """A module's name and its text: a document under the names that Relay demands, its module's before their own."""
    found = re.search(r"^query (\w+)", document, re.MULTILINE)
    assert found is not None
    module = found[1]
    renamed = re.sub(r"^query \w+", f"query {module}Query", document, flags=re.MULTILINE)
    renamed = re.sub(r"^fragment (\w+)", rf"fragment {module}_\1", renamed, flags=re.MULTILINE)
    renamed = re.sub(r"\.\.\.(\w+)", rf"...{module}_\1", renamed)
    tagged = re.split(r"^(?=fragment )", renamed, flags=re.MULTILINE)
    return module, "\n".join(f"graphql`\n{each}`;" for each in tagged)


async def test_a_strict_program_over_the_generated_types_compiles() -> None:
    shutil.rmtree(GENERATED / "codegen", ignore_errors=True)
    generated = await tool("@graphql-codegen/cli", "--config", "codegen.mjs")
    assert generated.status == 0, generated.stdout + generated.stderr
    compiled = await tool("typescript", "--project", ".")
    assert compiled.status == 0, compiled.stdout


async def test_relay_compiles_every_screen_and_a_list_that_loads_more() -> None:
    folder = GENERATED / "relay"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "relay", folder)
    (folder / "__generated__").mkdir()
    modules = dict(for_relay(screen.read_text()) for screen in SCREENS)
    for module, text in modules.items():
        (folder / f"{module}.ts").write_text(text)
    compiled = await tool("relay-compiler", "relay.config.json")
    assert compiled.status == 0, compiled.stdout + compiled.stderr
    made = {path.name for path in (folder / "__generated__").iterdir()}
    assert {f"{module}Query.graphql.ts" for module in modules} | {"ModelVersionsMoreQuery.graphql.ts"} <= made


async def test_the_graph_and_its_documents_keep_the_rules() -> None:
    linted = await tool("eslint", "--max-warnings=0", "--config=tests/clients/eslint.config.mjs", *LINTED, folder=ROOT)
    assert linted.status == 0, linted.stdout + linted.stderr


def test_the_readme_shows_the_types_of_scalars_that_are_tried_here() -> None:
    def scalars(text: str) -> str:
        found = re.search(r"scalars: \{.*?\},\n *\}", text, re.DOTALL)
        assert found is not None
        return "".join(found[0].split())

    readme, tried = scalars((ROOT / "docs/frontend.md").read_text()), scalars((HERE / "codegen.mjs").read_text())
    assert readme.removesuffix("}").rstrip(",") in tried
