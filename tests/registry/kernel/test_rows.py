"""What each change leaves in the feed: the columns before and after, never a secret, never more than fits."""

import hashlib
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import inspect, select, text, update
from sqlmodel import col

from db.base import Row, columns, metadata
from db.session import Change, Database
from db.tables import ApiToken, Model, Team, Upload
from registry.kernel import rows as changes
from registry.kernel.errors import NameTaken, NotFound
from tests.tenant import Tenant, uuid_of


async def told(tenant: Tenant, subject: str) -> list[Any]:
    """The events about one thing, oldest first, with their bodies decoded as `said`."""
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    rows = await snapshot.rows(
        text(
            "select kind, subject, actor, body, cast(body as jsonb) as said from ev.event"
            " where subject = :subject order by seq"
        ),
        {"subject": subject},
    )
    await snapshot.close()
    return list(rows)


async def stored(tenant: Tenant, id: UUID) -> dict[str, Any]:
    """A model as it is stored, in JSON's types."""
    snapshot = tenant.database.new_snapshot(tenant.org_id)
    (row,) = await snapshot.rows(select(*columns(Model)).where(col(Model.id) == id))
    await snapshot.close()
    found: dict[str, Any] = orjson.loads(orjson.dumps(row._asdict(), default=changes._plain))
    return found


async def altered(tenant: Tenant, id: UUID, **values: Any) -> Model:
    async with tenant.database.change(tenant.org_id) as change:
        model = await changes.find(change, Model, id, "model", lock=True)
        return await changes.alter(change, tenant.actor, model, values)


async def test_creating_tells_the_whole_row_as_it_is_stored(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model(tags=[{"key": "größe", "value": "ü"}]))
    (event,) = await told(tenant, f"Model:{model}")
    assert (event.kind, event.actor) == ("model.created", tenant.actor.signature)
    assert event.said["v"] == changes.EVENT_SHAPE
    assert event.said["before"] is None
    expected = await stored(tenant, model)
    del expected["version_count"], expected["updated_at"]
    assert _times_as_moments(event.said["after"]) == _times_as_moments(expected)


async def test_changing_tells_the_changed_columns_before_and_after(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model(name="old", description="same"))
    await altered(tenant, model, name="new", description="same", tags={"a": "b"})
    _, event = await told(tenant, f"Model:{model}")
    assert event.kind == "model.updated"
    assert event.said == {
        "v": changes.EVENT_SHAPE,
        "before": {"name": "old", "tags": {}},
        "after": {"name": "new", "tags": {"a": "b"}},
    }


async def test_a_column_that_is_emptied_is_told_as_null(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model(description="something"))
    await altered(tenant, model, description=None)
    _, event = await told(tenant, f"Model:{model}")
    assert (event.said["before"], event.said["after"]) == ({"description": "something"}, {"description": None})


async def test_a_change_that_changes_nothing_tells_nothing(tenant: Tenant, statements: list[str]) -> None:
    model = uuid_of(await tenant.model(name="same"))
    statements.clear()
    await altered(tenant, model, name="same")
    assert len(await told(tenant, f"Model:{model}")) == 1
    assert not [one for one in statements if one.startswith("UPDATE")]


async def test_a_derived_column_is_written_but_not_told(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model())
    await altered(tenant, model, version_count=7, name="other")
    assert (await stored(tenant, model))["version_count"] == 7
    _, event = await told(tenant, f"Model:{model}")
    assert list(event.said["after"]) == ["name"]


async def test_a_change_of_untold_columns_alone_is_no_event(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model())
    await altered(tenant, model, version_count=7)
    assert (await stored(tenant, model))["version_count"] == 7
    assert [event.kind for event in await told(tenant, f"Model:{model}")] == ["model.created"]


def test_the_secret_columns_are_marked_as_such() -> None:
    secrets = {
        f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns
        if "secret" in column.info
    }  # fmt: skip
    webhook = {"webhook.url", "webhook.secret", "webhook.earlier_secret"}
    assert secrets == {"api_token.token_hash", "upload.store_upload_id"} | webhook
    suspicious = {
        f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns
        if any(word in column.name for word in ("secret", "password", "token", "hash", "upload_id"))
    }  # fmt: skip
    # The key of an idempotent request is a caller's own, and never told. The others are moments.
    moments = {"webhook.secret_made_at", "webhook.earlier_secret_until"}
    assert suspicious - secrets == {"idempotency.request_hash"} | moments


@pytest.mark.parametrize("table", [ApiToken, Upload])
def test_no_secret_column_is_in_an_image(table: type[Row]) -> None:
    shown = set(changes.shown(table))
    hidden = {column.name for column in inspect(table).columns if "derived" not in column.info} - shown
    assert hidden in ({"token_hash"}, {"store_upload_id"})


@pytest.mark.parametrize("size_bytes", [changes.MAX_IMAGE_BYTES, changes.MAX_IMAGE_BYTES + 1])
async def test_an_image_over_32_kib_becomes_its_digest_and_the_names_of_its_columns(
    tenant: Tenant, size_bytes: int
) -> None:
    model = uuid_of(await tenant.model())
    description = "x" * (size_bytes - len(b'{"description":"","name":"n"}'))
    await altered(tenant, model, description=description, name="n")
    _, event = await told(tenant, f"Model:{model}")
    assert event.said["before"]["description"] is None
    image = {"description": description, "name": "n"}
    if size_bytes <= changes.MAX_IMAGE_BYTES:
        assert event.said["after"] == image
    else:
        digest = hashlib.sha256(orjson.dumps(image, option=orjson.OPT_SORT_KEYS)).hexdigest()
        assert event.said["after"] == {"sha256": digest, "columns": ["description", "name"]}


async def test_two_images_at_the_limit_fit_into_one_event(tenant: Tenant) -> None:
    model = uuid_of(await tenant.model())
    full = changes.MAX_IMAGE_BYTES - len(b'{"description":""}')
    for letter in "xy":
        await altered(tenant, model, description=letter * full)
    assert len(await told(tenant, f"Model:{model}")) == 3


async def test_numbers_are_told_as_they_were_given(tenant: Tenant) -> None:
    parameters = [{"name": f"p{place}", "value": value} for place, value in enumerate([1e300, 1.0, 1, 0.1])]
    run = uuid_of(await tenant.run(parameters=parameters))
    (event,) = await told(tenant, f"Run:{run}")
    assert '"parameters":{"p0":1e+300,"p1":1.0,"p2":1,"p3":0.1}' in event.body


async def test_a_thousand_huge_numbers_can_be_told(tenant: Tenant) -> None:
    run = uuid_of(await tenant.run(parameters=[{"name": f"p{place}", "value": 1e300} for place in range(1000)]))
    (event,) = await told(tenant, f"Run:{run}")
    assert len(event.said["after"]["parameters"]) == 1000


async def test_events_of_a_change_are_told_in_the_order_of_its_steps(tenant: Tenant) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        team = await changes.add(change, tenant.actor, Team(org_id=tenant.org_id, name="one"))
        await changes.alter(change, tenant.actor, team, {"name": "two"}, verb="renamed")
    assert [event.kind for event in await told(tenant, f"Team:{team.id}")] == ["team.created", "team.renamed"]


async def test_a_refused_change_tells_nothing_of_its_earlier_steps(tenant: Tenant) -> None:
    taken = {"team_org_id_name_key": NameTaken("team", "twice", "organization")}
    ids: list[UUID] = []

    async def twice() -> None:
        async with tenant.database.change(tenant.org_id) as change:
            for _ in range(2):
                row = Team(org_id=tenant.org_id, name="twice")
                ids.append(row.id)
                await changes.add(change, tenant.actor, row, taken)

    with pytest.raises(NameTaken):
        await twice()
    assert [await told(tenant, f"Team:{one}") for one in ids] == [[], []]


async def test_what_is_not_there_and_what_belongs_to_others_is_not_found(tenant: Tenant, neighbor: Tenant) -> None:
    theirs = uuid_of(await neighbor.model())
    answers = set()
    for unknown in (theirs, uuid4()):
        with pytest.raises(NotFound) as refused:
            await _find(tenant, unknown)
        answers.add((refused.value.message, refused.value.path))
    assert answers == {("There is no Model with this id, or none that you may see.", ("values", "0", "model"))}


async def test_a_locked_row_is_read_as_it_is_after_the_wait(tenant: Tenant, database: Database) -> None:
    model = uuid_of(await tenant.model(name="first"))
    async with database.change(tenant.org_id) as change:
        earlier = await changes.find(change, Model, model, "model")
        assert earlier.name == "first"
        async with database.change(tenant.org_id) as other:
            await _rename(other, model, "second")
        assert (await changes.find(change, Model, model, "model", lock=True)).name == "second"
        assert earlier.name == "second"


async def _find(tenant: Tenant, id: UUID) -> None:
    async with tenant.database.change(tenant.org_id) as change:
        await changes.find(change, Model, id, "values.0.model")


async def _rename(change: Change, id: UUID, name: str) -> None:
    await change.execute(update(Model).where(col(Model.id) == id).values(name=name))


def _times_as_moments(image: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.replace("Z", "+00:00") if value and name.endswith("_at") else value for name, value in image.items()
    }
