"""An organization of a test's own, and a client that asks the real application as one of its members."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from db.codes import PrincipalKind, Role
from db.ids import uuid7
from db.session import Change, Database
from registry.kernel.access import Actor
from registry.tenants import organizations, tokens
from resolvers import ids


class GraphQLFailed(AssertionError):
    """The answer had top-level errors."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(str(errors))
        self.errors = errors
        self.code = errors[0].get("extensions", {}).get("code")


@dataclass(frozen=True)
class Client:
    """Asks as one principal."""

    http: httpx2.AsyncClient
    token: str
    actor: Actor

    async def post(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The whole answer, whatever it is."""
        response = await self.http.post(
            "/graphql",
            json={"query": query, "variables": dict(variables or {})},
            headers={"authorization": f"Bearer {self.token}", "accept": "application/graphql-response+json"},
        )
        body: dict[str, Any] = response.json()
        return body

    async def __call__(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The data of an answer. Raises GraphQLFailed when it has errors."""
        answer = await self.post(query, variables)
        if "errors" in answer:
            raise GraphQLFailed(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    async def change(self, mutation: str, selection: str, /, **given: Any) -> dict[str, Any]:
        """The payload of a mutation with one input, with its errors' type, code, path and message."""
        title = mutation[0].upper() + mutation[1:]
        errors = "errors { __typename code path message }"
        document = (
            f"mutation($input: {title}Input!) {{ {mutation}(input: $input) {{ {selection} replayed {errors} }} }}"
        )
        payload: dict[str, Any] = (await self(document, input=given))[mutation]
        return payload

    async def insist(self, mutation: str, selection: str, /, **given: Any) -> dict[str, Any]:
        """The same, again while the answer is to try again in a moment, up to ten times under one idempotency key.

        For many clients at once: who waits for a row or a connection for longer than a statement may is told so.
        """
        key = uuid4().hex
        for _ in range(9):
            try:
                return await self.change(mutation, selection, **given, idempotencyKey=key)
            except GraphQLFailed as refused:
                if refused.code not in ("UNAVAILABLE", "OVERLOADED"):
                    raise
        return await self.change(mutation, selection, **given, idempotencyKey=key)

    async def make(self, mutation: str, kind: str, /, **given: Any) -> str:
        """The id of what a mutation made. Fails when it was refused."""
        payload = await self.change(mutation, f"{kind} {{ id }}", **given)
        assert payload["errors"] == []
        made: str = payload[kind]["id"]
        return made

    async def refusal(self, mutation: str, kind: str, /, **given: Any) -> dict[str, Any]:
        """The one error of a mutation that was refused."""
        payload = await self.change(mutation, f"{kind} {{ id }}", **given)
        assert payload[kind] is None
        (error,) = payload["errors"]
        found: dict[str, Any] = error
        return found


@dataclass
class Tenant:
    """An organization with an owner and a project, untouched by any other test."""

    database: Database
    http: httpx2.AsyncClient
    org_id: UUID
    client: Client
    project: str = ""
    names: Any = field(default_factory=lambda: iter(range(1_000_000)))

    @property
    def actor(self) -> Actor:
        return self.client.actor

    def name(self, stem: str = "thing") -> str:
        """A name that nothing in this organization has yet."""
        return f"{stem}-{next(self.names)}"

    async def member(self, role: Role, kind: PrincipalKind = PrincipalKind.USER) -> Client:
        """A client of a new principal with a role in the whole organization."""
        return await join(self.database, self.http, self.org_id, self.name("member"), role, kind)

    async def model(self, **given: Any) -> str:
        """The id of a new model."""
        values = {"project": self.project, "name": self.name("model"), "framework": "sklearn", **given}
        return await self.client.make("createModel", "model", **values)

    async def version(self, model: str | None = None, **given: Any) -> str:
        """The id of a new version."""
        values = {"model": model or await self.model(), "label": self.name("v"), **given}
        return await self.client.make("createVersion", "version", **values)

    async def run(self, **given: Any) -> str:
        """The id of a new run."""
        values = {"project": self.project, "name": self.name("run"), **given}
        return await self.client.make("createRun", "run", **values)

    async def dataset_version(self, **given: Any) -> str:
        """The id of a new version of a new dataset."""
        dataset = await self.client.make("createDataset", "dataset", project=self.project, name=self.name("data"))
        values = {"dataset": dataset, "digest": f"sha256:{uuid4().hex}", **given}
        return await self.client.make("createDatasetVersion", "datasetVersion", **values)

    async def environment(self, **given: Any) -> str:
        """The id of a new environment."""
        return await self.client.make("createEnvironment", "environment", **{"name": self.name("place"), **given})

    async def deployment(self, **given: Any) -> str:
        """The id of a new deployment."""
        values = {"name": self.name("serving"), **given}
        values["environment"] = given.get("environment") or await self.environment()
        values["version"] = given.get("version") or await self.version()
        return await self.client.make("createDeployment", "deployment", **values)


def uuid_of(gid: str) -> UUID:
    """The row id behind a global id."""
    return ids.decode(gid).id


async def join(
    database: Database,
    http: httpx2.AsyncClient,
    org_id: UUID,
    name: str,
    role: Role,
    kind: PrincipalKind = PrincipalKind.USER,
) -> Client:
    """A client of a new principal."""
    async with database.change(org_id) as change:
        actor, token = await _enter(change, name, role, kind)
    return Client(http, token, actor)


async def found_organization(database: Database, name: str | None = None) -> UUID:
    """The id of a new organization without members."""
    org_id = uuid7()
    async with database.change(org_id) as change:
        await organizations.create_organization(change, name=name or f"org {org_id}")
    return org_id


async def found_tenant(database: Database, http: httpx2.AsyncClient) -> Tenant:
    """A new organization with an owner, a team and a project, by one transaction of the rules."""
    org_id = uuid7()
    async with database.change(org_id) as change:
        await organizations.create_organization(change, name=f"org {org_id}")
        owner, token = await _enter(change, "owner", Role.OWNER, PrincipalKind.USER)
        team = await organizations.create_team(change, owner, name="team")
        project = await organizations.create_project(change, owner, team_id=team.id, name="project")
    return Tenant(database, http, org_id, Client(http, token, owner), ids.encode("Project", project.id))


async def _enter(change: Change, name: str, role: Role, kind: PrincipalKind) -> tuple[Actor, str]:
    """A new principal at work, as `tokens.authenticate` knows it by its token."""
    system = organizations.system(change.org_id)
    principal = await organizations.add_principal(change, system, name=name, kind=kind, role=role)
    _, token = await tokens.issue(change, system, principal_id=principal.id, name="test", lifetime=timedelta(hours=1))
    return await organizations.acting(change, principal), token
