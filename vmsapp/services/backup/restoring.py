"""Putting a backup into an empty place.

Nothing is ever written over: a newer record of a module that is still there is worth more than
the one in the backup.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from config import Settings
from vmsapp.services.backup import databases, manifest
from vmsapp.services.backup.errors import BackupOfAnother, BackupOfNewer, RestorePlaceTaken
from vmsapp.services.backup.files import copy, sync_folder
from vmsapp.services.backup.inventory import missing, of_modules, place_of
from vmsapp.services.backup.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put where.

    Attributes:
        manifest: Of the backup.
        left_out: Files of modules that were left in the backup.
        missing: Where files that are kept apart belong, and are not yet.
    """

    manifest: Manifest
    left_out: tuple[str, ...]
    missing: tuple[Path, ...]


def restore(
    settings: Settings,
    source: Path,
    known: Collection[str],
    *,
    with_modules: bool = True,
    tools: Path | None = None,
) -> Restored:
    """Check a backup and put it into an empty place.

    Args:
        settings: Of the new instance.
        source: The backup.
        known: Revisions of the schema that this release knows.
        with_modules: Its keystores and records, too; not where those in use are still there.
        tools: Where PostgreSQL's client tools are, if not where commands are.

    Raises:
        NoBackup, BackupDamaged, BackupOfAnother, BackupOfNewer: It is not to be restored here.
        RestorePlaceTaken: The place is not empty.
        ToolMissing, ToolFailed: PostgreSQL's tools.
    """
    made = manifest.read(source)
    manifest.check(source, made)
    if made.kind != databases.kind_of(settings.database):
        raise BackupOfAnother(kind=made.kind)
    if made.revision not in known:
        raise BackupOfNewer(revision=made.revision)
    database = databases.NAMES[made.kind]
    names = [name for name in made.files if name != database]
    wanted = [name for name in names if with_modules or not of_modules(name)]
    places = {name: place_of(settings, name) for name in wanted}
    _check_empty(settings, places.values())
    for name, place in places.items():
        _put(source / name, place)
    if made.kind == "sqlite":
        _put_database(source / database, Path(make_url(settings.database).database or ""))
    else:
        databases.load(source / database, settings.database, tools)
    left_out = tuple(name for name in names if name not in wanted)
    return Restored(made, left_out, tuple(missing(settings, made.kept_apart)))


def _check_empty(settings: Settings, places: Collection[Path]) -> None:
    if not databases.is_empty(settings.database):
        raise RestorePlaceTaken(what=make_url(settings.database).render_as_string())
    for place in places:
        if place.exists():
            raise RestorePlaceTaken(what=place)


def _put_database(source: Path, place: Path) -> None:
    """Put a database where an empty one may be, whose log must not be taken for its own."""
    for suffix in ("-wal", "-shm"):
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    _put(source, place)


def _put(source: Path, place: Path) -> None:
    """Copy aside, then into place: half a file is never there under its name."""
    aside = place.with_name(f"{place.name}.{secrets.token_hex(8)}")
    copy(source, aside)
    aside.replace(place)
    sync_folder(place.parent)
