"""The limits in force, read in the transaction that judges by them; compiled ones are kept within a bound."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from missionops.domain import limits
from missionops.domain.limits import Rules
from missionops.store import configs
from missionops.store.configs import IngestConfig
from missionops.store.database import Connection

_MOST_RULES = 25_000
"""Compiled rules of one generation, of some 700 bytes each; two generations are kept."""
_MOST_SPACECRAFT = 25_000


class InForce(NamedTuple):
    """A config version and its compiled limits."""

    version: int
    rules: Rules
    digest: bytes
    """Of the document: equal documents share their rules."""


class _Generation:
    """What was used since the generation began."""

    def __init__(self) -> None:
        self.by_spacecraft: dict[str, InForce] = {}
        self.by_digest: dict[bytes, Rules] = {}
        self.count = 0

    def add(self, spacecraft_id: str, in_force: InForce) -> None:
        self.by_spacecraft[spacecraft_id] = in_force
        if in_force.digest not in self.by_digest:
            self.by_digest[in_force.digest] = in_force.rules
            self.count += len(in_force.rules)

    @property
    def is_full(self) -> bool:
        return self.count > _MOST_RULES or len(self.by_spacecraft) > _MOST_SPACECRAFT


class LimitsCache:
    """Compiled limits by spacecraft. A version never changes, so there is nothing to invalidate."""

    def __init__(self) -> None:
        self._young = _Generation()
        self._old = _Generation()

    async def in_force(self, connection: Connection, spacecraft_ids: AbstractSet[str]) -> dict[str, IngestConfig]:
        """The config in force now for each of `spacecraft_ids`: its version, and how far the clock may be ahead.

        A spacecraft that is not registered yet is registered.
        """
        found = await configs.for_ingest(connection, spacecraft_ids)
        if unknown := spacecraft_ids - found.keys():
            await configs.register(connection, unknown)
            found |= await configs.for_ingest(connection, unknown)
        return found

    async def read(self, connection: Connection, versions: Mapping[str, int]) -> AsyncIterator[tuple[str, InForce]]:
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
                found = self._compile(missing[spacecraft_id], document)
                self._keep(spacecraft_id, found)
                yield spacecraft_id, found
                await asyncio.sleep(0)  # compiling 10,000 rules takes some 30 ms; requests go on in between

    async def rules(self, connection: Connection, versions: Mapping[str, int]) -> AsyncIterator[tuple[str, Rules]]:
        """The rules of each spacecraft that has a config, likewise."""
        async for spacecraft_id, in_force in self.read(connection, versions):
            yield spacecraft_id, in_force.rules

    def _find(self, spacecraft_id: str, version: int) -> InForce | None:
        found = self._young.by_spacecraft.get(spacecraft_id)
        if found is None and (found := self._old.by_spacecraft.get(spacecraft_id)):
            self._keep(spacecraft_id, found)
        return found if found and found.version == version else None

    def _keep(self, spacecraft_id: str, in_force: InForce) -> None:
        if self._young.is_full:
            self._old, self._young = self._young, _Generation()
        self._young.add(spacecraft_id, in_force)

    def _compile(self, version: int, document: bytes) -> InForce:
        digest = hashlib.blake2b(document, digest_size=16).digest()
        rules = self._young.by_digest.get(digest) or self._old.by_digest.get(digest)
        if rules is None:
            rules = limits.compile_valid(msgspec.json.decode(document))
        return InForce(version, rules, digest)
