"""Experiments, tuning by child runs, and runs that go silent."""

from datetime import timedelta

from db.base import utc_now
from db.codes import JobKind
from db.session import Database
from storage.store import ObjectStore
from tests.sending import work
from tests.tenant import Tenant, uuid_of

RUN = "query($id: ID!) { node(id: $id) { ... on Run { status endedAt } } }"


async def experiment(tenant: Tenant, **given: object) -> str:
    values = {"project": tenant.project, "name": tenant.name("experiment"), **given}
    return await tenant.client.make("createExperiment", "experiment", **values)


async def test_a_search_is_a_run_with_trials_in_one_experiment(tenant: Tenant) -> None:
    question = await experiment(tenant, description="Which depth?", tags=[{"key": "by", "value": "ada"}])
    search = await tenant.run(experiment=question)
    trials = [await tenant.run(experiment=question, parentRun=search, name=f"depth {depth}") for depth in (1, 2)]

    answer = await tenant.client(
        """query($id: ID!) { node(id: $id) { ... on Experiment { name description tags { key value }
            runs { totalCount } } }
           trials: node(id: $id) { ... on Experiment { runs(last: 1) { nodes { childRuns { nodes { id
             parentRun { id } experiment { id } } } } } } } }""",
        id=question,
    )

    assert answer["node"]["runs"]["totalCount"] == 3
    (found,) = answer["trials"]["runs"]["nodes"]
    assert [trial["id"] for trial in found["childRuns"]["nodes"]] == trials[::-1]
    assert {trial["parentRun"]["id"] for trial in found["childRuns"]["nodes"]} == {search}


async def test_the_name_of_an_experiment_is_unique_in_its_project(tenant: Tenant) -> None:
    await experiment(tenant, name="depth")
    other = await experiment(tenant)

    again = await tenant.client.refusal("createExperiment", "experiment", project=tenant.project, name="depth")
    renamed = await tenant.client.refusal("updateExperiment", "experiment", experiment=other, name="depth")

    assert (again["code"], again["path"]) == (renamed["code"], renamed["path"]) == ("NAME_TAKEN", ["name"])


async def test_a_run_stays_within_one_project(tenant: Tenant) -> None:
    team = await tenant.client.make("createTeam", "team", name="others")
    elsewhere = await tenant.client.make("createProject", "project", team=team, name="elsewhere")
    question = await experiment(tenant, project=elsewhere)
    parent = await tenant.run(project=elsewhere)

    for given in ({"experiment": question}, {"parentRun": parent}):
        refused = await tenant.client.refusal("createRun", "run", project=tenant.project, name="run", **given)
        assert (refused["code"], refused["path"]) == ("INVALID_VALUE", list(given))


async def silence(tenant: Tenant, database: Database, run: str, ago: timedelta) -> None:
    """Let the last sign of life and the worker's next look lie in the past."""
    async with database.change(tenant.org_id) as change:
        connection = await change.connection()
        then = utc_now() - ago
        for statement in (
            "update registry.run set heartbeat_at = $1, started_at = least(started_at, $1) where id = $2",
            "update registry.job set run_after = $1 where subject_id = $2",
        ):
            await connection.exec_driver_sql(statement, (then, uuid_of(run)))


async def test_a_run_that_goes_silent_is_lost_and_found_again(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    run = await tenant.run(heartbeatTimeoutSeconds=60)
    await silence(tenant, database, run, timedelta(seconds=61))

    await work(database, store)
    lost = await tenant.client(RUN, id=run)
    await tenant.client.make("heartbeatRun", "run", run=run)
    found = await tenant.client(RUN, id=run)

    assert lost["node"]["status"] == "LOST"
    assert lost["node"]["endedAt"] is not None
    assert found["node"] == {"status": "RUNNING", "endedAt": None}


async def test_a_sign_of_life_keeps_a_run_and_moves_the_next_look(
    tenant: Tenant, database: Database, store: ObjectStore
) -> None:
    run = await tenant.run(heartbeatTimeoutSeconds=60)
    await silence(tenant, database, run, timedelta(seconds=61))
    await tenant.client.make("logRunMetrics", "run", run=run, metrics=[{"name": "a", "phase": "TEST", "value": 1}])

    await work(database, store)

    assert (await tenant.client(RUN, id=run))["node"]["status"] == "RUNNING"
    async with database.as_worker() as connection:
        rows = (await connection.exec_driver_sql(
            "select kind, run_after > now() from registry.job where subject_id = $1", (uuid_of(run),)
        )).all()  # fmt: skip
    assert [tuple(row) for row in rows] == [(JobKind.WATCH_RUN, True)]


async def test_an_ended_run_is_left_alone(tenant: Tenant, database: Database, store: ObjectStore) -> None:
    run = await tenant.run(heartbeatTimeoutSeconds=60)
    await tenant.client.make("finishRun", "run", run=run)
    await silence(tenant, database, run, timedelta(seconds=61))

    await work(database, store)
    refused = await tenant.client.refusal("heartbeatRun", "run", run=run)

    assert (await tenant.client(RUN, id=run))["node"]["status"] == "FINISHED"
    assert refused["code"] == "CONFLICT"


async def test_a_time_out_has_bounds(tenant: Tenant) -> None:
    for seconds in (-1, 0, 9, 604_801):
        refused = await tenant.client.refusal(
            "createRun", "run", project=tenant.project, name="run", heartbeatTimeoutSeconds=seconds
        )
        assert (refused["code"], refused["path"]) == ("INVALID_VALUE", ["heartbeatTimeoutSeconds"])
