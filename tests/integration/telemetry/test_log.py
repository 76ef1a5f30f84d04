"""The log: for programs where there is no terminal, about something, and never a line for each message."""

import re

N = 3_000


async def test_a_flood_of_poison_is_a_few_lines_that_say_where_it_is(serve, nats_server, own_database, mission):
    served = await serve(nats_server.url, own_database)
    for number in range(N):
        await mission.client.publish("telemetry.SC-001", b"{" if number % 2 else b'{"timestamp":"2025"}')
    await mission.client.publish("telemetry.SC-002", b"\n\x1b[31m evil")
    await mission.client.flush()
    await mission.until_there("DEADLETTERS", N + 1)
    assert await served.metric('missionops_dead_letters_total{code="malformed"}') == N // 2 + 1
    lines = served.log
    assert len(lines) < 20, lines
    first = next(line for line in lines if line["message"].startswith("dead letters: "))
    assert first["level"] == "warning"
    assert first["spacecraft"] in {"SC-001", "SC-002"}
    assert isinstance(first["sequence"], int)
    low, _, high = first["batch"].partition("-")
    assert int(low) <= first["sequence"] <= int(high)
    assert {"time", "level", "logger", "message"} <= lines[0].keys()


async def test_what_ends_a_batch_names_the_batch_and_its_cause(serve, nats_server, own_database, mission):
    served = await serve(nats_server.url, own_database)
    await mission.configure()
    await mission.execute("ALTER TABLE app.snapshot RENAME TO away")
    await mission.publish(5)
    await served.until_red('relation "app.snapshot" does not exist')
    (line,) = [line for line in served.log if "starts again" in line["message"]][:1]
    assert re.fullmatch("[1-5]-[1-5]", line["batch"])
    assert "UndefinedTableError" in line["exception"]
    await mission.execute("ALTER TABLE app.away RENAME TO snapshot")
    await served.until_ready()
    await mission.audit()
    assert not [line for line in served.log if "__aexit__" in line["message"]]


async def test_sessions_that_are_ended_say_so_and_not_what_that_broke(serve, nats_server, own_database, mission):
    """asyncpg complains of a transaction that cannot be ended; what matters is why."""
    served = await serve(nats_server.url, own_database)
    await mission.configure()
    await mission.publish(5)
    await mission.audit()
    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'missionops'"
    for _ in range(5):
        await mission.publish(5)
        await mission.execute(f"{terminate} AND datname = current_database()")
    await served.until_ready()
    await mission.audit()
    assert not [line for line in served.log if "__aexit__" in line["message"]], served.log
