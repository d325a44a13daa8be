"""Updating what people say about teams, projects and runs: what is not given stays."""

from typing import Any

from tests.schema.deletion_cases import ended_run, new_project
from tests.tenant import Tenant

RUN = "run { name status heartbeatAt tags { key value } }"


async def test_a_team_gets_another_name_that_is_free(tenant: Tenant) -> None:
    team = await tenant.client.make("createTeam", "team", name="data")
    payload = await tenant.client.change("updateTeam", "team { name }", team=team, name=" science ")
    assert payload["team"] == {"name": "science"}
    assert (await tenant.client.change("updateTeam", "team { name }", team=team))["team"] == {"name": "science"}
    refused = await tenant.client.refusal("updateTeam", "team", team=team, name="team")
    assert (refused["code"], refused["path"]) == ("NAME_TAKEN", ["name"])


async def test_a_project_keeps_what_is_not_given_and_null_removes_its_description(tenant: Tenant) -> None:
    project = (await new_project(tenant))["Project"]

    async def update(**given: Any) -> Any:
        payload = await tenant.client.change("updateProject", "project { name description }", project=project, **given)
        return payload["project"]

    assert (await update(name="churn", description="Who leaves?")) == {"name": "churn", "description": "Who leaves?"}
    assert (await update(name="loyalty")) == {"name": "loyalty", "description": "Who leaves?"}
    assert (await update(description=None)) == {"name": "loyalty", "description": None}
    # In another team the name is free.
    assert (await update(name="project"))["name"] == "project"


async def test_a_run_is_described_anew_also_after_its_end_and_that_is_no_sign_of_life(tenant: Tenant) -> None:
    run = await ended_run(tenant, tags=[{"key": "a"}])
    before = (await tenant.client.change("updateRun", RUN, run=run))["run"]
    after = (await tenant.client.change("updateRun", RUN, run=run, name="best", tags=[{"key": "b", "value": "1"}]))[
        "run"
    ]
    assert after == before | {"name": "best", "tags": [{"key": "b", "value": "1"}]}
    kept = (await tenant.client.change("updateRun", RUN, run=run, name="worst"))["run"]
    assert kept == after | {"name": "worst"}


async def test_more_than_a_hundred_tags_are_refused_and_none_is_changed(tenant: Tenant) -> None:
    run = await tenant.run(tags=[{"key": "a"}])
    tags = [{"key": f"tag-{place}"} for place in range(101)]
    refused = await tenant.client.refusal("updateRun", "run", run=run, tags=tags)
    assert (refused["code"], refused["path"]) == ("INVALID_VALUE", ["tags"])
    kept = (await tenant.client.change("updateRun", RUN, run=run))["run"]
    assert [tag["key"] for tag in kept["tags"]] == ["a"]
    assert (await tenant.client.change("updateRun", "replayed", run=run, tags=tags[:100]))["errors"] == []
