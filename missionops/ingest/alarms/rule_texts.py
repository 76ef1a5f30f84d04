"""What rules say for people, as alarms carry it."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from missionops.domain import rule_document
from missionops.store import configs
from missionops.store.database import Connection

RuleKey = tuple[str, int, str]
"""Spacecraft, config version and parameter."""

_KEYS = (*rule_document.TEXT_KEYS, "maskedBy")
_MOST_BYTES = 2 << 20


class RuleTexts:
    """The texts that alarms needed lately, within a bound. A version never changes, so nothing is invalidated."""

    def __init__(self) -> None:
        self._kept: dict[RuleKey, Mapping[str, Any]] = {}
        self._bytes = 0

    async def of(self, connection: Connection, wanted: Iterable[RuleKey]) -> dict[RuleKey, Mapping[str, Any]]:
        """Those of these rules that there are, by spacecraft, version and parameter."""
        found: dict[RuleKey, Mapping[str, Any]] = {}
        missing: dict[str, set[RuleKey]] = {}
        for key in wanted:
            if key in self._kept:
                found[key] = self._kept[key]
            else:
                missing.setdefault(key[0], set()).add(key)
        for spacecraft_id, keys in missing.items():
            versions, parameters = {version for _, version, _ in keys}, {parameter for _, _, parameter in keys}
            rules = await configs.rules(connection, spacecraft_id, versions, parameters)
            for (version, parameter), text in rules.items():
                given = msgspec.json.decode(text)
                key = spacecraft_id, version, parameter
                found[key] = self._kept[key] = {name: given.get(name) for name in _KEYS}
                self._bytes += len(text)
        if self._bytes > _MOST_BYTES:
            self._kept, self._bytes = {}, 0
        return found
