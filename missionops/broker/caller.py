"""The caller of a request over NATS, as far as the server reports it.

A request from another account, through a service import, carries the header Nats-Request-Info: the server
writes it, in place of any that the publisher wrote, with the account, and where the import says `share: true` with the
user and the host. Its reply subject then begins with `_R_.`, which the server refuses to a publisher (nats-server
2.15: "Permissions Violation for Publish with Reply"). So the header counts where the reply subject does, and a user
of the service's own account, who could write anything there, is always "nats".
"""

from collections.abc import Mapping

import msgspec

from missionops.domain.access import OVER_NATS, Caller
from missionops.wire.headers import REQUEST_INFO

_IMPORTED = "_R_."
_LONGEST = 256


class _Info(msgspec.Struct):
    """The header as the server writes it, without the fields that it does not share."""

    acc: str
    user: str = ""
    host: str = ""


_decode = msgspec.json.Decoder(_Info).decode


def caller(reply: str, headers: Mapping[str, str]) -> Caller:
    """The caller with this reply subject and these headers: `nats:<account>/<user>@<host>`, or `nats`."""
    if not reply.startswith(_IMPORTED) or REQUEST_INFO not in headers:
        return OVER_NATS
    try:
        info = _decode(headers[REQUEST_INFO])
    except msgspec.DecodeError:
        return OVER_NATS
    user = f"/{info.user}" if info.user else ""
    host = f"@{info.host}" if info.host else ""
    name = f"{OVER_NATS.name}:{info.acc}{user}{host}".replace("\0", "")
    return OVER_NATS._replace(name=name[:_LONGEST])
