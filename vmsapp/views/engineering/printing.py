"""The slip of an engineering token: its preview, its confirmation, its file.

Nothing leaves before it is counted: the first print is the original, each later one a copy.
"""

from functools import partial
from typing import Any, Final

from flask import Response, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.clock import now_utc
from vmsapp.errors import Refused
from vmsapp.i18n import _
from vmsapp.models import Logo, PrintKind
from vmsapp.security import ENGINEERING
from vmsapp.services.engineering import printing
from vmsapp.services.engineering.printing import NothingToPrint
from vmsapp.services.engineering.showing import Shown, shown
from vmsapp.services.prints import Printed, PrintedMeanwhile, next_of
from vmsapp.services.slips import Slip, write_pdf
from vmsapp.views.base import actor, sentence, session, utility, zone
from vmsapp.views.counter.slips import KINDS
from vmsapp.views.engineering.slips import language_of, slip_of
from vmsapp.views.lists.pages import OfficeListView

PDF: Final = "application/pdf"
OFFERED: Final = (PrintKind.PAPER, PrintKind.PDF)


class EngineeringPrinting(OfficeListView):
    """The pages of a slip; part of the list of engineering tokens."""

    @expose("/<int:pk>/preview")
    @has_access
    @permission_name("digits")
    def preview(self, pk: int) -> str | BaseResponse:
        """Show a slip as it will print, or as it was just confirmed for printing."""
        found = self.shown(pk)
        before = self.prints(found)
        printed = self._confirmed(before)
        nth = next_of(before)
        slip = self._slip(found, printed, request.args.get("language"), nth)
        if slip is None:
            flash(sentence(NothingToPrint(number=found.token.number)), "warning")
            return redirect(self.url("show", pk=pk))
        return self._page(
            "office/slip_preview.html",
            title=_("Slip of %(number)s", number=found.token.number),
            slip=slip, prints=before, printed=printed, nth=nth,
            may=nth == 1 or self.may("reprint"), kinds=KINDS, zone=zone(),
            to=partial(self.url, pk=pk), back=self.url("show", pk=pk),
            back_word=_("Back to the token"),
        )  # fmt: skip

    @expose("/<int:pk>/print", methods=["POST"])
    @has_access
    @permission_name("digits")
    def confirm(self, pk: int) -> BaseResponse:
        """Count a print as paper or file, and lead to where it leaves."""
        chosen = request.form.get("kind")
        kind = next((each for each in OFFERED if each == chosen), PrintKind.PAPER)
        nth = request.form.get("nth", type=int) or 0
        language = ""
        try:
            language = language_of(self.shown(pk).consumer, request.form.get("language", ""))
            printing.note_print(
                session(), actor(), pk, nth=nth, kind=kind, language=language,
                may_reprint=self.may("reprint"),
            )  # fmt: skip
        except (PrintedMeanwhile, Refused) as error:
            flash(sentence(error), "warning")
            return redirect(self.url("preview", pk=pk, language=language))
        return redirect(self.url("preview", pk=pk, printed=nth))

    @expose("/<int:pk>/pdf")
    @has_access
    @permission_name("digits")
    def pdf(self, pk: int) -> BaseResponse:
        """Give the file that was just confirmed; for a while it can be fetched again."""
        found = self.shown(pk)
        printed = self._confirmed(self.prints(found))
        if printed is None or printed.kind != PrintKind.PDF:
            return redirect(self.url("preview", pk=pk))
        slip = self._slip(found, printed, None, printed.nth)
        if slip is None:
            return redirect(self.url("show", pk=pk))
        return file_of(slip, f"{slip.number}.pdf")

    def shown(self, pk: int) -> Shown:
        """Read a token as the asker may see it.

        Raises:
            VmsError: There is none, or it is out of sight.
        """
        may = bool(self.appbuilder.sm.has_access("can_digits", ENGINEERING))
        return shown(session(), actor(), pk, digits=may and request.method != "HEAD")

    def prints(self, found: Shown) -> list[Printed]:
        """The prints of a token."""
        return printing.prints_of(session(), found.token.id)

    def _slip(
        self, found: Shown, printed: Printed | None, wanted: str | None, nth: int
    ) -> Slip | None:
        if printed is not None:
            return slip_of(found, utility(), printed.language, printed.copy, printed.by)
        return slip_of(found, utility(), language_of(found.consumer, wanted), nth - 1, actor().name)

    def _confirmed(self, before: list[Printed]) -> Printed | None:
        """The print that the address names, while it is open to who asks."""
        nth, now = request.args.get("printed", type=int), now_utc()
        return next((p for p in before if p.nth == nth and p.open_to(actor(), now)), None)


def file_of(slip: Slip, name: str) -> Response:
    """Hand a slip over as a PDF file."""
    logo: Any = session().get(Logo, slip.logo) if slip.logo else None
    answer = Response(write_pdf(slip, logo.content if logo else None), mimetype=PDF)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer
