"""Printing: the preview as it will print, its confirmation, files, and the last sales.

Nothing leaves before it is counted: the first print is the original, each later one a copy.
"""

from typing import Any

from flask import Response, flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.clock import now_utc
from vmsapp.errors import Refused
from vmsapp.models import Channel, PrintKind
from vmsapp.security import COUNTER
from vmsapp.services import prints, receipts
from vmsapp.services.prints import Printed, PrintedMeanwhile
from vmsapp.views.base import OfficeView, actor, sentence, session, zone
from vmsapp.views.counter.letters import PDF, file_of
from vmsapp.views.counter.sending import COUNTER_DEEDS, send, sent_of, ways_of
from vmsapp.views.counter.slips import KINDS, language_of, slip_of, slip_printed


class Printing(OfficeView):
    """Where receipts leave the product."""

    route_base = "/counter/receipts"
    default_view = "last"
    class_permission_name = COUNTER
    base_permissions = COUNTER_DEEDS

    @expose("/last")
    @has_access
    @permission_name("receipt")
    def last(self) -> str:
        """List the asker's own last sales, to print one again."""
        sales = receipts.last_sales(session(), actor())
        printed = prints.printed_of(session(), [sale.id for sale in sales])
        return self.page(
            "counter/last.html", sales=sales, printed=printed, may_reprint=self._may(), zone=zone()
        )

    @expose("/<int:sale_id>/preview")
    @has_access
    @permission_name("receipt")
    def preview(self, sale_id: int) -> str | BaseResponse:
        """Show a receipt as it will print, or as it was just confirmed for printing."""
        if request.method == "HEAD":  # shows nothing, and so marks nothing as shown
            return Response(status=200 if receipts.state_of(session(), sale_id) else 404)
        receipt = receipts.receipt(session(), actor(), sale_id)
        before = prints.prints_before(session(), receipt)
        printed = self._confirmed(before)
        nth = prints.next_of(before)
        language = language_of(receipt, request.args.get("language"))
        if printed:
            slip = slip_printed(receipt, printed)
        else:
            slip = slip_of(receipt, language, nth - 1, actor().name)
        if slip is None:
            return redirect(url_for("Counter.sale", sale_id=sale_id))  # says why
        return self.page(
            "counter/preview.html",
            receipt=receipt,
            slip=slip,
            prints=before,
            printed=printed,
            nth=nth,
            may=nth == 1 or self._may(),
            kinds=KINDS,
            ways=ways_of(receipt),
            sent=sent_of(receipt),
            zone=receipt.utility.time_zone,
        )

    @expose("/<int:sale_id>/print", methods=["POST"])
    @has_access
    @permission_name("receipt")
    def confirm(self, sale_id: int) -> BaseResponse:
        """Count a print as paper, file or mail, and lead to where it leaves."""
        chosen = request.form.get("kind")
        kind = next((kind for kind in PrintKind if kind == chosen), PrintKind.PAPER)
        nth = request.form.get("nth", type=int) or 0
        language = request.form.get("language", "")
        try:
            receipt = receipts.receipt(session(), actor(), sale_id)
            language = language_of(receipt, language)
            if kind in prints.SENT_KINDS:
                send(receipt, Channel(kind.value), nth, language, may_reprint=self._may())
            else:
                prints.note_print(
                    session(), actor(), sale_id, nth=nth, kind=kind, language=language,
                    may_reprint=self._may(),
                )  # fmt: skip
        except (PrintedMeanwhile, Refused) as error:
            flash(sentence(error), "warning")
            return redirect(self._to(sale_id, language=language))
        return redirect(self._to(sale_id, printed=nth))

    @expose("/<int:sale_id>/pdf")
    @has_access
    @permission_name("receipt")
    def pdf(self, sale_id: int) -> BaseResponse:
        """Give the file that was just confirmed; for a while it can be fetched again."""
        receipts.state_of(session(), sale_id)  # whoever may not see the sale goes no further
        printed = self._confirmed(prints.prints_of(session(), sale_id))
        if printed is None or printed.kind != PrintKind.PDF:
            return redirect(self._to(sale_id))
        receipt = receipts.receipt(session(), actor(), sale_id)
        slip = slip_printed(receipt, printed)
        if slip is None:
            return redirect(url_for("Counter.sale", sale_id=sale_id))
        answer = Response(file_of(session(), slip), mimetype=PDF)
        answer.headers.set("Content-Disposition", "attachment", filename=f"{slip.number}.pdf")
        return answer

    def _may(self) -> bool:
        return bool(self.appbuilder.sm.has_access("can_reprint", COUNTER))

    def _to(self, sale_id: int, **parameters: Any) -> str:  # noqa: ANN401 - of an address
        return url_for("Printing.preview", sale_id=sale_id, **parameters)

    def _confirmed(self, before: list[Printed]) -> Printed | None:
        """The print that the address names, while it is open to who asks."""
        nth, now = request.args.get("printed", type=int), now_utc()
        return next((p for p in before if p.nth == nth and p.open_to(actor(), now)), None)
