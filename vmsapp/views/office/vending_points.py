"""Vending points: the counters where tokens are sold."""

import re
from collections.abc import Sequence
from typing import Any, Final

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from sqlalchemy import Select, inspect
from sqlalchemy.orm import joinedload
from wtforms import SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, Email, Length, Optional

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.models import Region, Sale, VendingPoint, VendingPointAccount
from vmsapp.security import FLOATS
from vmsapp.services import vending_points
from vmsapp.views.base import actor, session
from vmsapp.views.forms import LookupField, OfficeForm
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.exports import Exported, way_of
from vmsapp.views.lists.filters import Choice, Searched, YesNo
from vmsapp.views.lists.pages import Answer, OfficeInterface, Related, names
from vmsapp.views.look import state
from vmsapp.views.numbers import ascii_digits

PAPER = {"80mm": N_("Roll, 80 mm"), "58mm": N_("Roll, 58 mm"), "a4": N_("A4")}

TELEPHONE: Final = re.compile(r"(?=.*\d.*\d)[\d+][\d +()./,;-]*")
"""Digits with what people write between them; two numbers may follow one another."""


class VendingPointForm(OfficeForm):
    """Where it is, and whom to ask there."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=120)])
    region = LookupField(
        _l("Region"), [DataRequired(_l("Choose a region."))],
        model=Region, endpoint="Regions.lookup",
        description=_l(
            "Type a part of its name. Who sees the region sees what is sold here, and what was"
            " sold here before."
        ),
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

    def validate_telephone(self, field: StringField) -> None:
        """Take digits of any script and what stands between them."""
        field.data = ascii_digits(field.data or "")
        if field.data and not TELEPHONE.fullmatch(field.data):
            raise ValidationError(_("Type a telephone number with digits, like +254 20 123456."))


class VendingPoints(Exported, OfficeModelView):
    """Reference data of the utility; each has an account from its first day."""

    datamodel = OfficeInterface(VendingPoint)
    route_base = "/vending-points"
    base_permissions = None
    add_form = edit_form = VendingPointForm

    list_title = _l("Vending points")
    add_title = _l("Add vending point")
    empty = _l("Tokens are sold at vending points. Add one before an operator can sell.")
    list_columns = names("name region contact_person telephone paper_size state")
    show_columns = names(
        "name region address contact_person telephone email paper_size state closed_at"
    )
    add_columns = names("name region address contact_person telephone email paper_size")
    edit_columns = add_columns
    order_columns = names("name contact_person")
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Name"), "region": _l("Region"), "address": _l("Address"),
        "contact_person": _l("Contact person"), "telephone": _l("Telephone"), "email": _l("E-mail"),
        "paper_size": _l("Receipt paper"), "state": _l("State"), "closed_at": _l("Closed at"),
    }  # fmt: skip
    searched = (VendingPoint.name, VendingPoint.address, VendingPoint.contact_person)
    filters = (
        Searched(name="region", label=_l("Region"), column=VendingPoint.region_id, model=Region,
                 endpoint="Regions.lookup"),
        Choice(name="paper", label=_l("Receipt paper"), column=VendingPoint.paper_size,
               words=PAPER),
        YesNo(name="closed", label=_l("Closed"), column=VendingPoint.closed_at.is_not(None)),
    )  # fmt: skip
    loads = (joinedload(VendingPoint.region),)
    export_columns = names(
        "name region address contact_person telephone email paper_size state closed_at"
    )
    export_cells = {"region": lambda point: way_of(point.region_id)}
    cells = {
        "paper_size": lambda point: _(PAPER[point.paper_size]),
        "state": lambda point: (
            state(_("Closed"), "bad") if point.closed_at else state(_("Open"), "good")
        ),
    }
    related = (Related("Sales", "point", Sale.vending_point_id),)

    def offered(self) -> Select[Any]:
        """Nobody is given a closed one."""
        return super().offered().where(VendingPoint.closed_at.is_(None))

    def links(self, row: VendingPoint) -> Sequence[tuple[str, str]]:
        """To its float, and to the page on which it is closed, or opened again."""
        links = []
        if self.appbuilder.sm.has_access("can_show", FLOATS):
            links.append((_("Float"), url_for("Floats.show", pk=row.id)))
        if self.may("close"):
            word = _("Open again") if row.closed_at else _("Close for selling")
            links.append((word, self.url("close", pk=row.id)))
        return links

    @expose("/close/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("close")
    def close(self, pk: int) -> Answer:
        """Close a vending point, or open one that is closed, having said what that does."""
        row = self.row(pk)
        if request.method == "POST":
            closing = request.form.get("deed") != "reopen"
            (vending_points.close if closing else vending_points.reopen)(session(), actor(), pk)
            done = (
                _("“%(name)s” is closed. Nothing is sold there.", name=row.name)
                if closing else _("“%(name)s” is open. It can sell again.", name=row.name)
            )  # fmt: skip
            flash(done, "success")
            return redirect(self.url("show", pk=pk))
        sellers = vending_points.sellers(session(), pk)
        return self._page("office/close_point.html", row=row, sellers=sellers)

    def pre_delete(self, item: VendingPoint) -> None:
        """Close its account and receipts; what was sold there keeps it from being deleted."""
        vending_points.clear(session(), item)

    def pre_update(self, item: VendingPoint) -> None:
        """Its users must see the region it moves to."""
        if inspect(item).attrs.region_id.history.has_changes():
            vending_points.check_region(session(), item)

    def pre_add(self, item: VendingPoint) -> None:
        """Open the account the point sells from."""
        session().add(item)
        session().flush()
        session().add(VendingPointAccount(vending_point_id=item.id))
