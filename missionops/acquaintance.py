"""What is known of spacecraft already, so that a batch writes down only what is new: parameters, and being heard."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from missionops.batch import Entry
from missionops.database import Connection
from missionops.store import spacecraft

_MINUTE = timedelta(minutes=1)
_MOST = 100_000


class Acquaintance:
    """Layouts (which parameters came together) and times that are written down; a repeat writes nothing.

    What it holds may be of a batch that is rolled back: whoever owns it forgets it with everything else then.
    """

    def __init__(self) -> None:
        self._layouts: set[tuple[str, int]] = set()
        self._heard: dict[str, datetime] = {}

    async def note(self, connection: Connection, entries: Iterable[Entry]) -> None:
        """Write down what is new in `entries`, in the caller's transaction."""
        if len(self._layouts) > _MOST:
            self._layouts.clear()
        reported: set[tuple[str, str]] = set()
        heard: dict[str, datetime] = {}
        for entry in entries:
            name, parameters = entry.snapshot.spacecraft_id, entry.snapshot.parameters
            layout = name, hash(tuple(parameters))
            if layout not in self._layouts:
                self._layouts.add(layout)
                reported.update((name, parameter) for parameter in parameters)
            if name not in self._heard or entry.received_at >= self._heard[name] + _MINUTE:
                self._heard[name] = heard[name] = entry.received_at
        if reported:
            await spacecraft.add_parameters(connection, reported)
        if heard:
            await spacecraft.hear(connection, sorted(heard.items()))
