"""The installed command for the tests of the whole."""

from collections.abc import Iterator

import installed
import pytest
from installed import Place, Up


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of the test's own; the test fails if a process is left in it."""
    with installed.place() as found:
        yield found


@pytest.fixture(scope="session")
def shared_place() -> Iterator[Place]:
    with installed.place() as found:
        yield found


@pytest.fixture(scope="session")
def up(shared_place: Place) -> Up:
    """`missionops up --ephemeral`, for tests that leave it as it is; each uses a spacecraft of its own."""
    return shared_place.up("--ephemeral")
