"""The demo on the terminal."""

from missionops import errors


async def run() -> None:
    """Runs it from the first server to the last table."""
    raise errors.Unfit("not built yet")
