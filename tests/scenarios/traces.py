"""What a started product leaves behind, searched for secrets that have no place there.

Products are started with the log at DEBUG and a folder of their own for temporary files. After
they have stopped, what they said, every file of theirs and every column but the tokens' digits
is searched for vending keys, meters' keys, the keystore's passphrase and whole tokens.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.traces import (
    DECODER_KEY,
    PASSPHRASE,
    TOKEN,
    VENDING_KEY,
    Secrets,
    found_in_files,
)
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.dkga import derive
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.secret import SecretBytes


def found_in(instance: Path, scratch: Path, said: str) -> list[str]:
    """Search what a product left.

    Args:
        instance: Its folder.
        scratch: Its temporary files.
        said: What it wrote to the terminal.

    Returns:
        Which kind of secret lies where; none of them is shown.
    """
    database = instance / "vms.sqlite"
    if not database.exists():
        return []
    known = Secrets()
    for kind, values in secrets_of(instance, database).items():
        for value in values:
            known.add(kind, value)
    finds = [f"{kind} in the log" for kind in known.found_in(said.encode())]
    return sorted(finds + found_in_files(known, instance) + found_in_files(known, scratch))


def secrets_of(instance: Path, database: Path) -> dict[str, set[bytes]]:
    """Collect what must not lie about."""
    passphrase = (instance / "module" / "passphrase").read_bytes().strip()
    keystore = Keystore.open(instance / "module" / "keystore.json", SecretBytes(passphrase))
    vending, decoder, tokens = set(), set(), set()
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            "SELECT token.digits, sale.* FROM token JOIN sale ON sale.id = token.sale_id"
        ).fetchall()
    for row in rows:
        ref = KeyRef(row["sgc"], row["krn"], row["kt"], row["dkga"])
        value = keystore.vending_key(ref)[1].reveal()
        parameters = KeyParameters(
            row["meter_pan"], row["sgc"], row["krn"], row["ti"], row["kt"], row["base_date"],
            row["ken"], row["dkga"], row["ea"],
        )  # fmt: skip
        vending.add(value)
        decoder.add(derive(VendingKey(row["dkga"], value), parameters).reveal())
        tokens.add(row["digits"].encode())
    keystore.close()
    return {PASSPHRASE: {passphrase}, VENDING_KEY: vending, DECODER_KEY: decoder, TOKEN: tokens}
