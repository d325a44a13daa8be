"""Records are rows as reads return them: named columns, unchangeable, knowing their kind."""

import pytest

from db.base import columns
from db.ids import uuid7
from db.tables import Artifact, Blob, Model, Principal, Team
from resolvers import ids
from resolvers.loading.records import record_of


@pytest.mark.parametrize("table", [Artifact, Blob, Model, Principal, Team])
def test_a_record_holds_every_column_under_its_name(table: type) -> None:
    names = [column.name for column in columns(table)]
    record = record_of(table)._make(names)
    assert [getattr(record, name) for name in names] == names


def test_a_table_has_one_record_type() -> None:
    assert record_of(Model) is record_of(Model)
    assert record_of(Model) is not record_of(Team)


def test_a_record_cannot_be_changed() -> None:
    record = record_of(Team)._make([column.name for column in columns(Team)])
    with pytest.raises(AttributeError):
        record.name = "other"
    with pytest.raises(AttributeError):
        record.more = 1


def test_a_record_knows_its_global_id() -> None:
    row_id = uuid7()
    values = [row_id if column.name == "id" else None for column in columns(Team)]
    assert record_of(Team)._make(values).gid == ids.encode("Team", row_id)
