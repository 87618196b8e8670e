"""``python -m vmsapp.hsm.server --config FILE``: serve; with ``init`` make the module first."""

import argparse
import sys
from pathlib import Path

from vmsapp.hsm.errors import KeystoreError
from vmsapp.hsm.keystore_file import name_in
from vmsapp.hsm.server.opening import CannotServe, initialise, passphrases
from vmsapp.hsm.server.process import (
    CANNOT_START,
    harden,
    run,
    say,
    told,
)
from vmsapp.hsm.server.settings import ServerSettings, ServerSettingsError


def main() -> int:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(prog="python -m vmsapp.hsm.server", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["serve", "init"], default="serve")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML file")
    parser.add_argument(
        "--passphrase-fd", type=int, metavar="N", action="append", default=[],
        help="open descriptor to read the passphrase from; twice for two",
    )  # fmt: skip
    given = parser.parse_args()
    try:
        settings = ServerSettings.from_file(given.config)
        if given.what == "init":
            harden()
            initialise(settings, *passphrases(settings, given.passphrase_fd, count=1, new=True))
            say(
                f"Made {settings.keystore_path}, without a key so far. Key files for it are made"
                f" with --target {name_in(settings.keystore_path)}."
            )
            return 0
    except (ServerSettingsError, CannotServe, KeystoreError) as error:
        say(told(error))
        return CANNOT_START
    return run(settings, given.passphrase_fd)


if __name__ == "__main__":
    sys.exit(main())
