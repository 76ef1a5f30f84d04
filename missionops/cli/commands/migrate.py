"""`missionops migrate`: the schema of the database."""

from missionops import settings
from missionops.cli.client import loop
from missionops.cli.output import progress_bar, terminal
from missionops.store import migrate as migrations


def migrate() -> None:
    """Bring the schema of the database up to date.

    Each migration is applied once, and several processes may run this at the same time: a lock makes them wait. One
    that rewrites rows shows how far it is; if it was interrupted, the next run continues it.

    Example:
      MISSIONOPS_DATABASE_URL=postgresql://owner@db/missionops missionops migrate
    """
    with progress_bar.of_migrations() as report:
        done = loop.run(migrations.apply(settings.read().database_url, report=report)) or ()
    for applied in done:
        terminal.note(f"applied {applied.name}")
    terminal.note("the schema is up to date")
