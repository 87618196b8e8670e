"""Licence files for the utility of ``factories``, signed with the keys of RFC 8032, 7.1."""

from datetime import date
from typing import Any

from tests.factories import TODAY, ZONE
from vmsapp.services.licence.changes import Rules
from vmsapp.services.licence.file import Terms, write

PRIVATE = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
FOREIGN = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
FOREIGN_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

OURS, THEIRS = "f" * 32, "e" * 32
"""Ids of the installation of ``factories``, and of another."""

GRACE = 30
RULES = Rules(PUBLIC, ZONE, GRACE)
LAST_DAY = date(2026, 6, 30)
METERS = 16
"""Meters of ``factories`` that are not retired."""


def licence_file(private_key: bytes = PRIVATE, **changed: Any) -> bytes:
    """Make a licence for a hundred meters until the end of June."""
    terms = {
        "number": "5a", "holder": "Northern Power", "issued_on": date(2026, 1, 1),
        "valid_until": LAST_DAY, "meter_limit": 100,
    }  # fmt: skip
    return write(Terms(**terms | changed), private_key).encode()


assert TODAY < LAST_DAY
