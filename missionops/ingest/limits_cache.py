"""The compiled limits of configs, for the batches of telemetry and for requests; kept within a bound.

A document may hold 10,000 rules, which take some 30 ms to compile: that is done in slices, and other tasks run in
between.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from missionops.domain import config_document, limits, timestamp
from missionops.domain.limits import Rules
from missionops.domain.rule import Rule
from missionops.store import configs
from missionops.store.database import Connection, Database

_SLICE = 250
"""Rules that are compiled before other tasks run."""
_MOST_RULES = 25_000
"""Compiled rules of one generation, of some 700 bytes each; two generations are kept."""
_MOST_VERSIONS = 25_000


@dataclass(slots=True)
class CompiledConfig:
    """A version of a spacecraft's config, and its compiled limits."""

    version: int
    rules: Rules
    digest: bytes
    """Of the document: equal documents share their rules."""
    works_until: datetime = timestamp.EARLIEST
    """Until when it is known that every rule works; what is received later can only move it on."""
    searched_at: float = -math.inf
    """When older telemetry was last searched for parameters that the newest has not, by the clock of the loop."""


class _Generation:
    """What was used since the generation began."""

    def __init__(self) -> None:
        self.by_version: dict[tuple[str, int], CompiledConfig] = {}
        self.by_digest: dict[bytes, Rules] = {}
        self.count = 0

    def add(self, spacecraft_id: str, config: CompiledConfig) -> None:
        self.by_version[spacecraft_id, config.version] = config
        if config.digest not in self.by_digest:
            self.by_digest[config.digest] = config.rules
            self.count += len(config.rules)

    @property
    def is_full(self) -> bool:
        return self.count > _MOST_RULES or len(self.by_version) > _MOST_VERSIONS


class LimitsCache:
    """Compiled limits by spacecraft and version. A version never changes, so no entry is ever out of date."""

    def __init__(self) -> None:
        self._young = _Generation()
        self._old = _Generation()
        self._compiling = asyncio.Lock()

    def forget(self) -> None:
        """Forget what each version is: the database may be another one from now on, such as a restored backup."""
        self._young.by_version.clear()
        self._old.by_version.clear()

    async def read(
        self, connection: Connection, versions: Mapping[str, int]
    ) -> AsyncIterator[tuple[str, CompiledConfig]]:
        """The limits of each spacecraft that has a config, in no order: those that are cached first.

        They are handed out one by one, so that a batch of many large configs never holds all of them.
        """
        missing: dict[str, int] = {}
        for spacecraft_id, version in versions.items():
            if found := self._find(spacecraft_id, version):
                yield spacecraft_id, found
            elif version:
                missing[spacecraft_id] = version
        if missing:
            async for spacecraft_id, document in configs.documents(connection, missing):
                yield spacecraft_id, await self._compile(spacecraft_id, missing[spacecraft_id], document)
                await asyncio.sleep(0)  # requests go on in between

    async def rules(self, connection: Connection, versions: Mapping[str, int]) -> AsyncIterator[tuple[str, Rules]]:
        """As `read`, the rules alone."""
        async for spacecraft_id, config in self.read(connection, versions):
            yield spacecraft_id, config.rules

    async def current(self, database: Database, spacecraft_id: str) -> CompiledConfig | None:
        """What is in force for one spacecraft now, on a connection of its own; None where it has no config."""
        async with database.transaction() as connection:
            version = await configs.version_in_force(connection, spacecraft_id)
        return await self.of(database, spacecraft_id, version) if version else None

    async def of(self, database: Database, spacecraft_id: str, version: int) -> CompiledConfig:
        """A version that there is.

        No connection is held while rules are compiled, or while another request compiles the same ones.
        """
        if found := self._find(spacecraft_id, version):
            return found
        async with self._compiling:  # one at a time: what is being compiled takes memory, too
            if found := self._find(spacecraft_id, version):
                return found
            async with database.transaction() as connection:
                document = await configs.document(connection, spacecraft_id, version)
            return await self._compile(spacecraft_id, version, document or b"{}")

    def _find(self, spacecraft_id: str, version: int) -> CompiledConfig | None:
        key = spacecraft_id, version
        if found := self._young.by_version.get(key):
            return found
        if found := self._old.by_version.get(key):
            self._keep(spacecraft_id, found)
        return found

    async def _compile(self, spacecraft_id: str, version: int, document: bytes) -> CompiledConfig:
        digest = hashlib.blake2b(document, digest_size=16).digest()
        rules = self._young.by_digest.get(digest)
        if rules is None:
            rules = self._old.by_digest.get(digest)
        if rules is None:
            rules = await _compiled(msgspec.json.decode(document))
        config = CompiledConfig(version, rules, digest)
        self._keep(spacecraft_id, config)
        return config

    def _keep(self, spacecraft_id: str, config: CompiledConfig) -> None:
        self._young.add(spacecraft_id, config)
        if self._young.is_full:
            self._old, self._young = self._young, _Generation()


async def _compiled(document: Mapping[str, Any]) -> Rules:
    """The rules of a document that was validated before it was stored."""
    given: Mapping[str, Any] = document.get("parameters", {})
    if len(given) <= _SLICE:
        return limits.compile_valid(document)
    rules: dict[str, Rule] = {}
    off: set[str] = set()
    left = iter(given.items())
    while part := dict(islice(left, _SLICE)):
        found = limits.compile_valid({"parameters": part})
        rules |= found
        off |= found.off
        await asyncio.sleep(0)
    return Rules(rules, frozenset(off), config_document.clock(document))
