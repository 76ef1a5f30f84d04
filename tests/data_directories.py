"""Where the servers of tests keep their data: in memory, where there is plenty. Imports nothing of ours."""

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - each test makes a directory of its own there
_ROOM = 6 << 30

PARENT = (
    _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free > _ROOM else Path("/tmp")  # noqa: S108 - or there
)
"""Short, since a socket's path is limited. To copy a database of 8 MB takes 5 ms there, and 20 to 300 on a disk."""
