"""Snapshots from a file of any size: unpacked, read in a thread, and checked as the service would check them."""

import asyncio
import contextlib
import errno
import gzip
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
from missionops.cli.client import files
from missionops.domain import spacecraft
from missionops.wire import array_items, decoder
from missionops.wire.fault import Fault
from missionops.wire.snapshot_file import Piece, SnapshotFile

CHUNK = 256 * 1024
AHEAD = 4
"""How many batches may be read before they are needed."""

_GZIP_MAGIC = b"\x1f\x8b"
_HEADER = 1024
"""More bytes than gzip asks for at once where it has to have all of them."""
_UNPACKED_AT_ONCE = 16 * 1024
"""Compressed bytes: few enough to tell how far it is."""
_CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_NO_SPACECRAFT = "nobody"


class FileEntry(NamedTuple):
    """One snapshot as it is written in the file, checked, and the id of its spacecraft."""

    place: int
    """Its line, or its item in an array, from 1."""
    spacecraft_id: str
    body: bytes


class Refusal(NamedTuple):
    """An item that would never be stored, and why."""

    place: int
    reason: str


class _Owner(msgspec.Struct, rename="camel"):
    spacecraft_id: Any = None


_owner = msgspec.json.Decoder(_Owner).decode


class SnapshotBatch(NamedTuple):
    """The snapshots in one piece of the file, and the position in the file after them."""

    items: list[FileEntry | Refusal]
    position: int


class _Source:
    """A file whose beginning is known before it is read; a read waits for no more than it needs, as of a slow pipe."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._rest = file.read(CHUNK)
        self._taken = len(self._rest)
        self.is_gzip = self._rest.startswith(_GZIP_MAGIC)
        self._most = _UNPACKED_AT_ONCE if self.is_gzip else CHUNK

    @property
    def position(self) -> int:
        """How many bytes were read from this object."""
        return self._taken - len(self._rest)

    def read(self, size: int) -> bytes:
        """The bytes that are available, at most `size`; all of them for a header, which gzip reads in small pieces."""
        needed, size = size if size <= _HEADER else 1, min(size, self._most)
        while len(self._rest) < needed and (more := self._file.read(CHUNK)):
            self._rest += more
            self._taken += len(more)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class OpenedFile:
    """An open file of snapshots; `size` is its length in bytes, None where it is unknown, as of a pipe."""

    def __init__(self, file: FileIO, path: Path, size: int | None, time_column: str | None = None) -> None:
        self._file = file
        self._path = path
        self.size = size
        self._position = 0
        is_csv = time_column is not None or path.name.lower().endswith(_CSV)
        self._texts = SnapshotFile(self._chunks(), time_column=time_column, is_csv=is_csv)

    @property
    def unit(self) -> str:
        """What a snapshot's place counts: a line, or an item where the file is an array."""
        return self._texts.unit

    @property
    def is_array(self) -> bool:
        """Whether the file is a JSON array, which may rightly be empty."""
        return self.unit == "item"

    @property
    def notes(self) -> list[str]:
        """What the user should know about the file, one sentence each; complete once the file is read."""
        return self._texts.notes

    def batches(self, spacecraft_id: str | None) -> Iterator[SnapshotBatch]:
        """The snapshots piece by piece as they are read, so that what comes slowly through a pipe does not wait.

        A snapshot that names no spacecraft belongs to `spacecraft_id`; one that names another is refused.
        """
        place = 0
        try:
            for pieces in self._texts.pieces():
                yield SnapshotBatch([_checked(piece, spacecraft_id) for piece in pieces], self._position)
                place = pieces[-1].place if pieces else place
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            reason = f"the compressed file is damaged from here on ({error})"
            yield SnapshotBatch([Refusal(place + 1, reason)], self._position)
        except OSError as error:
            name = files.name(self._path)
            why = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise errors.InvalidRequest(f"{name} cannot be read: {why}.") from None

    def _chunks(self) -> Iterator[bytes]:
        source = _Source(self._file)
        read = gzip.GzipFile(fileobj=source, mode="rb").read1 if source.is_gzip else source.read  # type: ignore[call-overload]
        while chunk := read(CHUNK):
            self._position = source.position
            yield chunk


@contextlib.contextmanager
def opened(path: Path, time_column: str | None = None) -> Iterator[OpenedFile]:
    """The snapshots in a file, or on standard input for `-`; with a time column the file is CSV."""
    try:
        # Unbuffered: a thread that waits here for input holds no lock of Python's.
        file = FileIO(0, closefd=False) if path == files.STANDARD_INPUT else FileIO(path)
    except OSError as error:
        raise errors.InvalidRequest(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        status = os.fstat(file.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        yield OpenedFile(file, path, size, time_column)


async def read(opened: OpenedFile, spacecraft_id: str | None) -> AsyncIterator[SnapshotBatch]:
    """The file's batches, while the event loop goes on with other work."""
    loop = asyncio.get_running_loop()
    batches: asyncio.Queue[SnapshotBatch | Exception | None] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)

    def work() -> None:
        last: Exception | None = None
        try:
            for batch in opened.batches(spacecraft_id):
                room.acquire()
                loop.call_soon_threadsafe(batches.put_nowait, batch)
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            last = error
        with contextlib.suppress(RuntimeError):  # The loop is closed, and nothing waits any more.
            loop.call_soon_threadsafe(batches.put_nowait, last)

    # A daemon thread, so not asyncio.to_thread: one that waits on a pipe must not keep the process alive after Ctrl-C.
    threading.Thread(target=work, name="snapshot reader", daemon=True).start()
    while isinstance(batch := await batches.get(), SnapshotBatch):
        yield batch
        room.release()
    if batch is not None:
        raise batch


def _checked(piece: Piece, spacecraft_id: str | None) -> FileEntry | Refusal:  # noqa: PLR0911 - one for each fault
    """The snapshot in a text if the service would store it."""
    place, text, fault = piece
    if fault:
        return Refusal(place, fault)
    try:
        named = _owner(text).spacecraft_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        named = None  # Decoding it as telemetry names the fault.
    owner = named if named and isinstance(named, str) else spacecraft_id
    if owner is not None and not spacecraft.is_id(owner):
        return Refusal(place, f"spacecraftId: must be {spacecraft.ID_RULE}")
    if array_items.is_json_array(text):
        return Refusal(place, "body: an array where a snapshot should be: one on each line, or all in one array")
    [decoded] = decoder.decode(owner or _NO_SPACECRAFT, text)
    if isinstance(decoded, Fault):
        return Refusal(place, decoded.reason)
    if owner is None:
        return Refusal(place, "spacecraftId: there is none, and none was given for the whole file")
    if spacecraft_id and owner != spacecraft_id:
        return Refusal(place, f"spacecraftId: the file says {owner}, and the command says {spacecraft_id}")
    return FileEntry(place, owner, text)
