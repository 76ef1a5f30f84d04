"""The user of the operating system that runs PostgreSQL, which refuses to be run by root."""

import os
import pwd
from pathlib import Path
from typing import NamedTuple

from missionops import errors


class OsUser(NamedTuple):
    """The user that a server runs as."""

    user: int
    group: int

    @classmethod
    def unprivileged(cls, data: Path) -> "OsUser | None":
        """The user that runs PostgreSQL on these data: None for our own; for root, their owner or `nobody`."""
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
