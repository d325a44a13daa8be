"""Documents of clients that are in use: they stay valid, run without errors and find what they look for."""

from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, validate

from schema.build import build_schema
from tests.schema.valid_inputs import valid_input
from tests.tenant import Tenant

DOCUMENTS = sorted((Path(__file__).parents[1] / "documents").glob("*.graphql"))
every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)


async def furnished(tenant: Tenant) -> dict[str, Any]:
    """A value for each variable that the documents have."""
    data = await tenant.dataset_version(rowCount="150", source="s3://data")
    point = {"name": "accuracy", "phase": "TEST", "value": 0.97}
    run = await tenant.run(datasets=[{"datasetVersion": data}])
    model = await tenant.model(name="iris", description="Flowers.", tags=[{"key": "owner", "value": "ada"}])
    base = await tenant.version(model, label="1.0.0", metrics=[point], parameters=[{"name": "depth", "value": 3}])
    version = await tenant.version(model, label="1.1.0", run=run, baseVersion=base, description="Deeper.")
    external = await valid_input(tenant, "createExternalArtifact")
    await tenant.client.change("createExternalArtifact", "replayed", **{**external, "version": version})
    return {
        "project": tenant.project,
        "datasetVersion": data,
        "run": run,
        "model": model,
        "version": version,
        "otherVersion": base,
        "ids": [model, run, version, data, tenant.project],
        "name": "iris",
        "description": "Many flowers.",
        "count": 5,
        "input": {"model": model, "label": "1.2.0", "run": run, "idempotencyKey": "build 7"},
    }


def operation_of(document: str) -> OperationDefinitionNode:
    (operation,) = [node for node in parse(document).definitions if isinstance(node, OperationDefinitionNode)]
    return operation


def errors_in(answer: Any) -> list[Any]:
    """The failures in payloads, wherever they are."""
    if isinstance(answer, list):
        return [error for item in answer for error in errors_in(item)]
    if isinstance(answer, dict):
        own: list[Any] = answer.get("errors") or []
        return own + [error for item in answer.values() for error in errors_in(item)]
    return []


def test_there_are_documents() -> None:
    assert len(DOCUMENTS) >= 10


@every_document
def test_a_document_is_valid(path: Path) -> None:
    assert validate(build_schema()._schema, parse(path.read_text())) == []


@every_document
async def test_a_document_runs_and_finds_something_in_every_root_field(tenant: Tenant, path: Path) -> None:
    document = path.read_text()
    values = await furnished(tenant)
    wanted = [definition.variable.name.value for definition in operation_of(document).variable_definitions or ()]
    answer = await tenant.client(document, **{name: values[name] for name in wanted if name in values})
    assert all(value not in (None, []) for value in answer.values())
    assert errors_in(answer) == []


@every_document
async def test_a_document_asks_for_little(tenant: Tenant, path: Path) -> None:
    document = path.read_text()
    values = await furnished(tenant)
    wanted = [definition.variable.name.value for definition in operation_of(document).variable_definitions or ()]
    answer = await tenant.client.post(document, {name: values[name] for name in wanted if name in values})
    assert answer["extensions"]["cost"]["requested"] < answer["extensions"]["cost"]["limit"] / 2
