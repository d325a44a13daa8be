"""Every mutation, whatever it does, has the same shape and keeps the same promises."""

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType

from db.codes import Role
from tests.nouns import kind_of, noun
from tests.schema.built import SCHEMA
from tests.schema.valid_inputs import MUTATIONS, Refusing, refusal_of, row_of, title, valid_input
from tests.tenant import GraphQLFailed, Tenant

SHOWING_ONCE = ("createWebhook", "rotateWebhookSecret")
every_mutation = pytest.mark.parametrize("mutation", MUTATIONS)
# The one that needs bytes in the store; its happy path is told with the artifacts.
every_simple_mutation = pytest.mark.parametrize("mutation", [name for name in MUTATIONS if name != "completeUpload"])


@every_mutation
def test_a_mutation_takes_one_input_and_may_be_null_itself(mutation: str) -> None:
    assert SCHEMA.mutation_type is not None
    field = SCHEMA.mutation_type.fields[mutation]
    assert [(name, str(argument.type)) for name, argument in field.args.items()] == [
        ("input", f"{title(mutation)}Input!")
    ]
    assert not isinstance(field.type, GraphQLNonNull), "one failing mutation would hide what another has committed"
    assert str(field.type) == f"{title(mutation)}Payload"


@every_mutation
def test_a_payload_holds_the_row_the_errors_and_whether_it_was_replayed(mutation: str) -> None:
    payload = SCHEMA.type_map[f"{title(mutation)}Payload"]
    assert isinstance(payload, GraphQLObjectType)
    row = row_of(mutation)
    shown_once = {"secret": "String"} if mutation in SHOWING_ONCE else {}
    assert {name: str(field.type) for name, field in payload.fields.items()} == {
        row: kind_of(row),
        **shown_once,
        "errors": "[UserError!]!",
        "replayed": "Boolean!",
    }


@every_simple_mutation
async def test_a_valid_input_is_accepted(tenant: Tenant, mutation: str) -> None:
    payload = await tenant.client.change(
        mutation, f"{row_of(mutation)} {{ id }}", **await valid_input(tenant, mutation)
    )
    assert payload["errors"] == []
    assert payload["replayed"] is False
    assert payload[row_of(mutation)]["id"]


@every_mutation
async def test_a_reader_may_not_write(refusing: Refusing, mutation: str) -> None:
    given = await refusing.input_of(mutation)
    with pytest.raises(GraphQLFailed) as refused:
        await refusing.reader.change(mutation, "replayed", **given)
    (error,) = refused.value.errors
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert error["path"] == [mutation]


ORGANIZING = [
    "createTeam", "createProject", "updateTeam", "updateProject",
    *(f"delete{noun(kind)}" for kind in ("Team", "Project", "Model", "Experiment", "Dataset", "Environment")),
    *(f"restore{noun(kind)}" for kind in ("Team", "Project", "Model", "Experiment", "Dataset", "Environment")),
]  # fmt: skip


@pytest.mark.parametrize("mutation", ORGANIZING)
async def test_a_writer_may_not_organize_but_a_maintainer_may(tenant: Tenant, mutation: str) -> None:
    given = await valid_input(tenant, mutation)
    writer, maintainer = await tenant.member(Role.WRITER), await tenant.member(Role.MAINTAINER)
    with pytest.raises(GraphQLFailed) as refused:
        await writer.change(mutation, "replayed", **given)
    assert refused.value.code == "FORBIDDEN"
    assert await maintainer.make(mutation, row_of(mutation), **given)


ADMINISTERING = [name for name in MUTATIONS if "Webhook" in name or name == "redeliverWebhookDelivery"]


@pytest.mark.parametrize("mutation", ADMINISTERING)
async def test_a_promoter_may_not_administer_but_an_admin_may(tenant: Tenant, mutation: str) -> None:
    given = await valid_input(tenant, mutation)
    promoter, admin = await tenant.member(Role.PROMOTER), await tenant.member(Role.ADMIN)
    with pytest.raises(GraphQLFailed) as refused:
        await promoter.change(mutation, "replayed", **given)
    assert refused.value.code == "FORBIDDEN"
    assert await admin.make(mutation, row_of(mutation), **given)


@pytest.mark.parametrize("mutation", SHOWING_ONCE)
async def test_what_is_shown_once_is_not_shown_to_a_replay(tenant: Tenant, mutation: str) -> None:
    given = await valid_input(tenant, mutation) | {"idempotencyKey": "once"}
    first, again = [await tenant.client.change(mutation, "secret replayed", **given) for _ in range(2)]
    assert first["secret"]
    assert not first["replayed"]
    assert again["secret"] is None
    assert again["replayed"]


@every_simple_mutation
async def test_the_same_key_and_input_again_give_the_first_outcome(tenant: Tenant, mutation: str) -> None:
    given = await valid_input(tenant, mutation) | {"idempotencyKey": "once"}
    first = await tenant.client.change(mutation, f"{row_of(mutation)} {{ id }}", **given)
    again = await tenant.client.change(mutation, f"{row_of(mutation)} {{ id }}", **given)
    assert (first["errors"], again["errors"]) == ([], [])
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first[row_of(mutation)] == again[row_of(mutation)]


@every_simple_mutation
async def test_an_idempotency_key_that_cannot_be_kept_is_refused_and_nothing_happens(
    refusing: Refusing, mutation: str
) -> None:
    given = await refusing.input_of(mutation)
    for key in ("", "   ", "\n", "k" * 256):
        error = await refusal_of(refusing.tenant.client, mutation, given | {"idempotencyKey": key})
        assert (error["code"], error["path"]) == ("INVALID_VALUE", ["idempotencyKey"]), key


@every_mutation
async def test_null_is_no_input(shared_tenant: Tenant, mutation: str) -> None:
    nothing: tuple[object, ...] = (None, [], 1, "text", {})
    for given in nothing:
        with pytest.raises(GraphQLFailed) as refused:
            await shared_tenant.client(
                f"mutation($input: {title(mutation)}Input!) {{ {mutation}(input: $input) {{ replayed }} }}", input=given
            )
        assert refused.value.code == "BAD_USER_INPUT"


async def test_a_change_that_is_refused_at_the_top_does_not_hide_one_that_was_done(tenant: Tenant) -> None:
    answer = await tenant.client.post(
        """mutation($first: CreateTeamInput!, $second: CreateProjectInput!, $third: CreateTeamInput!) {
            first: createTeam(input: $first) { team { name } }
            second: createProject(input: $second) { project { name } }
            third: createTeam(input: $third) { team { name } } }""",
        {"first": {"name": "a"}, "second": {"team": "no id", "name": "b"}, "third": {"name": "c"}},
    )
    assert answer["data"] == {"first": {"team": {"name": "a"}}, "second": None, "third": {"team": {"name": "c"}}}
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["second"], "BAD_USER_INPUT")


async def test_a_payload_shows_what_was_written_just_before_it(tenant: Tenant) -> None:
    model = await tenant.model()
    made = "errors { __typename } version { label model { versions { totalCount nodes { label } } } }"
    answer = await tenant.client(
        f"""mutation($a: CreateVersionInput!, $b: CreateVersionInput!) {{
            a: createVersion(input: $a) {{ {made} }} b: createVersion(input: $b) {{ {made} }} }}""",
        a={"model": model, "label": "a"},
        b={"model": model, "label": "b"},
    )
    seen = [answer[name]["version"]["model"]["versions"] for name in "ab"]
    assert [page["totalCount"] for page in seen] == [1, 2]
    assert seen[1]["nodes"] == [{"label": "b"}, {"label": "a"}]
