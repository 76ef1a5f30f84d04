"""The service with a notify file: from telemetry to people, and what it shows of that."""

import asyncio
import json
import logging
import re

import httpx
import pytest
from nats.aio.client import Client

from missionops import app
from missionops.errors import SetupError
from subscribers import alarms as alarm_subscriber
from tests.integration.notifications.conftest import SECRET
from tests.wait import until_async


def one(hook, more: str = "") -> str:
    return f'[targets]\nops = "{hook.address("ops")}"\n[[routes]]\nto = "ops"\ngroup = 0\n{more}'


async def configure(client: Client) -> None:
    rules = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70, "unit": "°C", "guidance": "Shed load."}}}
    await client.request("missionops.config.set.SC-001", json.dumps(rules).encode(), timeout=5)


async def report(client: Client, second: int, temp: float) -> None:
    body = {"timestamp": f"2026-01-01T00:00:{second:02}Z", "parameters": {"temp": temp}}
    await client.request("telemetry.SC-001", json.dumps(body).encode(), timeout=5)


async def test_telemetry_becomes_a_message_and_its_end_another(serve, hook, client):
    async with serve(one(hook)) as service, httpx.AsyncClient(base_url=service.http_url) as http:
        await configure(client)
        await report(client, 1, 75.25)
        await hook.until(1)
        await report(client, 2, 40)
        assert await hook.until(2) == ["HIGH SC-001 temp 75.25 °C", "OVER SC-001 temp (was HIGH)"]
        first = hook.to("ops")[0]
        assert "Since 2026-01-01 00:00:01 UTC" in first["message"]
        assert "Guidance: Shed load." in first["message"]
        assert first["type"] == "failure"

        async def is_shown() -> bool:
            health = (await http.get("/health/ready")).json()
            return bool(health["notifications"]["targets"]["ops"]["sent"] == 2)

        await until_async(is_shown, "two messages in /health/ready")
        metrics = (await http.get("/metrics")).text
        assert 'missionops_notifications_sent_total{target="ops"} 2.0' in metrics


async def test_a_target_that_fails_is_shown_without_its_address_and_the_service_is_ready(serve, hook, client, caplog):
    caplog.set_level(logging.DEBUG)
    hook.status["ops"] = 502
    async with serve(one(hook)) as service, httpx.AsyncClient(base_url=service.http_url) as http:
        await configure(client)
        await report(client, 1, 75)

        async def warned() -> list[str]:
            answer = await http.get("/health/ready")
            assert answer.status_code == 200
            return [text for text in answer.json()["warnings"] if "target ops" in text]

        [warning] = await until_async(warned, "the warning")
        assert "The target ops of notifications does not take them (it answered with the status 502, " in warning
        shown = (await http.get("/health/ready")).text + (await http.get("/metrics")).text + caplog.text
        assert re.search(r'missionops_notifications_failed_total{target="ops"} [1-9]', shown)
        assert SECRET not in shown


async def test_without_a_file_nobody_is_told_and_that_is_shown(service):
    async with httpx.AsyncClient(base_url=service.http_url) as http:
        assert (await http.get("/health/ready")).json()["notifications"] is None


async def test_what_happened_while_the_service_was_away_is_told(serve, hook, client, settings):
    """Its alarms are found when it is back; those that another instance without a file found are told then, too."""
    async with serve(one(hook)):
        await configure(client)
        await report(client, 1, 75)
        await hook.until(1)
    async with app.running(settings) as silent:
        await silent.until_ready()
        await report(client, 2, 40)
        await until_async(lambda: _count(client, 2), "two transitions")
    await report(client, 3, 50)
    async with serve(one(hook)):
        titles = await hook.until(2)
        await until_async(lambda: "MEDIUM SC-001 temp 50 °C" in "".join(m["message"] for m in hook.to("ops")) or
                          "MEDIUM SC-001 temp 50 °C" in hook.titles(), "the alarm that is new")  # fmt: skip
    assert titles[0] == "HIGH SC-001 temp 75 °C"


async def _count(client: Client, count: int) -> bool:
    return (await client.jetstream().stream_info("ALARMS")).state.messages >= count


async def test_a_consumer_that_somebody_deletes_is_made_again_and_nothing_is_missed(serve, hook, client, monkeypatch):
    monkeypatch.setattr(alarm_subscriber, "_LOOK", 0.2)
    async with serve(one(hook)):
        await configure(client)
        await report(client, 1, 75)
        await hook.until(1)
        await client.jetstream().delete_consumer("ALARMS", alarm_subscriber.CONSUMER)
        await report(client, 2, 40)
        assert (await hook.until(2))[1] == "OVER SC-001 temp (was HIGH)"


async def test_what_the_watch_does_not_expect_is_logged_with_its_trace_and_it_goes_on(
    serve, hook, client, *, database, monkeypatch, caplog
):
    """As where somebody has changed the tables: a consumer that is missing then cannot be made."""
    monkeypatch.setattr(alarm_subscriber, "_LOOK", 0.05)
    async with serve(one(hook)):
        await database.execute("ALTER TABLE app.notifier RENAME TO moved")
        await client.jetstream().delete_consumer("ALARMS", alarm_subscriber.CONSUMER)
        sentence = 'it is not known how many alarms wait to be told: relation "app.notifier" does not exist'
        await until_async(lambda: sentence in caplog.text, "the line in the log")
        record = next(record for record in caplog.records if record.getMessage() == sentence)
        assert record.levelno == logging.ERROR
        assert record.exc_info
        await database.execute("ALTER TABLE app.moved RENAME TO notifier")
        await configure(client)
        await report(client, 1, 75)
        assert await hook.until(1) == ["HIGH SC-001 temp 75 °C"]
    assert caplog.text.count(sentence) == 1


async def test_what_is_no_transition_costs_nobody_a_message(serve, hook, client, caplog):
    async with serve(one(hook)):
        await client.publish("alarms.SC-001", b"no transition")
        await configure(client)
        await report(client, 1, 75)
        await hook.until(1)  # which may have been told without the stream, as what stood when the service began
        sentence = "a message on alarms.SC-001 is no transition of an alarm"
        await until_async(lambda: sentence in caplog.text, "the line in the log")


async def test_the_sign_of_life_is_sent_while_telemetry_is_handled(serve, hook):
    beat = '[heartbeat]\nto = "watchdog"\nevery = 1\n'
    async with serve(f'[targets]\nwatchdog = "{hook.address("watchdog")}"\n{beat}'):
        assert (await hook.until(2, "watchdog"))[0] == "missionops is alive"


async def test_a_file_with_a_fault_is_refused_before_anything_is_waited_for(settings, tmp_path):
    path = tmp_path / "notify.toml"
    path.write_text("[target]\n")
    given = settings.model_copy(update={"notify_file": path, "database_url": "postgresql://127.0.0.1:1/x"})
    with pytest.raises(SetupError, match=r"notify\.toml cannot be used: target: there is no such key"):
        async with asyncio.timeout(5), app.running(given):
            pass


async def test_a_file_without_routes_says_that_nobody_is_told(serve, hook, caplog):
    async with serve(f'[targets]\nops = "{hook.address("ops")}"\n'):
        pass
    assert "nobody is told of alarms: the notify file has no [[routes]]" in caplog.text
