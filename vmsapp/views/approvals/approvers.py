"""Why nobody could approve a deed at the moment, and what can be done about it."""

from typing import Any, Final

from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, moment_text
from vmsapp.models import Region
from vmsapp.security.matrix import CELLS
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.inbox import AtHand, OnePerson, could_approve
from vmsapp.views.base import session, zone

FEWER: Final = {
    1: N_(
        "Fewer than two active users may approve this: give the right “%(right)s” to another"
        " user's group first."
    ),
    2: N_(
        "Fewer than two active users may approve this: give the rights “%(right)s” and"
        " “%(other)s” to another user's group first."
    ),
}
"""Why nobody could approve, by how many rights one more user needs."""


def why_nobody(at_hand: AtHand, action: str, *, asks: bool) -> str | None:
    """Say why no two people could do a deed, and what can be done about it.

    Args:
        at_hand: Who could approve.
        action: The deed.
        asks: It asks for a second person now.
    """
    if action in at_hand.missing:
        rights = [
            gettext(cell.word)
            for permission in at_hand.missing[action]
            for cell in CELLS.values()
            if permission in cell.own
        ]
        return str(_(FEWER[len(rights)], right=rights[0], other=rights[-1]))
    if action not in at_hand.alone:
        return None
    found = at_hand.alone[action]
    until = moment_text(found.until, zone())
    if asks:
        said = _(
            "Nobody can approve it before %(until)s: those who may count as one person.",
            until=until,
        )
    else:
        said = _(
            "It can be switched on from %(until)s: until then those who may approve it count as"
            " one person.",
            until=until,
        )
    return f"{said} {_one_person_said(found)}"


def whole_said(deed: Deed[Any], *, asks: bool) -> str | None:
    """Say beforehand which of a deed's subjects only who sees all regions can approve.

    Args:
        deed: Which.
        asks: It asks for a second person now; then it is said, too, where no two could.
    """
    if not deed.whole:
        return None
    said = str(gettext(deed.whole))
    if not asks or len(could_approve(session(), deed, None)) > 1:
        return said
    few = _("Fewer than two active users see all regions and may approve it.")
    return f"{said} {few}"


def approvers_said(deed: Deed[Any], region: Region | None, asker_id: int | None) -> list[str]:
    """Say beforehand who alone can approve a deed of somebody.

    Args:
        deed: One that asks for a second person.
        region: Where its subject lies; None for the whole utility.
        asker_id: Who asks for it, or is about to.
    """
    found = could_approve(session(), deed, region.id if region else None, asker_id=asker_id)
    said = [] if region else [str(gettext(deed.whole))]
    if found:
        return said
    if region:
        nobody = _("At the moment nobody else can approve it who sees the region %(region)s.",
                   region=region.name)  # fmt: skip
    else:
        nobody = _("At the moment nobody else can approve it who sees all regions.")
    return [*said, str(nobody)]


def _one_person_said(found: OnePerson) -> str:
    others = [name for name in (found.one, found.other) if name != found.giver]
    if len(others) == 1:
        said = _("%(giver)s had the account of %(other)s in hand.",
                 giver=found.giver, other=others[0])  # fmt: skip
    elif found.made:
        said = _("%(one)s and %(other)s were both made by %(giver)s.",
                 one=found.one, other=found.other, giver=found.giver)  # fmt: skip
    else:
        said = _("%(giver)s had the accounts of %(one)s and %(other)s in hand.",
                 giver=found.giver, one=found.one, other=found.other)  # fmt: skip
    return str(said)
