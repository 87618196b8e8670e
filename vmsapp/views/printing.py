"""Printing: the preview as it will print, its confirmation, files, and the last sales.

Nothing leaves before it is counted: the first print is the original, each later one a copy.
"""

from typing import Any, Final

from flask import Response, flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import force_locale
from flask_login import current_user
from limits import RateLimitItemPerMinute
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Refused, Uncertain, VmsError
from vmsapp.extensions import end_reading
from vmsapp.i18n import _
from vmsapp.models import Logo, PrintKind
from vmsapp.security import COUNTER
from vmsapp.services import mail, prints, receipts
from vmsapp.services.prints import Printed, PrintedMeanwhile
from vmsapp.services.receipts import Receipt
from vmsapp.services.slips import Slip, write_pdf
from vmsapp.views.base import OfficeView, actor, sentence, session, utility, zone
from vmsapp.views.setup_forms import kept_mail_key, mail_ports
from vmsapp.views.slips import KINDS, language_of, slip_of, slip_printed

COUNTER_DEEDS: Final = (
    "can_find", "can_sell", "can_receipt", "can_reprint", "can_give_back", "can_give_free",
)  # fmt: skip
"""The counter's permissions, whichever of its views asks for them."""

PDF: Final = "application/pdf"
MAILS: Final = RateLimitItemPerMinute(20)
"""What one person may send: more than anybody sells in a minute."""


class ReceiptsTooOften(Refused):
    """More receipts sent in a minute than anybody sells."""

    code = "receipts_too_often"
    message = N_("Only %(count)s receipts can be sent in a minute. Wait a minute and try again.")


class NoAddress(Refused):
    """The consumer has no e-mail address."""

    code = "no_address"
    message = N_("This consumer has no e-mail address on record.")


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
            mail_to=receipt.consumer.email if utility().mail_host else "",
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
            server = self._server(receipt) if kind == PrintKind.MAIL else None
            prints.note_print(
                session(), actor(), sale_id, nth=nth, kind=kind, language=language,
                may_reprint=self._may(),
            )  # fmt: skip
            if server is not None:
                self._send(server, receipt, nth, language)
        except (PrintedMeanwhile, Refused, mail.MailUnreachable, Uncertain) as error:
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
        answer = Response(self._file(slip), mimetype=PDF)
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

    def _file(self, slip: Slip) -> bytes:
        logo = session().get(Logo, slip.logo) if slip.logo else None
        return write_pdf(slip, logo.content if logo else None)

    def _server(self, receipt: Receipt) -> mail.MailServer:
        """Make sure that a receipt can be sent, before it is counted.

        Raises:
            NoAddress, ReceiptsTooOften, MailNotSetUp, MailPasswordLost: It cannot.
        """
        if not receipt.consumer.email:
            raise NoAddress
        if not self.appbuilder.sm.limiter.limiter.hit(MAILS, "receipt", current_user.get_id()):
            raise ReceiptsTooOften(count=MAILS.amount)
        return mail.server_of(utility(), kept_mail_key())

    def _send(self, server: mail.MailServer, receipt: Receipt, nth: int, language: str) -> None:
        """Send a receipt to its consumer; one that surely was not sent counts no more."""
        slip = slip_of(receipt, language, nth - 1, actor().name)
        assert slip is not None, "counted as printed"
        file = mail.Attachment(f"{slip.number}.pdf", PDF, self._file(slip))
        with force_locale(language):
            words = {"number": slip.number, "name": slip.utility}
            subject = _("Receipt %(number)s from %(name)s", **words)
            text = _("Your receipt %(number)s from %(name)s is attached.", **words)
        end_reading(session())  # nobody waits for the database while the mail is handed in
        to = receipt.consumer.email
        try:
            mail.send(server, [to], subject, text, ports=mail_ports(), attached=[file])
        except Uncertain:
            raise
        except VmsError as error:
            prints.note_not_sent(session(), actor(), receipt.sale.id, nth=nth, why=error.code)
            raise
        flash(_("The receipt was sent to %(to)s.", to=to), "success")
