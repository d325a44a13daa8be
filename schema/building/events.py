"""The events of a thing, as a field of its type."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aiodataloader import DataLoader
from strawberry import LazyType

from db.base import Row
from registry.events import event_kinds
from registry.events.event_kinds import MAX_KINDS
from resolvers.events.event_lists import EventList, EventPages
from resolvers.loading.loaders import Loaders
from schema.building.arguments import optional
from schema.building.edges import WINDOW, Edge, asked_window, edge_field
from schema.building.node import Connection

_CONNECTION: Any = Connection
EVENT_CONNECTION: Any = _CONNECTION[LazyType("Event", "schema.types.events.event")]
"""A page of events, whichever list it is of."""

KINDS_TEXT: Final = f"Only events of these kinds, at most {MAX_KINDS}; `version.*` is all kinds about versions."
SINCE_TEXT: Final = "Only events at this time or later."
UNTIL_TEXT: Final = "Only events before this time."
_ARGUMENTS: Final = (
    optional("kinds", list[str], KINDS_TEXT),
    optional("since", datetime, SINCE_TEXT),
    optional("until", datetime, UNTIL_TEXT),
)


def events_of(table: type[Row], description: str = "What happened to it, oldest first.") -> Any:
    """The events of a row of a table, page by page, as `EventList` defines them."""

    def load(loaders: Loaders, arguments: Mapping[str, Any]) -> DataLoader[Any, Any]:
        window = {name: value for name, value in arguments.items() if name not in ("kinds", "since", "until")}
        kinds = event_kinds.whole(event_kinds.checked(arguments.get("kinds") or ()))
        events = EventList(table, kinds, arguments.get("since"), arguments.get("until"))
        return loaders.of(EventPages(events, asked_window(**window), loaders.of(events).load))

    edge = Edge(table, "id", "id", load)
    return edge_field(edge, EVENT_CONNECTION, description=description, takes=[*WINDOW, *_ARGUMENTS])
