"""The exceptions of this service: who has to act, and whether trying again helps.

MissionopsError
├── Refused             the caller has to act: the same request will be refused again
│   ├── InvalidRequest  400: the request breaks a rule; `details` name the places
│   ├── Unauthenticated 401: the request has no valid token
│   ├── Forbidden       403: the caller has no right to do this
│   ├── NotFound        404
│   ├── Conflict        409: it exists already, with other content
│   └── TooLarge        413
├── Unavailable         503: a server cannot be reached or is too slow; the same request may work later
├── SetupError          the operator has to act: settings, a port, a directory, a server or a stream cannot be used
└── OwnershipLost       the service recovers: it has lost a partition or its place in the stream, and starts again
"""

from typing import ClassVar, NamedTuple


class Detail(NamedTuple):
    """Where a request breaks a rule (`parameters.temp.warnHigh`), and which."""

    path: str
    message: str


class MissionopsError(Exception):
    """An error whose text is one sentence for the person who has to act."""


class Refused(MissionopsError):
    """The caller made a mistake; sending the same request again does not help."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid_request"

    def __init__(self, message: str, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.details = details


class InvalidRequest(Refused):
    """The request breaks a rule."""


class Unauthenticated(Refused):
    """The caller is unknown: the request has no token, or one that is not valid."""

    status = 401
    code = "unauthenticated"


class Forbidden(Refused):
    """The caller has no right to do this."""

    status = 403
    code = "forbidden"


class NotFound(Refused):
    """What the request names does not exist."""

    status = 404
    code = "not_found"


class Conflict(Refused):
    """It exists already, with other content."""

    status = 409
    code = "conflict"


class TooLarge(Refused):
    """The request is larger than one request may be."""

    status = 413
    code = "too_large"


class Unavailable(MissionopsError):
    """A server cannot be reached, or the response would take too long; the same request may work later."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "unavailable"


class SetupError(MissionopsError):
    """Settings, a port, a directory, a server or a stream cannot be used; the operator has to act."""


class OwnershipLost(MissionopsError):
    """This instance has lost its partition or its place in the stream; it starts again from what is in the database."""
