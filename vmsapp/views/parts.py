"""Every part pages are made of, on one page, for who builds them. Absent in production."""

from typing import Any, ClassVar, Final

from flask import flash, jsonify, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from werkzeug.wrappers import Response
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired

from vmsapp.i18n import _, _l
from vmsapp.models import Region
from vmsapp.views.base import OfficeView
from vmsapp.views.forms import LookupField, MoneyField, OfficeForm, UnitsField
from vmsapp.views.lists.pages import view_named
from vmsapp.views.look import time_left

SPECIMEN: Final = "12345678901234567890"
"""Twenty digits that are no token of any meter."""

TOTAL: Final = 16_000


class PartsForm(OfficeForm):
    """One field of each kind."""

    name = StringField(_l("Name"), [DataRequired()], description=_l("Help stands under the field."))
    amount = MoneyField(_l("Amount"), [DataRequired()])
    quantity = UnitsField(_l("Quantity"), unit=_l("kWh"))
    kind = SelectField(_l("Meter type"), choices=lambda: [("water", _("Water")), ("gas", _("Gas"))])
    region = LookupField(_l("Region"), model=Region, endpoint="Regions.lookup")
    remark = TextAreaField(_l("Remark"))
    sure = BooleanField(_l("I have read this"))


class Parts(OfficeView):
    """A page to look at, in both appearances and directions."""

    route_base = "/_parts"
    default_view = "show"
    class_permission_name = "Parts"
    done: ClassVar[int] = 5_200

    @expose("/")
    @has_access
    @permission_name("show")
    def show(self) -> str:
        """Show every part."""
        return self._page(PartsForm())

    @expose("/", methods=["POST"])
    @has_access
    @permission_name("show")
    def send(self) -> Any:  # noqa: ANN401 - a page or a redirect
        """Show the form's errors, or a toast."""
        form = PartsForm()
        if not form.validate():
            return self._page(form), 422
        flash(_("Saved."), request.form.get("tone", "success"))
        return redirect(url_for("Parts.show"))

    @expose("/progress")
    @has_access
    @permission_name("show")
    def progress(self) -> Response:
        """Tell how far the specimen of a long task is."""
        return jsonify(done=self.done, total=TOTAL, text=self._said(), finished=False)

    def _said(self) -> str:
        left = time_left((TOTAL - self.done) // 100)
        return str(_("%(done)s of %(total)s, about %(left)s left",
                     done=self.done, total=TOTAL, left=left))  # fmt: skip

    def _page(self, form: PartsForm) -> str:
        users = view_named(self.appbuilder, "Users")
        return self.page(
            "office/parts.html", form=form, token=SPECIMEN,
            done=self.done, total=TOTAL, progress_said=self._said(),
            view=users, listing=users.listing(),
        )  # fmt: skip
