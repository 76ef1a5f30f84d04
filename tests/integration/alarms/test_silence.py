"""SILENT: nothing was received for longer than a config allows."""

from datetime import datetime
from typing import Any

import pytest

from missionops import app
from missionops.ingest.alarms import worker
from missionops.store import database as databases
from subscribers.telemetry.session import Session
from tests.integration.alarms.test_told import Alarms
from tests.wait import until_async

DOCUMENT = {"parameters": {}, "silentAfter": 60}


class Looks:
    """The looks for spacecraft that are silent."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.found: list[datetime | None] = []
        """For each: the time of the stream, all of which was handled; None where it was not, so that none is raised."""
        handled_at = Session._handled_at

        async def noted(session: Session) -> datetime | None:
            found = await handled_at(session)
            self.found.append(found)
            return found

        patch.setattr(Session, "_handled_at", noted)
        patch.setattr(worker, "_LOOK", 0.1)

    async def until(self, *, is_handled: bool) -> None:
        """Wait for two that began after this, at such a moment."""
        begun = len(self.found)

        def are_made() -> bool:
            return sum((moment is not None) == is_handled for moment in self.found[begun:]) > 1

        await until_async(are_made, "two looks")


@pytest.fixture
def looks(monkeypatch) -> Looks:
    return Looks(monkeypatch)


@pytest.fixture
def alarms(looks, service, client) -> Alarms:
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


async def test_none_is_raised_while_telemetry_waits_in_the_stream(alarms, looks, database, database_url):
    await alarms.configure(DOCUMENT)
    await alarms.report(1, temp=60)
    await age(database, config=True)
    await alarms.until_told("RAISED")
    await alarms.report(2, temp=60)
    await alarms.until_told("RAISED", "RETURNED")
    async with databases.connected(database_url) as other, other.transaction():
        await other.execute("LOCK TABLE app.snapshot IN SHARE MODE")  # nothing can be stored meanwhile
        await alarms.report(3, temp=60)
        await looks.until(is_handled=False)
        await age(database, config=True)
        await looks.until(is_handled=False)
        await alarms.until_told("RAISED", "RETURNED")
    await looks.until(is_handled=True)
    await alarms.until_told("RAISED", "RETURNED")


async def test_a_service_that_was_away_raises_none_for_whoever_is_in_the_stream(looks, settings, client, database):
    """It was away for longer than silentAfter, and of the two spacecraft one has reported all the time."""
    heard, silent = Alarms(client, "HEARD"), Alarms(client, "SILENT")
    async with app.running(settings) as service:
        await service.until_ready()
        for one in (heard, silent):
            await one.configure(DOCUMENT)
            await one.report(1, temp=60)

        async def are_received() -> bool:
            return bool(await database.fetchval("SELECT count(*) = 2 FROM app.reception"))

        await until_async(are_received, "two receptions")
    await age(database, config=True)
    for second in range(2, 500):
        await heard.report(second, temp=60)
    async with app.running(settings):
        await silent.until_told("RAISED")
        await looks.until(is_handled=True)
        assert await heard.told() == []
