"""Global ids say what they are the id of, survive a journey, and cannot be made up by accident."""

from base64 import b64encode
from uuid import UUID

import pytest
from hypothesis import example, given, strategies as st

from db.ids import uuid7
from registry.kernel.errors import BadInput
from resolvers import ids
from schema.root import NODE_TABLES

KINDS = sorted(NODE_TABLES)


@given(st.sampled_from(KINDS), st.uuids())
def test_an_id_comes_back_as_it_went(kind: str, row_id: UUID) -> None:
    assert ids.decode(ids.encode(kind, row_id)) == (kind, row_id)
    assert ids.decode_as(kind, ids.encode(kind, row_id), "thing") == row_id


@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.uuids())
def test_two_kinds_never_share_an_id(one: str, other: str, row_id: UUID) -> None:
    assert (ids.encode(one, row_id) == ids.encode(other, row_id)) == (one == other)


@given(st.text() | st.binary().map(lambda raw: b64encode(raw).decode()))
@example("")
@example("=")
@example("é")
@example(b64encode(b"Model:").decode())
@example(b64encode(f"Model:{uuid7()}".upper().encode()).decode())
@example(b64encode(f"Model:{uuid7().hex}".encode()).decode())
@example(b64encode(f"Model:{{{uuid7()}}}".encode()).decode())
@example(b64encode(f"Mo del:{uuid7()}".encode()).decode())
@example(b64encode(f":{uuid7()}".encode()).decode())
@example(b64encode(f"Model:{uuid7()}:1".encode()).decode())
@example(ids.encode("Model" * 40, uuid7()))
@example(ids.encode("Model", uuid7()) + "\n")
@example(" " + ids.encode("Model", uuid7()))
@example("A" * 1_000_000)
def test_any_other_text_is_refused_with_advice(text: str) -> None:
    with pytest.raises(BadInput, match="as you got it"):
        ids.decode(text)


def test_what_is_no_id_is_refused_with_the_argument() -> None:
    with pytest.raises(BadInput, match="`run`: This is no id of this server"):
        ids.decode_as("Run", "", "run")


def test_the_id_of_another_kind_is_refused_with_both_kinds_and_the_argument() -> None:
    with pytest.raises(BadInput, match="`run` takes the id of a Run, and this is the id of a Model"):
        ids.decode_as("Run", ids.encode("Model", uuid7()), "run")
