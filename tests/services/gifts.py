"""Tokens given without money, as tests ask for and approve them."""

from tests.factories import EPOCH, HARBOUR, LEGACY_11
from tests.services.pair import CHECKER, MAKER
from vmsapp.models import Sale, ServicePoint
from vmsapp.services.approvals import deciding
from vmsapp.services.approvals.deed import Means
from vmsapp.services.free_tokens.deed import GIVE
from vmsapp.services.free_tokens.reserve import Gift
from vmsapp.services.licence.standing import GRACE_DAYS
from vmsapp.services.vending import new_key


class Gifts:
    """What two people give; each deed has a session of its own."""

    def __init__(self, shop, pair):
        self.shop = shop
        self.pair = pair

    def gift(self, meter=LEGACY_11, point=HARBOUR, **values):
        """20 units for an outage, or what differs."""
        place = self.shop.point_of(meter)
        (row,) = self.shop.rows(ServicePoint, ServicePoint.id == place)
        plain = {
            "vending_point_id": self.shop.utility.points[point],
            "meter_id": self.shop.utility.meters[meter],
            "consumer_id": row.consumer_id,
            "kind": "compensation", "reason": "outage", "table_set": "production", "units": "20",
        }  # fmt: skip
        return Gift(**plain | values)

    def ask(self, meter=LEGACY_11, key=None, by=MAKER, gift=None, **values):
        params = gift or self.gift(meter, **values)
        return self.pair.ask(GIVE, key or new_key(EPOCH), by, params=params)

    def approve(self, request, by=CHECKER):
        """Approve it; gives the request as it then stands, and its sale."""

        def deed(session, actor):
            means = Means(self.shop.registry, GRACE_DAYS)
            return deciding.carry_out(session, means, actor, request.id, request.hash)

        return self.pair.do(by, deed)

    def give(self, meter=LEGACY_11, **values):
        """Ask and approve; gives the sale."""
        done, sale = self.approve(self.ask(meter, **values))
        assert done.state == "approved", done.outcome
        return self.shop.rows(Sale, Sale.id == sale.id)[0]
