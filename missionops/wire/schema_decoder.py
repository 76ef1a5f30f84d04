"""Forms: decoders for bodies of one vocabulary; and which form each spacecraft's bodies have, learned from them."""

import gc
from collections.abc import Callable, Iterable
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias, cast

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from missionops.domain.limits import MAX_NAME, MAX_PARAMETERS
from missionops.domain.parameter_set import parameter_set
from missionops.wire import strict_decoder

_ENOUGH = 64
"""Snapshots after which a form is made: that takes as long as decoding some fifty without one."""
_MOST_NAMES = 500
"""In one vocabulary; the attributes of those that are not reported take time too."""
_MOST_NAMES_AT_ALL = 30_000
"""In all vocabularies together: the two decoders and the class of one take some 700 bytes a name."""
_MOST_SPACECRAFT = 50_000
_MOST_GARBAGE = 10_000
"""Names in classes that nobody uses any more."""
_PASSED_OVER = 1_000_000
"""Snapshots that find no room for what they would teach; after so many all is learned anew, by what comes now."""

# An integer past 63 bits is left to `careful`: msgspec has no wider bound.
_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Value: TypeAlias = bool | _Integer | float | str
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
    """How bodies are decoded."""

    json: Callable[[bytes], Body]
    msgpack: Callable[[bytes], Body]


def _form(parameters: Any) -> SchemaDecoder:
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


ANY = _form(_Parameters)
"""Takes whatever names come, into a dict."""


class _ParameterSet:
    """Names, how often a snapshot has come that needed them, and the form that they have had from some time on."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.form: SchemaDecoder | None = None
        self.users = 0
        """How many spacecraft have just these names."""
        self._count = 0

    def count(self) -> None:
        """Note one more snapshot; when there are enough, the form is made."""
        self._count += 1
        if self._count == _ENOUGH:
            try:
                self.form = _form(parameter_set(self.names, _Value))
            except ValueError:  # a name that needs escapes stays with `ANY`
                return


_TOO_LARGE = _ParameterSet(frozenset())


class SchemaDecoders:
    """The forms that are known, by spacecraft.

    A vocabulary is all that a spacecraft has reported, whether at once or in packets of different kinds; those who
    have the same share it. Once there is no room for more names, what is known stays, and the rest is decoded without
    a form: a fleet that is a little too large loses little, and one spacecraft takes the room of `_MOST_NAMES` at most.
    """

    def __init__(self) -> None:
        self._forms: dict[str, SchemaDecoder] = {}
        self._vocabularies: dict[str, _ParameterSet] = {}
        self._by_names: dict[frozenset[str], _ParameterSet] = {}
        self._names = 0
        self._garbage = 0
        self._passed_over = 0
        self.get = self._forms.get
        """The form that a spacecraft's bodies probably have; None where none is known."""

    def learn(self, spacecraft_id: str, names: Iterable[str]) -> bool:
        """Note what was in a body that has no form known yet; whether it has one now."""
        known = self._vocabularies.get(spacecraft_id)
        if known is _TOO_LARGE:
            return False
        wanted = known.names.union(names) if known else frozenset(names)
        if known is None or wanted != known.names:
            if not self._has_room(wanted, known):
                self._pass_over()
                return False
            known = self._move(spacecraft_id, known, wanted)
            if known is _TOO_LARGE:
                return False
        known.count()
        if known.form is None:
            return False
        self._forms[spacecraft_id] = known.form
        return True

    def _has_room(self, wanted: frozenset[str], known: _ParameterSet | None) -> bool:
        if known is None and len(self._vocabularies) >= _MOST_SPACECRAFT:
            return False
        if len(wanted) > _MOST_NAMES or wanted in self._by_names:
            return True
        given_up = len(known.names) if known and known.users == 1 else 0
        return self._names + len(wanted) - given_up <= _MOST_NAMES_AT_ALL

    def _move(self, spacecraft_id: str, known: _ParameterSet | None, wanted: frozenset[str]) -> _ParameterSet:
        """Let a spacecraft have other names than it had."""
        self._forms.pop(spacecraft_id, None)
        if known:
            known.users -= 1
            if known.users == 0:
                self._drop(known)
        found = _TOO_LARGE if len(wanted) > _MOST_NAMES else self._by_names.get(wanted)
        if found is None:
            found = self._by_names[wanted] = _ParameterSet(wanted)
            self._names += len(wanted)
        found.users += 1
        self._vocabularies[spacecraft_id] = found
        return found

    def _drop(self, vocabulary: _ParameterSet) -> None:
        del self._by_names[vocabulary.names]
        self._names -= len(vocabulary.names)
        if vocabulary.form:
            self._garbage += len(vocabulary.names)
        if self._garbage > _MOST_GARBAGE:
            self._collect()

    def _pass_over(self) -> None:
        self._passed_over += 1
        if self._passed_over >= _PASSED_OVER:
            self._forms.clear()
            self._vocabularies.clear()
            self._by_names.clear()
            self._names = self._passed_over = 0
            self._collect()

    def _collect(self) -> None:
        """Free the classes that nobody uses: they are cycles, and the service has the collector run seldom."""
        self._garbage = 0
        gc.collect()
