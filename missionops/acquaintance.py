"""What is known of spacecraft already, so that a batch writes down only what is new: parameters, and being heard."""

from datetime import datetime, timedelta

from missionops.batch import Batch
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

    async def note(self, connection: Connection, batch: Batch) -> None:
        """Write down what is new in `batch`, in the caller's transaction."""
        if len(self._layouts) > _MOST:
            self._layouts.clear()
        if len(self._heard) > _MOST:
            self._heard.clear()
        new = batch.layouts.keys() - self._layouts
        self._layouts |= new
        reported = {(name, parameter) for name, layout in new for parameter in batch.layouts[name, layout]}
        heard = {name: at for name, at in batch.heard.items() if self._is_news(name, at)}
        self._heard |= heard
        if reported:
            await spacecraft.add_parameters(connection, reported)
        if heard:
            await spacecraft.hear(connection, sorted(heard.items()))

    def _is_news(self, name: str, at: datetime) -> bool:
        return name not in self._heard or at >= self._heard[name] + _MINUTE
