"""What modules serve, and which keys they lack for it: read once for an answer."""

from collections.abc import Mapping, Sequence
from typing import Final

from flask import g
from flask_babel import gettext, ngettext

from vmsapp.i18n import _
from vmsapp.models import SecurityModule
from vmsapp.services.security_modules.assigning import Lack, Served, served
from vmsapp.views.base import session
from vmsapp.views.look import number_text
from vmsapp.views.words import ALGORITHMS

NAMED: Final = 3
"""Keys a module lacks that are named one by one; of the others it is said how many they are."""


def _served() -> Sequence[Served]:
    if "served" not in g:
        g.served = served(session())
    known: Sequence[Served] = g.served
    return known


def served_by() -> Mapping[int, Sequence[str]]:
    """The algorithms that each module serves."""
    known: dict[int, list[str]] = {}
    for one in _served():
        known.setdefault(one.module_id, []).append(one.algorithm)
    return known


def algorithms_said(row: SecurityModule) -> str:
    """Name the kinds of meters a module makes tokens for."""
    said = (str(gettext(ALGORITHMS[name])) for name in served_by().get(row.id, ()))
    return ", ".join(said)


def lacks(row: SecurityModule) -> Sequence[Lack]:
    """The keys a module lacks that the meters it serves need."""
    return [lack for one in _served() if one.module_id == row.id for lack in one.lacks]


def lacks_said(row: SecurityModule) -> list[str]:
    """Say which keys a module lacks, and what to do about it: a sentence each."""
    found = lacks(row)
    said = [
        ngettext(
            "%(count)s meter in use needs the key of supply group %(sgc)s, revision %(krn)s, which"
            " it does not hold: nothing can be sold to it. Load that key, or change the"
            " meter's key.",
            "%(count)s meters in use need the key of supply group %(sgc)s, revision %(krn)s, which"
            " it does not hold: nothing can be sold to them. Load that key, or change the"
            " meters' keys.",
            one.meters, count=number_text(one.meters), sgc=one.sgc, krn=one.krn,
        )
        for one in found[:NAMED]
    ]  # fmt: skip
    more = sum(one.meters for one in found[NAMED:])
    if more:
        said.append(str(_(
            "Further keys that it does not hold are needed by %(count)s meters.",
            count=number_text(more),
        )))  # fmt: skip
    return said
