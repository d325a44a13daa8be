"""Runtimes: kept once, packages under their normal names, set while a run goes on, taken over by its versions."""

from typing import Any

import pytest

from db import tables
from registry.facts.runtimes import MAX_PACKAGES, Hardware, Runtime, RuntimePackage, apart, facts_of, keep
from registry.kernel.errors import Conflict, InvalidValue
from registry.kernel.inputs import BigInt
from registry.tracking import runs
from tests.tenant import Tenant, uuid_of


async def kept(tenant: Tenant, **given: Any) -> tables.Runtime:
    async with tenant.database.change(tenant.org_id) as change:
        return await keep(change, tenant.actor, Runtime(**given))


async def set_runtime(tenant: Tenant, run: str, **given: Any) -> tables.Run:
    async with tenant.database.change(tenant.org_id) as change:
        return await runs.set_runtime(change, tenant.actor, run_id=uuid_of(run), runtime=Runtime(**given))


async def test_packages_are_kept_by_their_normal_names_in_any_order(tenant: Tenant) -> None:
    one = await kept(tenant, packages=[RuntimePackage("Scikit_Learn", "1.7"), RuntimePackage("zope.interface", "8")])
    two = await kept(tenant, packages=[RuntimePackage("zope-interface", "8"), RuntimePackage("scikit-learn", " 1.7 ")])
    assert one.packages == {"scikit-learn": "1.7", "zope-interface": "8"}
    assert one.id == two.id


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, ()),
        ({"hardware": Hardware()}, ()),
        ({"python_version": "3" * 51}, ("pythonVersion",)),
        ({"packages": [RuntimePackage("numpy", "2"), RuntimePackage("-numpy", "2")]}, ("packages", "1", "name")),
        ({"packages": [RuntimePackage("num py", "2")]}, ("packages", "0", "name")),
        ({"packages": [RuntimePackage("a.b", "2"), RuntimePackage("A__b", "3")]}, ("packages", "1", "name")),
        ({"packages": [RuntimePackage("numpy", "")]}, ("packages", "0", "version")),
        ({"packages": [RuntimePackage(f"p{i}", "1") for i in range(MAX_PACKAGES + 1)]}, ("packages",)),
        ({"image": "i" * 2001}, ("image",)),
        ({"commit": "abcdef"}, ("commit",)),
        ({"commit": "main"}, ("commit",)),
        ({"commit": "a" * 65}, ("commit",)),
        ({"hardware": Hardware(cpu_count=-1)}, ("hardware", "cpuCount")),
        ({"hardware": Hardware(memory_bytes=BigInt(2**63))}, ("hardware", "memoryBytes")),
        ({"hardware": Hardware(gpu="\0")}, ("hardware", "gpu")),
    ],
)
async def test_a_runtime_that_cannot_be_is_refused_at_its_place(
    tenant: Tenant, given: dict[str, Any], path: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidValue) as refused:
        await kept(tenant, **given)
    assert refused.value.path == ("runtime", *path)


async def test_a_run_says_anew_what_it_is_made_with_until_it_ends(tenant: Tenant) -> None:
    run = await tenant.run(runtime={"image": "slim"})
    before = await set_runtime(tenant, run, image="slim")
    after = await set_runtime(tenant, run, image="full", commit="ABCDEF1")
    assert before.runtime_id != after.runtime_id
    await tenant.client.change("finishRun", "replayed", run=run)
    with pytest.raises(Conflict):
        await set_runtime(tenant, run, image="late")


async def test_a_version_has_the_runtime_of_its_run_where_it_has_none_of_its_own(tenant: Tenant) -> None:
    run = await tenant.run(runtime={"image": "slim"})
    shown = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on ModelVersion { runtime { image } } } }"
    made = [await tenant.version(run=run), await tenant.version(run=run, runtime={"image": "own"})]
    made.append(await tenant.version())
    answer = await tenant.client(shown, ids=made)
    assert [node["runtime"] for node in answer["nodes"]] == [{"image": "slim"}, {"image": "own"}, None]


async def test_facts_apart_are_added_removed_or_changed(tenant: Tenant) -> None:
    one = await kept(tenant, python_version="3.11", image="a", hardware=Hardware(cpu_count=4, memory_bytes=BigInt(8)))
    two = await kept(tenant, python_version="3.12", commit="abcdef1", hardware=Hardware(cpu_count=4))
    found = apart(facts_of(one), facts_of(two))
    assert [(change.name, change.kind.value, change.before, change.after) for change in found] == [
        ("pythonVersion", "CHANGED", "3.11", "3.12"),
        ("image", "REMOVED", "a", None),
        ("memoryBytes", "REMOVED", "8", None),
        ("commit", "ADDED", None, "abcdef1"),
    ]
