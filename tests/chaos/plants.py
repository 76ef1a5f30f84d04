"""Planted bugs: a copy of the packages with one thing changed in it."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from missionops import migrate

_ROOT = Path(migrate.__file__).parents[1]
_PACKAGES = ("missionops", "publishers", "subscribers")


def copy(place: Path, changes: Sequence[tuple[str, str, str]] = ()) -> Path:
    """The packages in `place`, with each (file, text, other text) changed; the text must be there, once."""
    for package in _PACKAGES:
        shutil.copytree(_ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(migrate.folder(), place / "missionops" / "migrations", dirs_exist_ok=True)
    for name, before, after in changes:
        file = place / name
        source = file.read_text()
        assert source.count(before) == 1, f"{name} has changed: plant this bug anew: {before}"
        file.write_text(source.replace(before, after))
    return place


def serve_from() -> Sequence[str]:
    """`missionops serve` of the packages that PYTHONPATH names."""
    return (sys.executable, "-P", "-c", "import sys; from missionops.cli import main; sys.argv[1:] = ['serve']; main()")
