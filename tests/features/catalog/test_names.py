"""Names in every writing: stored and read back in one form, or refused in words; never an internal error."""

import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings, strategies as st

from tests.tenant import GraphQLFailed, Tenant

# Each example is several requests: a failing one is told as it was found.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
over_http = settings(
    phases=PHASES, max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ODD = (
    "aZé\u0301\u0308\u200b\u200d\u202e\u2066\u200f\ufeff\u00a0\u2028\u3000\u0958\n\t\x00\x7f\x85\ud800\udfff\U0001f468\u05d0\u0627"
    "\ufffe\U0010ffff İ'\"\\%_{}$<"
)
texts = st.text(max_size=210) | st.text(st.sampled_from(ODD), max_size=210)
SHOWN = "model { id name description tags { key value } }"
CREATE = f"""mutation($input: CreateModelInput!) {{ createModel(input: $input) {{ {SHOWN}
    errors {{ __typename code path message }} }} }}"""


def as_json(text: str) -> Any:
    """The text where JSON can carry it, else None: half a surrogate pair cannot be sent in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return None
    return text


async def create(tenant: Tenant, **given: Any) -> tuple[dict[str, Any] | None, str | None]:
    """The model that was made, or the code of the refusal."""
    values = {"project": tenant.project, "framework": "sklearn", "name": tenant.name(), **given}
    answer = await tenant.client.post(CREATE, {"input": values})
    if "errors" in answer:
        return None, answer["errors"][0]["extensions"]["code"]
    payload = answer["data"]["createModel"]
    return payload["model"], payload["errors"][0]["code"] if payload["errors"] else None


@over_http
@given(texts)
@example("x" * 200)
@example("x" * 201)
@example("👩‍👩‍👧‍👦")
@example("a\u202eb")
@example("\x00")
@example("")
async def test_a_name_is_stored_as_it_is_read_or_refused_in_words(tenant: Tenant, name: str) -> None:
    sent = as_json(name)
    if sent is None:
        return
    model, code = await create(tenant, name=sent)
    if model is None:
        assert code in ("INVALID_VALUE", "NAME_TAKEN", "BAD_USER_INPUT")
        return
    assert model["name"] == unicodedata.normalize("NFC", sent).strip()
    found = await tenant.client("query($id: ID!) { node(id: $id) { ... on Model { name } } }", id=model["id"])
    assert found["node"]["name"] == model["name"]


@over_http
@given(texts, texts, texts)
async def test_descriptions_and_tags_are_stored_as_they_are_read_or_refused_in_words(
    tenant: Tenant, description: str, key: str, value: str
) -> None:
    if as_json(description + key + value) is None:
        return
    model, code = await create(tenant, description=description, tags=[{"key": key, "value": value}])
    if model is None:
        assert code in ("INVALID_VALUE", "BAD_USER_INPUT")
        return
    assert model["description"] == unicodedata.normalize("NFC", description)
    (tag,) = model["tags"]
    assert tag["key"] == unicodedata.normalize("NFC", key).strip()
    assert tag["value"] == unicodedata.normalize("NFC", value)


@pytest.mark.parametrize("name", ["größe", "Ångström", "한글", "Ứng dụng", "क़"])
async def test_a_name_is_found_and_taken_in_either_normal_form(tenant: Tenant, name: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    model, _ = await create(tenant, name=decomposed)
    assert model is not None
    assert model["name"] == composed
    assert await create(tenant, name=composed) == (None, "NAME_TAKEN")
    query = "query($by: IdOrName!) { model(by: $by) { id } }"
    for form in (composed, decomposed, f" {composed} "):
        found = await tenant.client(query, by={"name": {"project": tenant.project, "name": form}})
        assert found["model"] == {"id": model["id"]}


@pytest.mark.parametrize("name", ["", "\u202e", "x" * 10_000, "'; drop table model; --", "%", "_"])
async def test_looking_for_a_name_that_cannot_be_finds_nothing(tenant: Tenant, name: str) -> None:
    await tenant.model()
    query = "query($by: IdOrName!) { model(by: $by) { id } }"
    assert await tenant.client(query, by={"name": {"project": tenant.project, "name": name}}) == {"model": None}


@pytest.mark.parametrize(
    "document",
    [
        'mutation { createTeam(input: {name: "a\\u0000b"}) { team { name } } }',
        'mutation { createTeam(input: {name: "a\\ud800"}) { team { name } } }',
        'mutation { createTeam(input: {name: "a\\u{110000}"}) { team { name } } }',
    ],
)
async def test_a_text_in_the_document_that_cannot_be_stored_is_a_request_error(tenant: Tenant, document: str) -> None:
    answer = await tenant.client.post(document)
    assert answer["errors"][0]["extensions"]["code"] in ("BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED")
    assert "data" not in answer


async def test_half_a_surrogate_pair_in_the_body_is_a_request_error(tenant: Tenant) -> None:
    response = await tenant.http.post(
        "/graphql",
        content=b'{"query": "mutation($n: String!) { createTeam(input: {name: $n}) { replayed } }",'
        b' "variables": {"n": "\\ud800"}}',
        headers={"authorization": f"Bearer {tenant.client.token}", "content-type": "application/json"},
    )
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["code"] in ("BAD_USER_INPUT", "BAD_REQUEST")


@pytest.mark.parametrize("label", ["x" * 100, "1.0.0", "größe", "🚀", "v1 (final)", "=1+1"])
async def test_a_label_may_be_anything_visible(tenant: Tenant, label: str) -> None:
    payload = await tenant.client.change("createVersion", "version { label }", model=await tenant.model(), label=label)
    assert payload["version"] == {"label": label}


@pytest.mark.parametrize("label", ["", " ", "\u200b", "x" * 101, "a\nb", "a\u202eb"])
async def test_a_label_that_is_empty_too_long_or_misleading_is_refused(tenant: Tenant, label: str) -> None:
    error = await tenant.client.refusal("createVersion", "version", model=await tenant.model(), label=label)
    assert (error["code"], error["path"]) == ("INVALID_VALUE", ["label"])


@pytest.mark.parametrize(
    "asked",
    [
        "{ model(by: {name: {project: $project, name: $text}}) { id } }",
        "{ models(where: {name: {contains: $text}}) { nodes { id } } }",
        '{ runs(where: {parameters: {name: "a", equals: $text}}) { nodes { id } } }',
        "{ runs(orderBy: {parameter: $text}) { nodes { id } } }",
        "{ search(text: $text) { nodes { __typename } } }",
    ],
)
async def test_nobody_is_asked_for_what_no_text_can_be_like(tenant: Tenant, asked: str) -> None:
    asked = asked.replace("$project", f'"{tenant.project}"').replace("$text", f'"a{chr(0x301) * 31}"')
    with pytest.raises(GraphQLFailed) as refused:
        await tenant.client(asked)
    assert refused.value.code == "BAD_USER_INPUT"
    assert "combining characters" in refused.value.errors[0]["message"]
