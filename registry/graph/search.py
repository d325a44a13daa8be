"""Search: what people type, as terms, and the statements that find things by their words and count them.

The words of each thing are kept in `search_document` by triggers; the function `registry.graph.search` matches them.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Integer,
    Select,
    TableValuedAlias,
    Text,
    Uuid,
    cast,
    column,
    func,
    literal,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from db.base import Row
from db.codes import SearchKind, Stage
from db.session import Reader
from db.tables import (
    Artifact,
    Dataset,
    DatasetVersion,
    Deployment,
    Environment,
    Experiment,
    Model,
    ModelVersion,
    Project,
    Run,
    Team,
)
from registry.kernel.errors import BadInput
from registry.kernel.inputs import HEAPED, is_heaped

MAX_TEXT = 500
MAX_MATCHES = 10_000
"""Of more matches only the newest are ranked and counted."""
MAX_VALUES = 20
"""How many values of a facet are told, and how many of each filter are taken."""

KINDS: Final[Mapping[SearchKind, type[Row]]] = {
    SearchKind.TEAM: Team,
    SearchKind.PROJECT: Project,
    SearchKind.MODEL: Model,
    SearchKind.VERSION: ModelVersion,
    SearchKind.DATASET: Dataset,
    SearchKind.DATASET_VERSION: DatasetVersion,
    SearchKind.EXPERIMENT: Experiment,
    SearchKind.RUN: Run,
    SearchKind.ARTIFACT: Artifact,
    SearchKind.ENVIRONMENT: Environment,
    SearchKind.DEPLOYMENT: Deployment,
}
"""What can be found, and where its rows are."""

FACETS: Final = ("kind", "project_id", "framework", "stage", "tag_keys")
"""What counts are told by: columns of what the function gives back."""
_FOUND: Final = (
    column("kind", Text),
    column("id", Uuid),
    column("project_id", Uuid),
    column("framework", Text),
    column("stage", Text),
    column("tag_keys", ARRAY(Text)),
    column("score", Integer),
)


@dataclass(frozen=True)
class Term:
    """Words that have to stand together, in this order. With `prefix` the last one may go on."""

    text: str
    prefix: bool = False
    negated: bool = False


@dataclass(frozen=True)
class TagFilter:
    """A tag that a thing has to have, with this value or, without one, with any."""

    key: str
    value: str | None = None


@dataclass(frozen=True)
class Search:
    """What is searched for. An empty filter leaves nothing out; the values of a filter are alternatives, tags are not.

    Raises: BadInput for more text or values than are allowed, and for two values of one tag.
    """

    text: str
    kinds: Sequence[SearchKind] = ()
    project_id: UUID | None = None
    team_id: UUID | None = None
    frameworks: Sequence[str] = ()
    stages: Sequence[Stage] = ()
    tags: Sequence[TagFilter] = ()

    def __post_init__(self) -> None:
        if len(self.text) > MAX_TEXT:
            raise BadInput(f"`text` has {len(self.text)} characters; at most {MAX_TEXT} are allowed.")
        if is_heaped(self.text):
            raise BadInput(f"`text`: {HEAPED}")
        if any(len(values) > MAX_VALUES for values in (self.kinds, self.frameworks, self.stages, self.tags)):
            raise BadInput(f"A filter takes at most {MAX_VALUES} values.")
        if len({tag.key for tag in self.tags}) < len(self.tags):
            raise BadInput("`tags` names a key twice, and a thing has one value for each.")

    @property
    def groups(self) -> list[list[Term]]:
        """The terms of the text: all of a group have to be there, and one of the groups."""
        return parse(unicodedata.normalize("NFC", self.text))


_TERM = re.compile(r'(-?)"([^"]*)("?)|(\S+)')


def parse(text: str) -> list[list[Term]]:
    """The terms of a text, in groups divided by `or`. Whatever is typed means something; nothing is an error.

    A part in quotes is a phrase, `-` in front of a term excludes it. The last word may be the beginning of one, unless
    white space or a quote ends it.
    """
    groups: list[list[Term]] = [[]]
    for found in _TERM.finditer(text):
        minus, phrase, closed, word = found.groups()
        is_last = found.end() == len(text)
        if word is None:
            groups[-1].append(Term(phrase, is_last and not closed and not minus, bool(minus)))
        elif word.lower() == "or" and not is_last:
            groups.append([])
        else:
            negated = word.startswith("-") and len(word) > 1
            groups[-1].append(Term(word[negated:], is_last and not negated, negated))
    return [group for group in groups if group]


@dataclass(frozen=True)
class Hit:
    """A thing that was found. A higher score is a better match."""

    kind: SearchKind
    id: UUID
    score: int


@dataclass(frozen=True)
class Counts:
    """How many things were found, and how many with each value of each facet, most first."""

    total: int
    truncated: bool
    facets: Mapping[str, Sequence[tuple[str, int]]]


async def hits(
    reader: Reader,
    org_id: UUID,
    search: Search,
    *,
    size: int,
    after: tuple[int, UUID] | None = None,
    visible: Sequence[ColumnElement[bool]] = (),
) -> list[Hit]:
    """The best `size` things, best first and newest first among equals, behind the score and id of `after`.

    `visible` are conditions on the projects in which things are looked for.
    """
    found = _found(org_id, search, visible, most=MAX_MATCHES, ranked=True).c
    statement = select(found.kind, found.id, found.score).order_by(found.score.desc(), found.id.desc()).limit(size)
    if after is not None:
        statement = statement.where(tuple_(found.score, found.id) < tuple_(literal(after[0]), literal(after[1], Uuid)))
    return [Hit(SearchKind(row.kind), row.id, row.score) for row in await reader.rows(statement)]


async def counts(reader: Reader, org_id: UUID, search: Search, visible: Sequence[ColumnElement[bool]] = ()) -> Counts:
    """How many things are found; the newest MAX_MATCHES of them are counted."""
    # One more than is counted tells whether there are more.
    found = select(_found(org_id, search, visible, most=MAX_MATCHES + 1, ranked=False)).cte("found")
    counted = select(found).limit(MAX_MATCHES).cte("counted")
    total = select(literal("all"), literal(""), func.count()).select_from(found)
    rows = await reader.rows(union_all(total, *(_values(counted, facet) for facet in FACETS)))
    matches = next(things for facet, _, things in rows if facet == "all")
    facets = {name: [(value, things) for facet, value, things in rows if facet == name] for name in FACETS}
    return Counts(min(matches, MAX_MATCHES), matches > MAX_MATCHES, facets)


def _values(counted: CTE, facet: str) -> Select[*tuple[Any, ...]]:
    """The values of a facet that most of the things have, and how many have each."""
    of = counted.c[facet]
    found = select((func.unnest(of) if facet == "tag_keys" else cast(of, Text)).label("value")).subquery()
    count = func.count()
    most = select(literal(facet), found.c.value, count).where(found.c.value.is_not(None)).group_by(found.c.value)
    return most.order_by(count.desc(), found.c.value).limit(MAX_VALUES)


def _found(
    org_id: UUID, search: Search, visible: Sequence[ColumnElement[bool]], *, most: int, ranked: bool
) -> TableValuedAlias:
    """The things that match, of all that there are the `most` newest."""
    groups = [[asdict(term) for term in group] for group in search.groups]
    return func.registry.search(
        literal(org_id, Uuid),
        # Names are kept in this form.
        literal(unicodedata.normalize("NFC", search.text).strip(), Text),
        literal(groups, JSONB),
        # Kinds that only a newer server knows are left out.
        literal([kind.value for kind in search.kinds or KINDS], ARRAY(Text)),
        _projects(org_id, search, visible),
        literal(list(search.frameworks) or None, ARRAY(Text)),
        literal([stage.value for stage in search.stages] or None, ARRAY(Text)),
        literal({tag.key: tag.value for tag in search.tags if tag.value is not None}, JSONB),
        literal([tag.key for tag in search.tags], ARRAY(Text)),
        literal(ranked),
        literal(most),
    ).table_valued(*_FOUND)


def _projects(org_id: UUID, search: Search, visible: Sequence[ColumnElement[bool]]) -> ColumnElement[Any]:
    """The projects in which things are looked for; null for all."""
    if search.project_id is None and search.team_id is None and not visible:
        return cast(null(), ARRAY(Uuid))
    projects = select(func.array_agg(col(Project.id))).where(col(Project.org_id) == org_id, *visible)
    if search.project_id is not None:
        projects = projects.where(col(Project.id) == search.project_id)
    if search.team_id is not None:
        projects = projects.where(col(Project.team_id) == search.team_id)
    return func.coalesce(projects.scalar_subquery(), literal([], ARRAY(Uuid)))
