"""The audit trail: who did what, when, from where; and how its chain is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import g, jsonify, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import ColumnElement, select
from werkzeug.wrappers import Response

from vmsapp.i18n import _, _l
from vmsapp.models import AuditEvent, AuditSeal, OfficeUser
from vmsapp.security import READY_MADE
from vmsapp.services.audit.names import Subject, name_then, names_of, point_of, subject_of
from vmsapp.services.audit.state import ChainState, chain_state
from vmsapp.services.audit.verify import FAULTS
from vmsapp.views.approvals.deeds import deed_name
from vmsapp.views.base import session
from vmsapp.views.lists.asked import MAX_SEARCH
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, Days, Searched
from vmsapp.views.lists.pages import FOUND, OfficeInterface, OfficeListView, names
from vmsapp.views.look import digits
from vmsapp.views.people.audit_words import (
    ACTIONS,
    FAMILIES,
    SUBJECTS,
    action_word,
    subject_word,
)

BOTH_SIDES: Final = ("before", "after")
"""The details that say how a record was and how it became."""


def subject_said(event: AuditEvent) -> str:
    """Name what it was done to; what has no name, or none the reader sees, has its number."""
    word = subject_word(event.subject)
    return f"{word} {_name(event)}" if event.subject_id else word


def point_said(event: AuditEvent) -> str | int | None:
    """Name the vending point it was done at."""
    return _names().get(point_of(event), event.vending_point_id)


def _name(event: AuditEvent) -> str:
    name = name_then(event) or _names().get(subject_of(event)) or str(event.subject_id)
    match event.subject:
        case "user_group" if name in READY_MADE:
            return str(gettext(READY_MADE[name].name))
        case "approval_rule":
            return deed_name(name)
    return name


def _names() -> dict[Subject, str]:
    """Names read for this answer."""
    known: dict[Subject, str] = g.setdefault("audit_names", {})
    return known


@dataclass(frozen=True, kw_only=True)
class Family(Choice):
    """Actions of one kind."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows whose action is of it."""
        rows: ColumnElement[bool] = self.column.in_(ACTIONS[value])
        return rows


class AuditTrail(Exported):
    """For administrators and auditors, to look at; nobody changes it."""

    datamodel = OfficeInterface(AuditEvent)
    route_base = "/audit"
    list_template = "audit/list.html"
    show_template = "audit/show.html"

    list_title = _l("Audit trail")
    empty = _l("Whatever is done stands here from the first sign-in on.")
    list_columns = names("id at actor_name action subject address")
    show_columns = names("id at actor_name address action code subject vending_point place hash")
    export_columns = names(
        "id at actor_name address action code subject subject_code subject_id"
        " vending_point vending_point_id details"
    )
    order_columns = names("id at")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Event"), "at": _l("When"), "actor_name": _l("Who"), "action": _l("What"),
        "code": _l("Code"), "subject": _l("To what"), "address": _l("From where"),
        "subject_code": _l("To what: code"), "subject_id": _l("To what: number"),
        "vending_point": _l("Vending point"), "vending_point_id": _l("Vending point: number"),
        "details": _l("Details"),
        "place": _l("Place in the chain"), "hash": _l("Hash"),
    }  # fmt: skip
    searched = (AuditEvent.actor_name, AuditEvent.subject_id, AuditEvent.address, AuditEvent.action)
    filters = (
        Days(name="at", label=_l("Days"), column=AuditEvent.at),
        Searched(name="who", label=_l("Who"), column=AuditEvent.actor_id, model=OfficeUser,
                 endpoint="AuditTrail.people"),
        Family(name="what", label=_l("What"), column=AuditEvent.action, words=FAMILIES),
        Choice(name="subject", label=_l("To what"), column=AuditEvent.subject, words=SUBJECTS),
    )  # fmt: skip
    cells = {
        "action": lambda event: action_word(event.action),
        "code": lambda event: digits(event.action),
        "subject": subject_said,
        "subject_code": lambda event: event.subject,
        "vending_point": point_said,
        "place": lambda event: _sealed(event)[0] or _("not sealed yet"),
        "hash": lambda event: _in_groups(_sealed(event)[1]),
    }
    export_cells = {
        "details": lambda event: json.dumps(event.details, ensure_ascii=False, sort_keys=True),
    }

    @expose("/people")
    @has_access
    @permission_name("list")
    def people(self) -> Response:
        """Answer the search for a person."""
        text = request.args.get("q", "")[:MAX_SEARCH]
        found = select(OfficeUser.id, OfficeUser.username).order_by(OfficeUser.username)
        if text:
            found = found.where(OfficeUser.username.icontains(text, autoescape=True))
        rows = session().execute(found.limit(FOUND))
        return jsonify([{"value": number, "text": name} for number, name in rows])

    def make_ready(self, rows: Sequence[AuditEvent]) -> None:
        """Read the names of what the events are about."""
        wanted = {one for event in rows for one in (subject_of(event), point_of(event))}
        _names().update(names_of(session(), wanted - _names().keys()))

    def name_of(self, row: AuditEvent) -> str:
        """Its number."""
        return str(_("Event %(id)s", id=row.id))

    def chain(self) -> ChainState:
        """How the chain is, read once a page."""
        if "chain" not in g:
            g.chain = chain_state(session())
        state: ChainState = g.chain
        return state

    def fault(self, found: tuple[str, int]) -> str:
        """Say what the nightly check found wrong."""
        code, place = found
        return str(gettext(FAULTS[code], place=place))

    def changes(self, event: AuditEvent) -> Sequence[tuple[str, Any, Any, bool]]:
        """What a record was and became: name, before, after, and whether they differ."""
        before, after = (_values(event.details.get(side)) for side in BOTH_SIDES)
        labels = self._labels(event.subject)
        return [
            (
                labels.get(name, name), before.get(name), after.get(name),
                before.get(name) != after.get(name),
            )
            for name in dict.fromkeys((*before, *after))
        ]  # fmt: skip

    def details(self, event: AuditEvent) -> Sequence[tuple[str, str]]:
        """What else was written down."""
        return [(name, _written(value)) for name, value in sorted(event.details.items())
                if name not in BOTH_SIDES]  # fmt: skip

    def _labels(self, subject: str) -> dict[str, Any]:
        """What the columns of a table are called on its own pages."""
        views = (view for view in self.appbuilder.baseviews if isinstance(view, OfficeListView))
        of_table = [view for view in views if view.model.__table__.name == subject]
        writing = (view for view in of_table if isinstance(view, OfficeModelView))
        view = next(writing, of_table[0] if of_table else None)
        return view.label_columns if view else {}


def _sealed(event: AuditEvent) -> tuple[int, str]:
    """Where an event stands in the chain; asked once for each."""
    if "_sealed" not in event.__dict__:
        row = session().execute(
            select(AuditSeal.place, AuditSeal.hash).where(AuditSeal.event_id == event.id)
        ).first()  # fmt: skip
        event.__dict__["_sealed"] = (row.place, row.hash) if row else (0, "")
    known: tuple[int, str] = event.__dict__["_sealed"]
    return known


def _in_groups(text: str) -> Markup | None:
    """Write a hash so that lines may break in it, left to right in every language."""
    groups = " ".join(text[at : at + 8] for at in range(0, len(text), 8))
    return Markup('<bdi dir="ltr">{}</bdi>').format(groups) if text else None


def _values(side: object) -> dict[str, Any]:
    return side if isinstance(side, dict) else {}


def _written(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
