"""The first steps: one command makes what is missing and never makes it twice."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from db.codes import PrincipalKind, Role
from db.session import Database
from db.tables import ApiToken, Principal, Project, Team
from registry.kernel.errors import Conflict, InvalidValue
from registry.tenants import onboarding, organizations, tokens

DAY = timedelta(days=1)


@pytest.fixture
def name() -> str:
    return f"org {uuid4()}"


async def counts(database: Database, org_id: UUID) -> list[int]:
    """How many principals, teams, projects and tokens there are."""
    async with database.change(org_id) as change:
        return [
            (await change.execute(select(func.count()).where(col(table.org_id) == org_id))).scalar_one()
            for table in (Principal, Team, Project, ApiToken)
        ]


async def test_the_first_token_makes_organization_principal_and_project(database: Database, name: str) -> None:
    token = await onboarding.token_for(database, name, "ada", lifetime=DAY)
    actor = await tokens.authenticate(database, token)
    assert (actor.name, actor.kind) == ("ada", PrincipalKind.USER)
    assert actor.org_id == await organizations.id_by_name(database, name)
    assert {grant.role for grant in actor.grants} == {Role.OWNER}
    assert await counts(database, actor.org_id) == [1, 1, 1, 1]


async def test_another_token_makes_nothing_but_itself(database: Database, name: str) -> None:
    first = await onboarding.token_for(database, name, "ada", lifetime=DAY)
    again = await onboarding.token_for(database, f" {name}", "ada ", lifetime=DAY)
    one, other = await tokens.authenticate(database, first), await tokens.authenticate(database, again)
    assert first != again
    assert one.principal_id == other.principal_id
    assert await counts(database, one.org_id) == [1, 1, 1, 2]


async def test_a_service_account_gets_the_role_it_was_given(database: Database, name: str) -> None:
    token = await onboarding.token_for(
        database, name, "bot", kind=PrincipalKind.SERVICE_ACCOUNT, role=Role.WRITER, lifetime=DAY
    )
    actor = await tokens.authenticate(database, token)
    assert (actor.kind, {grant.role for grant in actor.grants}) == (PrincipalKind.SERVICE_ACCOUNT, {Role.WRITER})
    assert token.startswith("mrgs_")


async def test_a_principal_that_is_known_keeps_its_role(database: Database, name: str) -> None:
    await onboarding.token_for(database, name, "ada", role=Role.READER, lifetime=DAY)
    token = await onboarding.token_for(database, name, "ada", lifetime=DAY)
    assert {grant.role for grant in (await tokens.authenticate(database, token)).grants} == {Role.READER}


@pytest.mark.parametrize("asked", [{"role": Role.OWNER}, {"kind": PrincipalKind.SERVICE_ACCOUNT}])
async def test_a_token_with_other_rights_than_its_principal_has_is_refused(
    database: Database, name: str, asked: dict[str, Any]
) -> None:
    same: dict[str, Any] = {"role": Role.READER, "kind": PrincipalKind.USER}
    token = await onboarding.token_for(database, name, "ada", **same, lifetime=DAY)
    with pytest.raises(Conflict, match="'ada' is there already: a USER with the role READER"):
        await onboarding.token_for(database, name, "ada", **asked, lifetime=DAY)
    await onboarding.token_for(database, name, "ada", **same, lifetime=DAY)
    assert await counts(database, (await tokens.authenticate(database, token)).org_id) == [1, 1, 1, 2]


async def test_two_operators_at_once_found_one_organization(database: Database, name: str) -> None:
    made = await asyncio.gather(
        *[onboarding.token_for(database, name, f"operator {place}", lifetime=DAY) for place in range(5)]
    )
    actors = [await tokens.authenticate(database, token) for token in made]
    assert len({actor.org_id for actor in actors}) == 1
    assert await counts(database, actors[0].org_id) == [5, 1, 1, 5]


@pytest.mark.parametrize(
    ("organization", "principal", "lifetime"),
    [(" ", "ada", DAY), ("x", "\n", DAY), ("x", "ada", timedelta(0)), ("x", "ada", timedelta(days=367))],
)
async def test_what_cannot_be_meant_is_refused(
    database: Database, organization: str, principal: str, lifetime: timedelta
) -> None:
    with pytest.raises(InvalidValue):
        await onboarding.token_for(database, organization, principal, lifetime=lifetime)
