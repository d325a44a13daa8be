"""Searches: a page of things of many kinds, why each was found, and counts of all that were found."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson

from db.tables import Project
from registry.graph import search as searches
from registry.graph.search import KINDS, Counts, Search
from registry.kernel.errors import BadInput
from resolvers.context import Operation
from resolvers.graph import highlights
from resolvers.graph.highlights import Highlight, Wanted
from resolvers.loading.visibility import visible
from resolvers.pages.paging import PageArgs, PageInfo

_LONGEST_CURSOR = 200
_MILLION = 1_000_000


@dataclass(frozen=True)
class SearchResultEdge:
    """A thing that was found and where it stands among the others."""

    node: Any
    cursor: str
    rank: float
    wanted: Wanted

    @property
    def highlights(self) -> list[Highlight]:
        """Where it holds what was searched for."""
        return highlights.highlights(self.node, self.wanted)


@dataclass
class SearchResultConnection:
    """One page of a search. What is counted is counted once, and only when somebody asks."""

    operation: Operation
    search: Search
    edges: Sequence[SearchResultEdge]
    has_next: bool
    has_previous: bool

    @property
    def nodes(self) -> list[Any]:
        """The things without the rest."""
        return [hit.node for hit in self.edges]

    @property
    def page_info(self) -> PageInfo:
        """Where the page stands."""
        ends = (self.edges[0].cursor, self.edges[-1].cursor) if self.edges else (None, None)
        return PageInfo(self.has_next, self.has_previous, *ends)

    @cached_property
    def counts(self) -> "asyncio.Future[Counts]":
        """The counts, on their way."""
        reading = self.operation.loaders.reading
        return asyncio.ensure_future(searches.counts(reading, reading.org_id, self.search, visible(Project)))


async def search(operation: Operation, wanted: Search, args: PageArgs) -> SearchResultConnection:
    """A page of what is found: one statement to find, and one for the rows of each kind. Raises: BadInput."""
    after = None if args.cursor is None else _place(args.cursor)
    found: Sequence[searches.Hit] = []
    if args.size:
        reading, seen = operation.loaders.reading, visible(Project)
        found = await searches.hits(reading, reading.org_id, wanted, size=args.size + 1, after=after, visible=seen)
    page = found[: args.size]
    rows = await asyncio.gather(*[operation.loaders.row(KINDS[hit.kind]).load(hit.id) for hit in page])
    marks = Wanted(wanted.groups)
    edges = [
        SearchResultEdge(row, _cursor(hit), hit.score / _MILLION, marks)
        for hit, row in zip(page, rows, strict=True)
        if row is not None
    ]
    return SearchResultConnection(operation, wanted, edges, len(found) > args.size, after is not None)


def _cursor(hit: searches.Hit) -> str:
    return urlsafe_b64encode(orjson.dumps([hit.score, str(hit.id)])).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, UUID]:
    """The score and the id in a cursor. Raises: BadInput when it is of no search."""
    try:
        if len(cursor) > _LONGEST_CURSOR:
            raise ValueError(cursor)
        score, id_ = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if type(score) is not int or not 0 <= score < 2**31 or not isinstance(id_, str):
            raise ValueError(cursor)
        return score, UUID(id_)
    except (ValueError, TypeError):
        raise BadInput("This is no cursor of a search. Send a cursor as you got it, unchanged.") from None
