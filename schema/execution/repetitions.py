"""Measures how often a GraphQL document repeats its fields, which is what validation compares."""

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from schema.execution.query_cost import fragments_of


class Repetitions:
    """Counts the pairs of fields that validation has to compare because they share a response name.

    That rule compares each with each, on every level: 280 repeated fields of one level below are 40,000 comparisons
    and a second of one core. The count follows the merged response level by level and stops at the first limit.
    """

    def __init__(self, document: DocumentNode) -> None:
        self.visits = 0
        self.pairs = 0
        self._document = document
        self._fragments = fragments_of(document)
        self._reached: set[str] = set()

    def exceed(self, *, max_selections: int, max_pairs: int) -> bool:
        """Tell whether the document expands to more selections, or repeats fields in more pairs, than allowed."""
        for root in self._roots():
            waiting: list[tuple[list[SelectionSetNode], frozenset[str]]] = [([root], frozenset())]
            while waiting:
                below = self._level(*waiting.pop())
                if self.visits > max_selections or self.pairs > max_pairs:
                    return True
                waiting.extend(below)
        return False

    def _roots(self) -> Iterator[SelectionSetNode]:
        # Validation also looks at operations that will not run and at fragments that none of them spreads.
        for definition in self._document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                yield definition.selection_set
        for name, fragment in self._fragments.items():
            if name not in self._reached:
                self._reached.add(name)
                yield fragment.selection_set

    def _level(
        self, merged: list[SelectionSetNode], opened: frozenset[str]
    ) -> list[tuple[list[SelectionSetNode], frozenset[str]]]:
        """Collect the fields of selection sets that merge into one; return what merges one level below."""
        seen: dict[str, int] = {}
        below: dict[str, list[SelectionSetNode]] = {}
        spread = set(opened)
        queue = list(merged)
        while queue:
            for selection in queue.pop().selections:
                self.visits += 1
                if isinstance(selection, FieldNode):
                    key = selection.alias.value if selection.alias else selection.name.value
                    self.pairs += seen.get(key, 0)
                    seen[key] = seen.get(key, 0) + 1
                    if selection.selection_set:
                        below.setdefault(key, []).append(selection.selection_set)
                elif isinstance(selection, InlineFragmentNode):
                    queue.append(selection.selection_set)
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in spread:
                    spread.add(selection.name.value)
                    self._reached.add(selection.name.value)
                    if fragment := self._fragments.get(selection.name.value):
                        queue.append(fragment.selection_set)
        return [(sets, frozenset(spread)) for sets in below.values()]
