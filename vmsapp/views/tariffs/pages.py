"""Tariffs: what meters are given, and the dated plans that say what units cost."""

from collections.abc import Sequence
from typing import Any, ClassVar

from flask import flash, g, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import Select
from werkzeug.wrappers import Response
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Length

from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.models import Tariff
from vmsapp.services.tariffs import editing, looking, rules
from vmsapp.services.tariffs.looking import Overview
from vmsapp.views.base import actor, session
from vmsapp.views.forms import OfficeForm
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, YesNo
from vmsapp.views.lists.pages import ACTING, Answer, OfficeInterface, names, view_named
from vmsapp.views.look import number_text, state
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.tariffs.plan_editor import today
from vmsapp.views.tariffs.plan_words import plan_state
from vmsapp.views.tariffs.simulation_pages import SimulationPages
from vmsapp.views.tariffs.try_price import TARIFF_DEEDS
from vmsapp.views.words import METER_TYPES


class RenameForm(OfficeForm):
    """What a tariff is called."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=120)])
    tariff_index = StringField(
        _l("Tariff index (TI)"), [Length(max=5)],
        description=_l(
            "2 digits. Where a meter carries another, key change tokens are offered at its next"
            " sale. Leave it empty if meters of this tariff may have any."
        ),
    )  # fmt: skip

    def index(self) -> str:
        """The index, in ASCII digits."""
        return ascii_digits(self.tariff_index.data or "").strip()


class TariffForm(RenameForm):
    """A new tariff."""

    meter_type = SelectField(
        _l("Meter type"), choices=list,
        description=_l("The meters it can be given to. It cannot change."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.meter_type.choices = [(code, _(word)) for code, word in METER_TYPES.items()]


def overview(tariff: Tariff) -> Overview:
    """What is known of one tariff, read once for an answer."""
    known: dict[int, Overview] = g.setdefault("tariff_overviews", {})
    if tariff.id not in known:
        known |= looking.overviews(session(), [tariff.id], today())
    return known[tariff.id]


def _in_force(tariff: Tariff) -> Any:  # noqa: ANN401 - a cell
    row = overview(tariff).in_force
    return None if row is None else row.effective_on


def _following(tariff: Tariff) -> Any:  # noqa: ANN401 - a cell
    row = overview(tariff).following
    return None if row is None else row.effective_on


def _state(tariff: Tariff) -> Markup:
    if tariff.retired:
        return state(_("Retired tariff"), "bad")
    if overview(tariff).in_force is None:
        return state(_("No plan in force"), "warn")
    return state(_("In use"), "good")


class Tariffs(Exported, SimulationPages, OfficeModelView):
    """Reference data of the utility."""

    datamodel = OfficeInterface(Tariff)
    route_base = "/tariffs"
    base_permissions: ClassVar[list[str] | None] = [*TARIFF_DEEDS]
    exclude_route_methods: ClassVar[set[str]] = {"download"} | ACTING
    add_form, edit_form = TariffForm, RenameForm
    show_template = "tariffs/show.html"

    list_title = _l("Tariffs")
    add_title = _l("Add tariff")
    empty = _l(
        "A tariff says what units cost. Add one for a meter type first, then its plan: the"
        " prices, and from when they are in force."
    )
    list_columns = names("name meter_type in_force following meters state")
    show_columns = names("name meter_type tariff_index state meters in_force following")
    add_columns = names("name meter_type tariff_index")
    edit_columns = names("name tariff_index")
    order_columns = names("name meter_type")
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Name"), "meter_type": _l("Meter type"),
        "tariff_index": _l("Tariff index (TI)"),
        "in_force": _l("Plan in force since"), "following": _l("Next plan from"),
        "meters": _l("Meters"), "state": _l("State"),
    }  # fmt: skip
    numbers = frozenset({"meters"})
    searched = (Tariff.name,)
    filters = (
        Choice(name="type", label=_l("Meter type"), column=Tariff.meter_type, words=METER_TYPES),
        YesNo(name="retired", label=_l("Retired tariff"), column=Tariff.retired),
    )
    cells = {
        "meter_type": lambda tariff: _(METER_TYPES[tariff.meter_type]),
        "in_force": _in_force,
        "following": _following,
        "meters": lambda tariff: number_text(overview(tariff).meters),
        "state": _state,
    }

    export_cells = {"meters": lambda tariff: overview(tariff).meters}

    # looking

    @expose("/lookup")
    @has_access
    @permission_name("look_up")
    def lookup(self) -> Response:
        """Answer a searching field, also of who does not see this screen."""
        return self._found()

    def offered(self) -> Select[Any]:
        """No further meter is given a retired one."""
        return super().offered().where(Tariff.retired.is_(False))

    def make_ready(self, rows: Sequence[Tariff]) -> None:
        """Read the plans and the meters of all rows at once."""
        wanted = [row.id for row in rows]
        g.tariff_overviews = looking.overviews(session(), wanted, today())

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show a tariff with its plans."""
        row, plans = self.row(pk), self.dated(pk)
        coming = [one.row for one in plans if one.state == "coming"]
        g.tariff_overviews = {
            pk: Overview(
                in_force=next((one.row for one in plans if one.state == "now"), None),
                following=coming[-1] if coming else None,
                meters=rules.meters_of(session(), pk),
            )
        }
        return self._page(
            self.show_template, title=row.name, row=row, plans=plans,
            plan_state=plan_state, meters_url=self._meters_url(row),
            may_go=not rules.is_used(session(), pk),
        )  # fmt: skip

    def _meters_url(self, row: Tariff) -> str | None:
        meters = view_named(self.appbuilder, "Meters")
        return str(meters.url("list", tariff=row.id)) if meters.may("list") else None

    # changing

    @expose("/delete/<int:pk>", methods=["POST"])
    @has_access
    def delete(self, pk: int) -> Answer:
        """Delete a tariff on which nothing hangs, with its plans."""
        self.row(pk)
        name = editing.delete_tariff(session(), actor(), pk)
        flash(_("“%(name)s” was deleted.", name=name), "success")
        return redirect(self.url("list"))

    @expose("/retire/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("edit")
    def retire(self, pk: int) -> Answer:
        """Retire a tariff, or take one back, having said what that does."""
        row = self.row(pk)
        if request.method == "POST":
            back = request.form.get("deed") == "take_back"
            (editing.take_back if back else editing.retire)(session(), actor(), pk)
            flash(
                _("“%(name)s” can be given to meters again.", name=row.name) if back
                else _("“%(name)s” is retired.", name=row.name),
                "success",
            )  # fmt: skip
            return redirect(self.url("show", pk=pk))
        return self._page(
            "tariffs/retire.html", row=row, trail=self.trail(row),
            meters=rules.meters_of(session(), pk),
        )  # fmt: skip

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Response:
        if pk is not None:
            with atomic(session()) as current:
                editing.locked(current, pk)
                self._unchanged(pk, columns)
                editing.rename(current, actor(), pk, form.name.data)
                editing.give_index(current, actor(), pk, form.index())
            flash(_("Saved."), "success")
            return redirect(self.url("show", pk=pk))
        added = editing.add_tariff(
            session(), actor(), name=form.name.data, meter_type=form.meter_type.data,
            tariff_index=form.index(),
        )  # fmt: skip
        flash(_("“%(name)s” was added. Now add its plan.", name=added.name), "success")
        if request.form.get("again") == "yes":
            return redirect(self.url("add"))
        to_plan = self.url("new_plan", pk=added.id) if self.may("plan") else None
        return redirect(to_plan or self.url("show", pk=added.id))
