"""Settings: from the environment, frozen, and each wrong one refused by its name, without what may be secret."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from missionops import settings
from missionops.errors import SetupError
from missionops.settings import Settings

CHECKOUT = Path(__file__).parents[2]


def test_defaults_are_this_machine() -> None:
    found = settings.read()
    assert found.nats_url == "nats://127.0.0.1:4222"
    assert found.database_url.startswith("postgresql://127.0.0.1")
    assert found.http_host == "127.0.0.1"


def test_the_environment_is_read_and_what_is_given_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISSIONOPS_LEASE", "2.5")
    monkeypatch.setenv("MISSIONOPS_HTTP_PORT", "9000")
    found = settings.read(http_port=0)
    assert (found.lease, found.http_port) == (2.5, 0)


def test_they_do_not_change() -> None:
    with pytest.raises(ValidationError):
        settings.read().lease = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEASE", "abc"),
        ("LEASE", "0"),
        ("LEASE", "0.0001"),
        ("LEASE", "inf"),
        ("LEASE", "nan"),
        ("HTTP_PORT", "-1"),
        ("HTTP_PORT", "65536"),
        ("BATCH_PARAMETERS", "999"),
        ("PULL_BYTES", "1.5"),
        ("TELEMETRY_MAX_BYTES", "1"),
        ("OUTGOING_MAX_AGE", "1e300"),
        ("OUTGOING_MAX_BYTES", "1000000"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", ""),
    ],
)
def test_a_wrong_one_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MISSIONOPS_{name}", value)
    with pytest.raises(SetupError, match=f"^MISSIONOPS_{name} is '{value}': "):
        settings.read()


def test_all_wrong_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISSIONOPS_LEASE", "abc")
    monkeypatch.setenv("MISSIONOPS_HTTP_PORT", "http")
    with pytest.raises(SetupError, match=r"MISSIONOPS_HTTP_PORT is 'http': .*; MISSIONOPS_LEASE is 'abc': "):
        settings.read()


@pytest.mark.parametrize(
    "url",
    ["nats://h", "h", "h:4222", "tls://h:1", "nats://user:secret@h:4222", "nats://a:1,b:2, nats://c", "nats://[::1]:1"],
)
def test_a_nats_url_may_be(url: str) -> None:
    assert Settings(nats_url=url).nats_url == url


@pytest.mark.parametrize(
    "url", ["", "nats://", "h:secret", "nats://u:secret@h:99999", "nats://u:secret@h:0", "a,", "nats://[u:secret@h"]
)
def test_no_nats_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SetupError, match="MISSIONOPS_NATS_URL") as refusal:
        settings.read(nats_url=url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:secret@h/d", "postgresql+asyncpg://u:secret@h/d"])
def test_no_database_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SetupError, match="MISSIONOPS_DATABASE_URL") as refusal:
        settings.read(database_url=url)
    assert "secret" not in str(refusal.value)


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_the_example_lists_every_setting_with_its_default() -> None:
    listed = dict(re.findall(r"(?m)^# (MISSIONOPS_\w+)=(.*)$", (CHECKOUT / ".env.example").read_text()))
    wanted = {f"MISSIONOPS_{name.upper()}": _shown(field.default) for name, field in Settings.model_fields.items()}
    assert listed == wanted


def _shown(default: object) -> str:
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def test_compose_passes_on_every_setting_that_it_does_not_fix() -> None:
    passed = set(re.findall(r"(?m)^ +(MISSIONOPS_\w+):", (CHECKOUT / "compose.yaml").read_text()))
    left = {f"MISSIONOPS_{name.upper()}" for name in Settings.model_fields} - passed
    # The image says where HTTP listens; another way to come to NATS needs files that compose would have to mount.
    assert left == {"MISSIONOPS_HTTP_HOST", "MISSIONOPS_HTTP_PORT"} | {
        f"MISSIONOPS_NATS_{name}"
        for name in (
            "TOKEN", "NKEY_FILE", "CREDENTIALS_FILE", "CA_FILE", "CERT_FILE", "KEY_FILE", "TLS_FIRST", "INBOX_PREFIX",
        )
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"nats_user": "u"}, "MISSIONOPS_NATS_USER and MISSIONOPS_NATS_PASSWORD go together"),
        ({"nats_password": "secret"}, "MISSIONOPS_NATS_USER and MISSIONOPS_NATS_PASSWORD go together"),
        ({"nats_cert_file": __file__}, "MISSIONOPS_NATS_CERT_FILE and MISSIONOPS_NATS_KEY_FILE go together"),
        (
            {"nats_token": "secret", "nats_nkey_file": __file__},
            "only one may be set: MISSIONOPS_NATS_TOKEN, MISSIONOPS_NATS_NKEY_FILE",
        ),
        ({"nats_ca_file": "/nowhere"}, "MISSIONOPS_NATS_CA_FILE is '/nowhere': .*cannot be read"),
        ({"nats_inbox_prefix": "_INBOX.*"}, "MISSIONOPS_NATS_INBOX_PREFIX is '_INBOX.*': "),
    ],
)
def test_a_way_to_nats_is_whole_or_refused(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(SetupError, match=complaint) as refusal:
        settings.read(**given)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "prefix"),
    [
        ({}, "_INBOX"),
        ({"nats_user": "service", "nats_password": "x"}, "_INBOX.service"),
        ({"nats_user": "a b", "nats_password": "x"}, "_INBOX"),
        ({"nats_url": "nats://SC-001:x@h:4222,nats://h2"}, "_INBOX.SC-001"),
        ({"nats_url": "nats://a-token@h:4222"}, "_INBOX"),
        ({"nats_user": "second", "nats_password": "x", "nats_inbox_prefix": "_INBOX.service"}, "_INBOX.service"),
    ],
)  # fmt: skip
def test_every_user_has_inboxes_of_its_own(given: dict[str, object], prefix: str) -> None:
    assert settings.read(**given).inbox_prefix == prefix


def test_what_is_empty_is_not_set_and_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISSIONOPS_NATS_TOKEN", "")
    monkeypatch.setenv("MISSIONOPS_NATS_CA_FILE", "")
    monkeypatch.setenv("MISSIONOPS_NATS_USER", "u")
    monkeypatch.setenv("MISSIONOPS_NATS_PASSWORD", "secret")
    found = settings.read()
    assert (found.nats_token, found.nats_ca_file) == (None, None)
    assert "secret" not in repr(found)


def test_the_readme_lists_every_setting() -> None:
    rows = re.findall(
        r"(?m)^\| `(MISSIONOPS_\w+)` \| (?:`(.*?)` )?\| (.*) \|$", (CHECKOUT / "docs" / "running.md").read_text()
    )
    assert rows == [
        (f"MISSIONOPS_{name.upper()}", _shown(field.default), field.description)
        for name, field in Settings.model_fields.items()
    ]
