"""The proof of the books: run each night and when somebody asks; what it found, in sentences."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from flask import current_app, flash, redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext, ngettext
from sqlalchemy.orm import undefer

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.i18n import _, _l, money_text
from vmsapp.models import LedgerProof
from vmsapp.security import PROOF
from vmsapp.services.proof.running import EXPECTED_EVERY, last, prove
from vmsapp.services.setup import NotSetUp
from vmsapp.views.base import actor, session, utility
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Days
from vmsapp.views.lists.pages import Answer, OfficeInterface, names
from vmsapp.views.look import number_text, state

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "unbalanced": (
        N_("Entries of the ledger do not add up"),
        N_("Transfer %(transfer_id)s: its entries add up to %(found)s, not to zero."),
    ),
    "empty": (
        N_("Transfers of the ledger without entries"),
        N_("Transfer %(transfer_id)s moves nothing."),
    ),
    "float_balance": (
        N_("Floats that hold something else than the ledger says"),
        N_("Vending point %(vending_point_id)s: the float holds %(found)s, the ledger says"
           " %(expected)s."),
    ),
    "pending": (
        N_("Sales being settled and the money held for them differ"),
        N_("Vending point %(vending_point_id)s: %(found)s are held, its open sales come to"
           " %(expected)s."),
    ),
    "sale_without_transfer": (
        N_("Sales whose money is not in the ledger as it should be"),
        N_("Sale %(sale_id)s has no transfer in its own state."),
    ),
    "amount_differs": (
        N_("Sales that the ledger has with another amount"),
        N_("Sale %(sale_id)s cost %(expected)s, the ledger has %(found)s."),
    ),
    "free_differs": (
        N_("Tokens given without money that the ledger has with another worth"),
        N_("Sale %(sale_id)s gave what is worth %(expected)s, the ledger has %(found)s."),
    ),
    "reversal_missing": (
        N_("Sales taken back, and their answers in the ledger, differ"),
        N_("Sale %(sale_id)s was taken back without its answer, or answered without being taken"
           " back."),
    ),
    "sale_without_token": (
        N_("Sales without exactly one credit token"),
        N_("Sale %(sale_id)s was made, and has %(number)s credit tokens."),
    ),
    "token_without_sale": (
        N_("Tokens without a sale that made them"),
        N_("A token hangs on sale %(sale_id)s, which made none."),
    ),
    "token_differs": (
        N_("Tokens that carry something else than was sold"),
        N_("The token of sale %(sale_id)s has another identifier, amount or meter than the sale."),
    ),
    "receipts": (
        N_("Receipt numbers with a gap"),
        N_("Vending point %(vending_point_id)s, series %(series)s: the last number is %(last)s,"
           " and %(number)s receipts are there."),
    ),
    "float_paper": (
        N_("Money moved in a float without its paper"),
        N_("Transfer %(transfer_id)s moved %(found)s in a float, its paper says something else."),
    ),
    "shift_difference": (
        N_("Differences of shifts posted otherwise than counted"),
        N_("Shift %(shift_id)s: %(found)s were posted, the count came to %(expected)s."),
    ),
    "roll_ups": (
        N_("Sums kept of sales that are not those of their records"),
        N_("Vending point %(vending_point_id)s: %(number)s of the sums that reports read are"
           " wrong. Make them anew: flask vms roll-ups rebuild."),
    ),
    "last_purchase": (
        N_("Last purchases kept that are not those of the sales"),
        N_("Service point %(service_point_id)s: the last purchase that reports read is wrong."
           " Make it anew: flask vms roll-ups rebuild."),
    ),
    "change_astray": (
        N_("Key changes of a meter, module, person or campaign that is not there"),
        N_("Key change K-%(key_change_id)s names something that is not there, or that has another"
           " campaign or module."),
    ),
    "key_token_astray": (
        N_("Key change tokens without the key change of their meter"),
        N_("Key change K-%(key_change_id)s has tokens and is not there, or is of another meter."),
    ),
}  # fmt: skip
"""What each check finds: a heading, and the sentence of one finding."""

COUNTED: Final = {"sale_without_token": "found", "receipts": "found", "roll_ups": "found"}
"""Where a figure is a number of things, not money, and its name."""

LINKS: Final = (
    ("sale_id", "Sales", "Sales.show", N_("Open that sale")),
    ("vending_point_id", "Floats", "Floats.show", N_("Open the float")),
    ("shift_id", "Shifts", "Shifts.show", N_("Open that shift")),
)
"""Where a finding leads, by what it names: screen, route, word."""


def seconds(proof: LedgerProof) -> str | None:
    """How long it took."""
    finished: datetime | None = proof.finished_at
    return None if finished is None else f"{(finished - proof.started_at).total_seconds():.1f}"


class LedgerProofs(Exported):
    """The proofs that were run, the newest first."""

    datamodel = OfficeInterface(LedgerProof)
    route_base = "/proof"
    class_permission_name = PROOF
    base_permissions = names("can_list can_show can_run can_export")
    list_template = "proof/list.html"
    show_template = "proof/show.html"

    list_title = _l("Ledger proof")
    list_columns = names("started_at result sales tokens transfers seconds asked_by")
    show_columns = names("started_at result sales tokens transfers seconds asked_by")
    order_columns = names("started_at")
    base_order = ("started_at", "desc")
    label_columns = {
        "started_at": _l("When"), "result": _l("Result"), "sales": _l("Sales"),
        "tokens": _l("Tokens"), "transfers": _l("Transfers"), "seconds": _l("Took, in seconds"),
        "asked_by": _l("Asked for by"),
    }  # fmt: skip
    numbers = frozenset({"sales", "tokens", "transfers", "seconds"})
    filters = (Days(name="day", label=_l("Days"), column=LedgerProof.started_at),)
    loads = (undefer(LedgerProof.asked_by),)
    cells = {
        "result": lambda proof: state(result(proof), "bad" if proof.faults else "good"),
        "sales": lambda proof: number_text(proof.sales),
        "tokens": lambda proof: number_text(proof.tokens),
        "transfers": lambda proof: number_text(proof.transfers),
        "seconds": seconds,
        "asked_by": lambda proof: proof.asked_by or _("the system, at night"),
    }
    empty = _l("The books are proved each night. Run the proof to see it now.")

    def name_of(self, row: LedgerProof) -> str:
        """Its number."""
        return str(_("Proof %(id)s", id=row.id))

    def sections_of(self, row: LedgerProof) -> Sequence[Mapping[str, Any]]:
        """What was found, kind by kind: heading, how many, a few sentences with links."""
        return [self._section(found) for found in row.findings if found["check"] in KINDS]

    def _section(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        heading, _sentence = KINDS[found["check"]]
        return {
            "heading": gettext(heading),
            "count": found["count"],
            "more": found["count"] - len(found["examples"]),
            "lines": [(_said(found["check"], one), self._links(one)) for one in found["examples"]],
        }

    def _links(self, example: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        may = self.appbuilder.sm.has_access
        return [
            (gettext(word), url_for(route, pk=example[name]))
            for name, screen, route, word in LINKS
            if example.get(name) and may("can_show", screen)
        ]

    @expose("/run", methods=["POST"])
    @has_access
    @permission_name("run")
    def run(self) -> Answer:
        """Prove the books now."""
        proof = prove(session(), actor())
        flash(result(proof), "danger" if proof.faults else "success")
        return redirect(self.url("show", pk=proof.id))


def result(proof: LedgerProof) -> str:
    """Say how a proof ended."""
    if not proof.faults:
        return str(_("The books agree."))
    return str(
        ngettext("%(num)s thing does not agree.", "%(num)s things do not agree.", proof.faults)
    )


def alarm() -> tuple[str, str] | None:
    """Say what is wrong with the books, and where it is read, to whoever may see their proof."""
    if not current_app.extensions["appbuilder"].sm.has_access("can_show", PROOF):
        return None
    proof = last(session())
    if proof is None:
        return None
    if proof.faults:
        url = url_for("LedgerProofs.show", pk=proof.id)
        return str(_("The books do not agree. %(result)s", result=result(proof))), url
    if now_utc() - proof.started_at > EXPECTED_EVERY:
        said = _("The books were not proved last night. See that the background tasks run.")
        return str(said), url_for("LedgerProofs.list")
    return None


def _said(check: str, example: Mapping[str, Any]) -> str:
    values = dict(example)
    if check in COUNTED:
        values |= {"number": example.get("found"), "last": example.get("expected")}
    else:
        for name in ("found", "expected"):
            if example.get(name) is not None:
                values[name] = _amount(example[name])
    return str(gettext(KINDS[check][1], **values))


def _amount(minor: int) -> str:
    try:
        return money_text(minor, utility().currency, utility().exponent)
    except NotSetUp:
        return str(minor)
