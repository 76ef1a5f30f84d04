"""Tables for people, in terminals of every width."""

import pytest
from rich.console import Console
from rich.table import Table

from missionops.cli.output import tables

ANOMALY = {
    "timestamp": "2025-01-01T00:00:00Z",
    "severity": "MEDIUM",
    "parameter": "magnetorquer_current_ma",
    "value": -121.5,
    "limit": {"name": "warnLow", "value": -120},
}


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_nothing_is_cut_however_narrow_it_gets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    tables.anomalies([ANOMALY])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    shown = sorted("".join(out.rpartition("─")[2].split()))  # below the heading
    assert shown == sorted("2025-01-0100:00:00MEDIUMmagnetorquer_current_ma-121.5warnLow-120")


def test_where_there_is_room_each_line_is_one_item(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    tables.anomalies([ANOMALY])
    assert capsys.readouterr().out.splitlines()[3].split() == [
        "2025-01-01", "00:00:00", "MEDIUM", "magnetorquer_current_ma", "-121.5", "warnLow", "-120",
    ]  # fmt: skip


def test_a_narrow_table_may_have_a_column_of_numbers_without_any() -> None:
    table = Table("parameter")
    table.add_column("previous", justify="right")
    table.add_row("a name that is longer than the terminal is wide", "")
    tables.fit(table, Console(width=20))
    assert not any(column.no_wrap for column in table.columns)


def test_a_narrow_table_is_folded_between_words_where_that_is_enough(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    item = {
        "spacecraftId": "GNSS-Nav-Alpha", "name": "Navigation Alpha", "state": "NOT_CONFIGURED",
        "lastReceivedAt": "2026-11-27T01:43:32Z", "alarms": {"active": {"LOW": 0}},
        "anomalies": {"last1h": 0, "last24h": 45},
    }  # fmt: skip
    tables.fleet({"items": [item]})
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert {"GNSS-Nav-Alpha", "Navigation", "NOT_CONFIGURED", "2026-11-27", "45"} <= set(out.split())
