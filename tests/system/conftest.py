"""The installed command for the tests of the whole."""

import signal
from collections.abc import Iterator

import pytest

from tests.system import installed
from tests.system.installed import Place, Up


@pytest.fixture(scope="session", autouse=True)
def _ends_in_order() -> Iterator[None]:
    """Whoever ends the tests early ends with them what they started."""
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", 128 + signal.SIGTERM))
    yield
    signal.signal(signal.SIGTERM, before)


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
    notify = shared_place.work / "notify.toml"  # for its metrics: nobody is told of anything
    route = '[[routes]]\nto = ["nobody"]\nmatch = { spacecraft = "unheard" }\n'
    notify.write_text(f'[targets]\nnobody = "json://127.0.0.1:9"\n{route}')
    return shared_place.up("--ephemeral", MISSIONOPS_NOTIFY_FILE=str(notify))
