"""Where a database is, said without its password."""

import pytest

from missionops.store import database


@pytest.mark.parametrize(
    ("dsn", "address"),
    [
        ("postgresql://app:secret@db/missionops", "db:5432"),
        ("postgresql://app:s%40cret@db:6432/missionops?password=secret", "db:6432"),
        ("postgresql://app:secret@one:1,two:2/missionops", "one:1, two:2"),
        ("postgresql://app:secret@[::1]:6432/missionops", "[::1]:6432"),
        ("postgresql://app@/missionops?host=/run/postgresql&port=5433", "/run/postgresql/.s.PGSQL.5433"),
        ("postgresql://app:secret@%2Frun%2Fpostgresql/missionops", "/run/postgresql/.s.PGSQL.5432"),
        ("postgresql:///missionops", "the local port 5432"),
        ("postgresql://app:secret@[::1/missionops", "the address of MISSIONOPS_DATABASE_URL"),
    ],
)
def test_address(monkeypatch: pytest.MonkeyPatch, dsn: str, address: str) -> None:
    for name in ("PGHOST", "PGPORT"):
        monkeypatch.delenv(name, raising=False)
    assert database.address(dsn) == address
