"""The rules in force, read in the transaction that judges by them."""

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from missionops.database import Connection
from missionops.domain import limits
from missionops.domain.limits import Rules
from missionops.store import configs

_BYTES = 32 << 20
"""Of documents; then the book is begun anew."""
_MOST = 50_000
"""Spacecraft, likewise."""


class InForce(NamedTuple):
    """A spacecraft's config version and its rules; version 0 has none."""

    version: int
    rules: Rules


_NONE = InForce(0, Rules({}))


class Rulebook:
    """What was in force lately, by spacecraft. A version never changes, so there is nothing to invalidate."""

    def __init__(self) -> None:
        self._lately: dict[str, InForce] = {}
        self._compiled: dict[bytes, Rules] = {}
        self._bytes = 0

    async def read(self, connection: Connection, spacecraft_ids: AbstractSet[str]) -> Mapping[str, InForce]:
        """What is in force now for each of `spacecraft_ids`; who is not registered yet, is now."""
        versions = await configs.versions(connection, spacecraft_ids)
        unknown = spacecraft_ids - versions.keys()
        if unknown:
            await configs.register(connection, unknown)
        found = dict.fromkeys(spacecraft_ids, _NONE)
        missing: dict[str, int] = {}
        for name, version in versions.items():
            known = self._lately.get(name, _NONE)
            if known.version == version:
                found[name] = known
            elif version:
                missing[name] = version
        if missing:
            found |= await self._compile(connection, missing)
        return found

    async def _compile(self, connection: Connection, wanted: Mapping[str, int]) -> dict[str, InForce]:
        if self._bytes > _BYTES or len(self._lately) > _MOST:
            self._lately.clear()
            self._compiled.clear()
            self._bytes = 0
        documents = await configs.documents(connection, wanted)
        found = {name: InForce(version, self._rules(document)) for (name, version), document in documents.items()}
        self._lately |= found
        return found

    def _rules(self, document: bytes) -> Rules:
        """The rules of a document; spacecraft with equal ones share them."""
        digest = hashlib.blake2b(document, digest_size=16).digest()
        if digest not in self._compiled:
            self._compiled[digest] = limits.compile_rules(msgspec.json.decode(document))
            self._bytes += len(document)
        return self._compiled[digest]
