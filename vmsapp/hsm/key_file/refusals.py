"""Why a key file, or one key of it, is refused: codes, and sentences with holes for values."""

from typing import Final

from vmsapp.errors import N_

REFUSALS: Final = {
    "too_large": N_("This file is too large to be a key file: it has more than %(most)s bytes."),
    "format": N_(
        "This is not a key file, or it was damaged on its way. A key file is changed even by a"
        " program that only puts in a space or a line end."
    ),
    "kmc_file": N_(
        "This is a file of a key management centre. Only the hardware module it was made for can"
        " open it; load it there."
    ),
    "kmc_module": N_(
        "This line names the hardware module %(module)s. Keys for it come from the key management"
        " centre and are loaded into that module alone."
    ),
    "kmc_damaged": N_(
        "This line names a hardware module, but its checksum does not fit: it was cut or changed."
    ),
    "version": N_("This key file was made for a newer release. Upgrade, or make it for version 1."),
    "kdf": N_(
        "The passphrase parameters of this key file are outside the bounds, so it was not opened."
    ),
    "signature": N_("This key file was altered after it was signed."),
    "unsigned": N_("This key file is not signed. Only files of trusted signers are taken here."),
    "signer": N_(
        "This key file is signed by somebody who is not trusted here; the key begins with %(key)s."
    ),
    "target": N_("This key file is for the module %(target)s; this is %(module)s."),
    "not_opened": N_("The passphrase does not open this key file."),
    "passphrase": N_("The passphrase is wrong. Tries left: %(left)s."),
    "wait": N_("Too many wrong passphrases. Try again in %(minutes)s min."),
    "tampered": N_("The passphrase is right, but the keys in this file were altered."),
    "mismatch": N_("This key file holds other keys than it says it does."),
    "demo": N_("A key made for demonstration is not taken in production."),
    "pending_full": N_(
        "%(most)s key files wait for a second custodian already. Approve or remove one first."
    ),
    "pending_none": N_("No such key file waits for a second custodian; it may have been removed."),
    "pending_same": N_("Who sent a key file may not approve it too; a second custodian has to."),
}
"""Of the whole file; ``KeyFileRefused.why``."""

VERDICTS: Final = {
    "range": N_("%(field)s cannot be %(value)s."),
    "twice": N_("The file holds two keys of this name."),
    "length": N_("The key has %(bytes)s bytes; its algorithm takes %(needed)s."),
    "parity": N_("The key does not have odd parity (byte %(byte)s)."),
    "weak": N_("The key is one of the weak keys of DES."),
    "kcv": N_("The check value differs: expected %(expected)s, computed %(computed)s."),
    "base_date_ended": N_(
        "The 1993 base date ended on 24 November 2024: roll the meters over to a key of 2014."
    ),
    "expired": N_("The key expired on %(ended)s."),
    "closed": N_("Tokens may not be made with this key since %(ended)s."),
    "demo": N_("A key made for demonstration is not taken in production."),
    "conflict": N_("Another key is loaded under this name. Replacing it needs a second person."),
    "differs": N_(
        "This key is loaded already, with other limits, another expiry or other keys to change to."
        " Replacing it needs a second person."
    ),
    "future": N_("The key may be used from %(usable_from)s."),
    "same": N_("The key is loaded already."),
    "reused": N_("The same key is in use under the name %(other)s too."),
}
"""Of one key; ``KeyVerdict.code``, with its ``params`` for the holes."""
