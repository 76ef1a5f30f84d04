"""Names under which this machine may be asked without a token."""

import re
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from missionops.errors import Forbidden
from missionops.http import response
from missionops.operations import dispatch

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:@/?#]*))(?::[0-9]*)?")


class AllowedHosts:
    """Refuses what was sent to a name that is not surely this machine's.

    Whoever owns a name may let it lead to the loopback interface, once a browser has loaded his page from elsewhere
    (DNS rebinding). The page then counts as ours to the browser, and may read and write; but its name is in `Host`.
    """

    def __init__(self, app: ASGIApp, own_name: str) -> None:
        self._app = app
        self._own_name = own_name.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        host = Headers(scope=scope).get("host", "")
        app = self._app if self.is_own(host) else response.failed(dispatch.refusal(_refusal(host)))
        await app(scope, receive, send)

    def is_own(self, host: str) -> bool:
        """Whether a `Host` header names this machine, or an address; who sends none, or an empty one, is no browser."""
        name = _name(host)
        return name in {"", "localhost", self._own_name} or name.endswith(".localhost") or is_address(name)


def is_address(name: str) -> bool:
    """Whether a name is an address already, which leads nowhere else."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """The name in a `Host` header, without its port; whole where it is none."""
    found = _HOST.fullmatch(host.lower())
    return found[1] or found[2] if found else host


def _refusal(host: str) -> Forbidden:
    return Forbidden(
        f"Without tokens this service answers on localhost and on addresses, not on {host!r}, where a web page could "
        "pass for it: ask it by its address, or set MISSIONOPS_HTTP_AUTH."
    )
