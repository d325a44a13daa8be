"""Arguments of fields as data, for resolvers that are written once and take what each of their fields declares."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Annotated, Any

import strawberry
from strawberry import UNSET


def argument(name: str, type_: Any, description: str, default: Any = Parameter.empty) -> Parameter:
    """Return an argument; without `default` it is required. A keyword of Python ends in `_`, which is not shown."""
    shown = name.removesuffix("_") if name.endswith("_") else None
    annotation = Annotated[type_, strawberry.argument(name=shown, description=description)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def optional(name: str, type_: Any, description: str) -> Parameter:
    """Return an argument that may be null or left out; what is left out does not reach the resolver."""
    return argument(name, type_ | None, description, UNSET)


def take(resolver: Callable[..., Any], *arguments: Parameter) -> None:
    """Show these arguments in the graph for a resolver that receives them as keywords."""
    shown: Any = resolver
    declared = signature(resolver)
    own = [parameter for parameter in declared.parameters.values() if parameter.kind is not Parameter.VAR_KEYWORD]
    shown.__signature__ = declared.replace(parameters=[*own, *arguments])
