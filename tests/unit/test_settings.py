"""Settings: from the environment, frozen, and each wrong one refused by its name, without what may be secret."""

import pytest
from pydantic import ValidationError

from missionops import settings
from missionops.errors import Unfit
from missionops.settings import Settings


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
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", ""),
    ],
)
def test_a_wrong_one_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MISSIONOPS_{name}", value)
    with pytest.raises(Unfit, match=f"^MISSIONOPS_{name} is '{value}': "):
        settings.read()


def test_all_wrong_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISSIONOPS_LEASE", "abc")
    monkeypatch.setenv("MISSIONOPS_HTTP_PORT", "http")
    with pytest.raises(Unfit, match=r"MISSIONOPS_HTTP_PORT is 'http': .*; MISSIONOPS_LEASE is 'abc': "):
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
    with pytest.raises(Unfit, match="MISSIONOPS_NATS_URL") as refusal:
        settings.read(nats_url=url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:secret@h/d", "postgresql+asyncpg://u:secret@h/d"])
def test_no_database_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(Unfit, match="MISSIONOPS_DATABASE_URL") as refusal:
        settings.read(database_url=url)
    assert "secret" not in str(refusal.value)


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
