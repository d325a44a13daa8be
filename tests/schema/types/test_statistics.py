"""Statistics: what is counted is what is there, for this organization alone, each by one statement."""

from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlmodel import col

from db.base import utc_now
from db.codes import ArtifactState, Role, ScopeKind
from db.session import Database
from db.tables import Artifact, Blob, Model, Project, RoleBinding, Run
from resolvers.graph.statistics import MAX_GROUPS
from resolvers.ids import encode
from tests.tenant import Tenant, uuid_of

ALL = """{ statistics { modelCount modelsByFramework { framework count } modelsByTeam { team { name } count }
    modelsByProject { project { id } count } versionsByStage { stage count } runsByStatus { status count } successRate
    artifacts { kind state count sizeBytes } storage { logicalBytes storedBytes blobCount } } }"""
EMPTY: dict[str, Any] = {
    "modelCount": 0,
    "modelsByFramework": [], "modelsByTeam": [], "modelsByProject": [], "versionsByStage": [], "runsByStatus": [],
    "successRate": None, "artifacts": [], "storage": {"logicalBytes": "0", "storedBytes": "0", "blobCount": 0},
}  # fmt: skip


async def statistics(tenant: Tenant) -> dict[str, Any]:
    found: dict[str, Any] = (await tenant.client(ALL))["statistics"]
    return found


async def ended_runs(tenant: Tenant, **given: Any) -> None:
    """Four runs: two that finished, one that failed, one that goes on."""
    for status in ("FINISHED", "FINISHED", "FAILED", None):
        run = await tenant.run(**given)
        if status is not None:
            await tenant.client.make("finishRun", "run", run=run, status=status)


async def test_an_empty_organization_has_nothing(tenant: Tenant) -> None:
    assert await statistics(tenant) == EMPTY


async def test_what_is_there_is_counted(tenant: Tenant, neighbor: Tenant) -> None:
    for framework in ("sklearn", "pytorch", "sklearn"):
        await tenant.version(await tenant.model(framework=framework))
    await ended_runs(tenant)
    found = await statistics(tenant)
    assert found["modelCount"] == 3
    assert found["modelsByFramework"] == [{"framework": "sklearn", "count": 2}, {"framework": "pytorch", "count": 1}]
    assert found["modelsByTeam"] == [{"team": {"name": "team"}, "count": 3}]
    assert found["modelsByProject"] == [{"project": {"id": tenant.project}, "count": 3}]
    assert found["versionsByStage"] == [{"stage": "DEVELOPMENT", "count": 3}]
    assert found["runsByStatus"] == [
        {"status": "FINISHED", "count": 2}, {"status": "FAILED", "count": 1}, {"status": "RUNNING", "count": 1},
    ]  # fmt: skip
    assert found["successRate"] == 2 / 3
    assert await statistics(neighbor) == EMPTY


async def test_deleted_things_do_not_count(tenant: Tenant, database: Database) -> None:
    await tenant.model()
    await tenant.run()
    async with database.change(tenant.org_id) as change:
        for table in (Model, Run):
            await change.execute(update(table).where(col(table.org_id) == tenant.org_id).values(deleted_at=utc_now()))
    assert await statistics(tenant) == EMPTY


async def test_shared_bytes_are_stored_once(tenant: Tenant, database: Database) -> None:
    version, moment = await tenant.version(), utc_now()
    shared = {"org_id": tenant.org_id, "version_id": uuid_of(version), "kind": "MODEL", "content_type": "x/y",
              "created_by": tenant.actor.principal_id, "size_bytes": 2**40}  # fmt: skip
    async with database.change(tenant.org_id) as change:
        for name, state in (
            ("a", ArtifactState.AVAILABLE),
            ("b", ArtifactState.AVAILABLE),
            ("c", ArtifactState.PENDING),
        ):
            await change.execute(insert(Artifact).values(**shared, path=name, folded_path=name, state=state))
        blob = {"bucket": "models", "sha256": "0" * 64, "object_key": "k", "verified_at": moment}
        await change.execute(insert(Blob).values(org_id=tenant.org_id, size_bytes=2**40, **blob))
    found = await statistics(tenant)
    assert found["storage"] == {"logicalBytes": str(2**41), "storedBytes": str(2**40), "blobCount": 1}
    assert found["artifacts"] == [
        {"kind": "MODEL", "state": "AVAILABLE", "count": 2, "sizeBytes": str(2**41)},
        {"kind": "MODEL", "state": "PENDING", "count": 1, "sizeBytes": str(2**40)},
    ]


async def test_every_statistic_is_one_statement(tenant: Tenant, statements: list[str]) -> None:
    for _ in range(3):
        await tenant.version()
        await tenant.run()
    for field, count in (("modelsByFramework { count }", 1), ("modelsByTeam { team { name } }", 2), ("successRate", 1)):
        statements.clear()
        await tenant.client(f"{{ statistics {{ {field} }} }}")
        assert len(statements) == 1 + count, field
    statements.clear()
    await tenant.client(ALL)
    # The view opened, eight statements as the rate comes from the statuses, the teams, the projects.
    assert len(statements) == 1 + 8 + 2


async def test_of_many_groups_the_largest_are_told_and_the_rest_is_known_by_the_number_of_all(
    tenant: Tenant, database: Database
) -> None:
    await tenant.model()
    own: dict[str, Any] = {"org_id": tenant.org_id, "created_by": tenant.actor.principal_id}
    async with database.change(tenant.org_id) as change:
        of_tenant = select(col(Project.team_id)).where(col(Project.org_id) == tenant.org_id)
        team = (await change.execute(of_tenant)).scalar_one()
        projects = [Project(**own, team_id=team, name=f"p{number:03}") for number in range(MAX_GROUPS + 20)]
        change.add_all(projects)
        await change.flush()
        for amount, some in ((1, projects), (2, projects[5:15])):
            names = [(project.id, f"m{amount}-{number}") for project in some for number in range(amount)]
            change.add_all(
                Model(**own, owner_id=own["created_by"], framework="onnx", project_id=project, name=name)
                for project, name in names
            )
    found = await statistics(tenant)
    counts = [one["count"] for one in found["modelsByProject"]]
    assert counts == [3] * 10 + [1] * (MAX_GROUPS - 10)
    assert {one["project"]["id"] for one in found["modelsByProject"][:10]} == {
        encode("Project", project.id) for project in projects[5:15]
    }
    assert found["modelCount"] == 1 + MAX_GROUPS + 20 + 20
    assert found["modelsByTeam"] == [{"team": {"name": "team"}, "count": found["modelCount"]}]


@pytest.mark.parametrize("experiments", [1, 5])
async def test_counts_of_many_experiments_are_one_statement(
    tenant: Tenant, statements: list[str], experiments: int
) -> None:
    for _ in range(experiments):
        named = {"project": tenant.project, "name": tenant.name()}
        await ended_runs(tenant, experiment=await tenant.client.make("createExperiment", "experiment", **named))
    statements.clear()
    answer = await tenant.client("{ experiments { nodes { successRate runCounts { status count } } } }")
    assert len(statements) == 1 + 1 + 2
    for node in answer["experiments"]["nodes"]:
        assert node["successRate"] == 2 / 3
        assert {one["status"]: one["count"] for one in node["runCounts"]} == {"FINISHED": 2, "FAILED": 1, "RUNNING": 1}


async def test_the_viewer_knows_where_and_as_what_it_acts(tenant: Tenant) -> None:
    answer = await tenant.client(
        "{ viewer { name kind organization { id name } roles { role scopeKind scope"
        " organization { id } team { id } project { id } } } organization { id name } }"
    )
    assert answer["viewer"]["organization"] == answer["organization"]
    assert answer["viewer"]["roles"] == [
        {
            "role": "OWNER", "scopeKind": "ORGANIZATION", "scope": answer["organization"]["id"],
            "organization": {"id": answer["organization"]["id"]}, "team": None, "project": None,
        }
    ]  # fmt: skip


async def test_a_role_leads_to_the_team_or_project_that_it_is_in(tenant: Tenant, database: Database) -> None:
    asked = "query($id: ID!) { node(id: $id) { ... on Project { team { id } } } }"
    team = (await tenant.client(asked, id=tenant.project))["node"]["team"]["id"]
    member = await tenant.member(Role.READER)
    scopes = ((ScopeKind.TEAM, team), (ScopeKind.PROJECT, tenant.project))
    async with database.change(tenant.org_id) as change:
        for kind, gid in scopes:
            change.add(
                RoleBinding(
                    org_id=tenant.org_id, principal_id=member.actor.principal_id,
                    role=Role.WRITER, scope_kind=kind, scope_id=uuid_of(gid),
                )
            )  # fmt: skip
    shown = "{ viewer { roles { scopeKind organization { name } team { id } project { id } } } }"
    _, *roles = (await member(shown))["viewer"]["roles"]
    assert roles == [
        {"scopeKind": "TEAM", "organization": None, "team": {"id": team}, "project": None},
        {"scopeKind": "PROJECT", "organization": None, "team": None, "project": {"id": tenant.project}},
    ]


async def test_a_team_counts_the_models_of_its_projects_and_a_model_its_versions(tenant: Tenant) -> None:
    model = await tenant.model()
    for _ in range(2):
        await tenant.version(model)
    await tenant.client.make("createTeam", "team", name="idle")
    answer = await tenant.client("{ teams { nodes { name modelCount } } models { nodes { versionCount } } }")
    assert answer["teams"]["nodes"] == [{"name": "idle", "modelCount": 0}, {"name": "team", "modelCount": 1}]
    assert answer["models"]["nodes"] == [{"versionCount": 2}]
