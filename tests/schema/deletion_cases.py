"""Things that cannot be deleted or restored, by kind: what each refusal of those mutations is tried with."""

from typing import Any

from sqlalchemy import text

from tests.nouns import kind_of, noun, own_field
from tests.tenant import Tenant, uuid_of

Given = dict[str, Any]


async def ended_run(tenant: Tenant, **given: Any) -> str:
    """A run that may be deleted."""
    return await tenant.client.make("finishRun", "run", run=await tenant.run(**given))


async def new_project(tenant: Tenant) -> dict[str, str]:
    """A team of one project, by kind."""
    team = await tenant.client.make("createTeam", "team", name=tenant.name())
    return {
        "Team": team,
        "Project": await tenant.client.make("createProject", "project", team=team, name=tenant.name()),
    }


async def parent_and_child(tenant: Tenant, kind: str) -> tuple[str, str, str]:
    """A thing of this kind that depends on another: the kind of the other, its id, and the id of the thing."""
    if kind == "Project":
        made = await new_project(tenant)
        return "Team", made["Team"], made["Project"]
    if kind in ("Model", "Experiment", "Dataset"):
        project = (await new_project(tenant))["Project"]
        more = {"framework": "sklearn"} if kind == "Model" else {}
        given = {"project": project, "name": tenant.name(), **more}
        return "Project", project, await tenant.client.make(f"create{noun(kind)}", own_field(kind), **given)
    if kind == "Run":
        named = {"project": tenant.project, "name": tenant.name()}
        experiment = await tenant.client.make("createExperiment", "experiment", **named)
        return "Experiment", experiment, await ended_run(tenant, experiment=experiment)
    if kind == "ModelVersion":
        model = await tenant.model()
        return "Model", model, await tenant.version(model)
    if kind == "Deployment":
        environment = await tenant.client.make("createEnvironment", "environment", name=tenant.name())
        return "Environment", environment, await tenant.deployment(environment=environment, desiredState="STOPPED")
    if kind == "DatasetVersion":
        version = await tenant.dataset_version()
        answer = await tenant.client("{ datasets(first: 1) { nodes { id } } }")
        return "Dataset", answer["datasets"]["nodes"][0]["id"], version
    run = await ended_run(tenant)
    artifact = await tenant.client.make(
        "createExternalArtifact", "artifact", run=run, path=tenant.name(), kind="PLOT", uri="s3://elsewhere/plot"
    )
    return "Run", run, artifact


async def in_use(tenant: Tenant, mutation: str) -> Given:
    """A thing that others depend on."""
    kind = kind_of(own_field(mutation.removeprefix("delete")))
    if kind == "DatasetVersion":
        data = await tenant.dataset_version()
        await tenant.run(datasets=[{"datasetVersion": data}])
        return {"datasetVersion": data}
    if kind == "Run":
        run = await ended_run(tenant)
        await tenant.version(run=run)
        return {"run": run}
    if kind == "ModelVersion":
        version = await tenant.version()
        await tenant.client.make("setAlias", "alias", version=version, name="champion")
        return {"version": version}
    child = {
        "Team": "Project",
        "Project": "Model",
        "Experiment": "Run",
        "Model": "ModelVersion",
        "Dataset": "DatasetVersion",
        "Environment": "Deployment",
    }
    found, parent, _ = await parent_and_child(tenant, child[kind])
    assert found == kind
    return {own_field(kind): parent}


async def not_at_rest(tenant: Tenant, mutation: str) -> Given:
    """A thing in a state in which it stays."""
    kind = kind_of(own_field(mutation.removeprefix("delete")))
    if kind == "Run":
        return {"run": await tenant.run()}
    if kind == "Deployment":
        return {"deployment": await tenant.deployment()}
    version = await tenant.version()
    if kind == "Artifact":
        given = {"version": version, "path": "model.bin", "kind": "MODEL", "uri": "s3://elsewhere/model"}
        artifact = await tenant.client.make("createExternalArtifact", "artifact", **given)
    await put_in_service(tenant, version)
    return {"artifact": artifact} if kind == "Artifact" else {"version": version}


async def put_in_service(tenant: Tenant, version: str, stage: str = "PRODUCTION") -> None:
    """Give a version a stage."""
    async with tenant.database.change(tenant.org_id) as change:
        statement = text("update registry.model_version set stage = :stage where org_id = :org_id and id = :id")
        values = {"stage": stage, "org_id": tenant.org_id, "id": uuid_of(version)}
        await change.execute(statement, values)


async def parent_deleted(tenant: Tenant, mutation: str) -> Given:
    """A deleted thing that depended on another one, which is deleted as well."""
    kind = kind_of(own_field(mutation.removeprefix("restore")))
    parent_kind, parent, child = await parent_and_child(tenant, kind)
    await tenant.client.make(f"delete{noun(kind)}", own_field(kind), **{own_field(kind): child})
    await tenant.client.make(f"delete{noun(parent_kind)}", own_field(parent_kind), **{own_field(parent_kind): parent})
    return {own_field(kind): child}


async def name_taken_since(tenant: Tenant, mutation: str) -> Given:
    """A deleted thing whose name another one has by now."""
    kind = kind_of(own_field(mutation.removeprefix("restore")))
    named: dict[str, Any] = {"project": tenant.project, "name": tenant.name()}
    environment = await tenant.client.make("createEnvironment", "environment", name=tenant.name())
    deployment = {"environment": environment, "version": await tenant.version(), "name": "a", "desiredState": "STOPPED"}
    given: dict[str, dict[str, Any]] = {
        "Team": {"name": tenant.name()},
        "Project": {"team": (await new_project(tenant))["Team"], "name": tenant.name()},
        "Environment": {"name": tenant.name()},
        "Webhook": {"name": tenant.name(), "url": "https://example.com/hook"},
        "Deployment": deployment,
        "Model": named | {"framework": "sklearn"},
        "Artifact": {"run": await ended_run(tenant), "path": "a.txt", "kind": "LOG", "uri": "s3://elsewhere/log"},
    }
    create = "createExternalArtifact" if kind == "Artifact" else f"create{noun(kind)}"
    first = await tenant.client.make(create, own_field(kind), **given.get(kind, named))
    await tenant.client.make(f"delete{noun(kind)}", own_field(kind), **{own_field(kind): first})
    await tenant.client.make(create, own_field(kind), **given.get(kind, named))
    return {own_field(kind): first}
