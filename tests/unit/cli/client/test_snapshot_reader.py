"""Recordings: what a file holds, in every form it may come in, and what is wrong with the rest."""

import asyncio
import gzip
import json
import os
from pathlib import Path

import pytest

from missionops import errors
from missionops.cli.client import snapshot_reader
from missionops.cli.client.snapshot_reader import FileEntry, Refusal
from missionops.cli.demo import opssat
from missionops.wire import snapshot_file
from tests.wait import PATIENCE

TIME = "2025-01-01T00:00:00Z"


def line(spacecraft_id: str | None = "SC-001", timestamp: str = TIME, **parameters) -> bytes:
    said = {"spacecraftId": spacecraft_id} if spacecraft_id else {}
    return json.dumps(said | {"timestamp": timestamp, "parameters": parameters}).encode()


def read(path: Path, spacecraft_id: str | None = None) -> list[FileEntry | Refusal]:
    with snapshot_reader.opened(path) as recording:
        return [item for batch in recording.batches(spacecraft_id) for item in batch.items]


@pytest.fixture
def write(tmp_path: Path):
    def write(content: bytes, name: str = "recording") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


LINES = [line(a=number) for number in range(5)]
FORMS = {
    "lines": b"\n".join(LINES) + b"\n",
    "without a last newline": b"\n".join(LINES),
    "carriage returns": b"\r\n".join(LINES),
    "byte order mark": b"\xef\xbb\xbf" + b"\n".join(LINES),
    "compressed": gzip.compress(b"\n".join(LINES)),
    "compressed in two members": gzip.compress(b"\n".join(LINES[:2]) + b"\n") + gzip.compress(b"\n".join(LINES[2:])),
    "compressed and padded": gzip.compress(b"\n".join(LINES)) + bytes(512),
    "array": b" [" + b", ".join(LINES) + b"]\n",
    "array over lines": b"[\n  " + b",\n  ".join(LINES) + b"\n]",
    "compressed array": gzip.compress(b"[" + b",".join(LINES) + b"]"),
}


@pytest.mark.parametrize("content", FORMS.values(), ids=FORMS)
def test_every_form_holds_the_same_snapshots(content: bytes, write):
    assert read(write(content)) == [FileEntry(place, "SC-001", body) for place, body in enumerate(LINES, 1)]


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \n ", b"[]", gzip.compress(b"", mtime=0)])
def test_a_file_may_hold_nothing(content: bytes, write):
    assert read(write(content)) == []


def test_snapshots_that_straddle_what_is_read_at_once_are_whole(write):
    lines = [line(text="x" * 50_000, number=number) for number in range(40)]
    for content in (b"\n".join(lines), gzip.compress(b"\n".join(lines))):
        assert [item.body for item in read(write(content)) if isinstance(item, FileEntry)] == lines


def test_a_snapshot_that_names_another_spacecraft_than_the_one_given_is_refused(write):
    refusal, taken, same = read(write(line("SC-002", a=1) + b"\n" + line(None, a=1) + b"\n" + LINES[0]), "SC-001")
    assert refusal == Refusal(1, "spacecraftId: the file says SC-002, and the command says SC-001")
    assert [item.spacecraft_id for item in (taken, same) if isinstance(item, FileEntry)] == ["SC-001", "SC-001"]


BAD = {
    "not JSON": (b"garbage", "not JSON"),
    "no spacecraft": (line(None, a=1), "spacecraftId"),
    "no spacecraft id": (line("a.b", a=1), "spacecraftId"),
    "a number for a spacecraft": (
        b'{"spacecraftId":7,"timestamp":"%s","parameters":{}}' % TIME.encode(),
        "spacecraftId",
    ),
    "naive time": (line(timestamp="2025-01-01T00:00:00"), "timestamp"),
    "a list for a value": (line(a=[1]), "parameters.a"),
    "array": (b"[" + LINES[0] + b"]", "array"),
    "invalid UTF-8": (line(a="?").replace(b"?", b"\xff"), "not JSON"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_leaves_its_neighbours(bad: bytes, reason: str, write):
    first, refusal, last = read(write(LINES[0] + b"\n\n" + bad + b"\n" + LINES[1]))
    assert (first, last) == (FileEntry(1, "SC-001", LINES[0]), FileEntry(4, "SC-001", LINES[1]))
    assert isinstance(refusal, Refusal)
    assert refusal.place == 3
    assert reason in refusal.reason


def test_a_bad_item_of_an_array_is_named_by_its_number(write):
    with snapshot_reader.opened(write(b"[" + LINES[0] + b", 5, " + LINES[1] + b"]")) as recording:
        [batch] = recording.batches(None)
    assert recording.unit == "item"
    assert [isinstance(item, Refusal) for item in batch.items] == [False, True, False]
    assert batch.items[1].place == 2


@pytest.mark.parametrize("rest", [b",", b', {"timestamp": "2025', b""])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_of_an_array_that_is_cut_off_all_that_is_whole_is_read(rest: bytes, compress, write):
    first, second, refusal = read(write(compress(b"[" + LINES[0] + b",\n" + LINES[1] + rest)))
    if rest:
        assert (first, second) == (FileEntry(1, "SC-001", LINES[0]), FileEntry(2, "SC-001", LINES[1]))
        assert isinstance(refusal, Refusal)
        assert (refusal.place, "cut off" in refusal.reason) == (3, True)


def test_a_line_without_end_is_refused_and_not_kept(write, monkeypatch):
    monkeypatch.setattr(snapshot_file, "MAX_TEXT", 1000)
    monkeypatch.setattr(snapshot_reader, "CHUNK", 100)
    first, refusal, last = read(write(LINES[0] + b"\n" + b"x" * 5000 + b"\n" + LINES[1]))
    assert (first, last) == (FileEntry(1, "SC-001", LINES[0]), FileEntry(3, "SC-001", LINES[1]))
    assert isinstance(refusal, Refusal)
    assert "longer than" in refusal.reason


def test_a_damaged_compressed_file_says_where(write):
    whole = gzip.compress(b"\n".join(line(a=number, noise=os.urandom(20).hex()) for number in range(1000)))
    *good, refusal = read(write(whole[: len(whole) // 2]))
    assert len(good) > 100
    assert all(isinstance(item, FileEntry) for item in good)
    assert isinstance(refusal, Refusal)
    assert "damaged" in refusal.reason


def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(errors.InvalidRequest, match="cannot be read"), snapshot_reader.opened(path):
            pass


def test_the_whole_sample_is_good():
    items = read(opssat.RECORDING)
    assert len(items) == opssat.SNAPSHOTS
    assert all(isinstance(item, FileEntry) and item.spacecraft_id == opssat.SPACECRAFT for item in items)


def test_positions_rise_to_the_file_s_size():
    with snapshot_reader.opened(opssat.RECORDING) as recording:
        positions = [batch.position for batch in recording.batches(None)]
    assert positions == sorted(positions)
    assert len(set(positions)) > 20
    assert positions[-1] == recording.size == opssat.RECORDING.stat().st_size


async def test_what_comes_through_a_pipe_is_not_held_back():
    reader, writer = os.pipe()
    with snapshot_reader.opened(Path(f"/dev/fd/{reader}")) as recording:
        os.close(reader)
        assert recording.size is None
        batches = snapshot_reader.read(recording, None)
        os.write(writer, LINES[0] + b"\n" + LINES[1])
        first = await asyncio.wait_for(anext(batches), PATIENCE)
        os.write(writer, b"\n")
        second = await asyncio.wait_for(anext(batches), PATIENCE)
        os.close(writer)
        rest = [item async for batch in batches for item in batch.items]
    assert (first.items, second.items) == ([FileEntry(1, "SC-001", LINES[0])], [FileEntry(2, "SC-001", LINES[1])])
    assert rest == []


async def test_a_fault_while_reading_reaches_whoever_waits(write, monkeypatch):
    def fail(*_):
        raise OSError("disk on fire")

    with snapshot_reader.opened(write(b"\n".join(LINES))) as recording:
        monkeypatch.setattr(recording, "batches", fail)
        with pytest.raises(OSError, match="disk on fire"):
            [_ async for _ in snapshot_reader.read(recording, None)]
