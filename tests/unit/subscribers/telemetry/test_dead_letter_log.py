"""Dead letters in the log: the first at once, a flood together, and never as a line of somebody else's making."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from missionops.ingest.batch import DeadLetter, Delivery
from missionops.wire.fault import Fault
from subscribers.telemetry.dead_letter_log import DeadLetterLog


def letter(sequence: int, name: str = "SC-001", reason: str = "body: must be an object") -> DeadLetter:
    return DeadLetter(
        Fault("invalid", reason, None, b""), Delivery(b"telemetry.0." + name.encode(), sequence, 0, b"", None, b"")
    )


async def test_a_flood_is_told_together(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda _, tell: later.append(tell))
    log = DeadLetterLog()
    log.note("1-1", [])
    with caplog.at_level(logging.WARNING):
        for sequence in range(1, 1_001):
            log.note(f"{sequence}-{sequence}", [letter(sequence)])
        assert [record.message.partition(";")[0] for record in caplog.records] == ["dead letters: 1 invalid"]
        later.pop()()
        assert caplog.records[-1].message.startswith("dead letters: 999 invalid; the last of SC-001, sequence 1000:")
        later.pop()()  # nothing more came: nothing is said, and the next one is news again
        log.note("1001-1001", [letter(1_001)])
    assert len(caplog.records) == 3
    last = vars(caplog.records[-1])
    assert (last["sequence"], last["batch"]) == (1_001, "1001-1001")


async def test_what_a_stranger_wrote_is_no_line_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    DeadLetterLog().note("1-1", [letter(1, name="a\n\x1b[31m", reason="x\r\n" * 1_000)])
    (record,) = caplog.records
    assert record.message.isprintable()
    assert len(record.message) < 1_000
