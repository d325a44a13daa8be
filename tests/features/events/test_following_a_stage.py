"""Following a model, or everything, by kinds and by the stage that events tell of."""

from functools import partial

from tests.stages import Line
from tests.subscribing import subscribed
from tests.tenant import Tenant


async def test_a_model_is_followed_by_kinds_and_by_a_stage(live: str, tenant: Tenant) -> None:
    query = """subscription($model: ID!, $kinds: [String!], $stage: Stage) {
      modelEvents(model: $model, kinds: $kinds, stage: $stage) { __typename ... on Event { kind subjectId } } }"""
    line, other = await Line.of(tenant, 1), await Line.of(tenant, 1)
    (version,) = line.versions
    everywhere = query.replace("$model: ID!, ", "").replace("modelEvents(model: $model, ", "events(")
    follow = partial(subscribed, live, tenant.client.token)
    async with (
        follow(query, model=line.model, kinds=["version.*"]) as kinds,
        follow(query, model=line.model, stage="PRODUCTION") as stage,
        follow(everywhere, stage="PRODUCTION") as every,
    ):
        for following in (kinds, stage, every):
            await following.next()
        for made, one in ((line, version), (other, other.versions[0])):
            await tenant.client.change("updateVersion", "version { id }", version=one, description="new")
            await tenant.client.make("setAlias", "alias", version=one, name="champion")
            await made.to_production(one)
        got = [event["kind"] for event in await kinds.take(3)]
        assert got == ["version.updated", "version.promoted", "version.promoted"]
        assert (await stage.next())["subjectId"] == version
        assert [event["subjectId"] for event in await every.take(2)] == [version, other.versions[0]]
