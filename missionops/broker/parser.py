# ruff: noqa: SLF001 - it calls the methods of the client that nats-py's own parser calls, and no others
"""The parser of what a NATS server sends: in place of nats-py's own, with the interface that its client uses.

nats-py 2.16 matches six patterns one after the other, cuts its buffer for every message, builds an object, and hands
it through a queue to a task: more work than all that happens to a snapshot before the database. Here a message is a
few slices of what was read, and one that a sink waits for goes straight into it. And a subject ends at a space, as it
does for the server, not at any white space: the server lets a vertical tab through.
"""

import json
from collections.abc import Callable, Sequence

from nats.aio.client import Client
from nats.errors import ProtocolError

Sink = Callable[[bytes, bytes, bytes | None, bytes], None]
"""Takes subject, reply subject (empty where there is none), header block (None where there is none) and payload."""

_LONGEST_LINE = 64 << 10
_END = b"\r\n"
_MESSAGES = frozenset({b"MSG", b"HMSG"})
_UNKNOWN = "nats: unknown protocol"


class _Partial:
    """What was read of a message or line that has not arrived whole."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0
        self.needed = 0
        """How long it will be, where that is known: a large message is not parsed again for each piece of it."""

    def whole(self, piece: bytes) -> bytes | None:
        """All that was read, if it may be whole now."""
        if not self._pieces:
            return piece
        self.keep(piece)
        if self._length < self.needed:
            return None
        data = b"".join(self._pieces)
        self._pieces, self._length, self.needed = [], 0, 0
        return data

    def keep(self, piece: bytes) -> None:
        """Keep what is left."""
        if piece:
            self._pieces.append(piece)
            self._length += len(piece)
        if not self.needed and self._length > _LONGEST_LINE:
            raise ProtocolError("nats: a line that does not end")


class Parser:
    """Takes what was read, in any pieces, and calls the client or a sink for each message that is whole."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._partial = _Partial()
        self.sinks: dict[bytes, Sink] = {}
        """By the number of their subscription; called in the order of arrival."""

    def reset(self) -> None:
        """Forget what has not arrived whole: it came over another connection."""
        self._partial = _Partial()

    async def parse(self, data: bytes = b"") -> None:
        """Take what was read; ProtocolError if it is not the protocol of NATS."""
        partial = self._partial
        whole = partial.whole(data)
        if whole is None:
            return
        at = 0
        # A reset ends the loop: what follows came over another connection. Each message is handled in the loop itself,
        # since a call would cost as much as handling it.
        while (end := whole.find(_END, at)) >= 0 and self._partial is partial:
            words = whole[at:end].split(b" ")  # MSG subject number [reply] size; HMSG …: size of the headers, size
            if words[0] not in _MESSAGES:
                at = end + 2
                await self._handle(words)
                continue
            try:
                begin = body = end + 2
                after = begin + int(words.pop())
                if words[0] == b"HMSG":
                    body += int(words.pop())
                number, reply = words[2], words[3] if len(words) > 3 else b""  # noqa: PLR2004 - see above
            except (ValueError, IndexError):
                raise ProtocolError(_UNKNOWN) from None
            if len(whole) < after + 2:
                partial.needed = after + 2 - at
                break
            at = after + 2
            block = whole[begin:body] if body > begin else None
            if sink := self.sinks.get(number):
                sink(words[1], reply, block, whole[body:after])
            else:
                await self._client._process_msg(int(number), words[1], reply, whole[body:after], block or b"")
        partial.keep(whole[at:])

    async def _handle(self, words: Sequence[bytes]) -> None:
        """Handle a line of the protocol that is not a message."""
        match words:
            case [b"PING", *_]:
                await self._client._process_ping()
            case [b"PONG", *_]:
                await self._client._process_pong()
            case [b"INFO", *rest]:
                await self._client._process_info(json.loads(b" ".join(rest)))
            case [b"-ERR", *rest]:
                await self._client._process_err(b" ".join(rest).decode(errors="replace").strip().lower())
            case [b"+OK", *_]:
                pass
            case _:
                raise ProtocolError(_UNKNOWN)
