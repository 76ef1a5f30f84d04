"""Keeps nats-py's read loop alive whatever a publisher sends.

nats-py 2.16 parses header blocks and subjects inside the task that reads the socket. A header block that does not
begin with `NATS/1.0`, a status line that is not UTF-8, a subject that is not UTF-8 or that holds a vertical tab or a
form feed (the server lets them through) ends that task with `is_connected` still true, and the redelivery ends the
next one. So two private methods of a client and two patterns of its parser are replaced here; the version is pinned
in pyproject.toml, and tests/integration/test_nats_guard.py sends each of these.
"""

import re
from collections.abc import Mapping
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol import parser

_BROKEN = "broken headers"  # no publisher can send it: a name with white space is left out when it is read

# As in nats-py, but a subject ends at a space, as it does for the server, not at any white space.
_MSG = re.compile(rb"\AMSG[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+(([^ \t\r\n]+)[ \t]+)?(\d+)\r\n")
_HMSG = re.compile(rb"\AHMSG[ \t]+([^ \t\r\n]+)[ \t]+([^ \t\r\n]+)[ \t]+(([^ \t\r\n]+)[ \t]+)?(\d+)[ \t]+(\d+)\r\n")


def install(client: Client) -> None:
    """Make `client` deliver every message; those whose headers could not be read are `is_broken`."""
    parser.MSG_RE, parser.HMSG_RE = _MSG, _HMSG
    process_headers = client._process_headers  # noqa: SLF001 - see the module's docstring
    build_message = client._build_message  # noqa: SLF001 - likewise

    async def guarded_headers(block: bytes | None) -> dict[str, str] | None:
        if not block:
            return None
        try:
            if not re.match(rb"NATS/1\.0(\r\n| )", block):
                return _broken(block, "they do not begin with NATS/1.0")
            return await process_headers(block)
        except Exception as error:  # noqa: BLE001 - whatever it is, the read loop must outlive it
            return _broken(block, str(error))

    def guarded_message(sid: int, subject: bytes, reply: bytes, data: bytes, headers: Any) -> Any:
        try:
            return build_message(sid, subject, reply, data, headers)
        except UnicodeDecodeError:
            name, inbox = (text.decode("utf-8", "backslashreplace") for text in (subject, reply))
            return Msg(client, name, inbox, data, headers, _sid=sid)

    client._process_headers = guarded_headers  # type: ignore[method-assign,assignment] # noqa: SLF001
    client._build_message = guarded_message  # type: ignore[method-assign] # noqa: SLF001


def _broken(block: bytes, reason: str) -> dict[str, str]:
    """The mark, and the lines that can be read: the server adds its own to a broken block that it hands out."""
    return {**Client._parse_header_lines(block), _BROKEN: reason}  # noqa: SLF001 - see the module's docstring


def is_broken(headers: Mapping[str, str] | None) -> bool:
    """Whether a message's header block could not be read."""
    return headers is not None and _BROKEN in headers
