"""Searching the whole graph over HTTP: what is found, in which order, why, and what is never found."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from sqlalchemy import update
from sqlmodel import col

from db.base import utc_now
from db.session import Database
from db.tables import Run
from registry.graph.search import KINDS, MAX_TEXT, MAX_VALUES
from tests.nouns import noun
from tests.tenant import GraphQLFailed, Tenant

HITS = """edges { cursor rank node { __typename ... on Node { id } } highlights { field fragments { parts { text matched
    } } } } pageInfo { hasNextPage endCursor } totalCount truncated"""
VISIBLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


async def search(tenant: Tenant, text: str, selection: str = HITS, /, **given: Any) -> dict[str, Any]:
    types = {
        "kinds": "[SearchKind!]",
        "project": "ID",
        "team": "ID",
        "frameworks": "[String!]",
        "stages": "[Stage!]",
        "tags": "[SearchTagInput!]",
        "first": "Int!",
        "after": "String",
    }
    declared = "".join(f", ${name}: {types[name]}" for name in given)
    passed = "".join(f", {name}: ${name}" for name in given)
    document = f"query($text: String!{declared}) {{ search(text: $text{passed}) {{ {selection} }} }}"
    found: dict[str, Any] = (await tenant.client(document, text=text, **given))["search"]
    return found


async def found(tenant: Tenant, text: str, /, **given: Any) -> list[str]:
    """The ids of what is found, the best first."""
    return [edge["node"]["id"] for edge in (await search(tenant, text, **given))["edges"]]


async def one_of_each(tenant: Tenant, word: str) -> dict[str, str]:
    """A thing of each kind with a word in its name, label, path or source, by the name of its type."""
    named = {"project": tenant.project, "name": f"a {word}"}
    run = await tenant.run(name=f"a {word}")
    version = await tenant.version(label=f"a {word}", run=run)
    file = {"version": version, "kind": "OTHER", "path": f"{word}.bin", "uri": "s3://x/y"}
    team = await tenant.client.make("createTeam", "team", name=f"a {word}")
    return {
        "Team": team,
        "Project": await tenant.client.make("createProject", "project", team=team, name=f"a {word}"),
        "Model": await tenant.model(name=f"a {word}"),
        "ModelVersion": version,
        "Environment": await tenant.environment(name=f"a {word}"),
        "Deployment": await tenant.deployment(name=f"a {word}"),
        "Dataset": await tenant.client.make("createDataset", "dataset", **named),
        "DatasetVersion": await tenant.dataset_version(source=f"s3://bucket/{word}"),
        "Experiment": await tenant.client.make("createExperiment", "experiment", **named),
        "Run": run,
        "Artifact": await tenant.client.make("createExternalArtifact", "artifact", **file),
    }


async def test_every_kind_of_thing_is_found_by_a_word(tenant: Tenant) -> None:
    made = await one_of_each(tenant, "zebra")
    assert set(made) == {table.__name__ for table in KINDS.values()}
    edges = (await search(tenant, "zebra"))["edges"]
    assert {edge["node"]["__typename"]: edge["node"]["id"] for edge in edges} == made
    assert len(edges) == len(made)


async def test_a_page_takes_one_statement_and_one_for_each_kind(tenant: Tenant, statements: list[str]) -> None:
    await one_of_each(tenant, "zebra")
    await search(tenant, "nothing")
    counts = []
    for _ in range(2):
        statements.clear()
        assert (await search(tenant, "zebra", f"{HITS} facets {{ projects {{ project {{ name }} }} }}"))["totalCount"]
        counts.append(len(statements))
        for _ in range(3):
            await one_of_each_again(tenant)
    assert counts[0] == counts[1]


async def one_of_each_again(tenant: Tenant) -> None:
    await tenant.model(name=tenant.name("zebra"))
    await tenant.run(name=tenant.name("zebra"))
    await tenant.dataset_version(source="zebra")


@pytest.mark.parametrize(
    "text",
    [
        "fraud", "FRAUD", "detector", "v2", "fraud-detector-v2", "fraud_detector_v2", "detector v2", "v2 fraud",
        "fraud det", "det", '"detector v2"', '"fraud det', "fraudDetector", "FraudDetectorV2", "fraud -credit",
        "fraud or credit",
        "credit or fraud", "  fraud  ", "(fraud)", "fraud & detector", "fraud:*", "-credit",
    ],
)  # fmt: skip
async def test_a_name_is_found_by_its_parts(tenant: Tenant, text: str) -> None:
    model = await tenant.model(name="fraud-detector-v2")
    assert model in await found(tenant, text, kinds=["MODEL"])


@pytest.mark.parametrize(
    "text",
    ["raud", "fra detector", "fra ", '"v2 detector"', "detector-fraud", '"fraud v2"', "fraud credit", "fraud -detector",
     '-"fraud detector"', "fraud -v2", "credit or churn", "v", "fra:*x"],
)  # fmt: skip
async def test_a_name_is_not_found_by_anything_else(tenant: Tenant, text: str) -> None:
    model = await tenant.model(name="fraud-detector-v2")
    expected = [model] if text == "v" else []
    assert await found(tenant, text, kinds=["MODEL"]) == expected


async def test_camel_case_is_found_by_its_parts_and_in_one_piece(tenant: Tenant) -> None:
    model = await tenant.model(name="XGBoostFraudScorer")
    for text in ("xgboostfraudscorer", "fraud", "fraud scorer", "FraudScorer", "XGBoost", "boost", "xgboostf"):
        assert await found(tenant, text) == [model], text
    plain = await tenant.model(name="xgboost thing")
    assert plain in await found(tenant, "XGBoost")


async def test_scripts_without_spaces_and_with_accents_are_found(tenant: Tenant) -> None:
    chinese, german, rocket = [await tenant.model(name=name) for name in ("欺诈检测模型", "Überwachung", "🚀")]
    assert await found(tenant, "检测") == [chinese]
    assert await found(tenant, "überw") == [german]
    assert await found(tenant, "🚀") == [rocket]


async def test_descriptions_tags_and_parameters_are_searched_and_shown_as_found(tenant: Tenant) -> None:
    model = await tenant.model(
        name="churn",
        description=f"{'Long ago. ' * 40}It finds <b>Quokkas</b> in pictures.",
        tags=[{"key": "animal", "value": "quokka"}],
    )
    run = await tenant.run(parameters=[{"name": "quokkaRate", "value": 0.5}])
    edges = (await search(tenant, "quokka"))["edges"]
    assert [edge["node"]["id"] for edge in edges] == [run, model]
    assert edges[0]["highlights"] == [
        {
            "field": "parameters",
            "fragments": [
                {"parts": [{"text": "quokka", "matched": True}, {"text": "Rate: 0.5", "matched": False}]},
            ],
        }
    ]
    description, tags = edges[1]["highlights"]
    assert (description["field"], tags["field"]) == ("description", "tags")
    (fragment,) = description["fragments"]
    assert [part["text"] for part in fragment["parts"] if part["matched"]] == ["Quokkas"]
    assert "".join(part["text"] for part in fragment["parts"]).endswith("finds <b>Quokkas</b> in pictures.")
    assert len("".join(part["text"] for part in fragment["parts"])) < 200
    assert tags["fragments"] == [
        {"parts": [{"text": "animal: ", "matched": False}, {"text": "quokka", "matched": True}]}
    ]


async def test_the_exact_name_comes_first_then_names_then_the_rest(tenant: Tenant) -> None:
    described = await tenant.model(description="fraud")
    tagged = await tenant.model(tags=[{"key": "about", "value": "fraud"}])
    named = await tenant.model(name="fraud finder")
    exact = await tenant.model(name="fraud")
    await tenant.model(name="credit")
    of_exact = await tenant.version(exact)
    assert await found(tenant, "fraud") == [exact, named, tagged, of_exact, described]


async def test_a_version_is_found_by_its_label_and_the_name_of_its_model(tenant: Tenant) -> None:
    model = await tenant.model(name="fraud-detector")
    version, _ = await tenant.version(model, label="1.4.0"), await tenant.version(model, label="1.5.0")
    assert await found(tenant, "fraud-detector 1.4.0") == [version]
    await tenant.client.change("updateModel", "replayed", model=model, name="credit-scorer")
    assert await found(tenant, "credit 1.4.0") == [version]
    assert await found(tenant, "fraud 1.4.0") == []


async def test_what_changes_is_found_by_its_new_words_only(tenant: Tenant) -> None:
    run = await tenant.run(name="first")
    await tenant.client.change(
        "logRunParameters", "replayed", run=run, parameters=[{"name": "optimizer", "value": "adam"}]
    )
    assert await found(tenant, "adam") == [run]
    model = await tenant.model(name="old", description="kept")
    await tenant.client.change("updateModel", "replayed", model=model, name="new")
    assert await found(tenant, "old") == []
    assert await found(tenant, "new kept") == [model]


async def test_what_is_deleted_is_not_found_until_it_is_restored(tenant: Tenant) -> None:
    model = await tenant.model(name="zebra")
    for mutation, expected in (("deleteModel", []), ("restoreModel", [model])):
        payload = await tenant.client.change(mutation, "model { id }", model=model)
        assert payload["errors"] == []
        assert await found(tenant, "zebra") == expected
        assert (await search(tenant, "zebra"))["totalCount"] == len(expected)


async def test_filters_leave_out_what_does_not_fit(tenant: Tenant) -> None:
    model = await tenant.model(name="zebra one", tags=[{"key": "team", "value": "a"}, {"key": "live", "value": ""}])
    version = await tenant.version(model, label="zebra")
    team = await tenant.client.make("createTeam", "team", name="others")
    project = await tenant.client.make("createProject", "project", team=team, name="zebra")
    other = await tenant.model(project=project, name="zebra", framework="pytorch", tags=[{"key": "team", "value": "b"}])
    for given_, expected in (
        ({"kinds": ["VERSION"]}, {version}),
        ({"kinds": ["MODEL", "PROJECT"]}, {model, other, project}),
        ({"project": tenant.project}, {model, version}),
        ({"project": project}, {project, other}),
        ({"team": team}, {project, other}),
        ({"team": team, "project": tenant.project}, set()),
        ({"frameworks": ["sklearn"]}, {model, version}),
        ({"frameworks": ["sklearn", "pytorch"]}, {model, version, other}),
        ({"stages": ["DEVELOPMENT"]}, {version}),
        ({"stages": ["STAGING"]}, set()),
        ({"tags": [{"key": "team"}]}, {model, other}),
        ({"tags": [{"key": "team", "value": "a"}, {"key": "live"}]}, {model}),
        ({"tags": [{"key": "team", "value": "c"}]}, set()),
        ({"kinds": [], "tags": []}, {model, version, other, project}),
    ):
        assert set(await found(tenant, "zebra", **given_)) == expected, given_


FACETS = """totalCount truncated facets { kinds { kind count } stages { stage count } frameworks { value count }
    tagKeys { value count } projects { project { id } count } }"""


async def test_facets_count_what_was_found(tenant: Tenant) -> None:
    first = await tenant.model(name="zebra", tags=[{"key": "a"}, {"key": "b"}])
    await tenant.model(name="zebra 2", tags=[{"key": "a"}], framework="pytorch")
    await tenant.version(first, label="1")
    await tenant.model(name="horse")
    assert await search(tenant, "zebra", FACETS, first=0) == {
        "totalCount": 3,
        "truncated": False,
        "facets": {
            "kinds": [{"kind": "MODEL", "count": 2}, {"kind": "VERSION", "count": 1}],
            "stages": [{"stage": "DEVELOPMENT", "count": 1}],
            "frameworks": [{"value": "sklearn", "count": 2}, {"value": "pytorch", "count": 1}],
            "tagKeys": [{"value": "a", "count": 2}, {"value": "b", "count": 1}],
            "projects": [{"project": {"id": tenant.project}, "count": 3}],
        },
    }
    only = await search(tenant, "zebra", FACETS, kinds=["VERSION"])
    assert only["totalCount"] == 1
    assert only["facets"]["kinds"] == [{"kind": "VERSION", "count": 1}]


async def test_a_facet_tells_only_its_most_frequent_values(tenant: Tenant) -> None:
    await tenant.model(name="zebra", tags=[{"key": f"key {place:02}"} for place in range(MAX_VALUES + 10)])
    await tenant.model(name="zebra 2", tags=[{"key": "key 29"}])
    keys = (await search(tenant, "zebra", FACETS))["facets"]["tagKeys"]
    assert [key["value"] for key in keys] == ["key 29", *(f"key {place:02}" for place in range(MAX_VALUES - 1))]


async def test_pages_show_each_hit_once_in_one_order(tenant: Tenant) -> None:
    for place in range(7):
        await tenant.model(name=f"zebra {place}", description="zebra " * (place % 3))
    whole = await found(tenant, "zebra")
    seen: list[str] = []
    given_: dict[str, Any] = {"first": 2}
    while True:
        page = await search(tenant, "zebra", **given_)
        seen += [edge["node"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        given_["after"] = page["pageInfo"]["endCursor"]
    assert seen == whole
    assert len(whole) == 7


@pytest.mark.parametrize("text", ["", " ", "...", '"', '""', "-", "- -", "or", "or or", '-""', "()&|!:*<->", "\t\n"])
async def test_a_text_without_words_finds_nothing(tenant: Tenant, text: str) -> None:
    await tenant.model(name="zebra")
    page = await search(tenant, text)
    assert (page["edges"], page["totalCount"], page["pageInfo"]["hasNextPage"]) == ([], 0, False)


@pytest.mark.parametrize(
    "given_",
    [
        {"text": "x" * (MAX_TEXT + 1)}, {"text": "nul \0"},
        {"text": "x", "after": "nonsense"}, {"text": "x", "after": "WzFd"}, {"text": "x", "after": "é"},
        {"text": "x", "project": "nonsense"}, {"text": "x", "kinds": ["MODEL"] * (MAX_VALUES + 1)},
        {"text": "x", "tags": [{"key": "a"}, {"key": "a", "value": "b"}]},
        {"text": "x", "tags": [{"key": "a", "value": "nul \0"}]},
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_is_refused(tenant: Tenant, given_: dict[str, Any]) -> None:
    with pytest.raises(GraphQLFailed) as refused:
        await search(tenant, given_.pop("text"), **given_)
    assert refused.value.code == "BAD_USER_INPUT"


async def test_the_longest_text_and_the_largest_thing_do_no_harm(tenant: Tenant) -> None:
    parameters = [{"name": f"parameter {place}", "value": "word " * 1_000} for place in range(30)]
    run = await tenant.run(name="x" * 200, parameters=parameters, tags=[{"key": "y" * 100, "value": "z" * 1_000}])
    assert await found(tenant, "x" * 200) == [run]
    assert await found(tenant, "word") == [run]
    await search(tenant, '"a" -b or ' * 49)
    await search(tenant, "é" * MAX_TEXT)


async def test_nothing_of_a_neighbor_is_found_or_counted(tenant: Tenant, neighbor: Tenant) -> None:
    await one_of_each(neighbor, "zebra")
    own = await tenant.model(name="zebra")
    page = await search(tenant, "zebra", f"{HITS} facets {{ kinds {{ count }} projects {{ project {{ id }} }} }}")
    assert [edge["node"]["id"] for edge in page["edges"]] == [own]
    assert page["totalCount"] == 1
    assert page["facets"] == {"kinds": [{"count": 1}], "projects": [{"project": {"id": tenant.project}}]}
    assert await found(tenant, f".o{neighbor.org_id.hex}") == []
    anything = await search(tenant, f"-zebra or .o{neighbor.org_id.hex} or zebra", "nodes { ... on Node { id } }")
    shown = await tenant.client("{ organization { teams { nodes { id projects { nodes { id } } } } } }")
    assert all(node["id"] == own or node["id"] in str(shown) for node in anything["nodes"])
    assert await found(tenant, "zebra", project=neighbor.project) == []
    assert await found(tenant, "zebra", after=(await search(neighbor, "zebra", first=3))["pageInfo"]["endCursor"]) in (
        [],
        [own],
    )


@settings(phases=PHASES, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(VISIBLE, max_size=60))
async def test_any_text_is_answered(tenant: Tenant, text: str) -> None:
    answer = await search(tenant, text, f"{HITS} {FACETS}")
    assert answer["totalCount"] == len(answer["edges"])


@settings(phases=PHASES, max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.sampled_from("aB9 -_./\"'éΩß欺🚀İoOrR") | VISIBLE, min_size=1, max_size=30))
async def test_whatever_is_made_is_found_by_its_own_name(tenant: Tenant, database: Database, name: str) -> None:
    payload = await tenant.client.change("createRun", "run { id name }", project=tenant.project, name=name)
    if payload["run"] is not None:
        assert payload["run"]["id"] in await found(tenant, payload["run"]["name"], first=100)
        async with database.change(tenant.org_id) as change:
            await change.execute(update(Run).where(col(Run.org_id) == tenant.org_id).values(deleted_at=utc_now()))


async def test_new_tags_are_found_at_once_and_old_ones_no_longer(tenant: Tenant) -> None:
    """Each kind that has tags watches them: a document made only once would keep the words of its first day."""
    things = await one_of_each(tenant, "thing")
    retaggable = {
        "Model": "model", "Dataset": "dataset", "DatasetVersion": "datasetVersion", "Experiment": "experiment",
        "Run": "run", "ModelVersion": "version", "Environment": "environment", "Deployment": "deployment",
    }  # fmt: skip
    for number, (kind, field) in enumerate(retaggable.items()):
        for word in ("yesterdays", "todays"):
            await tenant.client.make(
                f"update{noun(kind)}",
                field,
                **{field: things[kind]},
                tags=[{"key": "when", "value": f"{word}{number}"}],
            )
        assert await found(tenant, f"todays{number}") == [things[kind]], kind
        assert await found(tenant, f"yesterdays{number}") == [], kind
