"""More of what one asks, each in one query: what changed, which was best and what it cost, how it learned."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from demo.lines import sentence
from demo.story import Told
from demo.tuning import SEARCHED

MOST_CHANGES: Final = 3
_BARS: Final = "▁▂▃▄▅▆▇█"

CHANGED: Final = """query WhatChanged($before: ID!, $after: ID!) {
 versionComparison(versions: [$before, $after], onlyDifferent: true) {
  versions { label aliases { nodes { name } } }
  parameters { name values }
  metrics { name phase values { value } }
  packages { name values }
  signatures { verdict changes { breaking sentence } }
 }
}"""

BEST: Final = """query WhichTrialWasBest($search: ID!) {
 node(id: $search) { ... on Run {
  name durationSeconds cost { amount currency missing }
  experiment { name runCounts { status count } }
  bestTrials(metric: "log_loss", phase: VALIDATION, direction: MINIMIZE, first: 3) {
   rankedCount
   places { value run { name status parameters { name value } cost { amount currency } } }
  }
 } }
}"""

WENT: Final = """query HowDidItLearn($version: ID!) {
 node(id: $version) { ... on ModelVersion { run {
  test: metricHistory(name: "log_loss", phase: TEST, points: 30) { ...History }
  training: metricHistory(name: "log_loss", phase: TRAINING, points: 30) { ...History }
 } } }
}
fragment History on MetricHistory { phase pointCount buckets { firstStep lastStep minimum maximum last } }"""

RUNS: Final = """query WhatRunsWhere($names: [String!]) {
 deployments(first: 10, where: { name: { in: $names } }, orderBy: { field: TRAFFIC_PERCENT, direction: DESC }) { nodes {
  name trafficPercent health healthMessage inSync
  environment { name } model { name } observedVersion { label signatureChange { verdict } } metrics { name value }
 } }
}"""

HISTORY: Final = """query WhatWasInProductionAndWhoApprovedIt($model: ID!) {
 node(id: $model) { ... on Model {
  slotHistory(first: 6, where: { stage: PRODUCTION }) { nodes {
   validFrom version { label }
   transition {
    kind reason createdBy { name }
    request { reviews(first: 3) { nodes { decision createdBy { name } } } }
   }
  } }
 } }
}"""

FOUND: Final = """query WhatIsThereAbout($text: String!) {
 search(text: $text, first: 5) {
  totalCount
  facets { kinds { kind count } }
  edges {
   node { __typename }
   highlights { field fragments { parts { text matched } } }
  }
 }
}"""

COUNTED: Final = """query HowMuchIsThere {
 statistics {
  modelsByFramework { framework count }
  versionsByStage { stage count }
  runsByStatus { status count }
  successRate
  storage { logicalBytes storedBytes }
 }
 deployments(first: 0) { totalCount }
}"""


@dataclass(frozen=True)
class Question:
    """A question in words and as a query, and how its answer looks."""

    words: str
    query: str
    variables: Mapping[str, Any]
    show: Callable[[dict[str, Any]], RenderableType]


def questions(told: Told) -> list[Question]:
    """What there is to ask once everything is told."""
    wide, narrow = told.wide, told.narrow
    return [
        Question(
            f"What changed from {wide.title} to {narrow.label}?",
            CHANGED,
            {"before": wide.id, "after": narrow.id},
            lambda data: _changed(data["versionComparison"]),
        ),
        Question(
            "Which trial of the search was best, and what did it cost?",
            BEST,
            {"search": told.search},
            lambda data: _best(data["node"]),
        ),
        Question(f"How did {wide.title} learn?", WENT, {"version": wide.id}, lambda data: _went(data["node"]["run"])),
        Question(
            "What runs where, and is it well?",
            RUNS,
            {"names": told.deployments},
            lambda data: _runs(data["deployments"]["nodes"]),
        ),
        Question(
            f"What was in production of {wide.model}, since when, and who approved it?",
            HISTORY,
            {"model": wide.model_id},
            lambda data: _history(data["node"]["slotHistory"]["nodes"]),
        ),
        Question("What is there about tumors?", FOUND, {"text": "tumor"}, lambda data: _found(data["search"])),
        Question("How much is there?", COUNTED, {}, _counted),
    ]


def table_of(*headings: str) -> Table:
    """A table without lines."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


def add_row(table: Table, *cells: str) -> None:
    """Add a row as text: names in a registry may look like markup."""
    table.add_row(*(Text(cell) for cell in cells))


def _changed(compared: dict[str, Any]) -> RenderableType:
    table = table_of("", *(version["label"] for version in compared["versions"]))
    names = [[one["name"] for one in version["aliases"]["nodes"]] for version in compared["versions"]]
    add_row(table, "alias", *(", ".join(one) for one in names))
    for metric in compared["metrics"]:
        values = ["" if one is None else f"{one['value']:.3f}" for one in metric["values"]]
        add_row(table, f"{metric['name']}, {metric['phase'].lower()}", *values)
    for differing in (*compared["parameters"], *compared["packages"]):
        add_row(table, differing["name"], *("" if value is None else str(value) for value in differing["values"]))
    change = compared["signatures"][1]
    sentences = [one["sentence"] for one in change["changes"]]
    heading = Text.assemble("  signature  ", (change["verdict"], "bold red"), "  ")
    lines: list[RenderableType] = [sentence(" ".join(sentences[:MOST_CHANGES]), before=heading)]
    if len(sentences) > MOST_CHANGES:
        lines.append(Text(f"  and {len(sentences) - MOST_CHANGES} more changes", style="dim"))
    return Group(table, *lines)


def _best(run: dict[str, Any]) -> RenderableType:
    table = table_of("trial", "log loss", "settings", "cost")
    for one in run["bestTrials"]["places"]:
        settings = ", ".join(
            f"{part['name']} {part['value']:g}" for part in one["run"]["parameters"] if part["name"] in SEARCHED
        )
        add_row(table, one["run"]["name"], f"{one['value']:.4f}", settings, _money(one["run"]["cost"]))
    counts = _counts(run["experiment"]["runCounts"], "status")
    ranked = run["bestTrials"]["rankedCount"]
    said = f"  {ranked} trials in {run['durationSeconds']:.1f} s for {_money(run['cost'])}; all so far: {counts}"
    return Group(table, Text(said))


def _went(run: dict[str, Any]) -> RenderableType:
    return Group(*(_curve(run[side]) for side in ("training", "test") if run[side]["buckets"]))


def _curve(history: dict[str, Any]) -> Text:
    """The last value of each bucket as a bar between the least and the greatest."""
    values = [bucket["last"] for bucket in history["buckets"] if bucket["last"] is not None]
    low, high = min(values), max(values)
    bars = "".join(_BARS[round((value - low) / ((high - low) or 1) * (len(_BARS) - 1))] for value in values)
    about = f"{history['pointCount']} in {len(history['buckets'])} buckets"
    ends = f"{values[0]:.3f} → {values[-1]:.3f}"
    return Text.assemble((f"  log loss, {history['phase'].lower():<9}", "dim"), f"{bars}  {ends}  ", (about, "dim"))


def _runs(deployments: list[dict[str, Any]]) -> RenderableType:
    table = table_of("environment", "version", "traffic", "latency", "health")
    said = []
    for one in deployments:
        version = f"{one['model']['name']} {one['observedVersion']['label']}"
        latency = next((f"{part['value']:.2f} ms" for part in one["metrics"] if part["name"] == "latency_ms"), "")
        share = f"{one['trafficPercent']:g}%"
        add_row(table, one["environment"]["name"], version, share, latency, one["health"].lower())
        if one["health"] != "HEALTHY":
            change = one["observedVersion"]["signatureChange"]["verdict"]
            said.append(sentence(f"{one['name']}: {one['healthMessage']} (Its signature change was {change}.)"))
    return Group(table, *said)


def _history(held: list[dict[str, Any]]) -> RenderableType:
    table = table_of("since (UTC)", "version", "how", "by", "approved by")
    said = []
    for one in held:
        transition, version = one["transition"], one["version"]
        reviews = transition["request"]["reviews"]["nodes"] if transition["request"] else []
        names = [review["createdBy"]["name"] for review in reviews if review["decision"] == "APPROVED"]
        label = version["label"] if version else "nothing"
        since = one["validFrom"][5:19].replace("T", " ")
        add_row(table, since, label, transition["kind"].lower(), transition["createdBy"]["name"], ", ".join(names))
        if transition["kind"] == "ROLLBACK":
            said.append(sentence(f"Back to {label}: {transition['reason']}"))
    return Group(table, *said)


def _found(found: dict[str, Any]) -> RenderableType:
    lines = [Text(f"  {found['totalCount']} things: {_counts(found['facets']['kinds'], 'kind')}")]
    for edge in found["edges"]:
        line = Text.assemble((f"  {edge['node']['__typename']:<15}", "dim"))
        for part in (part for mark in edge["highlights"][:1] for one in mark["fragments"] for part in one["parts"]):
            line.append(part["text"], style="bold yellow" if part["matched"] else "")
        lines.append(line)
    return Group(*lines)


def _counted(data: dict[str, Any]) -> RenderableType:
    counted, table = data["statistics"], table_of("", "")
    table.show_header = False
    add_row(table, "models", _counts(counted["modelsByFramework"], "framework"))
    add_row(table, "versions", _counts(counted["versionsByStage"], "stage"))
    rate = counted["successRate"]
    add_row(table, "runs", _counts(counted["runsByStatus"], "status") + ("" if rate is None else f"; {rate:.0%} well"))
    add_row(table, "deployments", str(data["deployments"]["totalCount"]))
    sizes = [decimal(int(counted["storage"][size])) for size in ("logicalBytes", "storedBytes")]
    add_row(table, "storage", f"{sizes[0]} of artifacts in {sizes[1]}")
    return table


def _counts(counts: list[dict[str, Any]], kind: str) -> str:
    return ", ".join(f"{one['count']} {one[kind].lower()}" for one in counts if one["count"])


def _money(cost: dict[str, Any]) -> str:
    return "no price" if cost["amount"] is None else f"{float(cost['amount']):.6f} {cost['currency']}"
