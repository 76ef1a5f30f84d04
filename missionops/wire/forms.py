"""Forms: decoders for bodies of one vocabulary; and which form each spacecraft's bodies have, learned from them."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from missionops.domain.limits import MAX_NAME, MAX_PARAMETERS
from missionops.domain.vocabulary import vocabulary
from missionops.wire import careful

_ENOUGH = 64
"""Snapshots after which a form is made: that takes as long as decoding some fifty without one."""
_MOST_NAMES = 500
"""In one vocabulary; the attributes of those that are not reported take time too."""
_MOST_NAMES_AT_ALL = 30_000
_MOST_SPACECRAFT = 50_000

# An integer past 63 bits is left to `careful`: msgspec has no wider bound.
_Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Value: TypeAlias = bool | _Integer | float | str
_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Id = Annotated[str, Meta(min_length=1, max_length=careful.MAX_ID)]
_Parameters: TypeAlias = Annotated[dict[_Name, _Value], Meta(max_length=MAX_PARAMETERS)]

P = TypeVar("P")


class Body(msgspec.Struct, Generic[P], gc=False, rename="camel"):
    """A snapshot as it is written."""

    timestamp: Raw  # its text, or MessagePack's extension: msgspec would round it
    parameters: P
    id: _Id | UnsetType = UNSET
    spacecraft_id: str | UnsetType = UNSET


class Form(NamedTuple):
    """How bodies are decoded."""

    json: Callable[[bytes], Body[Any]]
    msgpack: Callable[[bytes], Body[Any]]


def _form(parameters: Any) -> Form:
    body = Body[parameters]
    return Form(msgspec.json.Decoder(body).decode, msgspec.msgpack.Decoder(body).decode)


ANY = _form(_Parameters)
"""Takes whatever names come, into a dict."""


class _Vocabulary:
    """Names, how often a snapshot has come that needed them, and the form that they have had from some time on."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.form: Form | None = None
        self._count = 0

    def count(self) -> None:
        """Note one more snapshot; when there are enough, the form is made."""
        self._count += 1
        if self._count == _ENOUGH:
            try:
                self.form = _form(vocabulary(self.names, _Value))
            except ValueError:  # a name that needs escapes stays with `ANY`
                return


_TOO_LARGE = _Vocabulary(frozenset())


class Forms:
    """The forms that are known, by spacecraft.

    A vocabulary is all that a spacecraft has reported, whether at once or in packets of different kinds; those who
    have the same share it.
    """

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {}
        self._vocabularies: dict[str, _Vocabulary] = {}
        self._by_names: dict[frozenset[str], _Vocabulary] = {}
        self._names = 0
        self.get = self._forms.get
        """The form that a spacecraft's bodies probably have; None where none is known."""

    def learn(self, spacecraft_id: str, names: Iterable[str]) -> bool:
        """Note what was in a body that has no form known yet; whether it has one now."""
        self._keep_bounds()
        known = self._vocabularies.get(spacecraft_id)
        found = known if known is _TOO_LARGE else self._find(known.names.union(names) if known else frozenset(names))
        self._vocabularies[spacecraft_id] = found
        self._forms.pop(spacecraft_id, None)
        if found is _TOO_LARGE:
            return False
        found.count()
        if found.form:
            self._forms[spacecraft_id] = found.form
        return found.form is not None

    def _find(self, names: frozenset[str]) -> _Vocabulary:
        if len(names) > _MOST_NAMES:
            return _TOO_LARGE
        found = self._by_names.get(names)
        if found is None:
            self._names += len(names)
            found = self._by_names[names] = _Vocabulary(names)
        return found

    def _keep_bounds(self) -> None:
        """Begin to learn anew rather than hold more."""
        if self._names > _MOST_NAMES_AT_ALL or len(self._vocabularies) >= _MOST_SPACECRAFT:
            self._forms.clear()
            self._vocabularies.clear()
            self._by_names.clear()
            self._names = 0
