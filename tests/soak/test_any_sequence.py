"""Any sequence of creating, updating, deleting and restoring does what a few lines of Python say it does."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from db.session import Database
from tests.nouns import noun, own_field
from tests.schema.valid_inputs import row_of
from tests.tenant import Tenant, found_tenant

# What a thing of each kind lies in. Few names, so that they meet.
WITHIN = {
    "Team": None,
    "Project": "Team",
    "Model": "Project",
    "Experiment": "Project",
    "Run": "Project",
    "Dataset": "Project",
    "ModelVersion": "Model",
    "DatasetVersion": "Dataset",
}
NAMED = ("Team", "Project", "Model", "Experiment", "Dataset")
LISTS = {"Team": "teams", "Project": "projects", "Model": "models", "Experiment": "experiments", "Run": "runs",
         "Dataset": "datasets"}  # fmt: skip
STEP = st.tuples(
    st.sampled_from(["create", "create", "create", "update", "delete", "clear", "restore", "restore"]),
    st.sampled_from([*WITHIN, "ModelVersion", "Run"]),
    st.integers(0, 50),
    st.integers(0, 5),
    st.sampled_from("abc"),
)


@dataclass(eq=False)
class Thing:
    """A thing as it should be."""

    kind: str
    id: str
    name: str
    scope: "Thing | None"
    needs: list["Thing"] = field(default_factory=list)
    number: int | None = None
    deleted: bool = False


class World:
    """What there should be, and the tenant that is asked for the same."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.things: list[Thing] = []

    def of(self, kind: str) -> list[Thing]:
        return [thing for thing in self.things if thing.kind == kind]

    def dependents(self, thing: Thing) -> list[Thing]:
        return [other for other in self.things if thing in other.needs and not other.deleted]

    def homonyms(self, kind: str, scope: Thing | None, name: str, but: Thing | None = None) -> Iterator[Thing]:
        """Live things that have the name; of versions also deleted ones."""
        for other in self.of(kind):
            is_same = (other.scope, other.name) == (scope, name) and other is not but
            if is_same and (kind == "ModelVersion" or not other.deleted):
                yield other

    async def ask(self, mutation: str, kind: str, given: dict[str, Any]) -> tuple[str, Any]:
        """The id or the code of the refusal, and the whole payload."""
        in_use = "errors { ... on InUseError { dependentCount } }" if mutation.startswith("delete") else ""
        row = row_of(mutation)
        payload = await self.tenant.client.change(mutation, f"{row} {{ id }} {in_use}", **given)
        return (payload["errors"][0]["code"] if payload["errors"] else payload[row]["id"]), payload

    async def create(self, kind: str, scope: Thing | None, other: int, name: str) -> None:
        given, needs = self.input_of(kind, scope, other, name)
        outcome, payload = await self.ask(f"create{noun(kind)}", kind, given)
        same = list(self.homonyms(kind, scope, name)) if kind in (*NAMED, "ModelVersion", "DatasetVersion") else []
        if any(need.deleted for need in needs):
            assert outcome == "NOT_FOUND"
        elif same and kind == "DatasetVersion":
            assert outcome == same[0].id
        elif same:
            assert outcome == "NAME_TAKEN"
        else:
            number = (
                len([one for one in self.of("ModelVersion") if one.scope is scope]) + 1
                if kind == "ModelVersion"
                else None
            )
            assert payload["errors"] == []
            assert outcome not in {thing.id for thing in self.things}
            self.things.append(Thing(kind, outcome, name, scope, needs, number))
            if kind == "Run":
                await self.tenant.client.make("finishRun", "run", run=outcome)

    def input_of(self, kind: str, scope: Thing | None, other: int, name: str) -> tuple[dict[str, Any], list[Thing]]:
        """The input of a creation, and what the new thing depends on."""
        needs = [scope] if scope is not None else []
        given: dict[str, Any] = {} if scope is None else {own_field(scope.kind): scope.id}
        given |= {
            "ModelVersion": {"label": name},
            "DatasetVersion": {"digest": f"sha256:{name * 16}"},
            "Model": {"name": name, "framework": "sklearn"},
        }.get(kind, {"name": name})
        if kind == "ModelVersion" and other < 3 and (runs := self.of("Run")):
            needs.append(runs[other % len(runs)])
            given["run"] = needs[-1].id
        if kind == "Run":
            experiments = [one for one in self.of("Experiment") if one.scope is scope]
            if other < 3 and experiments:
                needs.append(experiments[other % len(experiments)])
                given["experiment"] = needs[-1].id
            if other % 2 and (data := self.of("DatasetVersion")):
                needs.append(data[other % len(data)])
                given["datasets"] = [{"datasetVersion": needs[-1].id}]
        return given, needs

    async def update(self, thing: Thing, name: str) -> None:
        outcome, _ = await self.ask(
            f"update{noun(thing.kind)}", thing.kind, {own_field(thing.kind): thing.id, "name": name}
        )
        if thing.deleted:
            assert outcome == "NOT_FOUND"
        elif any(self.homonyms(thing.kind, thing.scope, name, thing)):
            assert outcome == "NAME_TAKEN"
        else:
            assert outcome == thing.id
            thing.name = name

    async def delete(self, thing: Thing) -> None:
        outcome, payload = await self.ask(f"delete{noun(thing.kind)}", thing.kind, {own_field(thing.kind): thing.id})
        dependents = self.dependents(thing)
        if dependents and not thing.deleted:
            assert (outcome, payload["errors"][0]["dependentCount"]) == ("IN_USE", len(dependents))
        else:
            assert outcome == thing.id
            thing.deleted = True

    async def clear(self, thing: Thing) -> None:
        """Delete a thing with all that depends on it."""
        while dependents := self.dependents(thing):
            await self.clear(dependents[-1])
        await self.delete(thing)

    async def restore(self, thing: Thing, new_name: str | None) -> None:
        given = {own_field(thing.kind): thing.id} | ({"name": new_name} if new_name and thing.kind in NAMED else {})
        outcome, _ = await self.ask(f"restore{noun(thing.kind)}", thing.kind, given)
        name = given.get("name", thing.name)
        taken = thing.kind in (*NAMED, "DatasetVersion") and any(self.homonyms(thing.kind, thing.scope, name, thing))
        if not thing.deleted:
            assert outcome == thing.id
        elif any(need.deleted for need in thing.needs) or (taken and thing.kind == "DatasetVersion"):
            assert outcome == "CONFLICT"
        elif taken:
            assert outcome == "NAME_TAKEN"
        else:
            assert outcome == thing.id
            thing.deleted, thing.name = False, name

    async def take(self, step: tuple[str, str, int, int, str]) -> None:
        """One step, on whichever thing it points at."""
        verb, kind, place, other, name = step
        if verb == "create":
            around = self.of(WITHIN[kind] or "")
            if around or WITHIN[kind] is None:
                await self.create(kind, around[place % len(around)] if around else None, other, name)
            return
        # Of what is deleted there is little: a restoration takes any of it.
        deleted = [thing for thing in self.things if thing.deleted and verb == "restore" and other]
        if not (things := deleted or self.of(kind)):
            return
        thing = things[place % len(things)]
        if verb == "delete":
            await self.delete(thing)
        elif verb == "clear":
            await self.clear(thing)
        elif verb == "restore":
            await self.restore(thing, name if other % 2 else None)
        elif kind in NAMED:
            await self.update(thing, name)

    async def check(self) -> None:
        """Compare everything with what it should be."""
        shown = """... on ModelVersion { deletedAt number label } ... on DatasetVersion { deletedAt digest }
            ... on Model { deletedAt name versions { totalCount } } ... on Run { deletedAt name }
            ... on Team { deletedAt name } ... on Project { deletedAt name } ... on Experiment { deletedAt name }
            ... on Dataset { deletedAt name }"""
        lists = " ".join(f"{name} {{ totalCount }}" for name in LISTS.values())
        document = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ {shown} }} {lists} }}"
        answer = await self.tenant.client(document, ids=[thing.id for thing in self.things])
        for thing, node in zip(self.things, answer["nodes"], strict=True):
            assert (node["deletedAt"] is not None) == thing.deleted
            assert node.get("number") == thing.number
            assert thing.kind == "DatasetVersion" or thing.name in (node.get("name"), node.get("label"))
            assert thing.deleted or not any(need.deleted for need in thing.needs)
            if thing.kind == "Model":
                live = [one for one in self.of("ModelVersion") if one.scope is thing and not one.deleted]
                assert node["versions"] == {"totalCount": len(live)}
        for kind, name in LISTS.items():
            assert answer[name] == {"totalCount": len([one for one in self.of(kind) if not one.deleted])}


@settings(
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(STEP, min_size=25, max_size=45))
async def test_any_sequence_of_changes_keeps_names_numbers_and_dependents_right(
    database: Database, http: httpx2.AsyncClient, steps: list[tuple[str, str, int, int, str]]
) -> None:
    world = World(await found_tenant(database, http))
    answer = await world.tenant.client("{ teams { nodes { id } } }")
    team = Thing("Team", answer["teams"]["nodes"][0]["id"], "team", None)
    project = Thing("Project", world.tenant.project, "project", team, [team])
    world.things = [team, project]
    for kind in ("Model", "Dataset", "Experiment"):
        await world.create(kind, project, 5, "a")
    for step in steps:
        await world.take(step)
    await world.check()
