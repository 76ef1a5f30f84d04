"""What an audit found: differences between the records, counted by kind, with a few of each in full."""

from collections import Counter

_EXAMPLES = 5
_LONGEST = 4_000
"""Characters of one example."""


class Report:
    """The differences; a correct service leaves none."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self._examples: list[str] = []

    def differ(self, kind: str, detail: object) -> None:
        """Note one difference."""
        self.kinds[kind] += 1
        if self.kinds[kind] <= _EXAMPLES:
            self._examples.append(f"  {kind}: {detail}"[:_LONGEST])

    def lines(self) -> list[str]:
        """One line for each kind, then the examples."""
        return [f"{count} x {kind}" for kind, count in self.kinds.items()] + self._examples
