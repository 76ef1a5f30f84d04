"""The rules in force, read in the transaction that judges by them."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import msgspec

from missionops.database import Connection
from missionops.domain import limits
from missionops.domain.limits import Rules
from missionops.store import configs

_BYTES = 32 << 20


class InForce(NamedTuple):
    """A spacecraft's config version and its rules; version 0 has none."""

    version: int
    rules: Rules


_NONE = InForce(0, {})


class Rulebook:
    """Compiled rules by (spacecraft, version). A version never changes, so there is nothing to invalidate."""

    def __init__(self) -> None:
        self._digests: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._compiled: OrderedDict[bytes, tuple[Rules, int]] = OrderedDict()
        self._bytes = 0

    async def read(self, connection: Connection, spacecraft_ids: AbstractSet[str]) -> Mapping[str, InForce]:
        """What is in force now for each of `spacecraft_ids`; who is not registered yet, is now."""
        versions = await configs.versions(connection, spacecraft_ids)
        unknown = spacecraft_ids - versions.keys()
        if unknown:
            await configs.register(connection, unknown)
        configured = {name: version for name, version in versions.items() if version}
        # Taken out first: compiling what is missing may push out what is known.
        rules = {
            name: known for name, version in configured.items() if (known := self._known(name, version)) is not None
        }
        missing = {name: version for name, version in configured.items() if name not in rules}
        if missing:
            rules |= await self._compile(connection, missing)
        return {name: InForce(configured[name], rules[name]) if name in rules else _NONE for name in spacecraft_ids}

    def _known(self, name: str, version: int) -> Rules | None:
        digest = self._digests.get((name, version), b"")
        return self._compiled[digest][0] if digest in self._compiled else None

    async def _compile(self, connection: Connection, wanted: Mapping[str, int]) -> dict[str, Rules]:
        documents = await configs.documents(connection, wanted)
        return {name: self._remember(name, version, document) for (name, version), document in documents.items()}

    def _remember(self, name: str, version: int, document: bytes) -> Rules:
        digest = hashlib.blake2b(document, digest_size=16).digest()
        if digest not in self._compiled:
            self._compiled[digest] = limits.compile_rules(msgspec.json.decode(document)), len(document)
            self._bytes += len(document)
        self._digests[name, version] = digest
        rules, _ = self._compiled[digest]
        self._forget_oldest()
        return rules

    def _forget_oldest(self) -> None:
        while self._bytes > _BYTES and len(self._compiled) > 1:
            _, (_, size) = self._compiled.popitem(last=False)
            self._bytes -= size
        while len(self._digests) > 100_000:  # noqa: PLR2004 - some ten megabytes
            self._digests.popitem(last=False)
