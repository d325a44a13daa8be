"""Filters and orders over rows with and without values, against what Python says of the same rows."""

import asyncio
import unicodedata
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx2
import pytest
from hypothesis import HealthCheck, Phase as Step, given, settings, strategies as st

from db.base import utc_now
from db.codes import Phase, RunStatus
from db.session import Database
from db.tables import Run
from resolvers.filters.expression import All, Condition, DeletedFilter, Either, Not, Single, Where
from resolvers.filters.fields import Code, Metrics, Parameters, Present, Tags, Text, Time
from resolvers.filters.operators import (
    MetricFilter,
    ParameterFilter,
    TagFilter,
    TextFilter,
    TimeFilter,
)
from resolvers.loading.loaders import Loaders
from resolvers.loading.shapes import Reading
from resolvers.pages.paging import Order, Page, PageArgs
from resolvers.pages.relations import Children
from resolvers.pages.sort_keys import MetricKey, ParameterKey
from tests.resolvers.filters.ground import BEGAN, NAMES, Facts, Ground, lay
from tests.tenant import found_tenant, uuid_of

COUNT, RUNS = 60, Children(Run, "experiment_id")
Oracle = Callable[[Facts], bool]
over_rows = settings(
    max_examples=40, deadline=None, phases=(Step.explicit, Step.reuse, Step.generate),
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


@pytest.fixture(scope="module")
async def ground(database: Database, http: httpx2.AsyncClient) -> Ground:
    """The runs that are looked for."""
    return await lay(await found_tenant(database, http), COUNT)


async def page(ground: Ground, order: Order, args: PageArgs, where: Where = Where()) -> Page[Any]:  # noqa: B008
    snapshot = ground.tenant.database.new_snapshot(ground.tenant.org_id)
    try:
        loaders = Loaders(Reading(snapshot, ground.tenant.actor))
        found = await loaders.page(RUNS, order, args, where).load(ground.experiment)
        assert await found.count() >= len(found.nodes)
        return found
    finally:
        await snapshot.close()


async def found_by(ground: Ground, condition: Condition) -> set[UUID]:
    found = await page(ground, Order(), PageArgs(100), Where(condition))
    assert await counted(ground, condition) == len(found.nodes)
    return {run.id for run in found.nodes}


async def counted(ground: Ground, condition: Condition) -> int:
    snapshot = ground.tenant.database.new_snapshot(ground.tenant.org_id)
    try:
        loaders = Loaders(Reading(snapshot, ground.tenant.actor))
        return int(await loaders.count(RUNS, Where(condition)).load(ground.experiment))
    finally:
        await snapshot.close()


def named(**asked: Any) -> Single:
    return Single(Text("name"), TextFilter(**asked))


def tagged(**asked: Any) -> Single:
    return Single(Tags(), [TagFilter(**asked)])


def set_to(**asked: Any) -> Single:
    return Single(Parameters(), [ParameterFilter(**asked)])


def measured(**asked: Any) -> Single:
    return Single(Metrics(Run), [MetricFilter(**{"name": "loss", "phase": Phase.TEST, **asked})])


def ended(**asked: Any) -> Single:
    return Single(Time("ended_at"), TimeFilter(**asked))


def same(one: Any, other: Any) -> bool:
    """Equal as JSON has it: numbers of any type, booleans and texts each for themselves."""
    return (
        isinstance(one, bool) == isinstance(other, bool)
        and isinstance(one, str) == isinstance(other, str)
        and bool(one == other)
    )


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parameter(name: str, holds: Callable[[Any], bool]) -> Oracle:
    return lambda run: name in run.parameters and holds(run.parameters[name])


def tag(key: str, holds: Callable[[str], bool]) -> Oracle:
    return lambda run: key in run.tags and holds(run.tags[key])


DAY = BEGAN + timedelta(days=1)
CAFE = "Cafe\u0301"  # Not in normal form C.
QUESTIONS: list[tuple[Condition, Oracle]] = [
    (named(), lambda run: True),
    *[(named(equals=name), lambda run, name=name: run.name == name) for name in NAMES],
    *[(named(contains=name), lambda run, name=name: name.lower() in run.name.lower()) for name in (*NAMES, "%", "")],
    *[(named(starts_with=name), lambda run, name=name: run.name.lower().startswith(name.lower())) for name in NAMES],
    (named(in_=["a", "z", "none"]), lambda run: run.name in {"a", "z"}),
    (named(in_=[]), lambda run: False),
    (named(contains="a", starts_with="Ä"), lambda run: False),
    (named(equals=unicodedata.normalize("NFD", "Äpfel")), lambda run: run.name == "Äpfel"),
    (Single(Code("status", RunStatus), [RunStatus.LOST]), lambda run: run.status == "LOST"),
    (Single(Code("status", RunStatus), [RunStatus.LOST, RunStatus.FAILED]), lambda r: r.status in {"LOST", "FAILED"}),
    (Single(Code("status", RunStatus), []), lambda run: False),
    (Single(Present("ended_at"), True), lambda run: run.ended_at is not None),
    (Single(Present("ended_at"), False), lambda run: run.ended_at is None),
    (ended(gt=DAY), lambda run: run.ended_at is not None and run.ended_at > DAY),
    (ended(gte=DAY), lambda run: run.ended_at is not None and run.ended_at >= DAY),
    (ended(lt=DAY), lambda run: run.ended_at is not None and run.ended_at < DAY),
    (ended(lte=DAY, gte=DAY), lambda run: run.ended_at == DAY),
    (tagged(key="team"), tag("team", lambda value: True)),
    (tagged(key=CAFE), tag("Café", lambda value: True)),
    (tagged(key="nothing"), lambda run: False),
    (tagged(key="team", equals=""), tag("team", lambda value: value == "")),
    (tagged(key="team", equals="blue"), tag("team", lambda value: value == "blue")),
    (tagged(key="team", in_=["Blue", ""]), tag("team", lambda value: value in {"Blue", ""})),
    (tagged(key="team", contains="LU"), tag("team", lambda value: "lu" in value.lower())),
    (tagged(key="team", starts_with="green%"), tag("team", lambda value: value == "green%")),
    (
        Single(Tags(), [TagFilter("team"), TagFilter("Café", equals="blue")]),
        lambda run: "team" in run.tags and run.tags.get("Café") == "blue",
    ),
    (set_to(name="depth"), parameter("depth", lambda value: True)),
    *[
        (set_to(name="depth", equals=wanted), parameter("depth", partial(same, wanted)))
        for wanted in (1, 1.0, True, False, "1", 0, "", -2.5, 10**15, "Adam")
    ],
    (set_to(name="depth", not_equals=1), parameter("depth", lambda value: not same(value, 1))),
    (set_to(name="depth", in_=[1, "1"]), parameter("depth", lambda value: same(value, 1) or same(value, "1"))),
    (set_to(name="depth", in_=[]), lambda run: False),
    (set_to(name="depth", gt=0.0), parameter("depth", lambda value: number(value) and value > 0)),
    (set_to(name="depth", gte=1.0), parameter("depth", lambda value: number(value) and value >= 1)),
    (set_to(name="depth", lt=1e300), parameter("depth", number)),
    (set_to(name="depth", lte=0.0, gt=-3.0), parameter("depth", lambda value: number(value) and -3 < value <= 0)),
    (set_to(name="optimizer", contains="ADAM"), parameter("optimizer", lambda v: isinstance(v, str) and "dam" in v)),
    (set_to(name="optimizer", starts_with=""), parameter("optimizer", lambda value: isinstance(value, str))),
    (measured(), lambda run: run.measured),
    (measured(phase=Phase.VALIDATION), lambda run: False),
    (measured(phase=Phase.TRAINING, equals=7.0), lambda run: run.measured),
    (measured(equals=0.5), lambda run: run.loss == 0.5),
    (measured(gt=0.5), lambda run: run.loss is not None and run.loss > 0.5),
    (measured(gte=0.5), lambda run: run.loss is not None and run.loss >= 0.5),
    (measured(lt=0.5), lambda run: run.loss is not None and run.loss < 0.5),
    (measured(lte=0.5, gt=-1.0), lambda run: run.loss == 0.5),
    (All([]), lambda run: True),
    (Either([]), lambda run: False),
]


@pytest.mark.parametrize("place", range(len(QUESTIONS)), ids=lambda place: repr(QUESTIONS[place][0])[:100])
async def test_a_filter_finds_what_python_finds_and_its_negation_the_rest(ground: Ground, place: int) -> None:
    condition, holds = QUESTIONS[place]
    wanted = {run.id for run in ground.runs if holds(run)}
    assert await found_by(ground, condition) == wanted
    assert await found_by(ground, Not(condition)) == {run.id for run in ground.runs} - wanted


def test_the_questions_tell_rows_apart(ground: Ground) -> None:
    told = [sum(map(holds, ground.runs)) for _, holds in QUESTIONS]
    assert sum(0 < count < COUNT for count in told) > 30


def combined(inner: st.SearchStrategy[tuple[Condition, Oracle]]) -> st.SearchStrategy[tuple[Condition, Oracle]]:
    several = st.lists(inner, max_size=3)
    return (
        inner.map(lambda one: (Not(one[0]), lambda run: not one[1](run)))
        | several.map(lambda many: (All([one for one, _ in many]), lambda run: all(holds(run) for _, holds in many)))
        | several.map(lambda many: (Either([one for one, _ in many]), lambda run: any(holds(run) for _, holds in many)))
    )


@over_rows
@given(st.recursive(st.sampled_from(QUESTIONS), combined, max_leaves=8))
async def test_any_combination_finds_what_python_finds(ground: Ground, question: tuple[Condition, Oracle]) -> None:
    condition, holds = question
    assert await found_by(ground, condition) == {run.id for run in ground.runs if holds(run)}


def test_true_and_one_are_two_questions() -> None:
    assert Where(set_to(name="depth", equals=True)) != Where(set_to(name="depth", equals=1))
    assert Where(set_to(name="depth", equals=1)) == Where(set_to(name="depth", equals=1))
    assert Where(deleted=DeletedFilter.ONLY) != Where()


async def test_questions_that_differ_by_type_alone_have_answers_of_their_own(ground: Ground) -> None:
    snapshot = ground.tenant.database.new_snapshot(ground.tenant.org_id)
    loaders = Loaders(Reading(snapshot, ground.tenant.actor))
    wheres = [Where(set_to(name="depth", equals=value)) for value in (True, 1)]
    pages = [loaders.page(RUNS, Order(), PageArgs(100), where) for where in wheres]
    yes, one = await asyncio.gather(*[loader.load(ground.experiment) for loader in pages])
    await snapshot.close()
    assert {row.parameters["depth"] for row in yes.nodes} == {True}
    assert not {type(row.parameters["depth"]) for row in one.nodes} & {bool}


def by_parameter(value: Any) -> tuple[int, Any]:
    return (0 if isinstance(value, str) else 2 if isinstance(value, bool) else 1, value)


ORDERS: list[tuple[Any, Callable[[Facts], Any]]] = [
    ("id", lambda run: run.id),
    ("name", lambda run: run.name),
    ("status", lambda run: run.status.value),
    ("ended_at", lambda run: run.ended_at),
    (MetricKey(Run, Phase.TEST, "loss"), lambda run: run.loss),
    (MetricKey(Run, Phase.PRODUCTION, "loss"), lambda run: None),
    (ParameterKey("depth"), lambda run: by_parameter(run.parameters["depth"]) if "depth" in run.parameters else None),
]


def in_order(runs: Sequence[Facts], key: Callable[[Facts], Any], *, descending: bool) -> list[UUID]:
    with_value = sorted((run for run in runs if key(run) is not None), key=lambda run: run.id, reverse=descending)
    with_value.sort(key=key, reverse=descending)
    without = sorted((run.id for run in runs if key(run) is None), reverse=descending)
    return [run.id for run in with_value] + without


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("place", range(len(ORDERS)))
@settings(over_rows, max_examples=3, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(4, 25), min_size=COUNT, max_size=COUNT), question=st.sampled_from(QUESTIONS))
async def test_pages_of_any_order_show_each_row_once_in_both_directions(
    ground: Ground,
    place: int,
    descending: bool,
    backward: bool,
    sizes: list[int],
    question: tuple[Condition, Oracle],
) -> None:
    key, value = ORDERS[place]
    condition, holds = question
    wanted = in_order([run for run in ground.runs if holds(run)], value, descending=descending)
    seen: list[UUID] = []
    cursor: str | None = None
    for size in sizes:
        args = PageArgs(size, cursor, backward)
        found = await page(ground, Order(key, descending=descending), args, Where(condition))
        shown = [run.id for run in found.nodes]
        seen = shown + seen if backward else seen + shown
        assert (found.has_next if backward else found.has_previous) == (cursor is not None)
        if not (found.has_previous if backward else found.has_next):
            break
        cursor = found.cursor(0 if backward else -1)
    assert seen == wanted


async def test_texts_that_begin_alike_and_long_ones_are_paged_by_their_beginning(ground: Ground) -> None:
    tenant = ground.tenant
    gid = await tenant.client.make("createExperiment", "experiment", project=tenant.project, name=tenant.name())
    made = {
        await tenant.run(experiment=gid, parameters=[{"name": "prompt", "value": "ä" * 5_000 + end}]) for end in "abc"
    }
    own = Ground(tenant, uuid_of(gid))
    seen, cursor = [], None
    for _ in made:
        found = await page(own, Order(ParameterKey("prompt")), PageArgs(1, cursor))
        seen.append(found.nodes[0].id)
        cursor = found.cursor(0)
        assert len(cursor) < 1_000
    assert sorted(seen) == sorted(uuid_of(one) for one in made)


async def test_deleted_rows_are_shown_where_they_are_asked_for(ground: Ground) -> None:
    tenant = ground.tenant
    gid = await tenant.client.make("createExperiment", "experiment", project=tenant.project, name=tenant.name())
    gone, stays = [uuid_of(await tenant.run(experiment=gid, name=name)) for name in ("a", "b")]
    async with tenant.database.change(tenant.org_id) as change:
        (await change.get_one(Run, (tenant.org_id, gone))).deleted_at = utc_now()
    own = Ground(tenant, uuid_of(gid))
    shown = {DeletedFilter.EXCLUDE: {stays}, DeletedFilter.ONLY: {gone}, DeletedFilter.INCLUDE: {gone, stays}}
    for deleted, wanted in shown.items():
        found = await page(own, Order(), PageArgs(9), Where(deleted=deleted))
        assert {run.id for run in found.nodes} == wanted
        assert await found.count() == len(wanted) if deleted is DeletedFilter.EXCLUDE else True
    found = await page(own, Order(), PageArgs(9), Where(named(equals="b"), deleted=DeletedFilter.ONLY))
    assert found.nodes == []
