"""Who asks, and what that one may do: a role, and the spacecraft that it is limited to."""

from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What somebody may do; each may also do what those before it may."""

    READER = "reader"
    """Ask for what there is."""
    OPERATOR = "operator"
    """Also report telemetry, record events, publish documents."""
    ADMIN = "admin"
    """Also decide what is watched: register spacecraft, set their limits."""

    def includes(self, needed: "Role") -> bool:
        """Whether this role is enough where `needed` is asked for."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)


class Caller(NamedTuple):
    """Who asks."""

    name: str
    """As the audit names it: a token, or a way in that does not tell who uses it."""
    role: Role
    spacecraft: AbstractSet[str] | None = None
    """The only ones that it may see and change; None: all, and what is about no one of them."""

    @property
    def is_known(self) -> bool:
        """Whether a token says who asks; otherwise a request may say so itself."""
        return self.name.partition(":")[0] not in WITHOUT_TOKEN

    @property
    def visible(self) -> list[str] | None:
        """The ids of the spacecraft that it may see; None: all."""
        return None if self.spacecraft is None else sorted(self.spacecraft)

    def reaches(self, spacecraft_id: str | None) -> bool:
        """Whether it may see and change what is about a spacecraft, or with None about no one."""
        return self.spacecraft is None or spacecraft_id in self.spacecraft


OVER_NATS = Caller("nats", Role.ADMIN)
"""A caller over NATS: its server has decided who may ask. Where it also tells who asks, that stands in the name."""

OVER_OPEN_HTTP = Caller("http", Role.ADMIN)
"""A caller over HTTP where nobody has to say who asks."""

WITHOUT_TOKEN = (OVER_NATS.name, OVER_OPEN_HTTP.name)
"""Names that no token may have."""
