"""Partitions by time: of telemetry and of anomalies, made where a row needs one."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import asyncpg

from missionops.errors import Unavailable
from missionops.store.database import Connection

SNAPSHOT = "app.snapshot"
ANOMALY = "app.anomaly"

_ENSURE = "SELECT app.ensure_partitions($1::text::regclass, $2::date[], $3)"
_DAYS = 500  # in one call, and
_MADE = 32  # partitions, which is a fraction of a second and some hundred locks


async def ensure(connection: Connection, table: str, days: Iterable[date]) -> None:
    """Make the partitions of `table` that hold these days, outside the batch's transaction: no lock outlives the call.

    Unavailable while one of them is being detached.
    """
    wanted = sorted(days)
    try:
        for start in range(0, len(wanted), _DAYS):
            portion = wanted[start : start + _DAYS]
            while await connection.fetchval(_ENSURE, table, portion, _MADE) == _MADE:
                pass  # there may be more to make
    except asyncpg.ObjectNotInPrerequisiteStateError as error:
        raise Unavailable(f"Telemetry waits: {error}.") from error


def raise_if_missing(error: asyncpg.CheckViolationError) -> None:
    """Unavailable if `error` says that a row has no partition any more: the next session makes it anew."""
    # This one names the table and no constraint: what refuses a row as data names one, or no table.
    if error.constraint_name is None and error.table_name is not None:
        raise Unavailable(f"A partition of {error.table_name} was dropped or detached ({error.detail}).") from error


# The newest rows of a spacecraft are found backwards in time. A plan over all partitions has to open each of them,
# hundreds after years of operation or after one spacecraft whose clock was wrong; a plan for the last two years, with
# the time as a constant so that other partitions are no part of it, opens few. Only a query that does not find enough
# there reads the rest, by a plan that is made once for a connection: making one takes five times as long as running it.
_RECENT = timedelta(days=2 * 366)
PLAN_ONCE = "SET LOCAL plan_cache_mode = force_generic_plan"
PLAN_EACH = "SET LOCAL plan_cache_mode = force_custom_plan"
"""The planner then opens only the partitions that the times name."""


def recent_since() -> datetime:
    """Two years ago: the first of a month, so that queries that name it stay the same for a month."""
    return (datetime.now(UTC) - _RECENT).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
