"""Names of teams, projects and models: none is a word of the grammar of paths."""

import io

import pytest

from registry.kernel.errors import InvalidValue
from registry.kernel.paths import scope_name
from registry.transfer.importing import Importing
from registry.transfer.reading import LineRefused
from tests.tenant import Tenant

RESERVED = ["datasets", " Experiments ", "ENVIRONMENTS"]


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match="is reserved for paths") as refused:
        scope_name(name)
    assert refused.value.path == ("name",)


@pytest.mark.parametrize("name", ["dataset", "datasets2", "my experiments"])
def test_a_name_that_contains_a_reserved_word_is_accepted(name: str) -> None:
    assert scope_name(f" {name} ") == name


@pytest.mark.parametrize("name", RESERVED)
async def test_teams_projects_and_models_cannot_have_reserved_names(tenant: Tenant, name: str) -> None:
    model = await tenant.model()
    team = await tenant.client.make("createTeam", "team", name=tenant.name())
    for mutation, row, values in (
        ("createTeam", "team", {}),
        ("updateTeam", "team", {"team": team}),
        ("createProject", "project", {"team": team}),
        ("updateProject", "project", {"project": tenant.project}),
        ("createModel", "model", {"project": tenant.project, "framework": "sklearn"}),
        ("updateModel", "model", {"model": model}),
    ):
        refused = await tenant.client.refusal(mutation, row, name=name, **values)
        assert (refused["code"], refused["path"]) == ("INVALID_VALUE", ["name"]), mutation


async def test_a_dataset_may_have_a_reserved_name(tenant: Tenant) -> None:
    await tenant.client.make("createDataset", "dataset", project=tenant.project, name="datasets")


@pytest.mark.parametrize(
    "last",
    [
        b'{"kind":"Team","key":"u","name":"datasets"}',
        b'{"kind":"Project","key":"q","team":"t","name":"Datasets"}',
        b'{"kind":"Model","key":"m","project":"p","name":"experiments","framework":"sklearn"}',
    ],
)
async def test_an_import_refuses_reserved_names(tenant: Tenant, last: bytes) -> None:
    lines = b'{"kind":"Team","key":"t","name":"a"}\n{"kind":"Project","key":"p","team":"t","name":"b"}\n' + last
    with pytest.raises(LineRefused, match="is reserved for paths"):
        await Importing(tenant.database, tenant.actor, ("sklearn",)).run(io.BytesIO(lines))
