"""Enums of the graph are the closed sets of the tables, each member described and stored under its own name."""

from enum import StrEnum
from typing import Any

import pytest
from graphql import GraphQLEnumType
from sqlalchemy.exc import StatementError
from sqlalchemy.sql.sqltypes import Text

from db import codes
from db.base import code
from db.session import Database
from db.tables import Run
from registry.catalog.version_status import ModelVersionStatus
from registry.facts.signature_diff import ChangeKind, SignatureCompatibility
from registry.graph.lineage import Direction
from registry.kernel.batches import BatchMode
from registry.promotion.champion_scoring import TieBreak
from registry.promotion.promotion_events import PromotionEventKind
from registry.webhooks.webhooks import WebhookResumePoint
from resolvers.filters.expression import DeletedFilter
from resolvers.pages.paging import OrderDirection
from schema.building import enums
from schema.building.enums import UserErrorCode
from tests.schema.built import SCHEMA
from tests.tenant import GraphQLFailed, Tenant, uuid_of

SHOWN = {
    name: shown
    for name, shown in SCHEMA.type_map.items()
    # What a list can be ordered by is said by its table: see test_filters.
    if isinstance(shown, GraphQLEnumType) and not name.startswith("__") and not name.endswith("OrderField")
}
CODES: dict[str, type[StrEnum]] = {
    name: found
    for name, found in (
        vars(codes)
        | {
            one.__name__: one
            for one in (
                BatchMode,
                ChangeKind,
                DeletedFilter,
                Direction,
                OrderDirection,
                PromotionEventKind,
                WebhookResumePoint,
                TieBreak,
                UserErrorCode,
                SignatureCompatibility,
                ModelVersionStatus,
            )
        }
    ).items()
    if isinstance(found, type) and issubclass(found, StrEnum) and found is not StrEnum
}


@pytest.mark.parametrize("name", SHOWN)
def test_an_enum_has_the_members_of_its_code(name: str) -> None:
    assert list(SHOWN[name].values) == [member.value for member in CODES[name]]


@pytest.mark.parametrize("name", CODES)
def test_the_text_of_a_member_is_its_name(name: str) -> None:
    assert [member.value for member in CODES[name]] == [member.name for member in CODES[name]]


def test_a_member_without_a_sentence_does_not_pass() -> None:
    class Color(StrEnum):
        RED = "RED"
        GREEN = "GREEN"

    with pytest.raises(KeyError):
        enums._describe(Color, "A color.", RED="Red.")
    with pytest.raises(TypeError):
        enums._describe(Color, "A color.", RED="Red.", GREEN="Green.", BLUE="Blue.")


def test_a_column_takes_members_and_nothing_else() -> None:
    column: Any = code(codes.Stage)()
    assert isinstance(column.impl, Text)
    assert column.process_bind_param("STAGING", None) == "STAGING"
    assert column.process_bind_param(None, None) is None
    with pytest.raises(ValueError, match="staging"):
        column.process_bind_param("staging", None)


async def test_the_database_is_never_sent_a_code_that_does_not_exist(tenant: Tenant, database: Database) -> None:
    run = uuid_of(await tenant.run())
    async with database.change(tenant.org_id) as change:
        row = await change.get_one(Run, (tenant.org_id, run))
        row.status = "SLEEPING"  # type: ignore[assignment]  # what a bug would do
        with pytest.raises(StatementError, match="SLEEPING"):
            await change.flush()
        await change.rollback()


@pytest.mark.parametrize("status", ["finished", "SLEEPING", "", 1, True, ["FAILED", "FAILED"], {"status": "FAILED"}])
async def test_a_value_that_is_no_member_is_a_request_error(tenant: Tenant, status: Any) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client.change("finishRun", "replayed", run=await tenant.run(), status=status)
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "CANCELED"])
async def test_a_member_comes_back_as_it_was_sent(tenant: Tenant, status: str) -> None:
    payload = await tenant.client.change("finishRun", "run { status }", run=await tenant.run(), status=status)
    assert payload["run"] == {"status": status}
