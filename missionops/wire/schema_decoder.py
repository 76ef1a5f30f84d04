"""Decoders for bodies whose parameters are known, and which of them each spacecraft's bodies need, as they learn."""

import gc
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from missionops.domain import snapshot
from missionops.domain.parameter_name import MAX_NAME, MAX_PARAMETERS
from missionops.wire import strict_decoder

_ENOUGH = 64
"""Snapshots after which a decoder is made: making it takes as long as decoding some fifty without it."""
_MOST_NAMES = 500
"""In one parameter set; the attributes of those that are not reported take time too."""
_MOST_NAMES_AT_ALL = 30_000
"""In all parameter sets together: the two decoders and the class of one take some 700 bytes a name."""
_MOST_SPACECRAFT = 50_000
_MOST_GARBAGE = 10_000
"""Names in classes that are no longer used."""
_PASSED_OVER = 1_000_000
"""Snapshots that find no room for what could be learned from them; after so many all is learned anew."""

# An integer past 63 bits is left to strict_decoder: msgspec has no wider bound.
_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Value: TypeAlias = bool | _Integer | float | str | None
_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Id = Annotated[str, Meta(min_length=1, max_length=strict_decoder.MAX_ID)]
_Parameters: TypeAlias = Annotated[dict[_Name, _Value], Meta(max_length=MAX_PARAMETERS)]


class Body(Protocol):
    """A snapshot as it is written."""

    timestamp: Raw  # its text, or MessagePack's extension: msgspec would round it
    parameters: Any
    id: str | UnsetType
    spacecraft_id: str | UnsetType


class SchemaDecoder(NamedTuple):
    """How bodies with certain parameters are decoded, in each encoding."""

    json: Callable[[bytes], Body]
    msgpack: Callable[[bytes], Body]


def _schema_decoder(parameters: Any) -> SchemaDecoder:
    # No generic class: `typing` would keep the last 128 of its arguments alive, and each may be a large class.
    body = msgspec.defstruct(
        "Body",
        [
            ("timestamp", Raw),
            ("parameters", parameters),
            ("id", _Id | UnsetType, UNSET),
            ("spacecraft_id", str | UnsetType, UNSET),
        ],
        gc=False,
        rename="camel",
    )
    decoders = msgspec.json.Decoder(body).decode, msgspec.msgpack.Decoder(body).decode
    return SchemaDecoder(*cast("tuple[Callable[[bytes], Body], Callable[[bytes], Body]]", decoders))


ANY = _schema_decoder(_Parameters)
"""Takes parameters of any names, into a dict."""


class _LearnedSet:
    """Names of parameters, how many snapshots needed a decoder for them, and that decoder once there is one."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.decoder: SchemaDecoder | None = None
        self.users = 0
        """How many spacecraft have just these names."""
        self._count = 0

    def trust(self) -> None:
        """The next snapshot is enough."""
        self._count = max(self._count, _ENOUGH - 1)

    def count(self) -> None:
        """Note one more snapshot; when there were enough, the decoder is made."""
        self._count += 1
        if self._count == _ENOUGH:
            try:
                self.decoder = _schema_decoder(snapshot.values_class(self.names, _Value))
            except ValueError:  # a name that needs escapes stays with `ANY`
                return


_TOO_LARGE = _LearnedSet(frozenset())


class SchemaDecoders:
    """The decoders that are known, by spacecraft.

    A parameter set is all that a spacecraft has reported, whether at once or in packets of different kinds; spacecraft
    with the same names share it. Once there is no room for more names, what is known stays, and other bodies are
    decoded by `ANY`: a fleet that is a little too large loses little, and one spacecraft takes the room of
    `_MOST_NAMES` at most.
    """

    def __init__(self) -> None:
        self._decoders: dict[str, SchemaDecoder] = {}
        self._sets: dict[str, _LearnedSet] = {}
        self._by_names: dict[frozenset[str], _LearnedSet] = {}
        self._names = 0
        self._garbage = 0
        self._passed_over = 0
        self.get = self._decoders.get
        """The decoder that a spacecraft's bodies probably need; None where none is known."""

    def learn(self, spacecraft_id: str, names: Iterable[str]) -> bool:
        """Note the names in a body that the known decoder did not take; whether there is a decoder for them now."""
        known = self._sets.get(spacecraft_id)
        if known is _TOO_LARGE:
            return False
        wanted = known.names.union(names) if known else frozenset(names)
        if known is None or wanted != known.names:
            if not self._has_room(wanted, known):
                self._passed_over += 1
                if self._passed_over >= _PASSED_OVER:  # forget everything, so that what comes now has room
                    self._decoders.clear()
                    self._sets.clear()
                    self._by_names.clear()
                    self._names = self._passed_over = 0
                    self._collect()
                return False
            known = self._move(spacecraft_id, known, wanted)
            if known is _TOO_LARGE:
                return False
        known.count()
        if known.decoder is None:
            return False
        self._decoders[spacecraft_id] = known.decoder
        return True

    def trust(self, spacecraft_id: str, names: AbstractSet[str]) -> None:
        """Note names that a spacecraft is known to have reported before: such bodies need not come often again."""
        known = self._sets.get(spacecraft_id)
        if known and known is not _TOO_LARGE and known.names <= names:
            known.trust()

    def _has_room(self, wanted: frozenset[str], known: _LearnedSet | None) -> bool:
        if known is None and len(self._sets) >= _MOST_SPACECRAFT:
            return False
        if len(wanted) > _MOST_NAMES or wanted in self._by_names:
            return True
        given_up = len(known.names) if known and known.users == 1 else 0
        return self._names + len(wanted) - given_up <= _MOST_NAMES_AT_ALL

    def _move(self, spacecraft_id: str, known: _LearnedSet | None, wanted: frozenset[str]) -> _LearnedSet:
        """Let a spacecraft have other names than it had."""
        self._decoders.pop(spacecraft_id, None)
        if known:
            known.users -= 1
            if known.users == 0:
                del self._by_names[known.names]
                self._names -= len(known.names)
                self._garbage += len(known.names) if known.decoder else 0
                if self._garbage > _MOST_GARBAGE:
                    self._collect()
        found = _TOO_LARGE if len(wanted) > _MOST_NAMES else self._by_names.get(wanted)
        if found is None:
            found = self._by_names[wanted] = _LearnedSet(wanted)
            self._names += len(wanted)
        found.users += 1
        self._sets[spacecraft_id] = found
        return found

    def _collect(self) -> None:
        """Free the classes that are no longer used: they are cycles, and the service runs the collector seldom."""
        self._garbage = 0
        gc.collect()
