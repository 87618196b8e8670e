"""Printed sheets of a campaign: what comes next along the route, looked at, confirmed, printed.

Nothing leaves before it is counted: what a print holds is noted as handed out when printing is
confirmed, and no digit is shown before.
"""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import Any, Final

from flask import current_app, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import force_locale, get_locale, gettext

from vmsapp.errors import N_
from vmsapp.i18n import _
from vmsapp.models import Campaign, HandOut
from vmsapp.services.campaigns.errors import NoSuchCampaign, SheetsMoved
from vmsapp.services.campaigns.sheets import coming, sheet, without_value
from vmsapp.services.campaigns.terms import SheetRow
from vmsapp.services.slips import TokenBlock
from vmsapp.views.base import actor, sentence, session, utility
from vmsapp.views.lists.pages import Answer, OfficeListView

SIZES: Final = (10, 25, 50, 100)
"""Meters that one print may hold."""
USUAL: Final = 25
DEMO: Final = N_("DEMO")
STEPS: Final = (
    N_("This meter gets a new key. Enter the tokens one after the other, each whole."),
    N_(
        "First enter older tokens you still have: afterwards the meter does not take them any more."
    ),
    N_(
        "Then enter the key change tokens, in this order. Skip them if the meter already took them."
    ),
)
"""What the customer does, in the order it is done."""


class CampaignSheets(OfficeListView):
    """The pages of the sheets; part of the list of campaigns."""

    @expose("/<int:pk>/sheets")
    @has_access
    @permission_name("make")
    def sheets(self, pk: int) -> Answer:
        """Show which meters come next on the sheets, before anything is printed."""
        row, size = self._of_sheets(pk), _size(request.args.get("size", type=int))
        return self._page(
            "campaigns/sheets.html", title=_("Sheets of “%(name)s”", name=row.name), row=row,
            found=coming(session(), row, size), size=size, sizes=SIZES, language=_language(),
            by_sms=row.hand_out == HandOut.SMS, back=self.url("show", pk=pk),
        )  # fmt: skip

    @expose("/<int:pk>/sheets/preview")
    @has_access
    @permission_name("make")
    def sheet_preview(self, pk: int) -> Answer:
        """Show the next sheets as they will print, their digits hidden."""
        row, size = self._of_sheets(pk), _size(request.args.get("size", type=int))
        again = "again" in request.args
        found = coming(session(), row, size, again=again)
        if not found.rows:
            flash(_("There is no sheet to print."), "info")
            return redirect(self.url("sheets", pk=pk, size=size))
        return self._sheet_page(row, found.rows, size, again=again, digest=found.digest)

    @expose("/<int:pk>/sheets/print", methods=["POST"])
    @has_access
    @permission_name("make")
    def print_sheets(self, pk: int) -> Answer:
        """Note the sheets that were looked at as handed out, and give them to print."""
        row = self._of_sheets(pk)
        size, again = _size(request.form.get("size", type=int)), "again" in request.form
        shown = request.form.get("shown", "")
        try:
            rows = sheet(session(), actor(), pk, limit=size, again=again, shown=shown)
        except SheetsMoved as error:
            session().rollback()
            flash(sentence(error), "warning")
            return redirect(self.url("sheets", pk=pk, size=size))
        return self._sheet_page(row, rows, size, again=again)

    def _sheet_page(
        self, row: Campaign, rows: Sequence[SheetRow], size: int, *, again: bool, digest: str = ""
    ) -> Answer:
        """Draw sheets: looked at, with the digest of what they are, or confirmed for printing."""
        language = _language()
        return self._page(
            "campaigns/sheet.html", title=_("Sheets of “%(name)s”", name=row.name), row=row,
            sheet=_sheet(rows, language), count=len(rows), size=size, again=again, digest=digest,
            back=self.url("sheets", pk=row.id, size=size, language=language),
        )  # fmt: skip

    def _of_sheets(self, pk: int) -> Campaign:
        row: Campaign = self.row(pk)
        if row.hand_out == HandOut.NEXT_SALE or row.begun_at is None:
            raise NoSuchCampaign
        return row


def _size(wanted: int | None) -> int:
    return wanted if wanted in SIZES else USUAL


def _language() -> str:
    """The language sheets are written in: the one asked for, else the screen's."""
    asked = request.values.get("language", "")
    return asked if asked in current_app.config["LANGUAGES"] else str(get_locale() or "en")


def _sheet(rows: Sequence[SheetRow], language: str) -> dict[str, Any]:
    """What stands on the sheets, in a language: of each region a sheet of its own."""
    demo = without_value(session(), [one.key_change_id for one in rows])
    with force_locale(language):
        locale = get_locale()
        return {
            "language": language,
            "direction": locale.text_direction if locale else "ltr",
            "utility": utility(),
            "heading": _("Key change tokens"),
            "steps": [gettext(step) for step in STEPS],
            "worthless": (
                _("%(mark)s: this token has no value.", mark=gettext(DEMO)) if demo else ""
            ),
            "words": {
                "meter": _("Meter number"), "number": _("Consumer number"),
                "consumer": _("Consumer"), "address": _("Address"),
            },
            "regions": [
                (region, [(one, _blocks(one), _marks(one, demo)) for one in some])
                for region, some in groupby(rows, key=lambda one: one.region)
            ],
        }  # fmt: skip


def _blocks(row: SheetRow) -> list[TokenBlock]:
    count = len(row.tokens)
    return [
        TokenBlock(
            _("Token %(number)s of %(total)s: key change", number=number, total=count), digits
        )
        for number, digits in enumerate(row.tokens, 1)
    ]


def _marks(row: SheetRow, demo: Collection[int]) -> list[str]:
    """What stands in a frame: that it is of no value, and which copy it is."""
    copy = [_("COPY %(count)s · %(who)s", count=row.prints, who=actor().name)] if row.prints else []
    return [*([gettext(DEMO)] if row.key_change_id in demo else []), *map(str, copy)]
