"""What anyone can cause as often as he likes is said once a minute."""

import logging

from missionops.http.server import _OnceAMinute


def test_a_warning_passes_once_a_minute_and_an_error_always() -> None:
    def passes(level: int, message: str, at: float) -> bool:
        record = logging.LogRecord("uvicorn.error", level, "", 0, message, None, None)
        record.created = at
        return bool(once.filter(record))

    once = _OnceAMinute()
    begun = 1_800_000_000.0
    passed = [passes(logging.WARNING, "Invalid HTTP request received.", begun + second) for second in range(121)]
    assert [second for second, is_passed in enumerate(passed) if is_passed] == [0, 60, 120]
    assert passes(logging.WARNING, "Unsupported upgrade request.", begun + 121)
    assert all(passes(logging.ERROR, "Exception in ASGI application", begun + second) for second in range(3))
