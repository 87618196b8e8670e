"""Engineering tokens that somebody wanted and did not get: who, what, and why not."""

from typing import Any

from flask_babel import gettext
from sqlalchemy.orm import joinedload, undefer

from vmsapp.i18n import _, _l
from vmsapp.models import EngineeringRefusal, Meter, VendingPoint
from vmsapp.security import ENGINEERING_REFUSALS
from vmsapp.services.approvals.outcomes import said_again
from vmsapp.services.engineering.making import NAMES
from vmsapp.sts import identifiers
from vmsapp.views.base import sentence
from vmsapp.views.engineering.words import function_name, value_said
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Among, Choice, Days, Searched, names_of
from vmsapp.views.lists.mine import Mine
from vmsapp.views.lists.pages import OfficeInterface, names
from vmsapp.views.look import digits


def _why(row: EngineeringRefusal) -> str:
    return sentence(said_again(row.outcome))


def _meter(row: EngineeringRefusal) -> Any:  # noqa: ANN401 - a piece of HTML
    return digits(identifiers.drn.format(row.meter.drn))


class EngineeringRefusals(Exported):
    """What was refused about the meters the asker sees."""

    datamodel = OfficeInterface(EngineeringRefusal)
    route_base = "/engineering-refusals"
    class_permission_name = ENGINEERING_REFUSALS
    base_permissions = names("can_list can_show can_export")

    list_title = _l("Refused engineering tokens")
    list_columns = names("id refused_at function meter why wanted_by vending_point")
    show_columns = names("refused_at function wanted meter why reason wanted_by vending_point")
    order_columns = names("id refused_at")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Number"), "refused_at": _l("Refused at"),
        "function": _l("What the meter was to do"), "wanted": _l("Value"),
        "meter": _l("Meter number"), "why": _l("Why not"), "reason": _l("Reason given"),
        "wanted_by": _l("Wanted by"), "vending_point": _l("Vending point"),
    }  # fmt: skip
    filters = (
        Days(name="refused", label=_l("Refused at"), column=EngineeringRefusal.refused_at),
        Choice(name="function", label=_l("What the meter was to do"),
               column=EngineeringRefusal.function, words=NAMES),
        Searched(name="meter", label=_l("Meter number"), column=EngineeringRefusal.meter_id,
                 model=Meter, endpoint="Meters.lookup"),
        Mine(name="by", label=_l("Wanted by"), column=EngineeringRefusal.wanted_by_id),
        Among(name="point", label=_l("Vending point"), column=EngineeringRefusal.vending_point_id,
              model=VendingPoint, text=names_of(VendingPoint, VendingPoint.name)),
    )  # fmt: skip
    loads = (
        joinedload(EngineeringRefusal.meter), joinedload(EngineeringRefusal.vending_point),
        undefer(EngineeringRefusal.wanted_by),
    )  # fmt: skip
    cells = {
        "function": lambda row: function_name(row.function),
        "wanted": lambda row: value_said(row.function, row.wanted),
        "meter": _meter,
        "why": _why,
    }
    export_columns = names("id refused_at function wanted meter why reason wanted_by vending_point")
    export_cells = {"meter": lambda row: row.meter.drn}
    empty = _l("What was refused stands here: who wanted which token, and why there was none.")

    def name_of(self, row: EngineeringRefusal) -> str:
        """What was wanted, and its number."""
        return str(
            _("Refused: %(function)s (%(id)s)", function=gettext(NAMES[row.function]), id=row.id)
        )
