"""Which rules of a config have judged stored telemetry, and why the others have not."""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Literal

from missionops.domain.parameter_set import Value

Why = Literal["never seen", "text", "no value", "off", "not for long"]
"""Why a rule judges nothing."""

COUNTED = 1_000
"""The newest snapshots, which `met` counts among."""

_MOST_TEXT = 256


class RuleUse:
    """What came for one rule."""

    def __init__(self) -> None:
        self.met = 0
        """How many of the newest snapshots it judged."""
        self.last_value: Value | None = None
        """The newest value, a long text cut; None where only `null` came."""
        self.last_timestamp: datetime | None = None
        self.last_judged: datetime | None = None
        """When the last value that the rule judges was received."""
        self.was_value_recent = False
        """Whether any value was received lately."""
        self.was_null_recent = False

    def add(
        self, value: Value | None, timestamp: datetime, received_at: datetime, *, is_recent: bool, is_judged: bool
    ) -> None:
        """Add what an older snapshot than those before reports."""
        if value is None:
            self.was_null_recent |= is_recent
            self.last_timestamp = self.last_timestamp or timestamp
            return
        self.was_value_recent |= is_recent
        if self.last_value is None:
            is_long = isinstance(value, str) and len(value) > _MOST_TEXT
            self.last_value = f"{value[:_MOST_TEXT]}…" if is_long and isinstance(value, str) else value
            self.last_timestamp = timestamp
        if is_judged:
            self.last_judged = max(self.last_judged or received_at, received_at)


class RuleCoverage:
    """What the rules of a config met among snapshots, which are added newest first."""

    def __init__(
        self, parameters: AbstractSet[str], judges: Callable[[str, Value], bool], recent_since: datetime
    ) -> None:
        """`judges`: whether the rule of a parameter is about such a value."""
        self._parameters = parameters
        self._judges = judges
        self._recent_since = recent_since
        self.snapshots = 0
        self.is_recent = False
        """Whether any of the snapshots was received lately."""
        self.uses: dict[str, RuleUse] = {}
        """By parameter; none where no snapshot holds it."""

    def add(self, timestamp: datetime, received_at: datetime, values: Mapping[str, Value | None]) -> None:
        """Add the next older snapshot."""
        self.snapshots += 1
        is_recent = received_at > self._recent_since
        self.is_recent |= is_recent
        for name in self._parameters & values.keys():
            use = self.uses.get(name) or self.uses.setdefault(name, RuleUse())
            value = values[name]
            is_judged = value is not None and self._judges(name, value)
            use.add(value, timestamp, received_at, is_recent=is_recent, is_judged=is_judged)
            use.met += is_judged and self.snapshots <= COUNTED

    def works(self, name: str) -> bool:
        """Whether the rule of a parameter has judged something lately; judged ever, where nothing came lately."""
        use = self.uses.get(name)
        return use is not None and use.last_judged is not None and (self.works_lately(name) or not self.is_recent)

    def works_lately(self, name: str) -> bool:
        """Whether the rule of a parameter has judged something that was received lately."""
        use = self.uses.get(name)
        return use is not None and use.last_judged is not None and use.last_judged > self._recent_since

    def why_not(self, name: str, reported: Collection[str]) -> Why | None:
        """Why the rule of a parameter does not work; None where it does. `reported`: all parameters ever reported."""
        if self.works(name):
            return None
        use = self.uses.get(name)
        if use is None:
            return "not for long" if name in reported else "never seen"
        if use.last_judged and not (use.was_value_recent or use.was_null_recent):
            return "not for long"
        if use.last_judged:
            return "text" if use.was_value_recent else "no value"
        return "no value" if use.last_value is None else "text"
