"""The clock: what stops selling because of it, and accepting that it was wrong."""

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.i18n import _
from vmsapp.security import CLOCK
from vmsapp.services import clock
from vmsapp.services.vending.tids import CLOCK_TOLERANCE, newest_sale
from vmsapp.sts import identifiers
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of, zone
from vmsapp.views.counter.page import Answer


class Clock(OfficeView):
    """For administrators."""

    route_base = "/clock"
    default_view = "show"
    class_permission_name = CLOCK

    @expose("/")
    @has_access
    @permission_name("accept")
    def show(self) -> Answer:
        """Show the clock beside the newest sale."""
        return self._page()

    @expose("/accept", methods=["POST"])
    @has_access
    @permission_name("accept")
    def accept(self) -> Answer:
        """Accept all sales so far, or one meter's token identifiers."""
        reason, number = request.form.get("reason", ""), request.form.get("meter", "")
        try:
            if request.form.get("what") == "meter":
                clock.accept_meter(session(), actor(), identifiers.drn.compact(number), reason)
            else:
                clock.accept_newest_sale(session(), actor(), reason)
        except VmsError as error:
            page = self._page(reason=reason, number=number, refusal=sentence(error))
            return page, status_of(error)
        flash(_("Accepted. Selling can go on."), "success")
        return redirect(url_for("Clock.show"))

    def _page(self, reason: str = "", number: str = "", refusal: str | None = None) -> str:
        now, newest = now_utc(), newest_sale(session())
        return self.page(
            "clock/show.html",
            now=now,
            newest=newest,
            behind=newest is not None and now < newest - CLOCK_TOLERANCE,
            zone=zone(),
            reason=reason,
            number=number,
            refusal=refusal,
        )
