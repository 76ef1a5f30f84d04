"""Host names under which this machine answers requests without a token."""

import re
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from missionops.errors import Forbidden
from missionops.http import response
from missionops.operations import dispatch

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:@/?#]*))(?::[0-9]*)?")


class AllowedHosts:
    """Refuses requests to a host name that is not certainly this machine's.

    The owner of a domain can make its name resolve to the loopback interface once a browser has loaded a page from it
    (DNS rebinding). To the browser that page then has our origin, and may read and write; but its name is in `Host`.
    """

    def __init__(self, app: ASGIApp, own_name: str) -> None:
        self._app = app
        self._own_name = own_name.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        host = Headers(scope=scope).get("host", "")
        if self.is_own(host):
            await self._app(scope, receive, send)
            return
        error = Forbidden(
            f"Without tokens this service answers on localhost and on addresses, not on {host!r}, where a web page "
            "could imitate it: use its address, or set MISSIONOPS_HTTP_AUTH."
        )
        await response.failed(dispatch.refusal(error))(scope, receive, send)

    def is_own(self, host: str) -> bool:
        """Whether a `Host` header names this machine or an address; a client without one is no browser."""
        found = _HOST.fullmatch(host.lower())
        name = found[1] or found[2] if found else host
        return name in {"", "localhost", self._own_name} or name.endswith(".localhost") or is_address(name)


def is_address(name: str) -> bool:
    """Whether a name is an address, which cannot be made to resolve elsewhere."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
