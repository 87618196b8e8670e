"""The code of the last release, taken from the history of this repository."""

import subprocess
from pathlib import Path

from benchmarks.running import ROOT

VERSIONS = Path("migrations/versions")
RUNS = (".", ":(exclude)tests", ":(exclude)docs")
"""What a release is started from; tests hold what looks like secrets."""


def unpack(into: Path) -> tuple[Path, str]:
    """Lay out what stood just before the first migration since the last release.

    Returns:
        The folder, and the revision of its tables; where nothing was added since, or where there
        is no history to take it from, this code's own.
    """
    last = (ROOT / "migrations" / "RELEASED").read_text().strip()
    since = sorted(one.name for one in (ROOT / VERSIONS).glob("[0-9]*.py") if one.name[:4] > last)
    if not since:
        return ROOT, newest()
    added = git("log", "--diff-filter=A", "--format=%H", "--", str(VERSIONS / since[0])).split()
    if not added or not git("rev-parse", "--verify", "--quiet", f"{added[-1]}^"):
        return ROOT, newest()
    packed = into / "released.tar"
    git("archive", "--output", str(packed), f"{added[-1]}^", *RUNS)
    subprocess.run(["tar", "-xf", str(packed), "-C", str(into)], check=True)
    packed.unlink()
    return into, newest(into)


def newest(root: Path = ROOT) -> str:
    """The revision of a code's tables."""
    return max(one.name[:4] for one in (root / VERSIONS).glob("[0-9]*.py"))


def git(*said: str) -> str:
    """Ask the history; nothing where there is none."""
    done = subprocess.run(["git", *said], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
