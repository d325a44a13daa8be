"""What one asks a registry: who learned from this data and runs where, where did that come from; with answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus

from rich.console import Console, Group
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from demo.boards import add_row, questions, table_of
from demo.client import Client
from demo.story import Told

MOST_ROWS: Final = 12

LEARNED: Final = """query WhoLearnedFromThis($data: ID!) {
 node(id: $data) { ... on DatasetVersion {
  digest rowCount dataset { name }
  downstream(depth: 6) {
   steps { depth node { id createdAt
    ... on Run { name }
    ... on ModelVersion { label model { name } metrics { name phase value } }
    ... on Deployment { name trafficPercent health environment { name } }
   } }
   links { kind role upstream downstream }
  }
 } }
}"""

ORIGIN: Final = """query WhereDidThisComeFrom($version: ID!) {
 node(id: $version) { ... on ModelVersion {
  id label model { name }
  upstream(depth: 6) {
   steps { node { id
    ... on ModelVersion { label model { name } }
    ... on Run { name status }
    ... on DatasetVersion { rowCount digest dataset { name } }
   } }
   links { kind role upstream downstream }
  }
 } }
}"""

FILES: Final = """query WhatFilesHasIt($version: ID!) {
 node(id: $version) { ... on ModelVersion {
  label model { name }
  artifacts { nodes { path kind state sizeBytes sha256 externalUri download { url } } }
 } }
}"""


@dataclass(frozen=True)
class Links:
    """Addresses of GraphiQL that open with a query; `token` signs in, where it may be shown."""

    base: str
    token: str | None

    def to(self, query: str = "", variables: Mapping[str, Any] | None = None) -> str:
        """The address. Everything is in the fragment, which browsers send to no server."""
        values = {"token": self.token, "query": query, "variables": json.dumps(variables) if variables else None}
        fragment = "&".join(f"{name}={quote_plus(value, safe='$!:,')}" for name, value in values.items() if value)
        return f"{self.base}/graphiql#{fragment}" if fragment else f"{self.base}/graphiql"


def ask_all(client: Client, told: Told, console: Console, links: Links) -> None:
    """Ask the questions and print each with its answer and a link to ask it again."""
    data, version = {"data": told.first_batch}, {"version": told.tuned.id}
    console.print("\n[bold]Which versions learned from the first batch of digits, and where do they run?[/]")
    console.print(_learned(client.ask(LEARNED, **data)["node"]))
    _print_link(console, links.to(LEARNED, data))
    console.print(f"\n[bold]Where did {told.tuned.title} come from?[/]")
    console.print(_origin(client.ask(ORIGIN, **version)["node"]))
    _print_link(console, links.to(ORIGIN, version))
    console.print(f"\n[bold]What files has {told.tuned.title}?[/]")
    console.print(_files(client.ask(FILES, **version)["node"]))
    _print_link(console, links.to(FILES, version))
    for question in questions(told):
        console.print(f"\n[bold]{question.words}[/]")
        console.print(question.show(client.ask(question.query, **question.variables)))
        _print_link(console, links.to(question.query, question.variables))


def _learned(data: dict[str, Any]) -> Group:
    """The versions downstream, newest first, with the way the data reached each of them, and those that run."""
    steps, walked = data["downstream"]["steps"], data["downstream"]["links"]
    versions = {step["node"]["id"]: step["node"] for step in steps if "label" in step["node"]}
    runs = {link["downstream"] for link in walked if link["kind"] == "USED" and link["role"] == "TRAINING"}
    trained = {link["downstream"] for link in walked if link["kind"] == "PRODUCED" and link["upstream"] in runs}
    bases = {link["downstream"]: versions[link["upstream"]] for link in walked if link["kind"] == "DERIVED"}
    running = _running(steps, walked)
    table = table_of("version", "how", "accuracy")
    newest_first = sorted(versions.items(), key=lambda entry: str(entry[1]["createdAt"]), reverse=True)
    for identity, version in newest_first[:MOST_ROWS]:
        how = "its run read the data" if identity in trained else f"made from {_title(bases[identity])}"
        accuracy = next((one["value"] for one in version["metrics"] if one["name"] == "accuracy"), None)
        add_row(table, _title(version), how, "" if accuracy is None else f"{accuracy:.1%}")
    if len(versions) > MOST_ROWS:
        table.add_row(f"and {len(versions) - MOST_ROWS} more", "", "", style="dim")
    lines = [Text(f"  {_title(versions[identity])} runs in {where}") for identity, where in running.items()]
    return Group(table, *lines)


def _running(steps: list[dict[str, Any]], walked: list[dict[str, Any]]) -> dict[str, str]:
    """Where each version is seen to run, with its share of the traffic and how it does."""
    deployments = {step["node"]["id"]: step["node"] for step in steps if "environment" in step["node"]}
    found: dict[str, str] = {}
    for link in walked:
        if link["kind"] == "OBSERVED":
            one = deployments[link["downstream"]]
            said = f"{one['environment']['name']}, {one['trafficPercent']:g}%, {one['health'].lower()}"
            found[link["upstream"]] = "; ".join(filter(None, (found.get(link["upstream"]), said)))
    return found


def _origin(version: dict[str, Any]) -> Tree:
    """The lineage as a tree, what was made above what it was made from."""
    nodes = {step["node"]["id"]: step["node"] for step in version["upstream"]["steps"]}
    tree = Tree(Text(_title(version)), guide_style="dim")
    _grow(tree, version["id"], nodes, version["upstream"]["links"])
    return tree


def _grow(tree: Tree, identity: str, nodes: Mapping[str, dict[str, Any]], walked: list[dict[str, Any]]) -> None:
    for link in walked:
        if link["downstream"] == identity:
            branch = tree.add(_described(link, nodes[link["upstream"]]))
            _grow(branch, link["upstream"], nodes, walked)


def _described(link: dict[str, Any], node: dict[str, Any]) -> Text:
    if link["kind"] == "DERIVED":
        return Text.assemble(("made from  ", "dim"), _title(node))
    if link["kind"] == "PRODUCED":
        return Text.assemble(("made by run  ", "dim"), f"{node['name']}  ", (node["status"].lower(), "dim"))
    verb = "learned from  " if link["role"] == "TRAINING" else "measured on  "
    name = f"{node['dataset']['name']}, {node['rowCount']} rows  "
    return Text.assemble((verb, "dim"), name, (f"{node['digest'][:19]}…", "dim"))


def _files(version: dict[str, Any]) -> Table:
    table = table_of("path", "state", "size", "sha256")
    for artifact in version["artifacts"]["nodes"]:
        size = decimal(int(artifact["sizeBytes"])) if artifact["sizeBytes"] else ""
        digest = f"{artifact['sha256'][:12]}…" if artifact["sha256"] else "(stays elsewhere)"
        add_row(table, artifact["path"], artifact["state"], size, digest)
    return table


def _title(version: dict[str, Any]) -> str:
    return f"{version['model']['name']} {version['label']}"


def _print_link(console: Console, link: str) -> None:
    # Unwrapped, so that a terminal and the clipboard see one address.
    console.print(Text(link, style="blue"), soft_wrap=True)
