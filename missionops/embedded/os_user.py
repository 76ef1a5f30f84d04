"""The operating system's account that runs PostgreSQL, which refuses to be run by root."""

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from missionops import errors


class OsUser(NamedTuple):
    """Whom a server runs as."""

    user: int
    group: int

    @classmethod
    def unprivileged(cls, data: Path) -> "OsUser | None":
        """Who may run PostgreSQL on these data: None is us; for root, their owner or an account without rights."""
        if os.geteuid() != 0:
            return None
        if data.exists() and (owner := data.stat()).st_uid != 0:
            return cls(owner.st_uid, owner.st_gid)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise errors.SetupError(
            "PostgreSQL does not run as root, and there is neither an account `postgres` nor `nobody`: "
            "add one, or start as another user."
        )
