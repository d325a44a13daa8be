"""Who may do what: roles, scopes and organizations."""

from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from db.codes import PrincipalKind, Role, ScopeKind
from db.tables import Model
from registry.kernel.access import NEEDED, RANK, Action, Actor, RoleGrant, require
from registry.kernel.errors import Forbidden

ORG = uuid4()


def actor(*roles: Role, scope_kind: ScopeKind = ScopeKind.ORGANIZATION, scope_id: UUID = ORG) -> Actor:
    grants = tuple(RoleGrant(role, scope_kind, scope_id) for role in roles)
    return Actor(ORG, uuid4(), PrincipalKind.USER, "ada", grants)


def model(org_id: UUID = ORG) -> Model:
    return Model(org_id=org_id, project_id=uuid4(), name="m", framework="onnx", created_by=uuid4())


def test_every_action_needs_some_role() -> None:
    assert set(NEEDED) == set(Action)


def test_each_role_includes_those_before_it() -> None:
    assert all(RANK[lesser] < RANK[greater] for lesser, greater in pairwise(Role))


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("thing", [None, model()], ids=["organization", "thing"])
def test_a_role_allows_what_needs_it_or_a_lesser_one(role: Role, action: Action, thing: Model | None) -> None:
    allowed = RANK[role] >= RANK[NEEDED[action]]
    try:
        require(actor(role), action, thing)
    except Forbidden:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize("action", Action)
def test_without_a_role_nothing_is_allowed(action: Action) -> None:
    with pytest.raises(Forbidden):
        require(actor(), action)


@pytest.mark.parametrize("action", Action)
def test_an_owner_may_do_nothing_with_a_thing_of_another_organization(action: Action) -> None:
    with pytest.raises(Forbidden):
        require(actor(Role.OWNER), action, model(uuid4()))


@pytest.mark.parametrize("scope_kind", [ScopeKind.TEAM, ScopeKind.PROJECT])
def test_a_role_in_another_scope_does_not_hold_in_the_organization(scope_kind: ScopeKind) -> None:
    with pytest.raises(Forbidden):
        require(actor(Role.OWNER, scope_kind=scope_kind, scope_id=uuid4()), Action.READ)


def test_of_several_roles_the_highest_counts() -> None:
    require(actor(Role.READER, Role.ADMIN, Role.WRITER), Action.ADMINISTER)


def test_a_refusal_says_which_role_is_needed_for_what() -> None:
    with pytest.raises(
        Forbidden, match=r"^To write in this Model you need the role WRITER or a higher one\.$"
    ) as refused:
        require(actor(Role.READER), Action.WRITE, model())
    assert refused.value.code == "FORBIDDEN"


def test_events_name_the_actor_by_id_and_not_by_name() -> None:
    somebody = actor()
    assert somebody.signature == f"Principal:{somebody.principal_id}"
