"""Snapshots from a file: newline-delimited JSON or a JSON array, plain or compressed by gzip, of any size."""

import asyncio
import contextlib
import itertools
import os
import stat
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from missionops import errors
from missionops.domain import spacecraft
from missionops.wire import items, telemetry
from missionops.wire.fault import Fault, Faulty

CHUNK = 256 * 1024
MAX_LINE = 8 * 1024 * 1024
"""NATS servers take 1 MB by default, and never should be told to take more than this."""
AHEAD = 4
"""How many batches may be read before they are needed."""
STANDARD_INPUT = Path("-")

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITE_SPACE = b" \t\r\n"
_NO_SPACECRAFT = "nobody"
_GZIP = 16 + zlib.MAX_WBITS


class Entry(NamedTuple):
    """One snapshot as it stands in the file, checked, and whose it is."""

    place: int
    """Its line, or its item in an array, from 1."""
    spacecraft_id: str
    body: bytes


class Refusal(NamedTuple):
    """One that would never be stored, and why."""

    place: int
    reason: str


_TOO_LONG = Refusal(0, f"longer than {MAX_LINE} bytes")


class _Owner(msgspec.Struct, rename="camel"):
    spacecraft_id: Any = None


_owner = msgspec.json.Decoder(_Owner).decode


class Batch(NamedTuple):
    """What one piece of the file holds, and where in the file it ends."""

    items: list[Entry | Refusal]
    position: int


class Recording:
    """An open file of snapshots, of `size` bytes; None if nobody can know, as from a pipe."""

    def __init__(self, file: FileIO, size: int | None) -> None:
        self._file = file
        self.size = size
        self.unit = "line"
        """What a place counts: `item` where the file is an array."""
        self._position = 0

    def batches(self, spacecraft_id: str | None) -> Iterator[Batch]:
        """What each piece that was read holds, so that what comes slowly through a pipe is not waited for.

        A snapshot that names no spacecraft is of `spacecraft_id`.
        """
        place = 0
        for texts in self._texts():
            batch = Batch([], self._position)
            for place, text in enumerate(texts, place + 1):  # noqa: B020 - it goes on counting
                if isinstance(text, Refusal):
                    batch.items.append(text._replace(place=place))
                elif stripped := text.strip(_WHITE_SPACE):
                    batch.items.append(_checked(place, stripped, spacecraft_id))
            yield batch

    def _texts(self) -> Iterator[list[bytes | Refusal]]:
        """The texts of snapshots: lines, or the items of an array; and what cannot be read."""
        chunks = self._chunks()
        try:
            head = next(chunks, b"").removeprefix(_BYTE_ORDER_MARK)
            while not head.strip() and (chunk := next(chunks, b"")):
                head += chunk
            if items.is_json_array(head):
                self.unit = "item"
                yield list(items.of_json_array(b"".join([head, *chunks])))
            else:
                yield from _lines(head, chunks)
        except Faulty as faulty:
            yield [Refusal(0, faulty.reason)]
        except zlib.error as error:
            yield [Refusal(0, f"the compressed file is damaged from here on ({error})")]

    def _chunks(self) -> Iterator[bytes]:
        chunks = self._read()
        first = next(chunks, b"")
        if first.startswith(_GZIP_MAGIC):
            yield from self._unzipped(first, chunks)
        else:
            yield first
            yield from chunks

    def _unzipped(self, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """What is compressed in one or more members, a bounded piece at a time."""
        member = zlib.decompressobj(_GZIP)
        for chunk in itertools.chain([first], chunks):
            data, more = chunk, True
            self._position -= len(chunk)
            while more:
                if member.eof:
                    member = zlib.decompressobj(_GZIP)
                read = self._position + len(data)
                piece = member.decompress(data, CHUNK)
                data = member.unused_data.lstrip(b"\0") if member.eof else member.unconsumed_tail
                self._position = read - len(data)
                if piece:
                    yield piece
                more = bool(data) or (not member.eof and len(piece) == CHUNK)
        if not member.eof:
            raise zlib.error("it ends too early")

    def _read(self) -> Iterator[bytes]:
        while chunk := self._file.read(CHUNK):
            self._position += len(chunk)
            yield chunk


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Recording]:
    """The recording in a file, or on standard input for `-`."""
    try:
        # Unbuffered: a thread may wait here in vain for as long as it likes without holding anything of Python's.
        file = FileIO(0, closefd=False) if path == STANDARD_INPUT else FileIO(path)
    except OSError as error:
        raise errors.InvalidRequest(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        status = os.fstat(file.fileno())
        yield Recording(file, status.st_size if stat.S_ISREG(status.st_mode) else None)


async def read(recording: Recording, spacecraft_id: str | None) -> AsyncIterator[Batch]:
    """The recording's batches, while the event loop goes on with other work."""
    loop = asyncio.get_running_loop()
    batches: asyncio.Queue[Batch | Exception | None] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)

    def work() -> None:
        last: Exception | None = None
        try:
            for batch in recording.batches(spacecraft_id):
                room.acquire()
                loop.call_soon_threadsafe(batches.put_nowait, batch)
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            last = error
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(batches.put_nowait, last)

    # A daemon: one that waits on a pipe must not keep the process alive after Ctrl-C.
    threading.Thread(target=work, name="replay", daemon=True).start()
    while isinstance(batch := await batches.get(), Batch):
        yield batch
        room.release()
    if batch is not None:
        raise batch


def _lines(head: bytes, chunks: Iterator[bytes]) -> Iterator[list[bytes | Refusal]]:
    rest, skipping = b"", False
    for chunk in itertools.chain([head], chunks):
        lines: list[bytes | Refusal] = [*(rest + chunk).split(b"\n")]
        rest = bytes(lines.pop())  # type: ignore[arg-type] # the last piece of bytes, not yet ended
        if skipping and lines:
            lines[0], skipping = _TOO_LONG, False
        if skipping or len(rest) > MAX_LINE:
            rest, skipping = b"", True
        yield lines
    yield [_TOO_LONG if skipping else rest]


def _checked(place: int, text: bytes, spacecraft_id: str | None) -> Entry | Refusal:
    """The snapshot in `text` if the service would take it."""
    owner = _owner_of(text) or spacecraft_id
    if owner is not None and not spacecraft.is_id(owner):
        return Refusal(place, f"spacecraftId: must be {spacecraft.ID_RULE}")
    if items.is_json_array(text):
        return Refusal(place, "body: an array inside of newline-delimited JSON: one snapshot a line")
    [said] = telemetry.decode(owner or _NO_SPACECRAFT, text)
    if isinstance(said, Fault):
        return Refusal(place, said.reason)
    if owner is None:
        return Refusal(place, "spacecraftId: there is none, and none was given for the whole file")
    return Entry(place, owner, text)


def _owner_of(text: bytes) -> str | None:
    try:
        owner = _owner(text).spacecraft_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # Decoding it as telemetry says what is wrong.
    return owner if isinstance(owner, str) else None
