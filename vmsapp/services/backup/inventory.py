"""What of an instance goes into a backup, and what is kept apart.

Keys go in as they lie: sealed under a passphrase that does not. So a backup that is stolen makes
no token, opens no sealed digits and signs nobody in. What opens it, and what signs in elsewhere,
is written down once, when it is made or changed, and kept in another place:

* the keystore's passphrase;
* the secret key, under which the database's own secrets are sealed;
* the folder ``secrets``: PINs of tokens, and what we share with module servers;
* the secret under which the driver of a PrismToken service seals its record.

Left out is what is made again: certificates of the module server of this machine, the broker's
messages, files of imports and exports, locks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from config import Settings

SQLITE: Final = b"SQLite format 3\x00"
"""How such a file begins."""
SECRET: Final = "secret"  # noqa: S105 - the name of a file
SECRETS: Final = "secrets"
SECRET_KEY: Final = "secret_key"  # noqa: S105 - the name of a file
PASSPHRASE: Final = "module/passphrase"  # noqa: S105 - the same


@dataclass(frozen=True, slots=True)
class Item:
    """One file of an instance.

    Attributes:
        name: In the backup: a relative path.
        path: Where it lies.
    """

    name: str
    path: Path

    @property
    def is_database(self) -> bool:
        """It is copied while others may write to it."""
        with self.path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE


def items(settings: Settings) -> list[Item]:
    """List the files that go in, besides the database: those that are there."""
    found = [
        Item("module/keystore.json", settings.keystore_path),
        Item("module/results.sqlite", settings.results_path),
        Item("licence.json", settings.licence_path),
    ]
    modules = settings.instance / "modules"
    found += [
        Item(f"modules/{path.parent.name}/{path.name}", path)
        for path in sorted(modules.glob("*/*"))
        if path.suffix in {".json", ".sqlite"}
    ]
    return [item for item in found if item.path.is_file()]


def kept_apart(settings: Settings) -> list[Item]:
    """List the files that are kept apart, as far as they are there, and never what is in them."""
    folder = settings.instance / SECRETS
    modules = settings.instance / "modules"
    found = [
        Item(PASSPHRASE, settings.passphrase_path),
        Item(SECRET_KEY, settings.instance / SECRET_KEY),
        *(Item(f"{SECRETS}/{path.name}", path) for path in sorted(folder.glob("*"))),
        *(
            Item(f"modules/{path.parent.name}/{SECRET}", path)
            for path in sorted(modules.glob(f"*/{SECRET}"))
        ),
    ]
    return [item for item in found if item.path.is_file()]


def name_of(path: str) -> str:
    """Tell what a file kept apart is called; manifests of before have its path alone."""
    parts = PurePath(path).parts
    if parts[-1:] == (SECRET_KEY,):
        return SECRET_KEY
    if parts[-3:-2] == ("modules",) and parts[-1] == SECRET:
        return "/".join(parts[-3:])
    return f"{SECRETS}/{parts[-1]}" if parts[-2:-1] == (SECRETS,) else PASSPHRASE


def missing(settings: Settings, names: Iterable[str]) -> list[Path]:
    """Tell where files that are kept apart belong in this instance: those not there yet.

    What the settings give themselves, the secret key or a descriptor for the passphrase, is there.
    """
    given = {
        SECRET_KEY: settings.secret_key is not None,
        PASSPHRASE: settings.keystore_passphrase_fd is not None,
    }
    places = [place_of(settings, name) for name in names if not given.get(name)]
    return [place for place in places if not place.exists()]


def place_of(settings: Settings, name: str) -> Path:
    """Tell where a file of a backup belongs in this instance."""
    places = {
        "module/keystore.json": settings.keystore_path,
        "module/results.sqlite": settings.results_path,
        "licence.json": settings.licence_path,
        PASSPHRASE: settings.passphrase_path,
    }
    return places.get(name) or settings.instance / name


def of_modules(name: str) -> bool:
    """Tell whether a file belongs to a security module."""
    return name.startswith(("module/", "modules/"))
