"""The slip of key change tokens: its preview, its confirmation, its file.

Nothing leaves before it is counted: the first print is the original, each later one a copy.
"""

from typing import Any, Final

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.clock import now_utc
from vmsapp.errors import NotAllowed
from vmsapp.i18n import _
from vmsapp.models import PaperSize, PrintKind
from vmsapp.services.key_changes import printing
from vmsapp.services.key_changes.errors import NothingToHandOut
from vmsapp.services.key_changes.printing import Handed
from vmsapp.services.prints import Printed, PrintedMeanwhile, next_of
from vmsapp.services.slips import Slip
from vmsapp.views.base import actor, sentence, session, utility, zone
from vmsapp.views.counter.shift_line import own_places
from vmsapp.views.counter.slips import KINDS
from vmsapp.views.engineering.key_slips import slip_of
from vmsapp.views.engineering.printing import OFFERED, file_of
from vmsapp.views.engineering.slips import language_of
from vmsapp.views.registration.meter_deeds import MeterDeeds

SHOW_DIGITS: Final = ("change_key", "confirm_key", "refuse_key")
"""Who may do one of these reads the tokens, too, and prints them."""


class MeterKeySlips(MeterDeeds):
    """The pages of a slip; part of the pages of a meter's key."""

    @expose("/<int:pk>/key/<int:change_id>/slip")
    @has_access
    @permission_name("show")
    def key_slip(self, pk: int, change_id: int) -> str | BaseResponse:
        """Show a slip as it will print, or as it was just confirmed for printing."""
        try:
            handed = self._handed(pk, change_id)
        except NothingToHandOut as error:
            return self._to_key(pk, error)
        before = printing.prints_of(session(), change_id)
        printed, nth = self._confirmed(before), next_of(before)
        return self._page(
            "office/slip_preview.html",
            title=_("Slip of %(number)s", number=handed.change.number),
            slip=self._slip(handed, printed, nth), prints=before, printed=printed, nth=nth,
            may=True, kinds=KINDS, zone=zone(), back=self.url("key", pk=pk),
            back_word=_("Back to the key"),
            to=lambda page, **values: self._slip_url(page, pk, change_id, **values),
        )  # fmt: skip

    @expose("/<int:pk>/key/<int:change_id>/print", methods=["POST"])
    @has_access
    @permission_name("show")
    def print_key(self, pk: int, change_id: int) -> BaseResponse:
        """Count a print as paper or file, and lead to where it leaves."""
        chosen = request.form.get("kind")
        kind = next((each for each in OFFERED if each == chosen), PrintKind.PAPER)
        nth = request.form.get("nth", type=int) or 0
        language = ""
        try:
            consumer = self._handed(pk, change_id).consumer
            language = language_of(consumer, request.form.get("language", ""))
            printing.note_print(
                session(), actor(), change_id, nth=nth, kind=kind, language=language
            )
        except PrintedMeanwhile as error:
            flash(sentence(error), "warning")
            return redirect(self._slip_url("preview", pk, change_id, language=language))
        except NothingToHandOut as error:
            return self._to_key(pk, error)
        return redirect(self._slip_url("preview", pk, change_id, printed=nth))

    @expose("/<int:pk>/key/<int:change_id>/pdf")
    @has_access
    @permission_name("show")
    def key_pdf(self, pk: int, change_id: int) -> BaseResponse:
        """Give the file that was just confirmed; for a while it can be fetched again."""
        try:
            handed = self._handed(pk, change_id)
        except NothingToHandOut as error:
            return self._to_key(pk, error)
        printed = self._confirmed(printing.prints_of(session(), change_id))
        if printed is None or printed.kind != PrintKind.PDF:
            return redirect(self._slip_url("preview", pk, change_id))
        slip = self._slip(handed, printed, printed.nth)
        return file_of(slip, f"{slip.number}.pdf")

    def shows_key_tokens(self) -> bool:
        """Whether the asker deals with key changes, and so reads their tokens."""
        return any(self.may(deed) for deed in SHOW_DIGITS)

    def _handed(self, pk: int, change_id: int) -> Handed:
        """Read a set for who may read its tokens.

        Raises:
            NotAllowed: The asker may not.
            NoSuchChange: It is not this meter's, or out of sight.
            NothingToHandOut: Its tokens are not handed out.
        """
        if not self.shows_key_tokens():
            raise NotAllowed
        self.row(pk)
        return printing.handed(session(), pk, change_id)

    def _slip(self, handed: Handed, printed: Printed | None, nth: int) -> Slip:
        language = language_of(handed.consumer, request.args.get("language"))
        copy, by = nth - 1, actor().name
        if printed is not None:
            language, copy, by = printed.language, printed.copy, printed.by
        places = own_places()
        paper = places[0][0].paper_size if places else PaperSize.A4
        return slip_of(handed, utility(), language, paper=paper, copy=copy, by=by)

    def _confirmed(self, before: list[Printed]) -> Printed | None:
        """The print that the address names, while it is open to who asks."""
        nth, now = request.args.get("printed", type=int), now_utc()
        return next((p for p in before if p.nth == nth and p.open_to(actor(), now)), None)

    def _to_key(self, pk: int, error: NothingToHandOut) -> BaseResponse:
        flash(sentence(error), "warning")
        return redirect(self.url("key", pk=pk))

    def _slip_url(self, page: str, pk: int, change_id: int, **values: Any) -> str:  # noqa: ANN401
        route = {"preview": "key_slip", "confirm": "print_key", "pdf": "key_pdf"}[page]
        return self.url(route, pk=pk, change_id=change_id, **values)
