"""The kinds of checks: each is a module with the keys of a rule that it reads, its check and its fold."""

from collections.abc import Mapping

from missionops.domain.checks import change, limit, stale, state
from missionops.domain.checks.kind import Kind

KINDS: Mapping[str, Kind] = {
    "LIMIT": limit.KIND,
    "STATE": state.KIND,
    "CHANGE": change.KIND,
    "STALE": stale.KIND,
}
"""By the name that alarms give them. The checks of a rule stand in this order."""
