"""SIGTERM ends the service in a few seconds, whatever the servers do."""

import asyncio
import contextlib
import os
import signal
import time

import httpx
import psutil

from tests.system import installed

BOUND = 8.0
"""Seconds: 5 for what is under way, and what starting and ending a process takes on a busy machine."""


async def test_with_a_database_that_is_silent(serve, postgres_server, nats_server, own_database, mission):
    served = await serve(nats_server.url, own_database, MISSIONOPS_LEASE="30")
    await mission.publish(3)
    await mission.until_stored()
    postmaster = psutil.Process(postgres_server.pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        await mission.publish(3)
        body = {"spacecraftId": "SC-002", "timestamp": "2025-01-01T00:00:00Z", "parameters": {}}
        async with httpx.AsyncClient(base_url=served.url, timeout=30) as http:
            posted = asyncio.create_task(http.post("/telemetry", json=body))
            requested = asyncio.create_task(mission.client.request("missionops.spacecraft.list", b"", timeout=30))
            await asyncio.sleep(0.5)  # until both wait for the database
            began = time.monotonic()
            served.running.signal(signal.SIGTERM)
            done = await asyncio.to_thread(served.running.end)
            seconds = time.monotonic() - began
            assert (await posted).status_code == 202
            assert b"unavailable" in (await requested).data
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):  # the postmaster ended it
                os.kill(process.pid, signal.SIGCONT)
    assert (done.code, "Traceback" in done.err) == (0, False), done.err
    assert seconds < installed.busy(BOUND), f"{seconds:.1f} s\n{done.err}"


async def test_a_lost_connection_to_the_database_is_one_line(serve, nats_server, own_database, mission):
    served = await serve(nats_server.url, own_database)
    await mission.configure()
    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'missionops'"
    for _ in range(5):
        publishing = asyncio.create_task(mission.publish(20))
        await mission.execute(f"{terminate} AND datname = current_database()")
        await publishing
    await served.until_ready()
    await mission.audit()
    assert [line for line in served.log if "starts again" in line["message"]]
    assert not [line for line in served.log if "exception" in line], served.log
