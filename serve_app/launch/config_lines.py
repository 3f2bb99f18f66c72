"""Where in a YAML file each of its values stands, and what YAML itself passes over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import yaml

Place = tuple[int | str, ...]  # such as ("applications", 0, "args")


@dataclass(frozen=True, slots=True)
class Lines:
    """The line of each value of a file, from 1. twice: names that come again in one mapping; only the last counts."""

    by_place: dict[Place, int] = field(default_factory=dict)
    twice: list[Place] = field(default_factory=list)

    def of(self, place: Sequence[int | str]) -> int:
        """The line of a value or, where the file does not have it, of what it should be in."""
        for length in range(len(place), 0, -1):
            if (line := self.by_place.get(tuple(place[:length]))) is not None:
                return line
        return 1


def lines_of(content: str) -> Lines:
    """The lines of a YAML text, which must be valid."""
    found = Lines()
    root = yaml.compose(content, Loader=yaml.SafeLoader)
    if root is not None:
        for place, line in _walk(root, (), found, {id(root)}):
            found.by_place[place] = line
    return found


def _walk(node: yaml.Node, place: Place, found: Lines, within: set[int]) -> Iterator[tuple[Place, int]]:
    """Each value in a node with its line. within: the nodes around it; an alias may name one of them."""
    if isinstance(node, yaml.MappingNode):
        inner = [(key.value, key, value) for key, value in node.value]
        names = [name for name, *_ in inner]
        found.twice.extend((*place, name) for name in dict.fromkeys(names) if names.count(name) > 1)
    elif isinstance(node, yaml.SequenceNode):
        inner = [(number, each, each) for number, each in enumerate(node.value)]
    else:
        return
    for name, key, value in inner:
        if not isinstance(name, str | int) or id(value) in within:
            continue
        here = (*place, name)
        yield here, key.start_mark.line + 1
        yield from _walk(value, here, found, within | {id(value)})
