"""What the service's codes mean for a request.

A code the interface does not name is judged by its family, the part before the first dot;
where that is not known either, the token may have been made.

Source: PrismToken's interface 1.1, its list of codes.
"""

import re
from typing import Final

from vmsapp.hsm.drivers.prism.frames import DeviceRefused
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused

TOKEN_ENDED: Final = "EAuthentication.Token"  # noqa: S105 - the name of a code
CACHE_MISS: Final = "ECacheMiss"

REFUSALS: Final = {
    "EParamRange": "parameters",
    "EPrefRange": "parameters",
    "ESts": "parameters",
    "ESts.DrnOrPan": "parameters",
    "ESts.DrnOrPan.CheckDigit": "parameters",
    "ESts.IdRecord": "parameters",
    "ESts.IdRecord.Expired": "parameters",
    "ESts.VkExpired": "key_expired",
    "ESts.VkBeforeBdt": "key_not_active",
    "EKeystore.NotFound": "key_not_found",
}
"""A definite no to what was asked, and its reason."""
NOT_DONE: Final = {
    "EService.Disabled": "permission",
    "EAuthentication": "secret",
    "EAuthentication.Token": "secret",
    "EAuthentication.Permission": "permission",
    "ESignin": "secret",
    "ESignin.Version": "protocol",
    "ESignin.Realm": "secret",
    "ESignin.Subject": "secret",
    "ESignin.Authentication": "secret",
    "ESignin.Permission": "permission",
}
"""Surely not carried out, but it says nothing of the request itself."""
FAULTS: Final = {
    "EService": "hardware",
    "ESm": "hardware",
    "EKeystore": "hardware",
}
"""Something in the service failed: nobody can tell how far it had come."""

_CODE: Final = re.compile(r"E[A-Za-z0-9]{1,30}(\.[A-Za-z0-9]{1,30}){0,3}")

Meaning = ModuleRefused | HsmUnavailable | HsmTimeout


def meaning(refused: DeviceRefused) -> Meaning:
    """Tell what a code in the place of an answer means for the request.

    Returns:
        ``ModuleRefused``: a definite no. ``HsmUnavailable`` with ``sent=False``: surely not
        carried out. With ``sent=True``, or ``HsmTimeout``: it may have been.
    """
    code = known(refused.code)
    if code in REFUSALS:
        return ModuleRefused(REFUSALS[code])
    if code in NOT_DONE:
        return HsmUnavailable(NOT_DONE[code], sent=False)
    if code in FAULTS:
        return HsmUnavailable(FAULTS[code], sent=True)
    return HsmTimeout()


def known(code: str) -> str:
    """Give the code itself where it has a meaning here, else its family."""
    named = code in REFUSALS or code in NOT_DONE or code in FAULTS
    return code if named else code.split(".", maxsplit=1)[0]


def printable(code: str) -> str:
    """Give a code as it may stand in a log or on a page; ``"unknown"`` for anything else.

    >>> printable("ESts.VkExpired"), printable("Bad meter 600727000000000009")
    ('ESts.VkExpired', 'unknown')
    """
    return code if _CODE.fullmatch(code) else "unknown"
