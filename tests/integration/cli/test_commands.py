"""The commands that ask the service, as a person and as a program use them: real servers, the command as a process."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from nats.aio.client import Client

from missionops.operations.registry import OPERATIONS
from missionops.simulator import fleet
from tests.wait import until_async

pytestmark = pytest.mark.usefixtures("service")

LIMITS = {"parameters": {"temp": {"warnHigh": 45, "critHigh": 70}}}
END = "2025-01-01T12:00:00Z"

has_documents = pytest.mark.skipif(
    "docs.create" not in {operation.name for operation in OPERATIONS}, reason="no operation for documents yet"
)
has_events = pytest.mark.skipif(
    "events.record" not in {operation.name for operation in OPERATIONS}, reason="no operation for events yet"
)


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed for programs: all of it."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line that has some."""
        return [line.split() for line in self.out.splitlines() if line.strip()]

    def ends_with_one_sentence(self, *parts: str) -> bool:
        """Whether it failed as a command shall: nothing on standard output, one line that says why."""
        return (
            self.code != 0
            and not self.out
            and len(self.err.splitlines()) == 1
            and all(part in self.err for part in parts)
        )


class Commands:
    """`missionops`, with the test's NATS server."""

    def __init__(self, nats_url: str) -> None:
        self._environment = {
            **os.environ,
            "MISSIONOPS_NATS_URL": nats_url,
            "COLUMNS": "160",
            "TERM": "dumb",
            "PYTHONWARNINGS": "error",
            "PYTHONUNBUFFERED": "1",  # as in containers: large answers have to get through a pipe all the same
        }

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "missionops", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self._environment,
        )  # fmt: skip

    async def run(self, *arguments: str, given: str = "") -> Done:
        process = await self.start(*arguments)
        out, err = await process.communicate(given.encode())
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def together(self, *commands: str) -> list[Done]:
        """At once, as each costs a start of Python."""
        return await asyncio.gather(*(self.run(*command.split()) for command in commands))


@pytest.fixture
def commands(nats_url: str) -> Commands:
    return Commands(nats_url)


async def test_garbage_is_collected_while_a_command_works_and_not_in_what_was_imported():
    look = "print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    code = f"import atexit, gc; from missionops.__main__ import main; atexit.register(lambda: {look}); main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "migrate", "--help", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "True True"


async def publish(client: Client, spacecraft_id: str, bodies: Iterable[dict[str, object]]) -> None:
    for body in bodies:
        await client.jetstream().publish(f"telemetry.{spacecraft_id}", json.dumps(body).encode())


async def ask(client: Client, subject: str, request: object = None) -> Any:
    reply = await client.request(f"missionops.{subject}", json.dumps(request or {}).encode(), timeout=5)
    return json.loads(reply.data)


async def until_listed(client: Client, subject: str, count: int) -> list[Any]:
    """The listing, once it holds `count` items."""

    async def found() -> list[Any] | None:
        items: list[Any] = await ask(client, subject, {"limit": 1000})
        return items if len(items) >= count else None

    return await until_async(found, f"{count} items in {subject}")


async def letters_left(client: Client) -> int:
    return int((await client.jetstream().stream_info("DEADLETTERS")).state.messages)


async def until_letters(client: Client, count: int) -> None:
    async def are_there() -> bool:
        return await letters_left(client) >= count

    await until_async(are_there, f"{count} dead letters")


async def seed_snapshots(client: Client, count: int) -> None:
    await ask(client, "config.set.SC-001", LIMITS)
    snapshots = [
        {"timestamp": f"2025-01-01T{n // 60:02}:{n % 60:02}:00Z", "parameters": {"temp": 44 + n % 3, "mode": "CRUISE"}}
        for n in range(count)
    ]
    await client.jetstream().publish("telemetry.SC-001", json.dumps(snapshots).encode())
    await until_listed(client, "telemetry.list.SC-001", min(count, 1000))


async def test_listings_are_tables_for_people_and_json_for_programs(client: Client, commands: Commands) -> None:
    await seed_snapshots(client, 9)
    await until_listed(client, "anomalies.list.SC-001", 3)
    between = "--from 2025-01-01T00:00:00Z --to 2025-01-01T00:05:00Z"
    told = await commands.together(
        "list-telemetry --spacecraft-id SC-001 --limit 2",
        f"list-telemetry --spacecraft-id SC-001 {between} --json",
        "analyze-telemetry --spacecraft-id SC-001 --limit 3",
        f"analyze-telemetry --spacecraft-id SC-001 {between} --json",
        "list-anomalies --spacecraft-id SC-001",
        "list-anomalies --spacecraft-id SC-001 --limit 2 --json",
        f"list-anomalies --spacecraft-id SC-001 {between} --json",
        f"list-anomalies --spacecraft-id SC-001 {between} --limit 1 --json",
        "list-telemetry --spacecraft-id SC-404 --json",
        "list-anomalies --spacecraft-id SC-404",
        "list-anomalies --spacecraft-id SC-001 --from now",
        "analyze-telemetry --spacecraft-id SC-001 --from 2025-01-01T00:05:00Z --json",
        "analyze-telemetry --spacecraft-id SC-001 --to 2025-01-01T00:05:00Z --json",
    )
    (
        listed,
        between_json,
        analyzed,
        analyzed_json,
        anomalies,
        two,
        timeline,
        first,
        nothing,
        unknown,
        none,
        later,
        earlier,
    ) = told
    assert [line[:2] for line in listed.lines[2:]] == [["2025-01-01", "00:08:00"], ["2025-01-01", "00:07:00"]]
    assert listed.lines[2][2:] == ['mode="CRUISE"', "temp=46"]
    assert "more" in listed.err
    expected = await ask(
        client, "telemetry.list.SC-001", {"from": "2025-01-01T00:00:00Z", "to": "2025-01-01T00:05:00Z"}
    )
    assert between_json.json == expected
    assert (between_json.err, len(expected)) == ("", 6)
    assert analyzed.lines[2:] == [["2025-01-01", "00:08:00", "MEDIUM", "temp", "46", "warnHigh", "45"]]
    assert [found["timestamp"][14:16] for found in analyzed_json.json] == ["02", "05"]
    assert [line[1] for line in anomalies.lines[2:]] == ["00:08:00", "00:05:00", "00:02:00"]
    assert two.json == await ask(client, "anomalies.list.SC-001", {"limit": 2})
    assert [found["timestamp"][14:16] for found in timeline.json] == ["02", "05"]
    assert first.json == timeline.json[:1]
    assert nothing.json == []
    assert (unknown.code, unknown.out) == (0, "")
    assert unknown.err.startswith("No anomalies of SC-404 are stored for that.\nNo spacecraft SC-404 is known")
    assert (none.code, none.out, none.err) == (0, "", "No anomalies of SC-001 are stored for that.\n")
    assert [found["timestamp"][14:16] for found in later.json] == ["05", "08"]
    assert [found["timestamp"][14:16] for found in earlier.json] == ["02", "05"]


async def test_more_than_one_answer_holds_is_followed_up_to_the_limit(client: Client, commands: Commands) -> None:
    await seed_snapshots(client, 1300)
    for count in (1001, 5000):
        found = (
            await commands.run("list-telemetry", "--spacecraft-id", "SC-001", "--limit", str(count), "--json")
        ).json
        times = [snapshot["timestamp"] for snapshot in found]
        assert times == sorted(times, reverse=True)
        assert len(set(times)) == len(times) == min(count, 1300)


async def test_what_the_service_refuses_is_one_sentence(commands: Commands) -> None:
    told = await commands.together(
        "list-telemetry --spacecraft-id SC-001 --from now --to yesterday",
        "analyze-telemetry --spacecraft-id SC-001 --from 2025-01-01T00:00:00Z",
        "dead-letters show 1",
    )
    for done, part in zip(
        told, ("to must not be before from", "No spacecraft SC-001 is known", "no dead letter 1."), strict=True
    ):
        assert done.ends_with_one_sentence(part), done


async def test_spacecraft_are_registered_listed_and_watched(client: Client, commands: Commands) -> None:
    registered = await commands.run("register", "SC-001", "--name", "First \x1b[31mlight", "--mission-type", "LEO")
    assert (registered.code, registered.out) == (0, "SC-001 registered: First \\x1b[31mlight, LEO\n")
    assert (await commands.run("register", "SC-002", "--json")).json["spacecraftId"] == "SC-002"
    await seed_snapshots(client, 3)
    listed, as_json, one, status, status_json, unknown = await commands.together(
        "list-spacecraft", "list-spacecraft --json", "list-spacecraft --limit 1", "status SC-001",
        "status SC-001 --json", "status SC-404",
    )  # fmt: skip
    assert [line[0] for line in listed.lines[2:]] == ["SC-001", "SC-002"]
    assert "\x1b" not in listed.out
    assert as_json.json == (await ask(client, "spacecraft.list"))["items"]
    assert len(one.lines) == 3
    assert "1 of 2" in one.err
    assert ["monitoring", "ACTIVE"] in status.lines
    assert re.search("[0-9]{3} d after its timestamp", status.out)  # it is stamped with 2025
    assert status_json.json == await ask(client, "spacecraft.status.SC-001")
    assert unknown.ends_with_one_sentence("No spacecraft SC-404 is known")


async def test_a_file_is_ingested_and_its_faults_are_named(client: Client, commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "telemetry.ndjson"
    file.write_text('{"timestamp":"2025-01-01T00:00:00Z","parameters":{"a":1}}\n{"timestamp":"2025"}\n')
    done = await commands.run("ingest-telemetry", "--spacecraft-id", "SC-001", "--file", str(file))
    assert done.code == 1
    assert done.out.startswith("1 sent, 1 acknowledged, 1 refused")
    assert "line 2" in done.err
    assert [snapshot["parameters"] for snapshot in await until_listed(client, "telemetry.list.SC-001", 1)] == [{"a": 1}]


# Made-up missions


async def test_demo_data_are_seeded_once_and_judged_as_foretold(client: Client, commands: Commands) -> None:
    arguments = ("seed-demo-data", "30", "30", "--end", END, "--seed", "3", "--fault", "beacon-loss@t+600")
    dry, snapshots = await asyncio.gather(
        commands.run(*arguments, "--dry-run"), commands.run(*arguments, "--dry-run", "--json")
    )
    assert [line[0] for line in dry.lines[3:]] == [profile.spacecraft_id for profile in fleet.PROFILES]
    assert await ask(client, "spacecraft.list") == {"total": 0, "count": 0, "limit": 20, "offset": 0, "items": []}
    lines = [json.loads(line) for line in snapshots.out.splitlines()]
    assert len(lines) == 4 * 60
    assert {line["timestamp"] for line in lines[-4:]} == {END}

    seeded = (await commands.run(*arguments, "--json")).json
    assert (seeded["sent"], seeded["acknowledged"], seeded["refused"]) == (240, 240, 0)
    foretold = {each["spacecraftId"]: each["anomalies"] for each in seeded["spacecraft"]}
    assert foretold == {"Sat-Imager-001": 0, "GNSS-Nav-Alpha": 0, "GEO-Comms-01": 0, "Cube-001": 2 * 40}
    assert len(await until_listed(client, "anomalies.list.Cube-001", 80)) == 80
    again = await commands.run(*arguments)
    assert again.out.splitlines()[-1].startswith("240 sent, 240 acknowledged, 0 refused")
    item = await ask(client, "spacecraft.get.Cube-001")
    assert (item["name"], item["missionType"], item["version"], item["source"]) == ("Cube 1", "CubeSat", 1, "simulator")

    async def is_handled() -> bool:
        return not (await ask(client, "health"))["ingest"]["lag"]

    await until_async(is_handled, "the end of the stream")
    for profile in fleet.PROFILES:
        assert len(await until_listed(client, f"telemetry.list.{profile.spacecraft_id}", 60)) == 60

    republished = await commands.run("publish", "--file", "-", given=snapshots.out)
    assert republished.out.startswith("240 sent, 240 acknowledged, 0 refused")
    assert len(await until_listed(client, "telemetry.list.Cube-001", 60)) == 60


async def test_missions_fly_live_until_they_are_stopped(client: Client, commands: Commands) -> None:
    own = {"parameters": {"battery_soc": {"warnLow": 1}}}
    await ask(client, "config.set.Cube-001", own)
    counted = await commands.run("simulate", "cube-001", "--rate", "50", "--count", "5", "--fault", "beacon-loss")
    assert counted.out.startswith("5 sent, 5 acknowledged, 0 refused")
    assert "Cube-001: beacon-loss begins" in counted.err
    assert len(await until_listed(client, "telemetry.list.Cube-001", 5)) == 5
    assert (await ask(client, "config.get.Cube-001"))["config"] == own  # the user's limits stay

    process = await commands.start("simulate", "GEO-Comms-01", "--rate", "20")
    await until_listed(client, "telemetry.list.GEO-Comms-01", 3)
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    sent, acknowledged = (int(part.split()[0]) for part in out.decode().split(",")[:2])
    assert process.returncode == 130
    assert sent == acknowledged >= 3


@has_documents
async def test_documents_are_seeded_created_and_found(commands: Commands, tmp_path: Path) -> None:
    seeded = await commands.run("seed-demo-docs", "--json")
    assert len(seeded.json) == 12
    file = tmp_path / "text.md"
    file.write_text("Hold 100% of _everything_.\n\tThen \x1b[31mwait.\n")
    create = ("create-doc", "--title", "Safe mode", "--file", str(file), "--id", "safe", "--tag", "x", "--tag", "y")
    created = await commands.run(*create)
    assert created.out == "document safe published\n"
    same, other, replaced, found, found_json, one, one_json, none, words, absent, seeded_again = await asyncio.gather(
        commands.run(*create, "--json"),
        commands.run("create-doc", "--title", "Other", "--file", str(file), "--id", "cube-001-overview"),
        commands.run("create-doc", "--title", "New", "--file", "-", "--id", "geo", "--overwrite", given="text"),
        commands.run("search-docs", "--query", "100% of _every"),
        commands.run("search-docs", "--query", "clock", "--spacecraft-id", "GNSS-Nav-Alpha", "--limit", "2", "--json"),
        commands.run("get-doc", "safe"),
        commands.run("get-doc", "safe", "--json"),
        commands.run("search-docs", "--query", "zzzz", "--tag", "x"),
        commands.run("search-docs", "mode"),
        commands.run("get-doc", "nothing"),
        commands.run("seed-demo-docs"),
    )
    assert same.json == {"documentId": "safe"}
    assert other.ends_with_one_sentence("cube-001-overview")
    assert replaced.code == 0
    assert found.lines[2][0] == "safe"
    assert [document["spacecraftId"] for document in found_json.json] == ["GNSS-Nav-Alpha"] * 2
    assert one.out.splitlines()[:2] == ["Safe mode", "all, general, x, y"]
    assert "\x1b" not in one.out
    assert one_json.json["tags"] == ["x", "y"]
    assert (none.code, none.out, none.err) == (0, "", "No document with the tag x has 'zzzz' in it.\n")
    assert words.err == "There is no document about mode. Words are searched for with --query mode.\n"
    assert absent.ends_with_one_sentence("not found")
    assert seeded_again.out.count("published") == 12


@has_documents
async def test_documents_that_did_not_fit_into_the_response_are_counted(client: Client, commands: Commands) -> None:
    for name in ("first", "second"):
        document = {"id": name, "title": "Battery", "body": "Battery. " * 60_000}
        await client.request("missionops.docs.create", json.dumps(document).encode(), timeout=5)
    found = await commands.run("search-docs", "--query", "battery", "--json")
    assert [document["id"] for document in found.json] == ["second"]
    assert found.err == "1 more did not fit into the response: narrow the search.\n"


async def test_a_changed_document_is_kept_unless_it_shall_be_overwritten(client: Client, commands: Commands) -> None:
    mine = {"id": "cube-001-overview", "title": "Mine", "body": "mine"}
    await ask(client, "docs.create", mine)
    kept = {one["documentId"]: one["kept"] for one in (await commands.run("seed-demo-docs", "--json")).json}
    assert [name for name, is_kept in kept.items() if is_kept] == ["cube-001-overview"]
    assert (await ask(client, "docs.get", {"documentId": "cube-001-overview"}))["title"] == "Mine"
    assert (await commands.run("seed-demo-docs", "--overwrite")).code == 0
    assert (await ask(client, "docs.get", {"documentId": "cube-001-overview"}))["title"] == "Cube 1: mission overview"


@has_events
async def test_events_are_recorded_and_listed(client: Client, commands: Commands) -> None:
    record = ("record-event", "SC-001", "Contact lost over Kiruna", "--type", "contact_lost", "--severity", "high")
    more = ("--metadata", '{"station":"Kiruna"}', "--timestamp", "2025-01-01T00:00:00Z", "--id", "e1")
    recorded = await commands.run(*record, *more)
    assert (recorded.code, recorded.out) == (0, "SC-001: event e1 recorded\n")
    again, listed, as_json, none = await asyncio.gather(
        commands.run(*record, *more, "--json"),
        commands.run("list-events", "--spacecraft-id", "SC-001"),
        commands.run("list-events", "--spacecraft-id", "SC-001", "--json"),
        commands.run("list-events", "--spacecraft-id", "SC-404"),
    )
    assert again.json["metadata"] == {"station": "Kiruna"}
    assert listed.lines[2][:4] == ["2025-01-01", "00:00:00", "CONTACT_LOST", "HIGH"]
    assert as_json.json == await ask(client, "events.list.SC-001")
    assert (none.code, none.out) == (0, "")


# Dead letters


async def test_dead_letters_are_listed_and_shown(client: Client, commands: Commands) -> None:
    await client.publish("telemetry.SC-001", b'{"timestamp":"now"}', headers={"X-Station": "Kiruna", "Status": "503"})
    await client.publish(
        "telemetry.SC-002", msgspec.msgpack.encode([{"a": "\u00e4"}]), headers={"Content-Type": "application/msgpack"}
    )
    await until_letters(client, 2)
    listed, as_json, of_one, shown, shown_msgpack, shown_json, absent = await commands.together(
        "dead-letters list", "dead-letters list --json", "dead-letters list --spacecraft-id SC-002 --json",
        "dead-letters show 1", "dead-letters show 2", "dead-letters show 2 --json", "dead-letters show 3",
    )  # fmt: skip
    assert [line[0] for line in listed.lines[2:]] == ["2", "1"]
    assert [letter["subject"] for letter in as_json.json] == [
        "deadletters.telemetry.SC-002", "deadletters.telemetry.SC-001",
    ]  # fmt: skip
    assert as_json.json[1]["code"] == "invalid"
    assert [letter["sequence"] for letter in of_one.json] == [2]
    assert shown.out.endswith('\n\n{"timestamp":"now"}\n')
    assert {"X-Station: Kiruna", "Status: 503"} <= set(shown.out.splitlines())
    assert shown_msgpack.out.endswith('{"a":"\u00e4"}\n')
    assert shown_json.json["headers"]["Content-Type"] == "application/msgpack"
    assert absent.ends_with_one_sentence("There is no dead letter 3")


async def test_all_letters_are_replayed_once_and_what_cannot_be_stays(client: Client, commands: Commands) -> None:
    async def put(spacecraft_id: str, body: bytes, **headers: str) -> None:
        await client.jetstream().publish(f"deadletters.telemetry.{spacecraft_id}", body, headers=headers or None)

    bodies = [json.dumps({"timestamp": END, "parameters": {"a": value}}).encode() for value in range(3)]
    await put("SC-001", bodies[0])
    await put("SC-002", bodies[1])
    await put("SC-001", b'{"timest', **{"Missionops-Truncated": "2000000"})
    await put("_unknown", bodies[2])
    await put("SC-001", b"still no JSON")  # comes back as a new letter, and is not replayed for ever
    of_one = await commands.run("dead-letters", "replay", "--all", "--spacecraft-id", "SC-002")
    assert (of_one.code, of_one.out) == (0, "1 replayed\n")
    done = await commands.run("dead-letters", "replay", "--all")
    assert (done.code, done.out) == (1, "2 replayed, 2 refused\n")
    assert "Letter 3 cannot be replayed: only its first 8 of 2000000 bytes were kept." in done.err
    assert "Letter 4 cannot be replayed: the subject that it came on names no spacecraft." in done.err
    await until_letters(client, 3)
    assert [letter["sequence"] for letter in (await commands.run("dead-letters", "list", "--json")).json] == [6, 4, 3]
    of_none = await commands.run("dead-letters", "list", "_unknown", "--json")
    assert [letter["sequence"] for letter in of_none.json] == [4]
    of_another = await commands.run("dead-letters", "list", "SC-404")
    assert of_another.err.startswith("There are no dead letters of SC-404.\nNo spacecraft SC-404 is known")


async def test_more_letters_than_one_request_has_time_for_are_replayed(
    client: Client, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("missionops.operations.dead_letters._START_TIME", 0.01)
    for number in range(40):
        body = json.dumps({"timestamp": END, "parameters": {"a": number}}).encode()
        await client.jetstream().publish("deadletters.telemetry.SC-001", body)
    done = await commands.run("dead-letters", "replay", "--all")
    assert (done.code, done.out, done.err) == (0, "40 replayed\n", "")
    assert await letters_left(client) == 0
