"""Dead letters in the log: a flood of them is one line every ten seconds, with how many there were."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from missionops.ingest.batch import DeadLetter
from missionops.wire.text import printable

log = logging.getLogger(__name__)

_EVERY = 10.0
_MOST = 500


class DeadLetterLog:
    """Logs the first dead letter at once; those that follow soon are counted, and logged together."""

    def __init__(self) -> None:
        self._codes = Counter[str]()
        self._last: tuple[DeadLetter, str] | None = None
        self._is_waiting = False

    def note(self, batch: str, letters: Sequence[DeadLetter]) -> None:
        """Log or count the dead letters of a batch."""
        if not letters:
            return
        self._codes.update(letter.fault.code for letter in letters)
        self._last = letters[-1], batch
        if not self._is_waiting:
            self._log_waiting()

    def _log_waiting(self) -> None:
        self._is_waiting = self._last is not None
        if self._last is None:
            return
        (fault, delivery), batch = self._last
        token, reason = (printable(text)[:_MOST] for text in (delivery.spacecraft_id or delivery.subject, fault.reason))
        counts = ", ".join(f"{count} {code}" for code, count in sorted(self._codes.items()))
        log.warning(
            "dead letters: %s; the last of %s, sequence %d: %s", counts, token, delivery.sequence, reason,
            extra={"spacecraft": token, "sequence": delivery.sequence, "batch": batch},
        )  # fmt: skip
        self._codes.clear()
        self._last = None
        asyncio.get_running_loop().call_later(_EVERY, self._log_waiting)
