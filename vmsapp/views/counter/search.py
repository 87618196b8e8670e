"""The box at the counter: whatever number or name the customer has, it finds the meter.

The number of a receipt opens its sale.
"""

from typing import Final

from flask import redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.models import VendingPoint
from vmsapp.scope import NOTHING
from vmsapp.security import COUNTER
from vmsapp.services import meter_search, receipts
from vmsapp.views.base import OfficeView, actor, sentence, session
from vmsapp.views.counter.shift_line import own_places
from vmsapp.views.money.ledger_proof import alarm
from vmsapp.views.numbers import ascii_digits

Answer = str | BaseResponse | tuple[str, int]

MAX_SEARCH: Final = 60


class CounterSearch(OfficeView):
    """Finds meters to sell to."""

    @expose("/")
    @has_access
    @permission_name("find")
    def find(self) -> Answer:
        """Find a meter by its number or its consumer; one hit opens it at once."""
        return self._find(request.args.get("q", ""))

    @expose("/find", methods=["POST"])
    @has_access
    @permission_name("find")
    def find_person(self) -> Answer:
        """Find by an identity card's number, too; it is sent, so that no address holds it."""
        return self._find(request.form.get("q", ""), by_card=self._may_see_cards())

    def _find(self, typed: str, *, by_card: bool = False) -> Answer:
        text = ascii_digits(typed[:MAX_SEARCH]).strip()
        sale_id = self._sale_of(text)
        if sale_id is not None:
            return redirect(url_for("Counter.sale", sale_id=sale_id))
        found: list[meter_search.Found] = []
        refusal, may_sell = None, self.may("can_sell")
        try:
            found = meter_search.find_meters(session(), text, actor=actor(), by_card=by_card)
        except meter_search.WrongCheckDigit as error:
            refusal = None if receipts.numbers_in(text) else sentence(error)
        if len(found) == 1 and may_sell and not _only_a_receipts(text):
            return redirect(url_for("Counter.purchase", meter_id=found[0].meter.id))
        return self.page(
            "counter/find.html",
            text=text,
            found=found,
            refusal=refusal,
            by_card=self._may_see_cards(),
            limit=meter_search.MAX_FOUND,
            may_sell=may_sell,
            sees_meters=self.appbuilder.sm.has_access("can_show", "Meters"),
            points=self.points() if may_sell else [],
            sees_nothing=actor().sight == NOTHING,
            alarm=alarm(),
        )

    def _sale_of(self, text: str) -> int | None:
        """Tell which sale's receipt number was typed, for who may open receipts."""
        return receipts.sale_with_receipt(session(), text) if self.may("can_receipt") else None

    def _may_see_cards(self) -> bool:
        return bool(self.appbuilder.sm.has_access("can_id_number", "Consumers"))

    def may(self, deed: str) -> bool:
        """Tell whether the user's group permits a deed here."""
        return bool(self.appbuilder.sm.has_access(deed, COUNTER))

    def points(self) -> list[VendingPoint]:
        """List the vending points this user may sell at; an operator has the own one."""
        return [point for point, _shift in own_places() if point.closed_at is None]


def _only_a_receipts(text: str) -> bool:
    """Tell a receipt's number from a meter's: a part of another meter's opens nothing by itself."""
    return receipts.numbers_in(text) is not None and not meter_search.is_meter_number(text)
