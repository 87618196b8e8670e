"""Campaigns in words: how far each is, which meters, which key, what to think of."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from flask import url_for
from flask_babel import gettext

from vmsapp.errors import N_, VmsError
from vmsapp.i18n import _, date_text
from vmsapp.models import Campaign
from vmsapp.services.approvals.outcomes import said_again
from vmsapp.services.campaigns.expiring import Ending
from vmsapp.services.campaigns.terms import Conflict, Selection, Target
from vmsapp.services.key_changes.planning import Warned
from vmsapp.views.base import sentence
from vmsapp.views.registration.meter_forms import ALGORITHMS, BASE_YEARS
from vmsapp.views.words import CAMPAIGN_STATES

CAMPAIGN_DEEDS: Final = ["can_list", "can_show", "can_make", "can_export"]
"""Deeds of the screen: its views share it, and each must name them all."""

STATES: Final = CAMPAIGN_STATES
TONES: Final = {"running": "warn", "paused": "warn", "made": "good", "stopped": "bad"}
STEPS: Final = (N_("Plan"), N_("Approve"), N_("Make the tokens"), N_("Confirm"))
AT: Final = {"draft": 1, "running": 2, "paused": 2, "made": 3, "stopped": 4, "discarded": 0}
"""At which of ``STEPS`` a campaign is."""

ENDINGS: Final = {
    "made": N_("All tokens made at"),
    "stopped": N_("Stopped at"),
    "discarded": N_("Discarded at"),
}
"""What ended at a campaign's last moment: tokens that are made are yet to be confirmed."""

HAND_OUTS: Final = {
    "next_sale": N_("With the next credit the customer buys"),
    "sms": N_("By text message, and with the next credit"),
    "sheet": N_("On printed sheets, and with the next credit"),
}
"""How the tokens reach the customers."""

NOTICES: Final = {
    "waiting": N_("to be handed out"),
    "sending": N_("being sent"),
    "sent": N_("handed out"),
    "unsure": N_("perhaps sent"),
    "failed": N_("not sent"),
}
NOTICE_TONES: Final = {"sent": "good", "sending": "warn", "unsure": "warn", "failed": "bad"}

FAULTS: Final = {
    "campaign_number_unknown": N_("no meter that you see has this number"),
    "campaign_number_doubled": N_("stands in the list twice"),
}
"""What is wrong with a number of a list."""

WARNINGS: Final[Mapping[str, str]] = {
    Warned.OLDER_TOKENS: N_(
        "Older tokens that customers still have are lost once their meters have the new key: they"
        " must be entered first. Slips, sheets and messages say so."
    ),
    Warned.ROLL_OVER: N_(
        "The base date changes: the meters forget which tokens they have taken, and there is no"
        " way back to the old key. Enter any older tokens first."
    ),
    Warned.NO_WAY_BACK: N_(
        "No tokens lead back to the old key. Where a meter refuses the set, somebody must enter it"
        " at the meter and see it refused."
    ),
    Warned.NO_CREDIT: N_(
        "Under the key type of these meters (a default key) no credit can be sold to them."
    ),
    Warned.NO_DISPLAY: N_(
        "KRN and TI stay the same, so a meter's display will not tell whether it took the tokens."
        " Choose another TI too if you can."
    ),
}
"""What to think of before many meters get another key."""


def warnings_said(codes: Iterable[str]) -> Iterator[str]:
    """What to think of, each once, in the order of ``WARNINGS``; a new code is left to its docs."""
    found = set(codes)
    return (str(gettext(said)) for code, said in WARNINGS.items() if code in found)


def ending_said(key: Ending) -> str:
    """Say that a new key ends soon."""
    return str(
        _(
            "The new key %(sgc)s, KRN %(krn)s, ends on %(day)s: no token can be made under it"
            " afterwards, so these meters will need another one by then.",
            sgc=key.sgc, krn=key.krn, day=date_text(key.at),
        )
    )  # fmt: skip


def conflict_said(conflict: Conflict) -> str:
    """Say why meters would be left out."""
    return why_said({"message": conflict.message, "params": conflict.params, "code": conflict.code})


def why_said(outcome: Mapping[str, Any]) -> str:
    """Say an error that was kept."""
    error: VmsError = said_again(dict(outcome))
    return sentence(error)


def selection_said(row: Campaign, products: Mapping[int, str]) -> str:
    """Say which meters a campaign is about, besides their region."""
    chosen = Selection.read(row.selection)
    parts = [
        *([_("A list of numbers")] if row.listed else []),
        *_named(_("Products"), (products.get(one, str(one)) for one in chosen.product_ids)),
        *_named("SGC", chosen.sgcs),
        *_named("KRN", map(str, chosen.krns)),
        *_named(_("Base date"), (BASE_YEARS.get(one, one) for one in chosen.base_dates)),
        *_named(_("Algorithm"), (gettext(ALGORITHMS[one]) for one in chosen.algorithms)),
    ]
    return "; ".join(map(str, parts)) or str(_("All"))


def target_said(row: Campaign) -> str:
    """Say what is to be new."""
    target = Target.read(row.target)
    parts = [
        *_named("SGC", [target.sgc] if target.sgc else ()),
        *_named("KRN", [str(target.krn)] if target.krn else ()),
        *_named(_("Base date"), [BASE_YEARS[target.base_date]] if target.base_date else ()),
        *_named("TI", [target.ti] if target.ti else ()),
        *([_("Legacy meters become STS6")] if target.sts6 else []),
    ]
    return "; ".join(map(str, parts)) or str(_("nothing"))


def _named(name: str, values: Iterable[str]) -> list[str]:
    said = ", ".join(values)
    return [f"{name} {said}"] if said else []


def campaign_url(row: Campaign) -> str:
    """The page of a campaign."""
    return url_for("Campaigns.show", pk=row.id)
