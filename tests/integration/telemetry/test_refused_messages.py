"""Whatever is published: the loop goes on, good neighbours are stored, and what is ours costs nobody's telemetry."""

import asyncio
import itertools
import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from missionops.app import Service
from tests.wait import PATIENCE, until_async

TIME = "2025-01-01T00:00:00Z"
N = 20

# Each raises what it is named after for the snapshots that are cursed.
TROUBLES = {
    "XX000": "RAISE EXCEPTION 'a fault of the server' USING ERRCODE = 'XX000';",
    "P0001": "RAISE EXCEPTION 'a fault of somebody''s trigger';",
    "42501": "RAISE EXCEPTION 'permission denied' USING ERRCODE = '42501';",
    "53100": "RAISE EXCEPTION 'the disk is full' USING ERRCODE = '53100';",
    "40001": "RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001';",
    "57014": "RAISE EXCEPTION 'canceled' USING ERRCODE = '57014';",
}


async def curse(connection, code: str) -> None:
    await connection.execute(f"""
        CREATE FUNCTION app.curse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.id = 'cursed' THEN {code} END IF; RETURN NEW; END $$;
        CREATE TRIGGER curse BEFORE INSERT ON app.snapshot FOR EACH ROW EXECUTE FUNCTION app.curse();
    """)


def snapshot(name: str, **more: object) -> bytes:
    return json.dumps({"timestamp": TIME, "id": name, "parameters": {"n": 1}, **more}).encode()


async def all_handled(client, database) -> None:
    async def are_handled() -> bool:
        last = (await client.jetstream().stream_info("TELEMETRY")).state.last_seq
        return bool(await database.fetchval("SELECT sequence FROM app.checkpoint") == last)

    await until_async(are_handled, "the end of the stream")


async def stored(database) -> list[str]:
    return [row[0] for row in await database.fetch("SELECT id FROM app.snapshot ORDER BY received_at, id")]


@pytest.mark.parametrize("code", ["22000", "22P02", "23502", "23505", "23514"])
async def test_what_is_refused_as_data_is_set_aside(service: Service, client, database, code):
    await curse(database, f"RAISE EXCEPTION 'never' USING ERRCODE = '{code}';")
    names = [f"{number:02}" for number in range(N)]
    for name in (*names[: N // 2], "cursed", *names[N // 2 :]):
        await client.jetstream().publish("telemetry.SC-001", snapshot(name))
    await all_handled(client, database)
    assert await stored(database) == names
    (letter,) = [await client.jetstream().get_msg("DEADLETTERS", 1)]
    assert (letter.data, letter.headers["Missionops-Error-Code"]) == (snapshot("cursed"), "refused")
    assert (await client.jetstream().stream_info("DEADLETTERS")).state.messages == 1


@pytest.mark.parametrize("code", TROUBLES)
async def test_any_other_fault_is_ours_and_the_batch_waits(service: Service, client, database, code):
    await curse(database, TROUBLES[code])
    names = [f"{number:02}" for number in range(N)]
    for name in (*names[: N // 2], "cursed", *names[N // 2 :]):
        await client.jetstream().publish("telemetry.SC-001", snapshot(name))
    await until_async(lambda: service.ingest_status.interruptions >= 3, "three attempts")
    for _ in range(50):  # red all the time, also while the next attempt is under way
        assert not service.ingest_status.is_ready
        await asyncio.sleep(0.01)
    assert not await database.fetchval("SELECT count(*) FROM app.snapshot WHERE id >= 'cursed'")
    await database.execute("DROP TRIGGER curse ON app.snapshot")
    await all_handled(client, database)
    await service.until_ready()
    assert await stored(database) == [*names[: N // 2], "cursed", *names[N // 2 :]]
    assert (await client.jetstream().stream_info("DEADLETTERS")).state.messages == 0


async def test_nothing_is_told_whose_commit_fails(service: Service, client, database):
    """What is checked at the end of a transaction fails when everything else is done."""
    told = await client.subscribe("anomalies.*")
    await client.request("missionops.config.set.SC-001", b'{"parameters":{"n":{"critHigh":0}}}', timeout=5)
    await database.execute("""
        CREATE FUNCTION app.curse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no commit'; END $$;
        CREATE CONSTRAINT TRIGGER curse AFTER UPDATE ON app.checkpoint DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.sequence > OLD.sequence) EXECUTE FUNCTION app.curse();
    """)
    await client.jetstream().publish("telemetry.SC-001", snapshot("waits"))
    await until_async(lambda: service.ingest_status.interruptions >= 3, "three attempts")
    assert "no commit" in str(service.ingest_status.trouble)
    assert (await client.jetstream().stream_info("ANOMALIES")).state.messages == 0
    assert told.pending_msgs == 0
    await database.execute("DROP TRIGGER curse ON app.checkpoint")
    assert json.loads((await told.next_msg(PATIENCE)).data)["snapshotId"] == "waits"
    await all_handled(client, database)
    assert await stored(database) == ["waits"]


NAMES = st.sampled_from(["timestamp", "parameters", "id", "spacecraftId", "n", "", "\0", "é"])
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8)
    | st.sampled_from([TIME, "SC-001", "2199-12-31T23:59:59.999999Z"])
)  # fmt: skip
FLAT = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(NAMES, SCALARS, max_size=4)
VALUES = FLAT | st.lists(FLAT, max_size=4) | st.dictionaries(NAMES, FLAT, max_size=4)
SNAPSHOTS = st.fixed_dictionaries(
    {"timestamp": st.just(TIME) | SCALARS, "parameters": st.dictionaries(NAMES, SCALARS, max_size=4) | VALUES},
    optional={"id": SCALARS, "spacecraftId": SCALARS},
)
DOCUMENTS = SNAPSHOTS | st.lists(SNAPSHOTS | VALUES, max_size=5) | VALUES
JSONS = DOCUMENTS.map(lambda document: json.dumps(document).encode())  # with NaN, which is no JSON
PACKED = (DOCUMENTS | st.just(datetime(2025, 1, 1, tzinfo=UTC)) | st.builds(
    msgspec.msgpack.Ext, st.integers(-128, 127), st.binary(max_size=12)
)).map(msgspec.msgpack.encode)  # fmt: skip
SPOILT = st.tuples(JSONS | PACKED, st.integers(0, 200), st.binary(max_size=3)).map(
    lambda spoilt: spoilt[0][: spoilt[1]] + spoilt[2] + spoilt[0][spoilt[1] + 1 :]
)
BODIES = st.binary(max_size=100) | JSONS | PACKED | SPOILT
HEADERS = st.sampled_from([None, {"Content-Type": "application/msgpack"}, {"content-type": "application/x-msgpack"},
                           {"Content-Type": "text/plain"}])  # fmt: skip

numbers = itertools.count()


@given(messages=st.lists(st.tuples(BODIES, HEADERS), min_size=1, max_size=20))
@profile(
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
async def test_whatever_is_published_costs_no_neighbour(service: Service, client, database, messages):
    interruptions = service.ingest_status.interruptions
    names = [f"good {next(numbers)}" for _ in range(len(messages) + 1)]
    for name, (body, headers) in zip(names, messages, strict=False):
        await client.publish("telemetry.NEIGHBOUR", snapshot(name))
        await client.publish("telemetry.SC-001", body, headers=headers)
    await client.jetstream().publish("telemetry.NEIGHBOUR", snapshot(names[-1]))
    await all_handled(client, database)
    assert set(names) <= set(await stored(database))
    assert service.ingest_status.interruptions == interruptions
    assert service.ingest_status.is_ready
