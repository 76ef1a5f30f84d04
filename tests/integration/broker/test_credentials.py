"""Every way to come to NATS, for the service and for the commands: users, tokens, nkeys, credentials and TLS."""

import asyncio
import base64
import gc
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import nkeys
import pytest
import trustme
from nats.aio.client import Client

from missionops import errors
from missionops.broker import connection as broker
from missionops.broker.client import GuardedClient
from missionops.cli.client import connection
from missionops.embedded.nats import NatsServer
from missionops.settings import read_access
from tests.system import deployed

# nats-py leaves the socket of a connection open that was refused; it is collected in the test that had it refused.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


class Key(NamedTuple):
    """An nkey, new."""

    public: str
    seed: str

    @classmethod
    def of(cls, kind: int) -> "Key":
        seed = nkeys.encode_seed(os.urandom(32), kind)
        return cls(nkeys.from_seed(bytearray(seed)).public_key.decode(), seed.decode())

    def says(self, subject: str, kind: str, claims: dict[str, object]) -> str:
        """A token about somebody, signed with this key, as NATS reads it (ADR-14)."""
        body = {"iat": 0, "iss": self.public, "sub": subject, "nats": {"type": kind, "version": 2, **claims}}
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
        text = f"{_encoded({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_encoded(body)}"
        signature = nkeys.from_seed(bytearray(self.seed.encode())).sign(text.encode())
        return f"{text}.{_unpadded(signature)}"


def _encoded(value: object) -> str:
    return _unpadded(json.dumps(value).encode())


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def user_and_password(_: Path) -> tuple[str, dict[str, str]]:
    return 'authorization { user: u, password: "p@:/ s" }', {"nats_user": "u", "nats_password": "p@:/ s"}


def token(_: Path) -> tuple[str, dict[str, str]]:
    return 'authorization { token: "t-1" }', {"nats_token": "t-1"}


def nkey(directory: Path) -> tuple[str, dict[str, str]]:
    key = Key.of(nkeys.PREFIX_BYTE_USER)
    file = directory / "seed.nk"
    file.write_text(f"{key.seed}\n")
    return f"authorization {{ users: [{{ nkey: {key.public} }}] }}", {"nats_nkey_file": str(file)}


def credentials(directory: Path) -> tuple[str, dict[str, str]]:
    operator, account = Key.of(nkeys.PREFIX_BYTE_OPERATOR), Key.of(nkeys.PREFIX_BYTE_ACCOUNT)
    user = Key.of(nkeys.PREFIX_BYTE_USER)
    unlimited: dict[str, object] = {"subs": -1, "data": -1, "payload": -1}
    limits = {**unlimited, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "wildcards": True}
    file = directory / "user.creds"
    says = account.says(user.public, "user", unlimited)
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{says}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    config = f"""operator: {operator.says(operator.public, "operator", {})}
    resolver: MEMORY
    resolver_preload {{ {account.public}: {operator.says(account.public, "account", {"limits": limits})} }}"""
    return config, {"nats_credentials_file": str(file)}


WAYS = [user_and_password, token, nkey, credentials]


class Guarded(NatsServer):
    """A server without JetStream, which no account of an operator has unless it is said."""

    def _configure(self) -> Path:
        path = super()._configure()
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines if not line.startswith("jetstream")))
        return path


@asynccontextmanager
async def as_service(url: str, **given: str) -> AsyncIterator[Client]:
    access = read_access(nats_url=url, **given)
    made = broker.make(GuardedClient(), access, lambda: None, lambda reason: _resolve(closed, reason))
    closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    client = await broker.connect(made, closed)
    try:
        yield client
    finally:
        await client.close()


def _resolve(future: "asyncio.Future[str]", reason: str) -> None:
    if not future.done():
        future.set_result(reason)


@asynccontextmanager
async def as_command(url: str, **given: str) -> AsyncIterator[Client]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in given.items():
            environment.setenv(f"MISSIONOPS_{name.upper()}", value)
        async with connection.connected(url) as client:
            yield client


CLIENTS = [as_service, as_command]


async def check(client: Client) -> None:
    assert isinstance(client, GuardedClient)  # guarded before it connected, whoever connects

    async def answer(message) -> None:
        await message.respond(message.data)

    await client.subscribe("echo", cb=answer)
    assert (await client.request("echo", b"hello", timeout=5)).data == b"hello"


@pytest.mark.parametrize("connected", CLIENTS)
@pytest.mark.parametrize("way", WAYS)
async def test_a_client_comes_in_by_its_own_way_and_no_other(tmp_path: Path, way, connected):
    config, given = way(tmp_path)
    server = Guarded(tmp_path / "guarded", users=config)
    await server.start()
    try:
        async with connected(server.url, **given) as client:
            await check(client)
        with pytest.raises(errors.SetupError, match="refuses"):
            async with connected(server.url):
                pass
        with pytest.raises(errors.SetupError, match="refuses"):
            async with connected(server.url, nats_user="u", nats_password="wrong"):  # noqa: S106
                pass
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nats_nkey_file", "MISSIONOPS_NATS_NKEY_FILE holds no nkey's seed"),
        ("nats_credentials_file", "MISSIONOPS_NATS_CREDENTIALS_FILE holds no credentials"),
        ("nats_ca_file", "MISSIONOPS_NATS_CA_FILE holds no certificates"),
    ],
)
@pytest.mark.parametrize("connected", CLIENTS)
async def test_a_file_with_something_else_in_it_is_named(tmp_path: Path, name: str, words: str, connected):
    (tmp_path / "file").write_text("nonsense")
    with pytest.raises(errors.SetupError, match=words):
        async with connected("nats://127.0.0.1:1", **{name: str(tmp_path / "file")}):
            pass


class Certificates(NamedTuple):
    """What a client needs to come to a server with TLS, and the same of somebody whom the server does not know."""

    urls: dict[str, str]
    """Of the server as it is deployed ("false"), and of one that waits long for clients that begin with TLS ("true").

    As it is deployed it waits 300 ms, which is little on a busy machine, and then speaks without TLS.
    """
    user: dict[str, str]
    files: dict[str, str]
    strangers: dict[str, str]


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificates]:
    """The deployed configuration with its include for TLS."""
    root = tmp_path_factory.mktemp("encrypted")
    (root / "nats" / "tls").mkdir(parents=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(root / "nats" / "tls" / "ca.crt")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(root / "nats" / "tls" / "server.key")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(root / "nats" / "tls" / "server.crt", append=True)
    files, strangers = (_client_files(root / name, by) for name, by in (("ours", authority), ("theirs", trustme.CA())))
    patient_files = root / "patient" / "nats"
    shutil.copytree(root / "nats", patient_files)
    tls = (deployed.FILES / "nats-tls.conf").read_text().replace("/etc/nats", str(patient_files))
    assert '"300ms"' in tls
    (patient_files / "patient-tls.conf").write_text(tls.replace('"300ms"', '"60s"'))
    with (
        deployed.nats_server(root, change=_with_tls) as server,
        deployed.nats_server(patient_files.parent, change=_with_patient_tls) as patient,
    ):
        user = {name.removeprefix("MISSIONOPS_").lower(): value for name, value in server.user("operator").items()}
        user.pop("nats_url")
        yield Certificates({"false": server.url, "true": patient.url}, user, files, strangers)


def _with_tls(config: str) -> str:
    assert '\n# include "nats-tls.conf"' in config
    return config.replace('\n# include "nats-tls.conf"', '\ninclude "nats-tls.conf"')


def _with_patient_tls(config: str) -> str:
    return _with_tls(config).replace('include "nats-tls.conf"', 'include "patient-tls.conf"')


def _client_files(directory: Path, authority: trustme.CA) -> dict[str, str]:
    directory.mkdir()
    issued = authority.issue_cert("operator@example.org")
    authority.cert_pem.write_to_path(directory / "ca.crt")
    issued.private_key_pem.write_to_path(directory / "client.key")
    issued.cert_chain_pems[0].write_to_path(directory / "client.crt")
    return {f"nats_{name}_file": str(directory / file) for name, file in
            (("ca", "ca.crt"), ("cert", "client.crt"), ("key", "client.key"))}  # fmt: skip


@pytest.mark.parametrize("first", ["false", "true"])
@pytest.mark.parametrize("connected", CLIENTS)
async def test_tls_with_certificates_on_both_sides(encrypted: Certificates, connected, first: str):
    async with connected(encrypted.urls[first], **encrypted.user, **encrypted.files, nats_tls_first=first) as client:
        assert client._transport._io_writer.get_extra_info("ssl_object").version().startswith("TLSv1.")
        await client.flush()


@pytest.mark.parametrize("first", ["false", "true"])
@pytest.mark.parametrize("connected", CLIENTS)
async def test_a_server_of_an_unknown_authority_is_not_trusted(encrypted: Certificates, connected, first: str):
    for files in ({}, {"nats_ca_file": encrypted.strangers["nats_ca_file"]}):
        with pytest.raises(errors.SetupError, match=r"(?i)certificate.verify.failed"):
            async with connected(encrypted.urls[first], **encrypted.user, **files, nats_tls_first=first):
                pass


async def test_a_server_that_speaks_before_tls_is_told_apart_from_one_that_is_not_trusted(tmp_path: Path):
    server = NatsServer(tmp_path / "plain")
    await server.start()
    try:
        with pytest.raises(errors.SetupError, match="MISSIONOPS_NATS_TLS_FIRST"):
            async with as_command(server.url, nats_tls_first="true"):
                pass
    finally:
        await server.stop()


async def test_a_client_without_a_known_certificate_is_not_let_in(encrypted: Certificates):
    ours = {"nats_ca_file": encrypted.files["nats_ca_file"]}
    theirs = {name: value for name, value in encrypted.strangers.items() if name != "nats_ca_file"}
    for files in (ours, ours | theirs):
        with pytest.raises(errors.MissionopsError):
            async with as_command(encrypted.urls["false"], **encrypted.user, **files):
                pass
