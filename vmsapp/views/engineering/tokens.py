"""Engineering tokens: their records, and the way to a new one: meter, card, value, token."""

from collections.abc import Sequence
from typing import Any, Final

from flask import abort, current_app, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from sqlalchemy.orm import joinedload, undefer

from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import (
    ApprovalRequest,
    EngineeringState,
    EngineeringToken,
    Meter,
    MeterState,
    VendingPoint,
)
from vmsapp.security import ENGINEERING
from vmsapp.services import meter_search
from vmsapp.services.engineering.functions import FUNCTIONS, Function
from vmsapp.services.engineering.making import MAKING, NAMES
from vmsapp.services.engineering.showing import consumer_of, last_of
from vmsapp.services.engineering.start import start
from vmsapp.services.setup import installation
from vmsapp.services.vending import new_key
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts import identifiers
from vmsapp.views.approvals.deeds import after, put_refusal, said_beforehand, tell
from vmsapp.views.base import actor, modules, sentence, session, status_of
from vmsapp.views.counter.search import MAX_SEARCH
from vmsapp.views.engineering.forms import MakeForm
from vmsapp.views.engineering.printing import EngineeringPrinting
from vmsapp.views.engineering.words import (
    DOES,
    ICONS,
    STATES,
    TONES,
    carried_said,
    function_name,
    value_said,
    why_not_made,
)
from vmsapp.views.forms import tidy
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Among, Choice, Days, Searched, names_of
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.mine import Mine
from vmsapp.views.lists.pages import Answer, OfficeInterface, names
from vmsapp.views.look import digits, state
from vmsapp.views.numbers import ascii_digits

LAST: Final = 5


def _meter(token: EngineeringToken) -> Any:  # noqa: ANN401 - a piece of HTML
    return digits(identifiers.drn.format(token.meter.drn))


def _key(token: EngineeringToken) -> Any:  # noqa: ANN401 - a piece of HTML
    return digits(f"{token.sgc} / {token.krn} / {token.ti}")


class EngineeringTokens(EngineeringPrinting, Exported):
    """The tokens that manage meters, and the pages that make them."""

    datamodel = OfficeInterface(EngineeringToken)
    route_base = "/engineering"
    class_permission_name = ENGINEERING
    base_permissions = names("can_list can_show can_digits can_make can_reprint can_export")
    list_template = "engineering/list.html"
    show_template = "engineering/show.html"

    list_title = _l("Engineering tokens")
    list_columns = names("id function wanted meter state reserved_at reserved_by vending_point")
    show_columns = names(
        "function wanted carried meter consumer state failure reason reserved_at reserved_by"
        " issued_at vending_point key"
    )
    order_columns = names("id reserved_at")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Record"), "function": _l("What the meter does"), "wanted": _l("Value"),
        "carried": _l("The token carries"), "meter": _l("Meter number"),
        "consumer": _l("Consumer"), "state": _l("State"), "failure": _l("Why not"),
        "reason": _l("Reason"), "reserved_at": _l("Made at"), "reserved_by": _l("Made by"),
        "issued_at": _l("Token made at"), "vending_point": _l("Vending point"),
        "key": _l("SGC / KRN / TI"),
    }  # fmt: skip
    numbers = frozenset({"wanted"})
    filters = (
        Days(name="made", label=_l("Made at"), column=EngineeringToken.reserved_at),
        Choice(name="function", label=_l("What the meter does"), column=EngineeringToken.function,
               words=NAMES),
        Choice(name="state", label=_l("State"), column=EngineeringToken.state, words=STATES),
        Searched(name="meter", label=_l("Meter number"), column=EngineeringToken.meter_id,
                 model=Meter, endpoint="Meters.lookup"),
        Mine(name="by", label=_l("Made by"), column=EngineeringToken.reserved_by_id),
        Among(name="point", label=_l("Vending point"), column=EngineeringToken.vending_point_id,
              model=VendingPoint, text=names_of(VendingPoint, VendingPoint.name)),
    )  # fmt: skip
    loads = (
        joinedload(EngineeringToken.meter), joinedload(EngineeringToken.vending_point),
        undefer(EngineeringToken.reserved_by),
    )  # fmt: skip
    cells = {
        "id": lambda token: digits(token.number),
        "function": lambda token: function_name(token.function),
        "wanted": lambda token: value_said(token.function, token.wanted),
        "carried": carried_said,
        "meter": _meter,
        "key": _key,
        "failure": lambda token: why_not_made(token.failure) if token.failure else None,
        "state": lambda token: state(gettext(STATES[token.state]), TONES.get(token.state)),
    }
    export_columns = names(
        "id function wanted carried meter state failure reason reserved_at issued_at reserved_by"
        " vending_point"
    )
    export_cells = {
        "id": lambda token: token.number,
        "meter": lambda token: token.meter.drn,
        "state": lambda token: gettext(STATES[token.state]),
    }
    empty = _l("Tokens that set or clear something in a meter stand here once one is made.")

    def name_of(self, row: EngineeringToken) -> str:
        """Its record number."""
        return str(_("Engineering token %(number)s", number=row.number))

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show a token; its digits to who may see them."""
        found = self.shown(pk)
        row = found.token
        return self._page(
            self.show_template, title=self.name_of(row), row=row, found=found, related=(),
            prints=self.prints(found), waits=row.state == EngineeringState.RESERVED,
        )  # fmt: skip

    def value(self, row: Any, column: str) -> Any:  # noqa: ANN401
        """What stands in a cell; the consumer is who has the meter now."""
        if column == "consumer":
            found = consumer_of(session(), row.meter_id)
            return None if found is None else f"{found.name} · {found.number}"
        return super().value(row, column)

    # a new one

    @expose("/find")
    @has_access
    @permission_name("make")
    def find(self) -> Answer:
        """Find the meter; one hit opens it at once."""
        text = ascii_digits(request.args.get("q", "")[:MAX_SEARCH]).strip()
        found: list[meter_search.Found] = []
        refusal = None
        try:
            found = meter_search.find_meters(session(), text)
        except meter_search.WrongCheckDigit as error:
            refusal = sentence(error)
        if len(found) == 1:
            return redirect(self.url("cards", meter_id=found[0].meter.id))
        return self._page(
            "engineering/find.html", text=text, found=found, refusal=refusal,
            limit=meter_search.MAX_FOUND,
        )  # fmt: skip

    @expose("/meter/<int:meter_id>")
    @has_access
    @permission_name("make")
    def cards(self, meter_id: int) -> Answer:
        """Show whose meter it is, and the cards of what it can be told."""
        meter = self._meter_row(meter_id)
        cards = [
            (each, gettext(NAMES[each]), gettext(DOES[each]), ICONS[each])
            for each, spec in FUNCTIONS.items()
            if spec.fits(meter)
        ]
        return self._page(
            "engineering/cards.html", cards=cards, last=last_of(session(), meter_id, LAST),
            **self._about(meter),
        )  # fmt: skip

    @expose("/meter/<int:meter_id>/<string:function>", methods=["GET", "POST"])
    @has_access
    @permission_name("make")
    def make(self, meter_id: int, function: str) -> Answer:
        """Ask for the value, and have the token made."""
        if function not in set(Function):
            abort(404)
        meter, wanted, status = self._meter_row(meter_id), Function(function), 200
        form = MakeForm(data={"key": new_key(installation(session()).epoch)})
        columns = form.of_function(wanted, meter)
        if form.is_submitted():
            tidy(form)
            status = 422
            if form.validate():
                try:
                    return self._made(form, wanted, meter)
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    meter, status = self._meter_row(meter_id), status_of(error)
                    put_refusal(form, error, self._field_of(error, wanted))
        page = self._page(
            "engineering/make.html", title=gettext(NAMES[wanted]), does=gettext(DOES[wanted]),
            form=form, columns=columns,
            second=said_beforehand(MAKING[wanted], None), **self._about(meter),
        )  # fmt: skip
        return page, status

    def _made(self, form: MakeForm, wanted: Function, meter: Meter) -> Answer:
        tables = str(current_app.extensions["vms_settings"].sta_tables)
        wish = form.wish(wanted, meter, tables)
        made = start(session(), modules(), actor(), wish, form.key.data or "")
        if isinstance(made, ApprovalRequest):
            tell(made, "")
            return after(made, self.url("cards", meter_id=meter.id))
        match made.state:
            case EngineeringState.ISSUED:
                flash(_("The token is made. Enter it at the meter."), "success")
            case EngineeringState.FAILED:
                said = why_not_made(made.failure or "")
                flash(_("No token was made. %(why)s", why=said), "danger")
            case _:
                flash(_("The token is being made. Look again in a moment."), "info")
        return redirect(self.url("show", pk=made.id))

    def _field_of(self, error: VmsError, wanted: Function) -> str | None:
        """Where a refusal of the value stands: a balance is chosen, not typed."""
        field = getattr(error, "field", None)
        return "register" if wanted is Function.CLEAR_CREDIT and field == "value" else field

    def _meter_row(self, meter_id: int) -> Meter:
        meter: Meter | None = row_of(session(), Meter, meter_id, joinedload(Meter.region))
        if meter is None:
            raise NoSuchMeter
        return meter

    def _about(self, meter: Meter) -> dict[str, Any]:
        """Whose meter it is, on each page on the way to a token."""
        return {
            "meter": meter,
            "consumer": consumer_of(session(), meter.id),
            "retired": meter.state == MeterState.RETIRED,
        }

    def links(self, row: EngineeringToken) -> Sequence[tuple[str, str]]:
        """Where it goes on: another token for the meter, and its slip."""
        links = []
        if self.may("make"):
            links.append((str(_("Another token")), self.url("cards", meter_id=row.meter_id)))
        if row.state == EngineeringState.ISSUED and self.may("digits"):
            links.append((str(_("Print…")), self.url("preview", pk=row.id)))
        return links
