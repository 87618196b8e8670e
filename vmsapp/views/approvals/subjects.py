"""What requests are about: which sale, meter or consumer, said in a list of many."""

from collections.abc import Sequence
from typing import Final

from flask import g
from markupsafe import Markup
from sqlalchemy import select

from vmsapp.models import ApprovalRequest, Consumer, Debt
from vmsapp.services.audit.names import LONGEST_ID, NAMED, Subject, names_of
from vmsapp.sts import identifiers
from vmsapp.views.approvals.deeds import deed_name
from vmsapp.views.base import session
from vmsapp.views.look import digits
from vmsapp.views.people.audit_words import subject_word

DEBT: Final = "debt"

KINDS: Final = {
    "sale_id": "sale",
    "meter_id": "meter",
    "debt_id": DEBT,
    "consumer_id": "consumer",
    "campaign_id": "campaign",
    "module_id": "security_module",
}
"""What a parameter names, the nearest first; a vending point stands in a column of its own."""


def read_subjects(rows: Sequence[ApprovalRequest]) -> None:
    """Read the names of what requests are about: one statement, and one more if about debts."""
    wanted = {found for row in rows if (found := _subject(row))} - _names().keys()
    _names().update(names_of(session(), (one for one in wanted if one[0] in NAMED)))
    debts = [number for kind, number in wanted if kind == DEBT]
    if debts:
        owed_by = select(Debt.id, Consumer.number).join(Consumer, Consumer.id == Debt.consumer_id)
        owing = session().execute(owed_by.where(Debt.id.in_(debts)))
        _names().update({(DEBT, number): consumer for number, consumer in owing})


def about(row: ApprovalRequest) -> str | Markup | None:
    """Say what a request is about, for a page; ``None`` where its reader does not see it."""
    kind, name = _said(row)
    if kind != "meter":
        return f"{kind and subject_word(kind)} {name}".strip() or None
    return Markup("{} {}").format(subject_word(kind), digits(identifiers.drn.format(name)))


def about_plainly(row: ApprovalRequest) -> str:
    """Say it for a file, where a number is not grouped."""
    kind, name = _said(row)
    return f"{kind and subject_word(kind)} {name}".strip()


def _said(row: ApprovalRequest) -> tuple[str, str]:
    """Tell the kind and the name; both are empty where there is nothing to say."""
    subject = _subject(row)
    if subject is None:
        action = row.params.get("action")  # of a rule, which is about a deed
        return "", deed_name(action) if isinstance(action, str) else ""
    kind, number = subject
    name = str(number) if kind == "sale" else _names().get(subject)
    if not name:
        return "", ""
    return ("consumer" if kind == DEBT else kind), name  # a debt is told by who owes it


def _subject(row: ApprovalRequest) -> Subject | None:
    for param, kind in KINDS.items():
        number = row.params.get(param)
        if isinstance(number, int) and 0 < number < 10**LONGEST_ID:  # else it was altered
            return kind, number
    return None


def _names() -> dict[Subject, str]:
    """Names read for this answer."""
    known: dict[Subject, str] = g.setdefault("approval_subjects", {})
    return known
