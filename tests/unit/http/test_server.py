"""A warning that any client can cause as often as it likes is logged once a minute."""

import logging

from missionops.http.server import RepeatedWarningFilter


def test_a_repeated_warning_is_filtered_and_an_error_never_is() -> None:
    def passes(level: int, message: str) -> bool:
        return bool(warnings.filter(logging.LogRecord("uvicorn.error", level, "", 0, message, None, None)))

    warnings = RepeatedWarningFilter()
    assert [passes(logging.WARNING, "Invalid HTTP request received.") for _ in range(3)] == [True, False, False]
    assert passes(logging.WARNING, "Unsupported upgrade request.")
    assert all(passes(logging.ERROR, "Exception in ASGI application") for _ in range(3))
