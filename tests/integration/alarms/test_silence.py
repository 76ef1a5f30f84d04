"""SILENT: nothing was received for longer than a config allows."""

from typing import Any

import pytest

from tests.integration.alarms.test_told import Alarms
from tests.wait import until_async

DOCUMENT = {"parameters": {}, "silentAfter": 60}


@pytest.fixture
def alarms(service, client) -> Alarms:
    return Alarms(client)


async def age(database: Any, *, config: bool) -> None:
    """As if what was received, and the config if that is wanted, were of an hour ago."""

    async def was_received() -> bool:
        return bool(await database.fetchval("SELECT EXISTS (SELECT FROM app.reception)"))

    await until_async(was_received, "a reception")
    if config:
        await database.execute("ALTER TABLE app.config DISABLE TRIGGER USER")
        await database.execute("UPDATE app.config SET updated_at = updated_at - interval '1 hour'")
    await database.execute("UPDATE app.reception SET last_received_at = last_received_at - interval '1 hour'")


async def test_a_config_that_does_not_ask_for_it_ends_it_as_unmonitored(alarms, database):
    await alarms.configure(DOCUMENT)
    await alarms.report(1, temp=60)
    await age(database, config=True)
    await alarms.until_told("RAISED")
    await alarms.configure({"parameters": {}})
    *_, returned = await alarms.until_told("RAISED", "RETURNED")
    assert (returned["alarm"]["check"], returned["alarm"]["reason"]) == ("SILENT", "unmonitored")


async def test_it_counts_from_when_the_config_was_set(alarms, database):
    await alarms.report(1, temp=60)
    await age(database, config=False)
    await alarms.configure(DOCUMENT)
    other = Alarms(alarms.client, "SC-002")  # which is silent for an hour already: both are looked at together
    await other.configure(DOCUMENT)
    await database.execute("ALTER TABLE app.config DISABLE TRIGGER USER")
    await database.execute(
        "UPDATE app.config SET updated_at = updated_at - interval '1 hour' WHERE spacecraft_id = $1", other.name
    )
    (raised,) = await other.until_told("RAISED")
    assert raised["alarm"]["spacecraftId"] == other.name
    assert await alarms.told() == []
