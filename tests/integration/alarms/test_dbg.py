import sys

sys.path.insert(0, "/work/wt/alarms")

import pytest

import tests.integration.alarms.test_any_order as t


async def dump(database, name):
    base = None
    for v, d, u in await database.fetch(t.CONFIGS, name):
        print("CONFIG", v, t.microseconds(u) / 1e6 % 100000, d)
    for r in await database.fetch("SELECT version,time FROM app.config_start WHERE spacecraft_id=$1", name):
        print("START", r[0], t.microseconds(r[1]) / 1e6 % 100000)
    for r in sorted(await database.fetch(t.SNAPSHOTS, name)):
        print(
            "SNAP",
            t.microseconds(r[0]) / 1e6 % 100000,
            r[1],
            r[2],
            "rec",
            t.microseconds(r[3]) / 1e6 % 100000,
            "v",
            r[4],
        )
    for r in await database.fetch(
        'SELECT tr.alarm_id,tr.revision,tr.transition,a."check",a.start,a."end",a.severity,a.is_retracted,tr.at FROM app.alarm_transition tr JOIN app.alarm a ON a.id=tr.alarm_id WHERE a.spacecraft_id=$1 ORDER BY number',
        name,
    ):
        print(
            "TR",
            r[0][:6],
            r[1],
            r[2],
            r[3],
            t.microseconds(r[4]) / 1e6 % 100000,
            r[5] and t.microseconds(r[5]) / 1e6 % 100000,
            r[6],
            r[7],
            t.microseconds(r[8]) / 1e6 % 100000,
        )
    print("FOUND")
    [print("  ", f) for f in await t.found(database, name)]
    print("REF")
    [print("  ", f) for f in await t.by_reference(database, name)]


@pytest.mark.parametrize("seed", [int(s) for s in __import__("os").environ["SEEDS"].split(",")])
async def test_dbg(service, client, database, seed):
    try:
        await t.test_the_alarms_are_those_of_the_contract_in_any_order(service, client, database, seed)
    except AssertionError as e:
        name = str(e).split("\n")[0].strip()
        await dump(database, name)
        raise
