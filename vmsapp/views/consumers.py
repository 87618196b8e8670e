"""Consumers, to be found and looked at."""

from sqlalchemy.orm import joinedload

from vmsapp.i18n import _l
from vmsapp.models import Consumer, Region, Sale
from vmsapp.views.filters import Searched, YesNo
from vmsapp.views.lists import OfficeInterface, OfficeListView, Related, names


class Consumers(OfficeListView):
    """Who buys, in the asker's region."""

    datamodel = OfficeInterface(Consumer)
    route_base = "/consumers"

    list_title = _l("Consumers")
    list_columns = names("number name region address phone retired")
    show_columns = names("number name region address phone email retired")
    order_columns = names("number name")
    base_order = ("number", "asc")
    label_columns = {
        "number": _l("Consumer number"), "name": _l("Name"), "region": _l("Region"),
        "address": _l("Address"), "phone": _l("Telephone"), "email": _l("E-mail"),
        "retired": _l("Retired"),
    }  # fmt: skip
    folded = frozenset({"retired"})
    searched = (Consumer.number, Consumer.name, Consumer.phone)
    filters = (
        Searched(name="region", label=_l("Region"), column=Consumer.region_id, model=Region,
                 endpoint="Regions.lookup"),
        YesNo(name="retired", label=_l("Retired"), column=Consumer.retired),
    )  # fmt: skip
    loads = (joinedload(Consumer.region),)
    related = (Related("Sales", "consumer", Sale.consumer_id),)

    def name_of(self, row: Consumer) -> str:
        """Name and number: names are shared."""
        return f"{row.name} · {row.number}"
