"""`missionops up`, `serve` and `migrate`: the service, staying up."""

from missionops import errors


def up() -> None:
    """Start NATS, PostgreSQL and the service, and stay up."""
    raise errors.Unfit("not built yet")


def serve() -> None:
    """Run the service against NATS and PostgreSQL given by settings."""
    raise errors.Unfit("not built yet")


def migrate() -> None:
    """Bring the database's schema up to date."""
    raise errors.Unfit("not built yet")
