"""Which sessions hold the locks that this service waits for in the database."""

from datetime import datetime
from typing import NamedTuple

from missionops.store.database import Connection


class Holder(NamedTuple):
    """A session that holds a lock; of another role's only pid and role are known, unless we may see all statistics."""

    pid: int
    role: str | None
    since: datetime | None
    """When its transaction began."""
    query: str | None
    """The first words of its statement, or of its last one."""

    def __str__(self) -> str:
        if not self.pid:
            return "a prepared transaction"
        known = [f"pid {self.pid}"]
        if self.since:
            known.append(f"since {self.since:%Y-%m-%dT%H:%M:%SZ}")
        if self.since and self.query:
            known.append(" ".join(self.query.split()))
        return f"{self.role} ({', '.join(known)})"


# From our own waiting sessions along the sessions that block them, to those that nothing blocks. Roll-ups have a name
# of their own: nothing else waits for them.
_HOLDERS = """
WITH RECURSIVE chain (pid, depth) AS (
    SELECT pid, 0 FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND application_name = 'missionops'
        AND wait_event_type = 'Lock'
    UNION
    SELECT blocking, depth + 1 FROM chain CROSS JOIN unnest(pg_blocking_pids(chain.pid)) AS _ (blocking) WHERE depth < 8
)
SELECT DISTINCT pid, usename, xact_start, left(query, 60)
FROM chain LEFT JOIN pg_stat_activity USING (pid)
WHERE depth > 0 AND cardinality(pg_blocking_pids(pid)) = 0
ORDER BY pid LIMIT 3
"""


async def holders(connection: Connection) -> list[Holder]:
    """The sessions that hold the locks which sessions of this service wait for: those at the end of each chain."""
    return [Holder(*row) for row in await connection.fetch(_HOLDERS)]


async def sentence(connection: Connection) -> str | None:
    """The same in one sentence for people; None where nothing waits."""
    found = await holders(connection)
    return f"The database waits for a lock that is held by {' and by '.join(map(str, found))}." if found else None
