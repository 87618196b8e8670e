"""Meters, to be found and looked at."""

from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import joinedload

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import Meter, Product, Region, Sale
from vmsapp.sts import identifiers
from vmsapp.views.filters import Choice, Searched
from vmsapp.views.lists import OfficeInterface, OfficeListView, Related, names
from vmsapp.views.look import digits, state
from vmsapp.views.words import METER_STATES, METER_TYPES

ALGORITHMS = {"legacy": N_("Legacy"), "sts6": N_("STS6")}
BASE_YEARS = {"93": "1993", "14": "2014", "35": "2035"}
TONES = {"active": "good", "blocked": "bad"}


class Meters(OfficeListView):
    """The meters in the asker's region."""

    datamodel = OfficeInterface(Meter)
    route_base = "/meters"

    list_title = _l("Meters")
    list_columns = names("drn meter_type product region tariff algorithm state")
    show_fieldsets = [
        (None, {"fields": names("drn meter_type product region tariff state blocked_reason")}),
        (_l("Key parameters"), {"fields": names("algorithm sgc krn ti kt base_date")}),
    ]
    order_columns = names("drn meter_type algorithm state")
    base_order = ("drn", "asc")
    label_columns = {
        "drn": _l("Meter number"), "meter_type": _l("Meter type"), "product": _l("Product"),
        "region": _l("Region"), "tariff": _l("Tariff"), "algorithm": _l("Algorithm"),
        "state": _l("State"), "blocked_reason": _l("Blocked because"),
        "sgc": _l("Supply group code (SGC)"), "krn": _l("Key revision number (KRN)"),
        "ti": _l("Tariff index (TI)"), "kt": _l("Key type (KT)"), "base_date": _l("Base date"),
    }  # fmt: skip
    searched = (Meter.drn,)
    filters = (
        Choice(name="state", label=_l("State"), column=Meter.state, words=METER_STATES),
        Choice(name="type", label=_l("Meter type"), column=Meter.meter_type, words=METER_TYPES),
        Choice(name="algorithm", label=_l("Algorithm"), column=Meter.algorithm, words=ALGORITHMS),
        Searched(name="region", label=_l("Region"), column=Meter.region_id, model=Region,
                 endpoint="Regions.lookup"),
        Searched(name="product", label=_l("Product"), column=Meter.product_id, model=Product,
                 endpoint="Products.lookup"),
    )  # fmt: skip
    loads = (joinedload(Meter.product), joinedload(Meter.region), joinedload(Meter.tariff))
    cells = {
        "base_date": lambda meter: BASE_YEARS[meter.base_date],
        "drn": lambda meter: digits(identifiers.drn.format(meter.drn)),
        "meter_type": lambda meter: _(METER_TYPES[meter.meter_type]),
        "algorithm": lambda meter: _(ALGORITHMS[meter.algorithm]),
        "state": lambda meter: state(_(METER_STATES[meter.state]), TONES.get(meter.state)),
    }
    related = (Related("Sales", "meter", Sale.meter_id),)

    def matching(self, statement: Select[Any], search: str) -> Select[Any]:
        """Find a number however it is grouped."""
        return super().matching(statement, identifiers.drn.compact(search))

    def name_of(self, row: Meter) -> str:
        """Its number, in groups."""
        return identifiers.drn.format(row.drn)
