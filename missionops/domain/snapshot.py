"""A snapshot: what one spacecraft reported at one time.

Its values stand by name in a dict, or by position in a class that is made for their names (`ParameterValues`): 20
parameters are decoded in two fifths of the time then, and judged in a quarter.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, ClassVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from missionops.domain import parameter_set, timestamp
from missionops.domain.parameter_set import Value

SnapshotKey = tuple[str, int, str]
"""Spacecraft, time (microseconds since 1970) and id."""


class ParameterValues(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Values of parameters by position, UNSET where a parameter was not reported; each set of names has its class."""

    fields: ClassVar[Mapping[str, str]] = {}
    """The attribute that holds each parameter, in the order of the names."""

    digest: ClassVar[bytes] = b""
    """16 bytes that stand for the names."""

    writers: ClassVar[dict[Any, Any]] = {}
    """For the store: how values of this class are written, found once and kept as long as the class."""

    def __len__(self) -> int:
        """How many names there are, whether reported or not."""
        return len(self.fields)

    def named(self) -> dict[str, Value]:
        """The parameters that were reported."""
        values = zip(self.fields, msgspec.structs.astuple(self), strict=True)
        return {name: value for name, value in values if value is not UNSET}


def values_class(names: Collection[str], value_type: Any) -> type[ParameterValues]:
    """A class for these names, whose values are of `value_type`; ValueError if a name needs escapes in JSON."""
    attributes = {name: f"p{position}" for position, name in enumerate(sorted(names))}
    made = msgspec.defstruct(
        "Values",
        [(attribute, value_type | UnsetType, UNSET) for attribute in attributes.values()],
        bases=(ParameterValues,),
        namespace={
            "fields": attributes,
            "digest": parameter_set.digest(attributes),
            "writers": {},
        },
        rename={attribute: name for name, attribute in attributes.items()},
        gc=False,
    )
    return cast("type[ParameterValues]", made)


class Snapshot(msgspec.Struct, gc=False):
    """What one spacecraft reported at one time; two with one identity are the same snapshot."""

    identity: SnapshotKey
    values: ParameterValues | dict[str, Value]

    @property
    def spacecraft_id(self) -> str:
        return self.identity[0]

    @property
    def timestamp(self) -> datetime:
        return timestamp.from_microseconds(self.identity[1])

    @property
    def id(self) -> str:
        return self.identity[2]

    @property
    def parameters(self) -> dict[str, Value]:
        return self.values if isinstance(self.values, dict) else self.values.named()


text: Callable[[ParameterValues | dict[str, Value]], bytes] = msgspec.json.Encoder(order="deterministic").encode
"""Parameters as JSON that depends on names and values alone: sorted, no white space, shortest numbers."""


def derived_id(time: int, parameters_text: bytes) -> str:
    """The id of a snapshot whose publisher gave none: the same content has the same id, whatever its encoding."""
    digest = hashlib.blake2b(timestamp.from_microseconds(time).isoformat().encode(), digest_size=16)
    digest.update(b"\n")
    digest.update(parameters_text)
    return f"ts_{digest.hexdigest()}"
