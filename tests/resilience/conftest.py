"""A PostgreSQL for the environments of a module, and the skip where servers are not ours to kill."""

from collections.abc import AsyncIterator

import pytest

from missionops.embedded.postgres import PostgresServer
from tests.resilience import environment


@pytest.fixture(scope="session", autouse=True)
def _needs_servers_of_its_own(services: str) -> None:
    if services != "embedded":
        pytest.skip("needs servers of its own to kill")


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[PostgresServer]:
    async with environment.postgres() as found:
        yield found
