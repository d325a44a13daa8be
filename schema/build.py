"""The schema that is served: every type of the graph behind the guard and the mask."""

from strawberry.schema.config import StrawberryConfig

from schema.building import enums  # noqa: F401  # describes the enums before any type uses them
from schema.building.scalars import SCALARS
from schema.building.user_errors import ERROR_TYPES
from schema.execution.breadth import BreadthFirst
from schema.execution.limits import door_extensions
from schema.execution.masking import MaskingSchema
from schema.root import MESSAGE_TYPES, NODE_TYPES, Mutation, Query, Subscription
from schema.types.promotion.gate import GATE_TYPES


def build_schema(*, introspection: bool = True) -> MaskingSchema:
    """The whole schema. Without `introspection` nothing can be asked about it, nor guessed from suggestions."""
    return MaskingSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=(*NODE_TYPES, *GATE_TYPES, *MESSAGE_TYPES, *ERROR_TYPES),
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=not introspection),
        extensions=door_extensions(introspection=introspection),
        execution_context_class=BreadthFirst,
    )
