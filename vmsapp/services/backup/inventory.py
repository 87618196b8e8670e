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

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config import Settings

SQLITE: Final = b"SQLite format 3\x00"
"""How such a file begins."""
SECRET: Final = "secret"  # noqa: S105 - the name of a file


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


def kept_apart(settings: Settings) -> list[str]:
    """Name the files that are kept apart, as far as they are there, and never what is in them."""
    secrets = settings.instance / "secrets"
    paths = [
        settings.passphrase_path,
        settings.instance / "secret_key",
        *sorted(path for path in secrets.glob("*") if path.is_file()),
        *sorted((settings.instance / "modules").glob(f"*/{SECRET}")),
    ]
    return [str(path) for path in paths if path.is_file()]


def place_of(settings: Settings, name: str) -> Path:
    """Tell where a file of a backup belongs in this instance."""
    places = {
        "module/keystore.json": settings.keystore_path,
        "module/results.sqlite": settings.results_path,
        "licence.json": settings.licence_path,
    }
    return places.get(name) or settings.instance / name


def of_modules(name: str) -> bool:
    """Tell whether a file belongs to a security module."""
    return name.startswith(("module/", "modules/"))
