"""The rules of configs for requests: compiled once for each version, in slices, and cached.

A document may hold 10,000 rules, which take a tenth of a second to compile: in one piece that would delay telemetry.
The ingest path has a cache of its own (ingest/limits_cache.py): it asks for many spacecraft at once, within the
transaction that judges, shares the rules of equal documents, and needs no word on which rules work.
"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from missionops.domain import limits, rule_document, timestamp
from missionops.domain.limits import Rules
from missionops.domain.parameter_name import MAX_PARAMETERS
from missionops.domain.rule import Rule
from missionops.errors import Detail, InvalidRequest
from missionops.store import configs
from missionops.store.database import Database

_SLICE = 250
"""Rules that are compiled before other tasks run."""
_MOST = 22_000
"""Rules that are kept, of some 700 bytes each."""
_EMPTY = 4
"""How many rules a config counts in addition to its own: one without rules takes memory, too."""


@dataclass(slots=True)
class InForce:
    """The version of a spacecraft's config in force, and its rules."""

    version: int
    rules: Rules
    works_until: datetime = timestamp.EARLIEST
    """Until when it is known that every rule works; what is received later can only move it on."""
    searched_at: float = -math.inf
    """When older telemetry was last searched for parameters that the newest has not, by the clock of the loop."""


class CompiledRules:
    """A cache of the rules that were requested lately. A version never changes, so no entry is ever out of date."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], InForce] = {}
        self._size = 0
        self._compiling = asyncio.Lock()

    async def in_force(self, database: Database, spacecraft_id: str) -> InForce | None:
        """What is in force for a spacecraft now; None where it has no config."""
        async with database.transaction() as connection:
            version = await configs.version_in_force(connection, spacecraft_id)
        return await self.of(database, spacecraft_id, version) if version else None

    async def of(self, database: Database, spacecraft_id: str, version: int) -> InForce:
        """A version that there is.

        No connection is held while rules are compiled, or while another request compiles the same ones.
        """
        key = spacecraft_id, version
        if key not in self._kept:
            async with self._compiling:  # one at a time: what is being compiled takes memory, too
                if key not in self._kept:
                    async with database.transaction() as connection:
                        document = await configs.document(connection, spacecraft_id, version)
                    found = InForce(version, await compiled(msgspec.json.decode(document or b"{}")))
                    self._kept[key] = found
                    self._size += len(found.rules) + _EMPTY
                    while self._size > _MOST and len(self._kept) > 1:
                        oldest = next(iter(self._kept))
                        self._size -= len(self._kept.pop(oldest).rules) + _EMPTY
        found = self._kept[key] = self._kept.pop(key)  # now the last one to be dropped
        return found


async def compiled(document: Mapping[str, Any]) -> Rules:
    """The rules of a config document; other tasks run in between. InvalidRequest names the paths of its faults."""
    parameters = document.get("parameters")
    if not isinstance(parameters, dict) or not _SLICE < len(parameters) <= MAX_PARAMETERS:
        return limits.compile_rules(document)
    rules: dict[str, Rule] = {}
    off: set[str] = set()
    faults: list[Detail] = []
    left = iter(parameters.items())
    while (part := dict(islice(left, _SLICE))) and len(faults) < rule_document.MAX_FAULTS:
        try:
            found = limits.compile_rules({"parameters": part})
            rules |= found
            off |= found.off
        except InvalidRequest as error:
            faults += error.details
        await asyncio.sleep(0)
    if faults:
        raise rule_document.refusal(faults[: rule_document.MAX_FAULTS])
    return Rules(rules, frozenset(off))
