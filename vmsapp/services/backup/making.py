"""Making a backup while sales go on.

The database is copied first and the modules' records after it: so a record never knows less than
the database beside it, and what was sold in between is found in it after a restore.
"""

from pathlib import Path

from sqlalchemy.engine import make_url

from config import Settings
from vmsapp.clock import now_utc
from vmsapp.services.backup import databases, manifest
from vmsapp.services.backup.errors import BackupPlaceTaken
from vmsapp.services.backup.files import copy, digest_of, private_folder, sync_folder
from vmsapp.services.backup.inventory import items, kept_apart
from vmsapp.services.backup.manifest import Manifest


def make(
    settings: Settings, instance_id: str, epoch: int, to: Path, tools: Path | None = None
) -> Manifest:
    """Write a backup into a new folder.

    Args:
        settings: Of the instance.
        instance_id: Of the installation.
        epoch: Of the installation.
        to: A folder that is not there yet, or is empty.
        tools: Where PostgreSQL's client tools are, if not where commands are.

    Raises:
        BackupPlaceTaken: The folder is not empty.
        ToolMissing, ToolFailed: PostgreSQL's tools.
    """
    private_folder(to)
    to.chmod(0o700)
    if any(to.iterdir()):
        raise BackupPlaceTaken(place=to)
    made_at = now_utc()
    kind = databases.kind_of(settings.database)
    revision = databases.revision_of(settings.database)
    database = to / databases.NAMES[kind]
    if kind == "sqlite":
        databases.copy_sqlite(Path(make_url(settings.database).database or ""), database)
        databases.mark_copy(database, made_at.replace(tzinfo=None).isoformat(" "))
    else:
        databases.dump(settings.database, database, tools)
    names = [database.name]
    for item in items(settings):
        target = to / item.name
        if item.is_database:
            databases.copy_sqlite(item.path, target)
        else:
            copy(item.path, target)
        sync_folder(target.parent)
        names.append(item.name)
    made = Manifest(
        made_at, kind, revision, instance_id, epoch,
        {name: digest_of(to / name) for name in names},
        {item.name: str(item.path) for item in kept_apart(settings)},
    )  # fmt: skip
    manifest.write(to, made)
    return made
