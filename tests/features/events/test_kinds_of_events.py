"""The kinds that are declared are those that the rules tell, and the table of docs/events.md is made of them."""

import ast
from pathlib import Path

from sqlalchemy import text

from db.base import noun_of
from db.codes import RequestState, ReviewDecision, UploadState
from db.session import Database
from registry.automation import rule_worker
from registry.deletion.deletion import DELETIONS
from registry.events.event_kinds import KINDS, NOUNS
from registry.promotion.slots import VERBS
from tests.schema.valid_inputs import MUTATIONS, valid_input
from tests.tenant import Tenant

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "docs/events.md").read_text().partition("<!-- kinds -->")[2].partition("<!-- /kinds -->")[0]
ROUTES = {
    "itself and its project": {(True, True)},
    "itself": {(False, True)},
    "its project": {(False, True)},
    "its model": {(True, True)},
    "the model of its version, or the project of its run": {(True, True), (False, True)},
    "its model or project, if any": {(True, True), (False, True), (False, False)},
    "the model or project of its downstream": {(True, True), (False, True)},
    "-": {(False, False)},
}
"""Whether an event names a model and a project, by what it is followed with: one of a model names both."""
VERBS_OF_UPLOADS = {UploadState.ABORTED.lower(), UploadState.EXPIRED.lower()}
"""The verb of an upload that ends is its state."""
VERBS_OF_VERSIONS = set(VERBS.values())
"""The verb of a version that moved follows from the kind of its transition."""
VERBS_OF_RULES = set(rule_worker.VERBS.values())
"""The verb of a rule that acted is what came of it."""
VERBS_OF_REQUESTS = {"closed"} | {one.lower() for one in (*RequestState, *ReviewDecision) if one != RequestState.OPEN}
"""The verb of a request that ends is its state, or `closed` behind a review, whose verb is what was decided."""


def verbs_in_code() -> set[str]:
    """Every verb that a rule gives to an event, as it stands in the code."""
    found = {"created", "updated"} | VERBS_OF_UPLOADS | VERBS_OF_VERSIONS | VERBS_OF_REQUESTS | VERBS_OF_RULES
    for path in (ROOT / "registry").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            named: list[ast.expr] = []
            if isinstance(node, ast.Assign) and [getattr(one, "id", "") for one in node.targets] == ["verb"]:
                named = [node.value]
            if isinstance(node, ast.Call):
                named = [keyword.value for keyword in node.keywords if keyword.arg == "verb"]
                if getattr(node.func, "id", "") in ("record", "record_of"):
                    named += [one for one in node.args if isinstance(one, ast.Constant)]
            parts = [part.value for one in named for part in ast.walk(one) if isinstance(part, ast.Constant)]
            found |= {part for part in parts if isinstance(part, str)}
    return found


def test_the_table_of_the_documentation_says_what_is_declared() -> None:
    rows = [
        f"| `{noun}.{verb}` | {when} | {told.followed} |"
        for noun, told in NOUNS.items()
        for verb, when in told.verbs.items()
    ]
    assert [line for line in TABLE.splitlines() if line.startswith("| `")] == rows


def test_every_verb_of_the_code_is_declared_and_no_other() -> None:
    assert {kind.partition(".")[2] for kind in KINDS} == verbs_in_code()


def test_whatever_can_be_deleted_is_declared_as_such() -> None:
    for table in DELETIONS:
        noun = noun_of(table)
        assert {f"{noun}.{verb}" for verb in ("created", "deleted", "restored")} <= KINDS


async def test_every_kind_that_a_mutation_tells_is_declared(tenant: Tenant, database: Database) -> None:
    for mutation in MUTATIONS:
        payload = await tenant.client.change(mutation, "__typename", **await valid_input(tenant, mutation))
        # No part of that upload was sent.
        assert payload["errors"] == [] or mutation == "completeUpload"
    field = {"name": "age", "type": "STRING"}
    await tenant.version(signature={"inputs": [field]})
    await tenant.dataset_version(schema={"columns": [field]})
    async with database.as_worker() as worker:
        kinds = "select kind, model_id, project_id from ev.event where org_id = :org"
        rows = (await worker.execute(text(kinds), {"org": tenant.org_id})).all()
    told = {row.kind for row in rows}
    for row in rows:
        routed = (row.model_id is not None, row.project_id is not None)
        assert routed in ROUTES[NOUNS[row.kind.partition(".")[0]].followed], row.kind
    assert told <= KINDS
    assert len(told) > len(KINDS) * 3 / 4, sorted(KINDS - told)
    assert {kind.partition(".")[0] for kind in told} == NOUNS.keys()
