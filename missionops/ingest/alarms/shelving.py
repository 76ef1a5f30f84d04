"""What is told of open alarms when a shelf is put in force, is removed, or runs out."""

from collections.abc import Collection, Mapping
from datetime import datetime

from missionops.domain.alarm import Alarm, Shelf, Told, Transition
from missionops.store import alarm_shelves, alarms
from missionops.store.database import Connection

ENDED_AT_ONCE = 100


async def lock_open(connection: Connection, spacecraft_ids: Collection[str], now: datetime) -> dict[str, Alarm]:
    """The open alarms of some spacecraft, locked, with the shelves that they are on; by id."""
    locked = await alarms.lock(connection, await alarm_shelves.open_ids(connection, spacecraft_ids))
    found = {one.id: one for one in locked.values() if one.episode.end is None and not one.is_retracted}
    await alarms.note_shelved_and_masked(connection, found.values(), now)
    return found


async def tell(
    connection: Connection,
    found: Collection[Alarm],
    before: Mapping[str, Shelf | None],
    now: datetime,
    *,
    by: str | None = None,
    comment: str | None = None,
) -> None:
    """Tell of each locked alarm that it is shelved or no longer shelved, if that has changed; `before` is by id."""
    await alarms.note_shelved_and_masked(connection, found, now)
    changed: list[Alarm] = []
    told: list[Told] = []
    for one in found:
        if one.shelf == before[one.id]:
            continue
        transition = Transition.SHELVED if one.shelf else Transition.UNSHELVED
        told.append(one.tell(transition, now, by, comment))
        changed.append(one)
    await alarm_shelves.note_revisions(connection, changed)
    await alarms.tell(connection, told)


async def end_shelves(connection: Connection, now: datetime) -> int:
    """Remove shelves that have run out, and tell UNSHELVED of the active alarms that they covered; returns how many.

    At most 100 at once: call it again while it returns that many.
    """
    keys = await alarm_shelves.expired(connection, now, ENDED_AT_ONCE)
    if not keys:
        return 0
    found = await lock_open(connection, {key.spacecraft_id for key in keys}, now)
    # The closest first, as where an alarm is covered by several: of one parameter, and of one check.
    ended = sorted(await alarm_shelves.end(connection, keys, now), key=lambda shelf: shelf.check, reverse=True)
    ended.sort(key=lambda shelf: shelf.is_whole)
    # One that is on another shelf now stays on it: nothing is told.
    left = [one for one in found.values() if one.shelf is None]
    await tell(connection, left, {one.id: alarms.shelf_of(one, ended) for one in left}, now)
    return len(ended)
