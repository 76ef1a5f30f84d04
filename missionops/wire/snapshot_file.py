"""Files of snapshots cut into the snapshots' own texts, whatever form the file has, in bounded memory.

Known forms: newline-delimited JSON; JSON arrays; objects over several lines; CSV with a header; each in UTF-8, with or
without a byte order mark, or in UTF-16 or UTF-32 with one.
"""

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from missionops.wire import csv_snapshots
from missionops.wire.text import compression, utf8, wide_codec

MAX_TEXT = 8 * 1024 * 1024
"""NATS servers take 1 MB by default, and never should be told to take more than this."""

_HEAD = 256 * 1024
"""Bytes in which the first line has to end for the form to be known by it."""
_WHITE_SPACE = b" \t\r\n"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT = rb'\{(?:[^{}\[\]"]++|%b)*+\}' % _STRING
_SNAPSHOT = rb'\{(?:[^{}\[\]"]++|%b|%b)*+\}' % (_STRING, _FLAT)
# Nearly all snapshots are an object with an object in it: one step for each of them.
_TOKEN = re.compile(rb'%b|%b|["{}\[\],]' % (_SNAPSHOT, _STRING), re.DOTALL)
_OPEN, _CLOSE, _COMMA, _QUOTE = b"{[", b"}]", b",", b'"'
_TOO_LONG = f"longer than {MAX_TEXT} bytes"


class Piece(NamedTuple):
    """The text of one snapshot, or why there is none."""

    place: int
    """Its line, or its item in an array, from 1."""
    text: bytes
    fault: str | None = None


class SnapshotFile:
    """The pieces of a file whose bytes come in chunks."""

    def __init__(self, chunks: Iterator[bytes], *, time_column: str | None = None, is_csv: bool = False) -> None:
        self._chunks = chunks
        self._time_column = time_column
        self._is_csv = is_csv
        self.unit = "line"
        """What a place counts: `item` where the file is an array."""
        self.notes: list[str] = []
        """What the sender of the file should know about it, a sentence each."""

    def pieces(self) -> Iterator[list[Piece]]:
        """What each chunk holds, so that what comes slowly through a pipe is not waited for."""
        chunks = self._decoded()
        head, lines = b"", 0
        while not head.lstrip(_WHITE_SPACE) and (chunk := next(chunks, b"")):
            lines += head.count(b"\n")
            head = chunk
        start = head.lstrip(_WHITE_SPACE)
        if packed := compression(start):
            yield [Piece(lines + 1, b"", f"the file is {packed}, which has to be unpacked first")]
            return
        if start.startswith(b"["):
            self.unit = "item"
            yield from _cut(chain([start], chunks))
            return
        while b"\n" not in start and len(start) < _HEAD and (chunk := next(chunks, b"")):
            head += chunk
            start += chunk
        first, newline, _ = start.partition(b"\n")
        if newline and first.startswith(b"{") and first.rstrip().endswith((b"{", b"[", b",", b":")):
            self.unit = "object"
            yield from _cut(chain([start], chunks))
        elif not start.startswith(b"{") and (self._is_csv or csv_snapshots.is_header(first)):
            table = csv_snapshots.Table(self._time_column)
            pieces = _lines(chain([head], chunks), lines)
            for rows in table.rows([(piece.text, piece.fault) for piece in found] for found in pieces):
                yield [Piece(lines + line, text, fault) for line, text, fault in rows]
            self.notes += table.notes()
        else:
            for found in _lines(chain([head], chunks), lines):
                yield [piece for piece in found if piece.fault or piece.text]

    def _decoded(self) -> Iterator[bytes]:
        """The chunks as UTF-8 without a mark before it."""
        head = next(self._chunks, b"")
        codec = wide_codec(head)
        if codec is None:
            yield utf8(head)
            yield from self._chunks
            return
        self.notes.append(f"The file is {codec[:6].upper()} text; it was read as such, and had better be UTF-8.")
        decoder = codecs.getincrementaldecoder(codec)("replace")
        for chunk in chain([head], self._chunks):
            yield decoder.decode(chunk).encode("utf-8", "replace")


def _lines(chunks: Iterator[bytes], before: int) -> Iterator[list[Piece]]:
    """Each line without the white space around it, of which there are some `before` these; what is too long is left."""
    rest, is_skipping, place = b"", False, before
    for chunk in chain(chunks, [b"\n"]):
        *ended, rest = (rest + chunk).split(b"\n")
        pieces = [Piece(place, line.strip(_WHITE_SPACE)) for place, line in enumerate(ended, place + 1)]
        if pieces and is_skipping:
            pieces[0], is_skipping = Piece(place + 1, b"", _TOO_LONG), False
        if is_skipping or len(rest) > MAX_TEXT:
            rest, is_skipping = b"", True
        place += len(pieces)
        yield pieces


def _cut(chunks: Iterator[bytes]) -> Iterator[list[Piece]]:
    cutter = _Cutter()
    for chunk in chunks:
        yield cutter.take(chunk)
        if cutter.is_beyond_bounds:
            yield [Piece(cutter.place + 1, b"", f"{_TOO_LONG}; what comes after it was not read")]
            return
    if last := cutter.end():
        yield last


class _Cutter:
    """The items of arrays, and the objects outside of any, found by brackets alone.

    What is no JSON between two of them is a piece as well: it is for the decoder to say what is wrong with it.
    """

    def __init__(self) -> None:
        self.place = 0
        """How many pieces there were."""
        self._rest = b""
        self._start = 0
        """Where in the rest the piece begins that has not ended."""
        self._scanned = 0
        self._depth = 0
        self._base = 0
        """The depth at which pieces lie: 1 in an array, else 0."""
        self._found: list[Piece] = []

    @property
    def is_beyond_bounds(self) -> bool:
        """Whether the piece that has not ended is too long already."""
        return len(self._rest) > MAX_TEXT

    def take(self, chunk: bytes) -> list[Piece]:
        """The pieces that end in this chunk."""
        self._rest += chunk if self._rest else chunk.lstrip(_WHITE_SPACE)
        self._found = []
        end = len(self._rest)
        for token in _TOKEN.finditer(self._rest, self._scanned):
            if token.group() == _QUOTE:  # the string goes on in the next chunk
                end = token.start()
                break
            self._step(self._rest[token.start() : token.start() + 1], token)
        self._scanned = end - self._start
        self._rest, self._start = self._rest[self._start :], 0
        if self._depth == self._base and not self._rest.strip(_WHITE_SPACE):
            self._rest, self._scanned = b"", 0
        return self._found

    def end(self) -> list[Piece]:
        """What is left at the end of the file."""
        self._found = []
        if self._depth == self._base:
            self._end_piece(len(self._rest), len(self._rest))
        if self._base or self._depth:
            reason = "the file is cut off here; all that is whole before it was read"
            self._found.append(Piece(self.place + 1, b"", reason))
        return self._found

    def _step(self, mark: bytes, token: "re.Match[bytes]") -> None:
        is_whole_object = mark == b"{" and token.end() - token.start() > 1
        if mark == b"[" and self._depth == 0:
            self._depth, self._base, self._start = 1, 1, token.end()
        elif mark in _OPEN and not is_whole_object:
            self._depth += 1
        elif mark in _CLOSE:
            self._depth = max(self._depth - 1, 0)
            if self._base and not self._depth:
                self._end_piece(token.start(), token.end())
                self._base = 0
            elif not self._depth:
                self._end_piece(token.end(), token.end())
        elif is_whole_object and self._depth == 0:
            self._end_piece(token.end(), token.end())
        elif mark == _COMMA and self._depth == self._base:
            self._end_piece(token.start(), token.end())

    def _end_piece(self, end: int, after: int) -> None:
        if text := self._rest[self._start : end].strip(_WHITE_SPACE):
            self.place += 1
            self._found.append(Piece(self.place, text))
        self._start = after
