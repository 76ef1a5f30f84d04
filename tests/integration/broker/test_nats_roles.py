"""Each user of the deployed NATS configuration: everything that it may do, and that it may do nothing else."""

import gc
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import nats
import pytest
from nats.aio.client import Client

from missionops import app
from missionops.ingest.outgoing_stream import Outgoing
from missionops.operations.registry import OPERATIONS
from missionops.settings import Settings, read
from publishers.stream_room import Room
from subscribers.telemetry import stream_purge
from tests.system import deployed
from tests.system.deployed import Nats
from tests.wait import PATIENCE, until_async

# nats-py leaves the socket of a connection open that was refused; it is collected in the test that had it refused.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


ROLES = ("service", "operator", "auditor", "SC-001")
STREAMS = ("TELEMETRY", "ANOMALIES", "ALARMS", "EVENTS", "DEADLETTERS")

READS = {
    "config.get", "config.versions", "config.check", "telemetry.list", "telemetry.analyze", "anomalies.list",
    "anomalies.timeline", "spacecraft.get", "spacecraft.list", "spacecraft.status", "events.list", "docs.get",
    "docs.search", "health",
    "deadletters.list", "deadletters.get", "anomalies.search", "events.search", "fleet.status",
    "telemetry.series", "telemetry.states", "telemetry.latest",
    "alarms.list", "alarms.search", "alarms.active", "alarms.get", "alarms.shelves", "alarms.statistics",
}  # fmt: skip


_SAME_ACCOUNT = "_INBOX.>"
"""Where the service answers users of its own account; with the deployed files it is alone there."""


class Subscription(NamedTuple):
    """What may be subscribed to, as one of a queue or alone."""

    subject: str
    queue: str = ""


def _publishable() -> Iterator[str]:
    """Every subject there is, and some that there are not."""
    for spacecraft_id in ("SC-001", "SC-002"):
        for kind in ("telemetry", "anomalies", "alarms", "events", "deadletters.telemetry"):
            yield f"{kind}.{spacecraft_id}"
    yield from ("events._fleet", "deadletters.telemetry._unknown", "telemetry.SC-001.more", "anything")
    for operation in OPERATIONS:
        yield operation.subject.replace("*", "SC-001")
    yield from ("missionops.later.invented", "$SRV.PING", "$SRV.INFO.missionops", "$SRV.STATS.missionops.ID")
    yield from (f"_INBOX.{name}.reply" for name in (*ROLES, "somebody"))
    yield from ("$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.TEMPLATE.NAMES")
    yield from ("$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "$JS.FC.TELEMETRY.missionops-0.x")
    for stream in (*STREAMS, "OTHER"):
        for verb in ("CREATE", "UPDATE", "DELETE", "INFO", "PURGE", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE"):
            yield f"$JS.API.STREAM.{verb}.{stream}"
        yield from (f"$JS.API.DIRECT.GET.{stream}", f"$JS.API.DIRECT.GET.{stream}.some.subject")
        yield from (f"$JS.API.CONSUMER.NAMES.{stream}", f"$JS.API.CONSUMER.LIST.{stream}")
        for consumer in ("missionops-0", "missionops-notifications", "other"):
            for verb in ("CREATE", "DURABLE.CREATE", "DELETE", "INFO", "MSG.NEXT", "RESET", "PAUSE", "UNPIN"):
                yield f"$JS.API.CONSUMER.{verb}.{stream}.{consumer}"
            yield f"$JS.ACK.{stream}.{consumer}.1.1.1.1.0"


# What each is there for, said once more and by other means than in the configuration.


def _operates(words: Sequence[str], subject: str) -> bool:
    if words[0] in {"missionops", "$SRV"}:
        return True
    looks_back = r"\$JS\.API\.DIRECT\.GET\.(ANOMALIES|ALARMS|EVENTS|DEADLETTERS)"
    return bool(re.fullmatch(rf"telemetry\.[^.]+|{looks_back}", subject))


def _audits(words: Sequence[str], subject: str) -> bool:
    if words[0] == "missionops":
        return ".".join(words[1:3]) in READS
    looks = r"INFO|STREAM\.(NAMES|LIST)|STREAM\.(INFO|MSG\.GET)\.\w+|DIRECT\.GET\..+|CONSUMER\.(NAMES|LIST)\.\w+"
    return words[0] == "$SRV" or bool(re.fullmatch(rf"\$JS\.API\.({looks}|CONSUMER\.INFO\.\w+\.[\w-]+)", subject))


def _serves(words: Sequence[str], subject: str) -> bool:
    if words[0] in {"telemetry", "anomalies", "alarms", "events", "deadletters"}:
        return len(words) == (3 if words[0] == "deadletters" else 2)
    if words[:2] == ["$JS", "ACK"]:
        return words[2:4] in (["TELEMETRY", "missionops-0"], ["ALARMS", "missionops-notifications"])
    reads = "CONSUMER\\.(CREATE|RESET|MSG\\.NEXT)\\.TELEMETRY\\.missionops-0|STREAM\\.MSG\\.GET\\.TELEMETRY"
    tells = "CONSUMER\\.(CREATE|INFO|MSG\\.NEXT)\\.ALARMS\\.missionops-notifications"
    deletes = "STREAM\\.MSG\\.DELETE\\.DEADLETTERS"
    purges = "STREAM\\.PURGE\\.(TELEMETRY|ANOMALIES|DEADLETTERS)"  # of EVENTS, the second witness, nothing
    keeps = f"STREAM\\.(CREATE|INFO)\\.({'|'.join(STREAMS)})|DIRECT\\.GET\\.({'|'.join(STREAMS[1:])})"
    return words[0] == "_INBOX" or bool(
        re.fullmatch(rf"\$JS\.API\.({reads}|{tells}|{deletes}|{purges}|{keeps})", subject)
    )


def _may_publish(role: str, subject: str) -> bool:
    words = subject.split(".")
    match role:
        case "service":
            return _serves(words, subject)
        case "operator":
            return _operates(words, subject)
        case "auditor":
            return _audits(words, subject)
        case _:
            return subject == f"telemetry.{role}"


SUBSCRIPTIONS = [
    *(Subscription(f"_INBOX.{name}.>") for name in (*ROLES, "somebody")),
    *(Subscription(f"{kind}.>") for kind in ("telemetry", "anomalies", "alarms", "events", "deadletters")),
    *(Subscription(f"{kind}.SC-001") for kind in ("telemetry", "anomalies", "events", "deadletters.telemetry")),
    *(Subscription(subject) for subject in (">", "*", "_INBOX.>", "missionops.>", "missionops.health", "anything")),
    *(Subscription("missionops.health", queue) for queue in ("missionops", "another")),
    *(Subscription("missionops.config.set.*", queue) for queue in ("missionops", "another")),
    *(Subscription(f"$SRV.{rest}") for rest in ("PING", "INFO.missionops", "STATS.missionops.ID", "PING.other", ">")),
    *(Subscription(subject) for subject in ("$JS.API.>", "$JS.ACK.>", "$JS.EVENT.>", "$SYS.>", "$KV.>")),
]  # fmt: skip


def _may_subscribe(role: str, subscription: Subscription) -> bool:
    subject, queue = subscription
    if subject.startswith("_INBOX"):
        return subject == f"_INBOX.{role}.>"
    kind = subject.partition(".")[0]
    match role:
        case "operator":
            return kind in {"anomalies", "alarms", "events", "deadletters"}
        case "auditor":
            return kind in {"telemetry", "anomalies", "alarms", "events", "deadletters"}
        case "service":
            # The server takes `$SRV.>` for one of `$SRV.*`.
            return queue == "missionops" or (kind == "$SRV" and subject != "$SRV.PING.other")
        case _:
            return False


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    with deployed.nats_server(tmp_path_factory.mktemp("production")) as server:
        yield server


async def connect(server: Nats, role: str, said: list[str]) -> Client:
    async def hear(error: Exception) -> None:
        said.append(str(error))

    user = server.user(role)
    return await nats.connect(
        server.url, user=role, password=user["MISSIONOPS_NATS_PASSWORD"], error_cb=hear, inbox_prefix=f"_INBOX.{role}"
    )


async def _until_all_is_said(client: Client, said: list[str]) -> None:
    """The server complains in order; nobody may publish to this subject."""
    await client.publish("the.end", b"")
    await until_async(lambda: any("the.end" in text for text in said), "the server's last complaint")


@pytest.mark.parametrize("role", ROLES)
async def test_each_may_publish_what_it_is_there_for_and_nothing_else(production: Nats, role: str):
    subjects = list(dict.fromkeys(_publishable()))
    said: list[str] = []
    client = await connect(production, role, said)
    for subject in subjects:
        await client.publish(subject, b"")
    await _until_all_is_said(client, said)
    await client.close()
    refused = {found for text in said for found in re.findall(r'publish to "(.*)"', text)}
    wanted = {subject for subject in subjects if _may_publish(role, subject)}
    assert {subject for subject in subjects if subject.lower() not in refused} == wanted


@pytest.mark.parametrize("role", ROLES)
async def test_each_may_hear_what_it_is_there_for_and_nothing_else(production: Nats, role: str):
    for subscription in SUBSCRIPTIONS:
        said: list[str] = []
        client = await connect(production, role, said)
        await client.subscribe(subscription.subject, subscription.queue)
        await _until_all_is_said(client, said)
        await client.close()
        assert (not any("subscription" in text for text in said)) is _may_subscribe(role, subscription), (
            subscription,
            said,
        )


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
async def test_nobody_comes_in_without_the_password(production: Nats, role: str):
    client = Client()
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        await client.connect(production.url, user=role, password="wrong", allow_reconnect=False)  # noqa: S106


async def test_the_service_uses_all_that_it_may(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    """What the server saw it do, on the whole path and through a second start, against what it is allowed to."""
    monkeypatch.setattr(stream_purge, "_PAUSE", 0.05)
    with deployed.nats_server(tmp_path / "production", "--trace") as server:
        notify = tmp_path / "notify.toml"
        notify.write_text('[targets]\nnobody = "json://127.0.0.1:9"\n')
        service = _as_service(server, settings, telemetry_max_age=0.05, notify_file=notify)
        for hour in ("00", "01"):
            async with app.running(service) as running:
                await running.until_ready()
                await _use(server, running.http_url, hour)
                await _until_taken_in(server)
        await _until_purged(server, service)
        await _make_way(server)
        did = _by_the_service(server.log.read_text())
    for verb in ("publish", "subscribe"):
        for allowed in set(_allowed(verb)) - {_SAME_ACCOUNT}:
            pattern = re.escape(allowed.partition(" ")[0]).replace(r"\*", "[^.]+").replace(">", ".+")
            assert any(re.fullmatch(pattern, subject) for subject in did[verb]), f"{allowed} is never used"
    assert "Permissions Violation" not in server.log.read_text()


async def test_nobody_has_the_service_say_something_in_its_own_name(tmp_path: Path, settings: Settings):
    """By naming a subject of the service's as the place for an answer."""
    with deployed.nats_server(tmp_path / "production") as server:
        async with app.running(_as_service(server, settings)) as running:
            await running.until_ready()
            auditor = await connect(server, "auditor", [])
            for asked in ("missionops.spacecraft.list", "missionops.events.list.SC-001", "$SRV.INFO", "$SRV.PING"):
                for place in ("anomalies.SC-001", "events.SC-001", "telemetry.SC-001", "missionops.health"):
                    await auditor.publish(asked, b"", place)
                assert (await auditor.request(asked, b"", timeout=5)).data
            for stream in STREAMS:
                assert (await auditor.jetstream().stream_info(stream)).state.messages == 0, stream
            await auditor.close()


def _as_service(server: Nats, settings: Settings, **given: object) -> Settings:
    user = {name.removeprefix("MISSIONOPS_").lower(): value for name, value in server.user("service").items()}
    return read(**user, database_url=settings.database_url, http_port=0, lease=1, **given)


async def _use(server: Nats, http_url: str, hour: str) -> None:
    operator = await connect(server, "operator", [])
    anomalies = await operator.subscribe("anomalies.*")
    letters = await operator.subscribe("deadletters.>")
    events = await operator.subscribe("events.*")
    await operator.request("missionops.config.set.SC-001", b'{"parameters":{"t":{"critHigh":1}}}', timeout=5)
    snapshot = {"spacecraftId": "SC-001", "timestamp": f"2025-01-01T{hour}:00:00Z", "parameters": {"t": 2}}
    async with httpx.AsyncClient() as http:
        assert (await http.post(f"{http_url}/telemetry", json=snapshot)).status_code == 201
    publisher = await connect(server, "SC-001", [])
    body = json.dumps(snapshot | {"timestamp": f"2025-01-01T{hour}:30:00Z"})
    await publisher.jetstream().publish("telemetry.SC-001", body.encode())
    await publisher.publish("telemetry.SC-001", b"no snapshot")
    for subscription in (anomalies, letters, events):
        await subscription.next_msg(timeout=PATIENCE)
    (letter, *_) = json.loads((await operator.request("missionops.deadletters.list", timeout=5)).data)
    again = json.dumps({"sequences": [letter["sequence"]]}).encode()
    result = json.loads((await operator.request("missionops.deadletters.replay", again, timeout=5)).data)
    assert result["replayed"] == [letter["sequence"]]
    await letters.next_msg(timeout=PATIENCE)  # as bad as it was
    await publisher.close()
    assert (await operator.request("$SRV.PING", b"", timeout=5)).data
    await operator.close()


async def _until_taken_in(server: Nats) -> None:
    """Until what happened to alarms is acknowledged."""
    auditor = await connect(server, "auditor", [])

    async def is_taken_in() -> bool:
        info = await auditor.jetstream().consumer_info("ALARMS", "missionops-notifications")
        return bool(info.delivered and info.delivered.consumer_seq) and not info.num_ack_pending

    await until_async(is_taken_in, "the transitions of the alarm")
    await auditor.close()


async def _until_purged(server: Nats, settings: Settings) -> None:
    async with app.running(settings) as running:
        await running.until_ready()
        auditor = await connect(server, "auditor", [])

        async def is_purged() -> bool:
            return not (await auditor.jetstream().stream_info("TELEMETRY")).state.messages

        await until_async(is_purged, "an empty TELEMETRY")
        await auditor.close()


async def _make_way(server: Nats) -> None:
    """As before more is published than a stream may hold."""
    client = await connect(server, "service", [])
    for stream in ("ANOMALIES", "DEADLETTERS"):
        room = Room(client, stream, Outgoing())
        await room.look()
        await room.make_way(2 << 30)
    await client.close()


def _by_the_service(log: str) -> dict[str, set[str]]:
    """The subjects that the service's connections published and subscribed to, as the server's log tells."""
    did: dict[str, set[str]] = {"publish": set(), "subscribe": set()}
    for verb, subject in re.findall(r'user:service" - <<- \[(H?PUB|SUB) (\S+)', log):
        did["subscribe" if verb == "SUB" else "publish"].add(subject)
    return did


def _allowed(verb: str) -> Sequence[str]:
    """What the configuration lists for the service."""
    text = re.sub(r"\s#.*", "", (deployed.FILES / "nats-roles.conf").read_text())
    section = text.partition("SERVICE_MAY = {")[2].partition("\n}")[0]
    listed = re.findall(r'"([^"]+)"', section.partition(f"{verb}: [")[2].partition("]")[0])
    assert listed
    return listed
