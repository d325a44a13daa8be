"""The schema that is served: every type of the graph behind the guard and the mask."""

from strawberry.schema.config import StrawberryConfig

from schema import enums  # noqa: F401  # describes the enums before any type uses them
from schema.breadth import BreadthFirst
from schema.failures import MaskingSchema
from schema.gate import GATE_TYPES
from schema.limits import door_extensions
from schema.root import MESSAGE_TYPES, NODE_TYPES, Mutation, Query, Subscription
from schema.scalars import SCALARS


def build_schema(*, introspection: bool = True) -> MaskingSchema:
    """The whole schema. Without `introspection` nothing can be asked about it, nor guessed from suggestions."""
    return MaskingSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=(*NODE_TYPES, *GATE_TYPES, *MESSAGE_TYPES),
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=not introspection),
        extensions=door_extensions(introspection=introspection),
        execution_context_class=BreadthFirst,
    )
