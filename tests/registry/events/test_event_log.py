"""Reading the feed: cursors that say where, filters that agree with the database, pages without a gap."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, strategies as st
from sqlalchemy import text

from db.session import Database, Event
from registry.events import event_log
from registry.events.event_kinds import KINDS, checked, whole
from registry.events.event_log import Cursor, Filter, StoredEvent, Stream
from registry.kernel.errors import BadInput, CursorExpired, CursorReset
from storage.store import ObjectStore
from tests import sending
from tests.tenant import Tenant, uuid_of


async def read(tenant: Tenant, filter: Filter = event_log.EVERY_EVENT, after: int = 0) -> list[StoredEvent]:
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    try:
        return await event_log.page(snapshot, tenant.org_id, after, filter, limit=1_000)
    finally:
        await snapshot.close()


async def append(tenant: Tenant, *told: Event) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        change.events.extend(told)


def event(kind: str = "team.created", subject: str = "Team:1") -> Event:
    return Event(kind, subject, "Principal:1", {"v": 1})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("version.promotd", "`version.promoted`"),
        ("versions.promoted", "`version.promoted`"),
        ("verison.*", r"`version.\*`"),
        ("version", "`version.created`"),
        ("*", "The nouns are alias, "),
        ("version.created ", "`version.created`"),
        ("x" * 10_000, "The nouns are alias, "),
    ],
)
def test_a_kind_that_there_is_not_is_refused_with_what_was_meant(given: str, told: str) -> None:
    with pytest.raises(BadInput, match=told) as refused:
        checked(["model.created", given])
    assert len(refused.value.message) < 1_000


def test_all_kinds_of_a_noun_are_whole_kinds() -> None:
    assert whole(checked({"alias.*", "run.ended"})) == {one for one in KINDS if one.startswith("alias.")} | {
        "run.ended"
    }


def test_what_another_release_knew_matches_nothing_instead_of_everything() -> None:
    assert whole({"gone.*", "gone.away"}) == {"gone.*", "gone.away"}


@given(st.uuids(), st.integers(0, 2**63 - 1))
def test_a_cursor_says_what_it_was_made_of(epoch: UUID, seq: int) -> None:
    assert Cursor.parse(str(Cursor(epoch, seq))) == Cursor(epoch, seq)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "1",
        "v1.x.7",
        "ü" * 34,
        "_" * 34,
        "=" * 34,
        str(Cursor(UUID(int=7), 7))[:-1] + "B",
        str(Cursor(UUID(int=7), 7)) + "=",
        urlsafe_b64encode(b"\x02" + bytes(24)).decode().rstrip("="),
        urlsafe_b64encode(b"\x01" + b"\xff" * 24).decode().rstrip("="),
    ],
)
def test_what_is_no_cursor_is_bad_input(garbage: str) -> None:
    with pytest.raises(BadInput, match="no cursor of the event feed"):
        Cursor.parse(garbage)


@given(st.text(max_size=60))
def test_no_text_brings_a_cursor_down(text: str) -> None:
    with suppress(BadInput):
        assert str(Cursor.parse(text)) == text


def test_a_cursor_is_good_from_the_floor_to_the_head_of_its_own_numbers() -> None:
    stream = Stream(uuid4(), uuid4(), head_seq=9, floor_seq=3)
    assert [stream.after(Cursor(stream.epoch, seq)) for seq in (3, 9)] == [3, 9]
    with pytest.raises(CursorExpired) as expired:
        stream.after(Cursor(stream.epoch, 2))
    for other in (Cursor(stream.epoch, 10), Cursor(uuid4(), 5)):
        with pytest.raises(CursorReset) as reset:
            stream.after(other)
        assert reset.value.head_cursor == str(stream.head)
    assert expired.value.head_cursor == str(stream.head)


async def test_events_say_which_model_and_project_they_are_about(tenant: Tenant) -> None:
    project = uuid_of(tenant.project)
    model = await tenant.model()
    version = await tenant.version(model)
    deployment = await tenant.deployment(version=version)
    run = await tenant.run()
    found = {one.subject: one for one in await read(tenant)}
    routes = {subject: (one.model_id, one.project_id) for subject, one in found.items()}
    assert routes[f"Project:{project}"] == (None, project)
    assert routes[f"Model:{uuid_of(model)}"] == (uuid_of(model), project)
    assert routes[f"ModelVersion:{uuid_of(version)}"] == (uuid_of(model), project)
    assert routes[f"Deployment:{uuid_of(deployment)}"] == (uuid_of(model), project)
    assert routes[f"Run:{uuid_of(run)}"] == (None, project)


async def test_followers_of_a_model_hear_what_becomes_of_the_files_of_its_versions(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    model = await tenant.model()
    version, run, data = await tenant.version(model), await tenant.run(), sending.content()
    for sent, owner in ((b"evil".ljust(len(data), b"!"), {"version": version}), (data, {"run": run})):
        artifact = await sending.announced(tenant.client, data, **owner)
        await sending.send(artifact, sent)
        await sending.complete(tenant.client, artifact["id"])
    await sending.work(database, store)
    snapshot = database.new_snapshot(tenant.org_id)
    wanted = Filter(model_ids=frozenset({uuid_of(model)}))
    of_model = [one.kind for one in await event_log.page(snapshot, tenant.org_id, 0, wanted, limit=100)]
    wanted = Filter(project_id=uuid_of(tenant.project), kinds=whole({"artifact.*"}))
    of_project = [one.kind for one in await event_log.page(snapshot, tenant.org_id, 0, wanted, limit=100)]
    await snapshot.close()
    files = ["artifact.created", "upload.created", "upload.completed", "artifact.uploaded", "artifact.quarantined"]
    assert of_model == ["model.created", "version.created", *files]
    sound = ["artifact.created", "artifact.uploaded", "artifact.verified"]
    assert sorted(of_project) == sorted([*(one for one in files if one.startswith("artifact.")), *sound])


async def test_a_server_of_before_goes_on_appending(tenant: Tenant) -> None:
    told = '[{"kind": "team.created", "subject": "Team:1", "actor": "Principal:1", "body": "{}"}]'
    async with tenant.database.change(tenant.org_id) as change:
        await change.execute(text("select ev.append(:org, cast(:told as jsonb))"), {"org": tenant.org_id, "told": told})
    *_, last = await read(tenant)
    assert (last.kind, last.model_id, last.project_id) == ("team.created", None, None)


async def test_a_filter_says_the_same_of_an_event_as_the_database(tenant: Tenant) -> None:
    team = await tenant.client.make("createTeam", "team", name="other")
    elsewhere = await tenant.client.make("createProject", "project", team=team, name="elsewhere")
    model, other = await tenant.model(), await tenant.model(project=elsewhere)
    version = await tenant.version(model)
    await tenant.version(other)
    await tenant.deployment(version=version)
    model_id, other_id, project_id = uuid_of(model), uuid_of(other), uuid_of(tenant.project)
    every = await read(tenant)
    projects = {model_id: project_id, other_id: uuid_of(elsewhere)}
    filters = [
        Filter(),
        Filter(kinds=frozenset({"version.created"})),
        Filter(kinds=whole({"version.*", "model.created"})),
        Filter(kinds=frozenset({"nothing.happened"})),
        Filter(model_ids=frozenset({model_id})),
        Filter(model_ids=frozenset({model_id, other_id}), kinds=whole({"version.*"})),
        Filter(project_id=project_id),
        Filter(project_id=uuid_of(elsewhere), kinds=frozenset({"version.created"})),
        Filter(project_id=project_id, model_ids=frozenset({other_id})),
        Filter(subject=f"ModelVersion:{uuid_of(version)}"),
        Filter(project_id=uuid4()),
    ]
    counts = []
    for wanted in filters:
        found = await read(tenant, wanted)
        assert found == [one for one in every if wanted.matches(one, projects)]
        counts.append(len(found))
    assert counts[0] == len(every)
    assert 0 < counts[7] < counts[6] < counts[0]
    assert [counts[place] for place in (1, 3, 8, 9, 10)] == [2, 0, 0, 1, 0]


def test_kinds_are_compared_by_equality_which_an_index_answers_in_front_of_row_level_security() -> None:
    (condition,) = Filter(kinds=whole({"version.*", "model.created"})).conditions(uuid4())
    assert str(condition.compile()).startswith("ev.event.kind = ANY (")


async def test_pages_follow_each_other_without_a_gap_in_both_directions(tenant: Tenant) -> None:
    await append(tenant, *[event() for _ in range(7)])
    every = [one.seq for one in await read(tenant)]
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    forward: list[StoredEvent] = []
    while found := await event_log.page(snapshot, tenant.org_id, forward[-1].seq if forward else 0, limit=3):
        forward += found
    backward: list[StoredEvent] = []
    while found := await event_log.page(
        snapshot, tenant.org_id, 0, limit=3, before_seq=backward[-1].seq if backward else None, backwards=True
    ):
        backward += found
    await snapshot.close()
    assert [one.seq for one in forward] == every == [one.seq for one in reversed(backward)]


@pytest.mark.parametrize("near", [1, 2, 7, 1_000])
async def test_the_events_of_a_project_are_the_same_however_far_they_lie_apart(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    project, models = uuid_of(tenant.project), [uuid_of(await tenant.model()) for _ in range(2)]
    owners: list[dict[str, Any]] = [
        {"project_id": project}, {}, {}, {"model_id": models[0]}, {"model_id": models[1], "project_id": project},
        *[{}] * 9, {"model_id": models[0]}, {"model_id": uuid4()}, {"project_id": uuid4()}, {"model_id": models[1]}, {},
    ]  # fmt: skip
    await append(tenant, *[replace(event(), **owner) for owner in owners])
    every, wanted = await read(tenant), Filter(project_id=project, kinds=frozenset({"model.created", event().kind}))
    projects = dict.fromkeys(models, project)
    expected = [one.seq for one in every if wanted.matches(one, projects)]
    assert len(expected) > 5
    monkeypatch.setattr(event_log, "NEAR", near)
    snapshot, end = tenant.database.new_snapshot(tenant.org_id), every[-1].seq + 1
    for size in (1, 3, 100):
        for backwards in (False, True):
            seen: list[int] = []
            low, high = 0, end
            while found := await event_log.page(
                snapshot, tenant.org_id, low, wanted, limit=size, before_seq=high, backwards=backwards
            ):
                seen += [one.seq for one in found]
                low, high = (low, seen[-1]) if backwards else (seen[-1], high)
            assert seen == (expected[::-1] if backwards else expected)
    await snapshot.close()


async def test_a_worker_reads_the_feed_of_every_organization_and_the_application_only_its_own(
    tenant: Tenant, neighbor: Tenant, database: Database
) -> None:
    async with database.as_worker() as worker:
        for one in (tenant, neighbor):
            assert [event.seq for event in await event_log.page(worker, one.org_id, 0, limit=3)] == [1, 2, 3]
            assert (await event_log.stream_of(worker, one.org_id)).head_seq > 3
    snapshot = database.new_snapshot(tenant.org_id)
    assert await event_log.page(snapshot, neighbor.org_id, 0, limit=3) == []
    with pytest.raises(LookupError):
        await event_log.stream_of(snapshot, neighbor.org_id)
    await snapshot.close()


async def test_the_models_of_a_project_are_known_to_its_readers(tenant: Tenant, neighbor: Tenant) -> None:
    model, theirs = uuid_of(await tenant.model()), uuid_of(await neighbor.model())
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    found = await event_log.projects_of(snapshot, tenant.org_id, [model, theirs])
    await snapshot.close()
    assert found == {model: uuid_of(tenant.project)}


@pytest.mark.parametrize(
    "bad",
    [["version"], ["ModelVersion.created"], ["version.*.x"], ["*"], [""], ["a.b c"], ["run.ended"] * 51],
)
def test_a_kind_that_can_never_be_is_bad_input(bad: Sequence[str]) -> None:
    with pytest.raises(BadInput):
        checked(bad)
