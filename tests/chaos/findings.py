"""What an audit found: differences, counted by kind, a few of each in full."""

from collections import Counter

_SHOWN = 5


class Findings:
    """None is what one hopes for."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self._shown: list[str] = []

    def differ(self, kind: str, detail: object) -> None:
        self.kinds[kind] += 1
        if self.kinds[kind] <= _SHOWN:
            self._shown.append(f"  {kind}: {detail}")

    def lines(self) -> list[str]:
        return [f"{count} x {kind}" for kind, count in self.kinds.items()] + self._shown
