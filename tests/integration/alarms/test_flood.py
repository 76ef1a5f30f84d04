"""A flood of alarms: thousands at once of one spacecraft cost the others some time, and nothing is lost."""

import json

from tests.integration.alarms.test_any_order import until_settled
from tests.integration.alarms.test_told import Alarms
from tests.wait import until_async

PARAMETERS = 5_000


async def test_of_thousands_of_alarms_at_once_each_is_told_and_other_spacecraft_are_told_meanwhile(
    service, client, database
):
    flooding, other = Alarms(client, "FLOOD"), Alarms(client, "OTHER")
    names = [f"p{number}" for number in range(PARAMETERS)]
    await flooding.configure({"parameters": {name: {"warnHigh": 50} for name in names}})
    await other.configure({"parameters": {"temp": {"warnHigh": 50}}})
    told = {"FLOOD": set[str](), "OTHER": set[str]()}
    told_before = 0

    async def on_alarm(message) -> None:
        nonlocal told_before
        alarm = json.loads(message.data)["alarm"]
        assert alarm["id"] not in told[alarm["spacecraftId"]]
        told[alarm["spacecraftId"]].add(alarm["id"])
        if alarm["spacecraftId"] == other.name:
            told_before = len(told["FLOOD"])

    await client.subscribe("alarms.*", cb=on_alarm)
    await flooding.report(1, **dict.fromkeys(names, 60))
    await other.report(1, temp=60)
    await until_settled(database, 2)
    await until_async(lambda: len(told["FLOOD"]) == PARAMETERS and told["OTHER"], "all alarms")
    assert await database.fetchval("SELECT count(*) FROM app.alarm") == PARAMETERS + 1
    assert told_before < PARAMETERS, "the other spacecraft did not wait for all of the flood"
