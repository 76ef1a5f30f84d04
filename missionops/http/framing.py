"""Where one request ends and the next begins, strictly by RFC 9112.

h11 is lenient: a line may end in LF alone or be folded, and of Content-Length beside Transfer-Encoding it takes one.
A proxy that reads such a request in another way would pass on one request where we see two (request smuggling). What
can be read in two ways is therefore refused.
"""

import re

import h11
from h11._receivebuffer import ReceiveBuffer

_HEAD = re.compile(rb"(?P<end>\r\n\r\n)|(?P<folded>\n[ \t])|(?P<bare>(?<!\r)\n)")


class StrictConnection(h11.Connection):
    """The server's side of a connection; it takes what can be read in one way only."""

    def __init__(self, max_incomplete_event_size: int) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size)
        self._receive_buffer = _StrictBuffer()

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As in h11; RemoteProtocolError also for a request that gives its length in two ways (6.1)."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if b"transfer-encoding" in names and (b"content-length" in names or event.http_version < b"1.1"):
                raise h11.RemoteProtocolError("the request gives its length in two ways")
        return event


class _StrictBuffer(ReceiveBuffer):
    """What was received; heads and trailers end in empty lines, and lines in CR LF."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """The lines up to an empty one, if that has come."""
        if self._data[:2] == b"\r\n":
            self._extract(2)
            return []
        found = _HEAD.search(self._data, self._multiple_lines_search)
        if found is None:
            self._multiple_lines_search = max(0, len(self._data) - 3)
            return None
        if found.lastgroup != "end":
            raise h11.LocalProtocolError(f"a line is {found.lastgroup}")
        return self._extract(found.end())[:-4].split(b"\r\n")
