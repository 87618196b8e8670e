"""The command palette: one box, on every page, for pages, meters and consumers.

Scripts open it over the page with Ctrl-K and ask for what is found while somebody types. It is
a page of its own, too, which needs none and to which Enter leads whoever types quicker than
the answer comes, as scanners do: a whole meter number opens its card.
"""

from dataclasses import dataclass
from typing import Final

from flask import redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.i18n import _
from vmsapp.models import Meter
from vmsapp.security import COUNTER, PALETTE
from vmsapp.services import meter_search
from vmsapp.services.quick_search import Records, find_records
from vmsapp.views.base import OfficeView, sentence, session
from vmsapp.views.counter.search import MAX_SEARCH
from vmsapp.views.help.palette_pages import pages_found
from vmsapp.views.numbers import ascii_digits

MOST_PAGES: Final = 8


@dataclass(frozen=True, slots=True)
class Hit:
    """Something to go to: what it is called, where it belongs, its number, its address."""

    label: str
    beside: str
    number: str
    url: str


class Palette(OfficeView):
    """For everybody; it shows what its reader may open and see."""

    route_base = "/palette"
    default_view = "show"
    class_permission_name = PALETTE

    @expose("/")
    @has_access
    @permission_name("use")
    def show(self) -> str | BaseResponse:
        """Show what is found as a page; a whole meter number opens the meter's card."""
        text = self._typed()
        records = self._records(text)
        if meter_search.is_meter_number(text) and len(records.meters) == 1:
            url = self._card(records.meters[0].meter)
            if url:
                return redirect(url)
        return self._found("palette/show.html", text, records)

    @expose("/look")
    @has_access
    @permission_name("use")
    def look(self) -> str:
        """Answer what is found as a part of a page."""
        text = self._typed()
        return self._found("palette/_found.html", text, self._records(text))

    def _typed(self) -> str:
        return ascii_digits(request.args.get("q", "")[:MAX_SEARCH]).strip()

    def _may(self, deed: str, screen: str) -> bool:
        return bool(self.appbuilder.sm.has_access(deed, screen))

    def _records(self, text: str) -> Records:
        consumers = self._may("can_show", "Consumers")
        return find_records(
            session(), text, meters=self._may("can_find", COUNTER), consumers=consumers
        )

    def _found(self, template: str, text: str, records: Records) -> str:
        pages = pages_found(text, MOST_PAGES) if text else []
        groups = (
            (_("Pages"), [Hit(page.label, page.place, "", page.url) for page in pages]),
            (_("Meters"), self._meters(records)),
            (_("Consumers"), self._consumers(records)),
        )
        return self.page(
            template,
            text=text,
            groups=[(title, hits) for title, hits in groups if hits],
            count=sum(len(hits) for _title, hits in groups),
            refusal=sentence(records.refusal) if records.refusal else "",
        )

    def _meters(self, records: Records) -> list[Hit]:
        return [
            Hit(one.consumer.name if one.consumer else _("No consumer"), "", one.meter.drn, url)
            for one in records.meters
            if (url := self._card(one.meter))
        ]

    def _consumers(self, records: Records) -> list[Hit]:
        return [
            Hit(row.name, "", row.number, url_for("Consumers.show", pk=row.id))
            for row in records.consumers
        ]

    def _card(self, meter: Meter) -> str | None:
        """The page about a meter that the reader may open."""
        if self._may("can_show", "Meters"):
            return url_for("Meters.show", pk=meter.id)
        if self._may("can_sell", COUNTER):
            return url_for("Counter.purchase", meter_id=meter.id)
        return None
