"""The manifest: what a backup holds, of which schema, and the digest of every file.

It is written last, so a backup that broke off has none. It tells damage from a whole backup, not
a forger from us: keep backups where only you can write.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vmsapp.services.backup.errors import BackupDamaged, NoBackup
from vmsapp.services.backup.files import Digest, digest_of, new_file, sync_folder
from vmsapp.services.backup.inventory import name_of

FILE: Final = "manifest.json"
FORMAT: Final = "vms backup 1"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made_at: When it was begun.
        kind: Of the database: ``sqlite`` or ``postgresql``.
        revision: Of its schema.
        instance_id: Whose it is.
        epoch: Of the installation then.
        files: By name.
        kept_apart: Files that were there and are not in it: paths by name, as in an instance.
    """

    made_at: datetime
    kind: str
    revision: str
    instance_id: str
    epoch: int
    files: Mapping[str, Digest]
    kept_apart: Mapping[str, str]


def write(folder: Path, manifest: Manifest) -> None:
    """Write it, as the last file of a backup."""
    document = {
        "format": FORMAT,
        "made_at": manifest.made_at.isoformat(),
        "database": {"kind": manifest.kind, "revision": manifest.revision},
        "instance": {"id": manifest.instance_id, "epoch": manifest.epoch},
        "files": {name: each.as_json() for name, each in manifest.files.items()},
        "kept_apart": list(manifest.kept_apart.values()),
        "kept_apart_as": list(manifest.kept_apart),
    }
    with new_file(folder / FILE) as file:
        file.write(json.dumps(document, indent=2).encode() + b"\n")
    sync_folder(folder)


def read(folder: Path) -> Manifest:
    """Read it.

    Raises:
        NoBackup: It is missing, or none of ours.
    """
    try:
        document = json.loads((folder / FILE).read_bytes())
        if document["format"] != FORMAT:
            raise NoBackup(place=folder)
        return Manifest(
            made_at=datetime.fromisoformat(document["made_at"]),
            kind=document["database"]["kind"],
            revision=document["database"]["revision"],
            instance_id=document["instance"]["id"],
            epoch=int(document["instance"]["epoch"]),
            files={_inside(name): Digest(**each) for name, each in document["files"].items()},
            kept_apart=_kept_apart(document),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise NoBackup(place=folder) from None


def check(folder: Path, manifest: Manifest) -> None:
    """Read every file and compare it with its digest.

    Raises:
        BackupDamaged: One is missing, or is not what was written.
    """
    for name, wanted in manifest.files.items():
        path = folder / name
        if not path.is_file() or digest_of(path) != wanted:
            raise BackupDamaged(name=name)


def _kept_apart(document: Mapping[str, Any]) -> dict[str, str]:
    paths = [str(path) for path in document["kept_apart"]]
    names = document.get("kept_apart_as") or map(name_of, paths)
    return dict(zip(map(_inside, names), paths, strict=True))


def _inside(name: str) -> str:
    """Refuse a name that leads out of the backup, or out of an instance."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise ValueError(name)
    return name
