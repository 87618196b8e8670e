"""Vending points: the counters where tokens are sold."""

from collections.abc import Sequence
from typing import Any

from flask import url_for
from sqlalchemy import delete
from sqlalchemy.orm import joinedload
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Email, Length, Optional

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import ReceiptCounter, Region, Sale, VendingPoint, VendingPointAccount
from vmsapp.security import FLOATS
from vmsapp.views.base import session
from vmsapp.views.crud import OfficeModelView
from vmsapp.views.filters import Choice, Searched
from vmsapp.views.forms import LookupField, OfficeForm
from vmsapp.views.lists import OfficeInterface, Related, names

PAPER = {"80mm": N_("Roll, 80 mm"), "58mm": N_("Roll, 58 mm"), "a4": N_("A4")}


class VendingPointForm(OfficeForm):
    """Where it is, and whom to ask there."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=120)])
    region = LookupField(
        _l("Region"), [DataRequired(_l("Choose a region."))],
        model=Region, endpoint="Regions.lookup", description=_l("Type a part of its name."),
    )  # fmt: skip
    address = StringField(_l("Address"), [Length(max=255)])
    contact_person = StringField(_l("Contact person"), [Length(max=120)])
    telephone = StringField(_l("Telephone"), [Length(max=40)])
    email = StringField(
        _l("E-mail"), [Optional(), Email(_l("This is no e-mail address.")), Length(max=120)]
    )
    paper_size = SelectField(_l("Receipt paper"), choices=list)

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.paper_size.choices = [(code, _(word)) for code, word in PAPER.items()]


class VendingPoints(OfficeModelView):
    """Reference data of the utility; each has an account from its first day."""

    datamodel = OfficeInterface(VendingPoint)
    route_base = "/vending-points"
    add_form = edit_form = VendingPointForm

    list_title = _l("Vending points")
    add_title = _l("Add vending point")
    empty = _l("Tokens are sold at vending points. Add one before an operator can sell.")
    list_columns = names("name region contact_person telephone paper_size")
    show_columns = names("name region address contact_person telephone email paper_size")
    add_columns = edit_columns = show_columns
    order_columns = names("name contact_person")
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Name"), "region": _l("Region"), "address": _l("Address"),
        "contact_person": _l("Contact person"), "telephone": _l("Telephone"), "email": _l("E-mail"),
        "paper_size": _l("Receipt paper"),
    }  # fmt: skip
    searched = (VendingPoint.name, VendingPoint.address, VendingPoint.contact_person)
    filters = (
        Searched(name="region", label=_l("Region"), column=VendingPoint.region_id, model=Region,
                 endpoint="Regions.lookup"),
        Choice(name="paper", label=_l("Receipt paper"), column=VendingPoint.paper_size,
               words=PAPER),
    )  # fmt: skip
    loads = (joinedload(VendingPoint.region),)
    cells = {"paper_size": lambda point: _(PAPER[point.paper_size])}
    related = (Related("Sales", "point", Sale.vending_point_id),)

    def links(self, row: VendingPoint) -> Sequence[tuple[str, str]]:
        """Its float."""
        if not self.appbuilder.sm.has_access("can_show", FLOATS):
            return ()
        return [(_("Float"), url_for("Floats.show", pk=row.id))]

    def pre_delete(self, item: VendingPoint) -> None:
        """Close its account and receipts; what was sold there keeps it from being deleted."""
        for model in (VendingPointAccount, ReceiptCounter):
            session().execute(delete(model).where(model.vending_point_id == item.id))

    def pre_add(self, item: VendingPoint) -> None:
        """Open the account the point sells from."""
        session().add(item)
        session().flush()
        session().add(VendingPointAccount(vending_point_id=item.id))
