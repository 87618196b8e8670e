"""After a restore: when it was, what it found, and which tokens are still to be booked."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import current_app, g, url_for
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import joinedload

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import JournalFinding
from vmsapp.security import TOKEN_JOURNAL
from vmsapp.services.restore import overview
from vmsapp.services.restore.booking import MeterLost
from vmsapp.services.restore.overview import Overview
from vmsapp.services.restore.standstill import Standstill
from vmsapp.views.base import sentence, session
from vmsapp.views.lists.filters import Choice, Days
from vmsapp.views.lists.pages import OfficeInterface, OfficeListView, names, view_named
from vmsapp.views.look import digits, number_text, state
from vmsapp.views.modules.journal import JOURNAL_DEEDS
from vmsapp.views.registration.meter_many import Many
from vmsapp.views.restored.booking import BookingPages, drn_of

WHYS: Final[Mapping[str, str]] = {
    "told": N_("A backup was restored here, or an administrator said so."),
    "database_older": N_("The module had issued tokens that this system never asked for."),
    "record_older": N_("The module’s record held less than it did."),
    "other_epoch": N_("The module’s record belonged to another life of this system."),
}
"""How a restore was found out; one for each of ``standstill.WHYS``."""

STATES: Final[Mapping[str, tuple[str, str | None]]] = {
    "to_book": (N_("To be booked"), "warn"),
    "no_sale": (N_("No sale: settle it in the token journal"), "warn"),
    "no_meter": (N_("Its meter is not here: register it first"), "warn"),
    "booked": (N_("Booked"), "good"),
    "settled": (N_("Settled without a sale"), None),
}
NARROWED: Final[Mapping[str, str]] = {
    "open": N_("Not settled"), "booked": STATES["booked"][0], "settled": STATES["settled"][0],
}  # fmt: skip
"""What the list can be narrowed by: what no column tells is left out."""


class Became(Choice):
    """Tokens of the lost interval by what became of them."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows of that state."""
        settled, sold = JournalFinding.settled_at, JournalFinding.sale_id
        if value == "open":
            return settled.is_(None)
        return settled.is_not(None) & (sold.is_not(None) if value == "booked" else sold.is_(None))


def _state_of(row: JournalFinding) -> Markup:
    if row.settled_at is not None:
        code = "settled" if row.sale_id is None else "booked"
    elif row.id in g.not_to_book:
        code = "no_meter" if isinstance(g.not_to_book[row.id], MeterLost) else "no_sale"
    else:
        code = "to_book"
    word, tone = STATES[code]
    return state(_(word), tone)


def _sale(row: JournalFinding) -> int | Markup | None:
    """The sale's number; for who may, the way to its page."""
    if row.sale_id is None or not current_app.extensions["appbuilder"].sm.has_access(
        "can_show", "Sales"
    ):
        return row.sale_id
    return Markup('<a href="{}">{}</a>').format(url_for("Sales.show", pk=row.sale_id), row.sale_id)


class AfterRestore(BookingPages):
    """For who sees the token journal; who may settle its findings books here."""

    datamodel = OfficeInterface(JournalFinding)
    route_base = "/restored"
    class_permission_name = TOKEN_JOURNAL
    base_permissions = JOURNAL_DEEDS
    exclude_route_methods = OfficeListView.exclude_route_methods | {"show"}
    list_template = "restored/list.html"

    list_title = _l("After a restore")
    empty = _l("Nothing is missing: every token that was made since the backup has its sale here.")
    list_columns = names("made_at meter tid state sale_id module request_id")
    show_columns = list_columns
    folded = frozenset({"module", "request_id"})
    order_columns = names("made_at")
    base_order = ("made_at", "asc")
    label_columns = {
        "made_at": _l("Made"), "meter": _l("Meter number"), "tid": _l("Token identifier"),
        "state": _l("State"), "sale_id": _l("Sale"), "module": _l("Security module"),
        "request_id": _l("Request"),
    }  # fmt: skip
    searched = (JournalFinding.meter_pan, JournalFinding.request_id)
    filters = (
        Became(name="state", label=_l("State"), column=JournalFinding.settled_at, words=NARROWED),
        Days(name="made", label=_l("Days"), column=JournalFinding.made_at),
    )
    cells = {
        "meter": lambda row: digits(drn_of(row)),
        "state": _state_of,
        "sale_id": _sale,
        "module": lambda row: row.module.name,
    }
    loads = (joinedload(JournalFinding.module),)

    def make_ready(self, rows: Sequence[JournalFinding]) -> None:
        """Find out which of the rows cannot be booked."""
        g.not_to_book = overview.obstacles(session(), rows)

    def way(self, deed: str) -> str:
        """The page of a finding is the token journal's."""
        if deed == "show":
            return view_named(self.appbuilder, "TokenJournal").way("show")
        return super().way(deed)

    def deeds(self, *, single: bool) -> Sequence[Any]:
        """Booking the rows chosen, once selling goes on."""
        told = self.look()
        if single or told is None or told.still_since is not None or not self.may("settle"):
            return ()
        return [Many("book", str(_("Book the chosen")), self.url("book"))]

    def ways_to_book(self, row: JournalFinding) -> Sequence[str]:
        """Where a finding's sale is booked: nowhere, or at one address."""
        told = self.look()
        if told is None or told.still_since is not None or not self.may("settle"):
            return ()
        if row.settled_at is not None or self.chosen([row.id]) == []:
            return ()
        return () if overview.obstacles(session(), [row]) else [self.url("book", rowid=row.id)]

    def look(self) -> Overview | None:
        """What the last restore found, read once a request."""
        if "restored" not in g:
            g.restored = overview.look(session())
        found: Overview | None = g.restored
        return found

    def refusal(self) -> str:
        """Why nothing is sold now."""
        return sentence(Standstill())

    def statement(self) -> Select[Any]:
        """Tokens of the lost interval."""
        return super().statement().where(overview.lost())

    def counts_of(self, told: Overview) -> Sequence[tuple[str, str, int]]:
        """How many became what: codes the list is narrowed by, words, figures."""
        counts = {"open": told.to_book, "booked": told.booked, "settled": told.settled}
        return [(code, gettext(NARROWED[code]), count) for code, count in counts.items()]

    def facts_of(self, told: Overview) -> Sequence[tuple[str, Any]]:
        """The restore, in words and figures."""
        kept = told.told
        pairs: list[tuple[str, Any]] = [
            (gettext("Noticed"), told.noticed_at),
            (gettext("How it was found out"), told.why and gettext(WHYS[told.why])),
            (gettext("Backup of"), told.backup_of),
            (gettext("Selling goes on since"), told.over_at),
            (gettext("What was restored, and why"), kept.get("reason")),
        ]
        if told.still_since is None:
            pairs.append((gettext("New receipt series"), number_text(told.series)))
        for name, word in (
            ("sales", gettext("Open sales completed from the journal")),
            ("engineering", gettext("Engineering tokens completed from it")),
            ("key_changes", gettext("Key changes opened again")),
        ):
            pairs.append((word, number_text(kept[name]) if name in kept else None))
        return [(name, value) for name, value in pairs if value is not None]
