"""Search: things of every kind by their words."""

import asyncio
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from strawberry import Maybe, Parent

from db import tables
from db.codes import SearchKind, Stage
from registry.graph.search import MAX_MATCHES, MAX_TEXT, MAX_VALUES, Search, TagFilter
from resolvers.context import Info
from resolvers.graph import highlights, search_pages
from resolvers.ids import decode_as
from resolvers.pages.paging import DEFAULT_PAGE, MAX_PAGE, page_args
from schema.building.edges import read
from schema.building.node import PageInfo
from schema.types.catalog.artifact import Artifact
from schema.types.catalog.dataset import Dataset, DatasetVersion
from schema.types.catalog.model import Model
from schema.types.catalog.version import ModelVersion
from schema.types.serving.deployment import Deployment, Environment
from schema.types.tenants.organization import Project, Team
from schema.types.tracking.experiment import Experiment
from schema.types.tracking.run import Run

SearchResult: TypeAlias = Annotated[
    Artifact
    | Dataset
    | DatasetVersion
    | Deployment
    | Environment
    | Experiment
    | Model
    | Project
    | Run
    | Team
    | ModelVersion,
    strawberry.union("SearchResult", description="A thing that can be found by its words."),
]


@strawberry.type(description="A piece of a text.")
class SearchPart:
    """See `resolvers.graph.highlights.Part`."""

    text: str = strawberry.field(description="The piece, as it stands in the field: plain text, not HTML.")
    matched: bool = strawberry.field(description="Whether it is what was searched for.")


@strawberry.type(description="A stretch of a field around what was searched for.")
class SearchFragment:
    """See `resolvers.graph.highlights.Fragment`."""

    parts: list[SearchPart] = strawberry.field(
        description="The stretch in pieces; joined, they are its text.", metadata={"rows": 0}
    )


@strawberry.type(description="A field that holds what was searched for.")
class SearchHighlight:
    """See `resolvers.graph.highlights.Highlight`."""

    field: str = strawberry.field(
        description="The name of the field in its type. Of `tags` and `parameters`, each is a highlight of its own,"
        " with key and value in one text."
    )
    fragments: list[SearchFragment] = strawberry.field(
        description=f"At most {highlights.MAX_FRAGMENTS}, in the order of the text; all of it if it is short.",
        metadata={"rows": 0},
    )


@strawberry.type(description="A thing that was found.")
class SearchResultEdge:
    """See `resolvers.graph.search_pages.SearchResultEdge`."""

    cursor: str = strawberry.field(description="Send it as `after` to go on from here.")
    node: SearchResult = strawberry.field(description="The thing.")
    rank: float = strawberry.field(
        description="How well it fits, to compare within one search: most for the exact name, then for words in the"
        " name, in tags and parameters, in the name of what it belongs to, and in other text."
    )
    highlights: list[SearchHighlight] = strawberry.field(
        description=f"Where the words stand, the name first; at most {highlights.MAX_HIGHLIGHTS}. Empty where only the"
        " name of what it belongs to has them.",
        metadata={"rows": 1},
    )


_COUNT = "How many of the things found have it."


@strawberry.type(description="How many things of a kind were found.")
class SearchKindCount:
    """One kind."""

    kind: SearchKind = strawberry.field(description="The kind.")
    count: int = strawberry.field(description=_COUNT)


@strawberry.type(description="How many things at a stage were found.")
class SearchStageCount:
    """One stage."""

    stage: Stage = strawberry.field(description="The stage.")
    count: int = strawberry.field(description=_COUNT)


@strawberry.type(description="How many things with a value were found.")
class SearchValueCount:
    """One value."""

    value: str = strawberry.field(description="The value.")
    count: int = strawberry.field(description=_COUNT)


@strawberry.type(description="How many things of a project were found.")
class SearchProjectCount:
    """One project."""

    project: Project = strawberry.field(description="The project.")
    count: int = strawberry.field(description=_COUNT)


@strawberry.type(
    description=f"What the things found have in common. Counts are of the newest {MAX_MATCHES:,} matches, with the"
    f" filters of the search applied; each list holds the {MAX_VALUES} most frequent values."
)
class SearchFacets:
    """The counts of a search."""

    kinds: list[SearchKindCount] = strawberry.field(description="By kind.", metadata={"rows": 0})
    stages: list[SearchStageCount] = strawberry.field(description="By stage; versions have one.", metadata={"rows": 0})
    frameworks: list[SearchValueCount] = strawberry.field(
        description="By framework: of a model, its versions and their artifacts.", metadata={"rows": 0}
    )
    tag_keys: list[SearchValueCount] = strawberry.field(description="By key of a tag.", metadata={"rows": 0})
    projects: list[SearchProjectCount] = strawberry.field(description="By project.", metadata={"rows": MAX_VALUES})


async def _facets(root: Parent[search_pages.SearchResultConnection], info: Info) -> SearchFacets:
    facets = (await root.counts).facets
    load = info.context.loaders.row(tables.Project).load
    projects = await asyncio.gather(*[load(UUID(id_)) for id_, _ in facets["project_id"]])
    return SearchFacets(
        kinds=[SearchKindCount(kind=SearchKind(value), count=count) for value, count in facets["kind"]],
        stages=[SearchStageCount(stage=Stage(value), count=count) for value, count in facets["stage"]],
        frameworks=[SearchValueCount(value=value, count=count) for value, count in facets["framework"]],
        tag_keys=[SearchValueCount(value=value, count=count) for value, count in facets["tag_keys"]],
        projects=[
            SearchProjectCount(project=project, count=count)
            for project, (_, count) in zip(projects, facets["project_id"], strict=True)
            if project is not None
        ],
    )


async def _total_count(root: Parent[search_pages.SearchResultConnection]) -> int:
    return (await root.counts).total


async def _truncated(root: Parent[search_pages.SearchResultConnection]) -> bool:
    return (await root.counts).truncated


@strawberry.type(description="One page of a search.")
class SearchResultConnection:
    """See `resolvers.graph.search_pages.SearchResultConnection`."""

    edges: list[SearchResultEdge] = strawberry.field(
        description="What was found, the best first, the newest among equals."
    )
    nodes: list[SearchResult] = strawberry.field(description="The things of this page without their ranks.")
    page_info: PageInfo = strawberry.field(description="Whether there is more, and from where.")
    total_count: int = strawberry.field(
        resolver=_total_count, description=f"How many things were found, counted up to {MAX_MATCHES:,}."
    )
    truncated: bool = strawberry.field(
        resolver=_truncated,
        description=f"Whether more than {MAX_MATCHES:,} things match: only the newest of them are ranked and counted.",
    )
    facets: SearchFacets = strawberry.field(resolver=_facets, description="Counts to narrow the search by.")


@strawberry.input(description="A tag that a thing has to have.")
class SearchTagInput:
    """See `registry.graph.search.TagFilter`."""

    key: str = strawberry.field(description="The exact key.")
    value: Maybe[str] = strawberry.field(description="The exact value; any if absent.", default=None)


def _argument(description: str) -> Any:
    return strawberry.argument(description=description)


async def _search(
    info: Info,
    text: Annotated[
        str,
        _argument(
            f"What to look for, at most {MAX_TEXT} characters: all words have to be there, the last may be the start"
            ' of one. `"…"` finds a phrase, `-word` excludes, `or` divides alternatives; an exact name always finds'
            " its thing. Case does not matter. Parts of names like `fraud-detector_v2` or `fraudDetector` are words."
        ),
    ],
    kinds: Annotated[list[SearchKind] | None, _argument("Only things of these kinds.")] = None,
    project: Annotated[strawberry.ID | None, _argument("Only the project with this id and what is in it.")] = None,
    team: Annotated[strawberry.ID | None, _argument("Only what is in projects of the team with this id.")] = None,
    frameworks: Annotated[
        list[str] | None, _argument("Only models made with one of these, and what belongs to them.")
    ] = None,
    stages: Annotated[list[Stage] | None, _argument("Only versions at one of these stages.")] = None,
    tags: Annotated[list[SearchTagInput] | None, _argument("Only things with all of these tags.")] = None,
    first: Annotated[int, _argument(f"How many hits, the best first; at most {MAX_PAGE}.")] = DEFAULT_PAGE,
    after: Annotated[str | None, _argument("Only hits behind this cursor.")] = None,
) -> Any:
    wanted = Search(
        text,
        kinds=kinds or (),
        project_id=None if project is None else decode_as("Project", project, "project"),
        team_id=None if team is None else decode_as("Team", team, "team"),
        frameworks=frameworks or (),
        stages=stages or (),
        tags=[TagFilter(tag.key, tag.value.value if tag.value else None) for tag in tags or ()],
    )
    return await search_pages.search(info.context, wanted, page_args(first, after, None, None))


@strawberry.type
class SearchQuery:
    """The search."""

    search = read(
        _search,
        SearchResultConnection,
        description="Finds teams, projects, models, versions, datasets, experiments, runs, artifacts, environments and"
        " deployments by their names, labels, paths, descriptions, tags and parameters. What is deleted is not found.",
    )
