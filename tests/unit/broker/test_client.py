"""The patch of nats-py is for one version of it."""

import importlib.metadata

import pytest

from missionops.broker.client import GuardedClient
from missionops.errors import SetupError


@pytest.mark.parametrize("version", ["2.15.9", "2.17.0", "3.0.0", "2.160.0"])
def test_another_version_of_nats_py_is_refused_in_one_sentence(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: version)
    with pytest.raises(SetupError, match=rf"nats-py {version} is installed, .*install 'nats-py==2\.16\.\*'"):
        GuardedClient()


def test_later_fixes_of_the_version_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.16.7")
    GuardedClient()
