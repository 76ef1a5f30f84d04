"""Every fault we name, whose it is, and whether trying again helps.

MissionopsError
├── Refused             the caller's: the same request will be refused again
│   ├── InvalidRequest  400: what was asked breaks a rule; `details` name where
│   ├── Unauthenticated 401: nobody knows who asks
│   ├── Forbidden       403: whoever asks may not
│   ├── NotFound        404
│   ├── Conflict        409: it exists already, with other content
│   └── TooLarge        413
├── Unavailable         503: a server is away or too slow; the same request may work later
├── SetupError          the operator's: settings, a port, a directory, a server or a stream that we cannot work with
└── OwnershipLost       ours to recover: ownership or a place in the stream is gone; start again from the database
"""

from typing import ClassVar, NamedTuple


class Detail(NamedTuple):
    """Where a request breaks a rule (`parameters.temp.warnHigh`), and which."""

    path: str
    message: str


class MissionopsError(Exception):
    """One sentence for the person who has to act."""


class Refused(MissionopsError):
    """The caller's fault; repeating it does not help."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid_request"

    def __init__(self, message: str, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.details = details


class InvalidRequest(Refused):
    """What was asked breaks a rule."""


class Unauthenticated(Refused):
    """Nobody knows who asks: there is no token, or none that counts."""

    status = 401
    code = "unauthenticated"


class Forbidden(Refused):
    """Whoever asks may not do this."""

    status = 403
    code = "forbidden"


class NotFound(Refused):
    """What was asked for is not there."""

    status = 404
    code = "not_found"


class Conflict(Refused):
    """It exists already, with other content."""

    status = 409
    code = "conflict"


class TooLarge(Refused):
    """More than one request may carry."""

    status = 413
    code = "too_large"


class Unavailable(MissionopsError):
    """A server is away, or the answer would take too long; it may work later."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "unavailable"


class SetupError(MissionopsError):
    """Settings, a port, a directory, a server or a stream that we cannot work with; the operator has to act."""


class OwnershipLost(MissionopsError):
    """Ownership or a place in the stream is gone; whoever held it forgets everything and starts from the database."""
