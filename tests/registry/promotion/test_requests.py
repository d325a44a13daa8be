"""Requests for promotion: reviewed by others than their authors, completed by the last gate, or closed for a reason."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from db.base import utc_now
from db.codes import JobKind, PrincipalKind, Role
from db.session import Database
from db.tables import Job, PromotionRequest
from storage.store import ObjectStore
from tests import sending
from tests.registry.told import events_about
from tests.stages import EMPTY_SLOTS, Line
from tests.tenant import Client, GraphQLFailed, Tenant, uuid_of

REQUEST = """query($id: ID!) { node(id: $id) { ... on PromotionRequest { state outcome closedAt targetRevision
    transition { kind toStage reason createdBy { name } } version { stage }
    reviews(last: 20) { nodes { decision comment role createdBy { name } } } } } }"""
ACCURACY = {"metric": "accuracy", "phase": "TEST", "minimum": 0.9}


@dataclass
class Desk:
    """A model under a policy, with a writer who asks and a maintainer and a promoter who review."""

    line: Line
    writer: Client
    maintainer: Client
    promoter: Client

    @classmethod
    async def of(cls, tenant: Tenant, *gates: dict[str, Any], count: int = 1, **policy: Any) -> "Desk":
        line = await Line.of(tenant, 0)
        people = [await tenant.member(role) for role in (Role.WRITER, Role.MAINTAINER, Role.PROMOTER)]
        given = {"model": line.model, "to": "STAGING", "gates": list(gates), **policy}
        await tenant.client.make("setPromotionPolicy", "promotionPolicy", **given)
        desk = cls(line, *people)
        for _ in range(count):
            label = tenant.name("v")
            line.versions.append(await desk.writer.make("createVersion", "version", model=line.model, label=label))
        return desk

    @property
    def version(self) -> str:
        return self.line.versions[0]

    async def ask(self, version: str | None = None, **given: Any) -> str:
        values = {"version": version or self.version, "reason": "It is better.", **given}
        values.setdefault("to", "STAGING")
        return await self.writer.make("requestPromotion", "promotionRequest", **values)

    async def review(self, request: str, client: Client | None = None, decision: str = "APPROVED", **given: Any) -> str:
        """The code of the refusal, or the state in which the request is afterwards."""
        values = {"request": request, "decision": decision, **given}
        payload = await (client or self.maintainer).change("reviewPromotion", "promotionRequest { state }", **values)
        return str(payload["errors"][0]["code"] if payload["errors"] else payload["promotionRequest"]["state"])

    async def look(self, request: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.line.tenant.client(REQUEST, id=request))["node"]
        return found

    async def digest(self) -> str:
        """Of the version as it is now."""
        answer = await self.writer(
            "query($id: ID!) { node(id: $id) { ... on ModelVersion { digest } } }", id=self.version
        )
        return str(answer["node"]["digest"])

    async def state(self, request: str) -> str:
        return str((await self.look(request))["state"])


async def be_late(database: Database, tenant: Tenant, request: str) -> None:
    """Let a request expire."""
    async with database.change(tenant.org_id) as change:
        past = utc_now() - timedelta(seconds=1)
        own = col(PromotionRequest.id) == uuid_of(request)
        await change.execute(update(PromotionRequest).where(own).values(expires_at=past))


async def wake(database: Database, tenant: Tenant) -> None:
    """Let every job of the organization be due."""
    async with database.change(tenant.org_id) as change:
        own = col(Job.org_id) == tenant.org_id
        await change.execute(update(Job).where(own).values(run_after=utc_now() - timedelta(days=365)))


async def test_the_last_approval_completes_an_automatic_request(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {"count": 2}}, isAutomatic=True)
    request = await desk.ask()
    assert await desk.review(request, comment="fine") == "OPEN"
    assert await desk.line.slots() == EMPTY_SLOTS
    assert await desk.review(request, desk.promoter) == "COMPLETED"
    found = await desk.look(request)
    assert found["version"] == {"stage": "STAGING"}
    assert found["transition"] == {
        "kind": "PROMOTION", "toStage": "STAGING", "reason": "It is better.",
        "createdBy": {"name": desk.writer.actor.name},
    }  # fmt: skip
    assert [(one["decision"], one["comment"], one["role"]) for one in found["reviews"]["nodes"]] == [
        ("APPROVED", None, "PROMOTER"), ("APPROVED", "fine", "MAINTAINER"),
    ]  # fmt: skip
    assert await desk.line.slots() == {"STAGING": (1, desk.version), "PRODUCTION": (0, None)}


async def test_a_request_whose_gates_are_open_completes_at_once_where_the_policy_says_so(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, isAutomatic=True)
    assert await desk.state(await desk.ask()) == "COMPLETED"
    other = await Desk.of(tenant, isAutomatic=False)
    request = await other.ask()
    assert await other.state(request) == "OPEN"
    await other.maintainer.make("completePromotion", "promotionRequest", request=request)
    assert await other.state(request) == "COMPLETED"


async def test_a_direct_promotion_needs_the_approvals_and_completes_the_request(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {}})
    given = {"version": desk.version, "to": "STAGING"}
    refusal = await tenant.client.refusal("promoteVersion", "transition", **given)
    assert refusal["code"] == "GATE_FAILED"
    assert "ask for it with requestPromotion" in refusal["message"]
    request = await desk.ask()
    assert (await tenant.client.refusal("promoteVersion", "transition", **given))["code"] == "GATE_FAILED"
    assert await desk.review(request) == "OPEN"
    await tenant.client.make("promoteVersion", "transition", **given)
    found = await desk.look(request)
    assert (found["state"], found["transition"]["createdBy"]) == ("COMPLETED", {"name": "owner"})


async def test_nobody_approves_who_made_the_version_or_asked_nor_anybody_twice(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {"count": 2}}, isAutomatic=True)
    author = await tenant.member(Role.PROMOTER)
    trainer, sender = await tenant.member(Role.PROMOTER), await tenant.member(Role.PROMOTER)
    run = await trainer.make("createRun", "run", project=tenant.project, name="training")
    version = await author.make("createVersion", "version", model=desk.line.model, label="own", run=run)
    await sender.make(
        "createExternalArtifact", "artifact", version=version, path="m", kind="MODEL", uri="s3://elsewhere/m"
    )
    asker = await tenant.member(Role.PROMOTER)
    request = await asker.make("requestPromotion", "promotionRequest", version=version, to="STAGING")
    for client in (author, trainer, sender, asker):
        for decision in ("APPROVED", "REJECTED"):
            assert await desk.review(request, client, decision) == "CONFLICT"
    assert await desk.review(request) == "OPEN"
    assert await desk.review(request) == "CONFLICT"
    robot = await tenant.member(Role.PROMOTER, PrincipalKind.SERVICE_ACCOUNT)
    assert await desk.review(request, robot) == "CONFLICT"
    assert await desk.state(request) == "OPEN"
    with pytest.raises(GraphQLFailed) as refused:
        await desk.review(request, desk.writer)
    assert refused.value.code == "FORBIDDEN"


async def test_approvals_count_from_the_role_that_the_policy_names(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {"role": "PROMOTER"}}, isAutomatic=True)
    request = await desk.ask()
    assert await desk.review(request, desk.maintainer) == "CONFLICT"
    assert await desk.review(request, desk.promoter) == "COMPLETED"


async def test_approvals_may_be_asked_of_several_roles(tenant: Tenant) -> None:
    gates = {"approvals": {"count": 2}}, {"approvals": {"role": "PROMOTER"}}
    desk = await Desk.of(tenant, *gates, isAutomatic=True)
    request = await desk.ask()
    assert await desk.review(request) == "OPEN"
    assert await desk.review(request, await tenant.member(Role.MAINTAINER)) == "OPEN"
    assert await desk.review(request, desk.promoter) == "COMPLETED"


async def test_for_production_approvals_count_from_those_who_may_promote_there(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {}}, to="PRODUCTION", isAutomatic=True)
    await desk.line.promote(desk.version, "STAGING")
    request = await desk.ask(to="PRODUCTION")
    assert await desk.review(request, desk.maintainer) == "CONFLICT"
    assert await desk.review(request, desk.promoter) == "COMPLETED"


async def test_whoever_approved_may_still_say_no_and_any_reviewer_may_whatever_the_version_became(
    tenant: Tenant,
) -> None:
    desk = await Desk.of(tenant, {"approvals": {"count": 2, "role": "PROMOTER"}}, isAutomatic=True)
    request = await desk.ask()
    assert await desk.review(request, desk.promoter) == "OPEN"
    assert await desk.review(request, desk.promoter, "REJECTED") == "REJECTED"
    again = await desk.ask()
    await describe(desk)
    assert await desk.review(again, desk.maintainer, "REJECTED") == "REJECTED"


async def test_one_rejection_closes_a_request(tenant: Tenant, database: Database) -> None:
    desk = await Desk.of(tenant, {"approvals": {}}, isAutomatic=True)
    request = await desk.ask()
    assert await desk.review(request, decision="REJECTED", comment="It forgets.") == "REJECTED"
    found = await desk.look(request)
    assert (found["outcome"], found["transition"]) == ("It forgets.", None)
    assert await desk.review(request, desk.promoter) == "CONFLICT"
    refusal = await tenant.client.refusal("completePromotion", "promotionRequest", request=request)
    assert refusal["code"] == "CONFLICT"
    told = [event.kind for event in await events_about(database, tenant.org_id, uuid_of(request))]
    assert told == ["promotion_request.created", "promotion_request.rejected", "promotion_request.closed"]
    again = await desk.ask()
    assert await desk.review(again) == "COMPLETED"


async def test_there_is_one_open_request_for_a_version_and_a_place(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {}})
    await desk.ask()
    refusal = await desk.writer.refusal("requestPromotion", "promotionRequest", version=desk.version, to="STAGING")
    assert (refusal["code"], refusal["path"]) == ("CONFLICT", ["version"])
    refusal = await desk.writer.refusal("requestPromotion", "promotionRequest", version=desk.version, to="PRODUCTION")
    assert refusal["code"] == "CONFLICT", "it is not in STAGING"


async def test_a_request_is_stale_once_the_slot_has_moved(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {}}, count=2, isAutomatic=True)
    first, second = [await desk.ask(version) for version in desk.line.versions]
    assert await desk.review(first) == "COMPLETED"
    found = await desk.look(second)
    assert (found["state"], found["outcome"]) == ("STALE", "What it was made for moved on before this was decided.")
    assert await desk.review(second) == "CONFLICT"


async def test_a_request_is_stale_once_its_version_has_moved(tenant: Tenant) -> None:
    desk = await Desk.of(tenant)
    await desk.line.promote(desk.version, "STAGING")
    request = await desk.ask(to="PRODUCTION")
    await tenant.client.make("demoteVersion", "transition", version=desk.version)
    assert await desk.state(request) == "STALE"


async def test_what_was_reviewed_is_what_is_promoted(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    desk = await Desk.of(tenant, {"approvals": {"count": 2}}, isAutomatic=True)
    request = await desk.ask()
    # Before anybody has looked the version may still be completed; whoever looks says what they have seen.
    await desk.writer.make("updateVersion", "version", version=desk.version, runtime={"image": "slim"})
    assert await desk.review(request) == "CONFLICT"
    assert await desk.review(request, digest=await desk.digest()) == "OPEN"
    signature = {"inputs": [{"name": "age", "type": "INT64"}]}
    await desk.writer.make("updateVersion", "version", version=desk.version, signature=signature)
    await sending.work(database, store)
    found = await desk.look(request)
    assert (found["state"], found["outcome"]) == (
        "STALE", "The version has other contents than those that were reviewed."
    )  # fmt: skip


async def test_an_approval_of_other_contents_completes_nothing(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {"count": 2}}, isAutomatic=True)
    request = await desk.ask()
    assert await desk.review(request) == "OPEN"
    await desk.writer.make("updateVersion", "version", version=desk.version, runtime={"image": "slim"})
    assert await desk.review(request, desk.promoter) == "CONFLICT"
    assert await desk.review(request, desk.promoter, digest=await desk.digest()) == "STALE"
    assert await desk.line.stages() == ["DEVELOPMENT"]


async def test_one_approval_of_contents_that_nobody_saw_promotes_nothing(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {}}, isAutomatic=True)
    request = await desk.ask()
    await desk.writer.make("updateVersion", "version", version=desk.version, runtime={"image": "slim"})
    assert await desk.review(request) == "CONFLICT"
    assert await desk.line.stages() == ["DEVELOPMENT"]
    assert await desk.review(request, digest=await desk.digest()) == "COMPLETED"


async def test_what_a_request_was_approved_for_does_not_happen_after_it_expired(
    tenant: Tenant, database: Database
) -> None:
    desk = await Desk.of(tenant, {"approvals": {}})
    request = await desk.ask()
    assert await desk.review(request) == "OPEN"
    await be_late(database, tenant, request)
    refusal = await tenant.client.refusal("promoteVersion", "transition", version=desk.version, to="STAGING")
    assert refusal["code"] == "GATE_FAILED"
    # Nobody has to wait for a worker to ask anew, nor to take it back.
    again = await desk.ask()
    assert (await desk.state(request), await desk.state(again)) == ("EXPIRED", "OPEN")
    await be_late(database, tenant, again)
    await desk.writer.make("withdrawPromotion", "promotionRequest", request=again)
    assert await desk.state(again) == "WITHDRAWN"


async def test_a_request_expires(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    desk = await Desk.of(tenant, {"approvals": {}}, isAutomatic=True, requestExpiresSeconds=60)
    request = await desk.ask()
    await be_late(database, tenant, request)
    assert await desk.review(request) == "CONFLICT"
    await wake(database, tenant)
    await sending.work(database, store)
    found = await desk.look(request)
    assert (found["state"], found["outcome"]) == ("EXPIRED", "Nobody completed it in time.")
    assert await desk.state(await desk.ask()) == "OPEN"


async def test_a_request_ends_with_its_version(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    desk = await Desk.of(tenant, {"approvals": {}})
    request = await desk.ask()
    await tenant.client.make("deleteVersion", "version", version=desk.version)
    refusal = await tenant.client.refusal("completePromotion", "promotionRequest", request=request)
    assert (refusal["code"], refusal["path"]) == ("NOT_FOUND", ["request"])
    await wake(database, tenant)
    await sending.work(database, store)
    found = await desk.look(request)
    assert (found["state"], found["outcome"]) == ("STALE", "The version was deleted.")


async def test_a_request_is_taken_back_by_who_asked_or_who_may_promote(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {}})
    request = await desk.ask()
    other = await tenant.member(Role.WRITER)
    with pytest.raises(GraphQLFailed) as refused:
        await other.change("withdrawPromotion", "promotionRequest { id }", request=request)
    assert refused.value.code == "FORBIDDEN"
    await desk.writer.make("withdrawPromotion", "promotionRequest", request=request, reason="not yet")
    assert (await desk.look(request))["outcome"] == "not yet"
    again = await desk.ask()
    await desk.maintainer.make("withdrawPromotion", "promotionRequest", request=again)
    assert await desk.state(again) == "WITHDRAWN"


async def log(desk: Desk) -> None:
    point = {"name": "accuracy", "phase": "TEST", "value": 0.95}
    await desk.writer.make("logVersionMetrics", "version", version=desk.version, metrics=[point])


async def describe(desk: Desk) -> None:
    await desk.writer.make("updateVersion", "version", version=desk.version, runtime={"image": "slim"})


async def check(desk: Desk) -> None:
    given = {"version": desk.version, "name": "audit", "digest": await desk.digest(), "passed": True}
    await desk.writer.make("reportCheck", "versionCheck", **given)


@pytest.mark.parametrize(
    ("gate", "act"),
    [
        ({"metricThreshold": ACCURACY}, log),
        ({"requiredFacts": {"runtime": True}}, describe),
        ({"externalCheck": {"name": "audit", "allowAuthors": True}}, check),
    ],
)
async def test_a_worker_completes_a_request_once_the_last_gate_opens(
    tenant: Tenant, database: Database, store: ObjectStore, gate: dict[str, Any], act: Any
) -> None:
    desk = await Desk.of(tenant, gate, isAutomatic=True)
    request = await desk.ask()
    await sending.work(database, store)
    assert await desk.state(request) == "OPEN"
    await act(desk)
    # Nothing is waited for: what opened the gate has made the job due.
    await sending.work(database, store)
    found = await desk.look(request)
    assert (found["state"], found["version"]) == ("COMPLETED", {"stage": "STAGING"})
    assert found["transition"]["createdBy"] == {"name": desk.writer.actor.name}


async def test_the_verification_of_the_last_file_completes_a_request(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    desk = await Desk.of(tenant, {"requiredArtifacts": {"kinds": ["MODEL"]}}, isAutomatic=True)
    request = await desk.ask()
    await sending.deliver(desk.writer, database, store, b"model", version=desk.version, path="m", kind="MODEL")
    await sending.work(database, store)
    assert await desk.state(request) == "COMPLETED"


async def test_an_open_request_is_looked_at_again_and_again_and_a_closed_one_no_more(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    desk = await Desk.of(tenant, {"approvals": {}})
    request = await desk.ask()

    async def jobs() -> int:
        async with database.change(tenant.org_id) as change:
            kind = col(Job.kind) == JobKind.SETTLE_REQUEST
            found = await change.execute(select(Job).where(col(Job.org_id) == tenant.org_id, kind))
            return len(found.scalars().all())

    for _ in range(2):
        await wake(database, tenant)
        await sending.work(database, store)
        assert (await jobs(), await desk.state(request)) == (1, "OPEN")
    await desk.writer.make("withdrawPromotion", "promotionRequest", request=request)
    await wake(database, tenant)
    await sending.work(database, store)
    assert await jobs() == 0


async def test_an_alias_is_asked_for_as_a_stage_is(tenant: Tenant) -> None:
    desk = await Desk.of(tenant, {"approvals": {}}, count=2, to=None, alias="champion", isAutomatic=True)
    first, second = [await desk.ask(version, to=None, alias="@champion") for version in desk.line.versions]
    assert await desk.review(first, desk.promoter) == "COMPLETED"
    assert await desk.state(second) == "STALE"
    answer = await tenant.client(
        "query($id: ID!) { node(id: $id) { ... on Model { aliases { nodes { name revision version { id } } } } } }",
        id=desk.line.model,
    )
    alias = {"name": "champion", "revision": 1, "version": {"id": desk.line.versions[0]}}
    assert answer["node"]["aliases"]["nodes"] == [alias]


async def test_of_many_last_approvals_at_once_one_completes_the_request(tenant: Tenant, database: Database) -> None:
    desk = await Desk.of(tenant, {"approvals": {"count": 3}}, isAutomatic=True)
    request = await desk.ask()
    people = [await tenant.member(Role.MAINTAINER) for _ in range(8)]
    states = await asyncio.gather(*[desk.review(request, client) for client in people])
    assert sorted(states) == sorted(["OPEN"] * 2 + ["COMPLETED"] + ["CONFLICT"] * 5)
    assert (await desk.line.slots())["STAGING"] == (1, desk.version)
    told = [event.kind for event in await events_about(database, tenant.org_id, uuid_of(request))]
    assert told == ["promotion_request.created"] + ["promotion_request.approved"] * 3 + ["promotion_request.completed"]


async def test_requests_of_a_neighbor_are_not_found(tenant: Tenant, neighbor: Tenant) -> None:
    desk = await Desk.of(neighbor, {"approvals": {}})
    request = await desk.ask()
    for mutation, more in (
        ("reviewPromotion", {"decision": "APPROVED"}), ("completePromotion", {}), ("withdrawPromotion", {}),
    ):  # fmt: skip
        refusal = await tenant.client.refusal(mutation, "promotionRequest", request=request, **more)
        assert refusal["code"] == "NOT_FOUND"
    assert await desk.state(request) == "OPEN"


async def test_requests_that_a_promotion_outdates_are_closed_in_one_statement_however_many_they_are(
    tenant: Tenant, statements: list[str]
) -> None:
    sent = []
    for count in (1, 5):
        desk = await Desk.of(tenant, {"approvals": {}}, count=count + 1)
        for version in desk.line.versions[:-1]:
            await desk.ask(version)
        await tenant.client.make("setPromotionPolicy", "promotionPolicy", model=desk.line.model, to="STAGING", gates=[])
        statements.clear()
        await desk.line.promote(desk.line.versions[-1], "STAGING")
        sent.append(sum("UPDATE registry.promotion_request" in statement for statement in statements))
    assert sent == [1, 1]


async def test_a_request_that_waits_for_somebody_to_complete_it_is_looked_at_at_its_end_and_when_the_policy_changes(
    tenant: Tenant, database: Database
) -> None:
    desk = await Desk.of(tenant, {"approvals": {}}, requestExpiresSeconds=86_400)
    request = uuid_of(await desk.ask())

    async def due_in_s() -> float:
        async with database.change(tenant.org_id) as change:
            when = select(col(Job.run_after)).where(col(Job.org_id) == tenant.org_id, col(Job.subject_id) == request)
            return ((await change.execute(when)).scalar_one() - utc_now()).total_seconds()

    assert await due_in_s() > 86_000
    given = {"model": desk.line.model, "to": "STAGING", "gates": [{"approvals": {}}], "isAutomatic": True}
    await tenant.client.make("setPromotionPolicy", "promotionPolicy", **given)
    assert await due_in_s() <= 0
