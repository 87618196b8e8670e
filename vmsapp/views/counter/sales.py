"""Sales made so far, to be found again; their tokens are shown at the counter alone."""

from collections.abc import Sequence
from decimal import Decimal

from flask import current_app, url_for
from flask_appbuilder import expose, has_access, permission_name
from markupsafe import Markup
from sqlalchemy.orm import defer, joinedload, undefer

from vmsapp.i18n import _, _l, money_text, units_text
from vmsapp.models import Consumer, Meter, Sale, SaleState, SecurityModule
from vmsapp.security import COUNTER, MODULES
from vmsapp.services import receipts
from vmsapp.views.base import session
from vmsapp.views.counter.reversing import REVERSAL_FILTER, ReversalPages, reversal_said
from vmsapp.views.counter.sale_filters import ABOUT, COUNTED, HOUR, MADE, RECEIPT, SOLD, TAKEN_BACK
from vmsapp.views.counter.sale_hands import HANDS
from vmsapp.views.counter.sale_lines import STEP, TAX
from vmsapp.views.counter.settling import goes_back, request_link
from vmsapp.views.counter.slips import free_said
from vmsapp.views.counter.why import sale_explained
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, Searched
from vmsapp.views.lists.pages import OfficeInterface, names
from vmsapp.views.look import digits, state
from vmsapp.views.words import SALE_KINDS, SALE_STATES

TONES = {"issued": "good", "failed": "bad", "pending": "warn"}


def _money(sale: Sale, minor: int) -> str:
    return money_text(minor, sale.currency, sale.exponent)


def _exact(sale: Sale, minor: int) -> Decimal:
    """An amount as a number, in the currency that stands beside it in files."""
    return Decimal(minor).scaleb(-sale.exponent)


def _sold(sale: Sale) -> str:
    """Units, or the money that a meter was given that rates itself."""
    if sale.credit_minor is None:
        return units_text(sale.units)
    return _money(sale, sale.credit_minor)


def _paid(sale: Sale) -> str:
    """What was to be paid; muted where nothing was sold for it."""
    paid = _money(sale, sale.charged_minor)
    if sale.state != SaleState.FAILED:
        return paid
    return Markup('<span class="muted">{}</span>').format(paid)


def _received(sale: Sale) -> str:
    """What was received, and that it goes back where nothing was sold for it."""
    received, said = _money(sale, sale.received_minor), goes_back(sale)
    if not said:
        return received
    return Markup('<bdi>{}</bdi> <span class="muted">{}</span>').format(received, said)


def _given_for(sale: Sale) -> str | None:
    """Why it was given without money, what it is worth, and what it makes up for."""
    free = receipts.free_token_of(session(), sale)
    said = free_said(free)
    if free is None or said is None:
        return None
    parts = [said[1], free.note]
    if free.for_sale_id is not None:
        parts.append(str(_("It makes up for sale %(id)s.", id=free.for_sale_id)))
    parts.append(str(_("Worth %(amount)s.", amount=_money(sale, free.value_minor))))
    return "\n".join(part for part in parts if part)


def _module(sale: Sale) -> str:
    """Which module was asked for its token; for who may, the way to its page."""
    name = session().get_one(SecurityModule, sale.module_id).name
    if not current_app.extensions["appbuilder"].sm.has_access("can_show", MODULES):
        return name
    url = url_for("SecurityModules.show", pk=sale.module_id)
    return Markup('<a href="{}"><bdi>{}</bdi></a>').format(url, name)


class Sales(ReversalPages, Exported):
    """The sales of the asker's vending point, or of those in the asker's region."""

    datamodel = OfficeInterface(Sale)
    route_base = "/sales"
    base_permissions = names("can_list can_show can_export can_reverse")

    list_title = _l("Sales")
    list_columns = names(
        "id state receipt sold_at consumer meter units charged_minor vending_point"
    )
    show_columns = names(
        "id state kind receipt sold_at consumer meter units charged_minor received_minor"
        " change_minor"
        " vending_point operator_name business_date module given_for taken_back"
    )
    days = "business_date"
    order_columns = names("id sold_at charged_minor")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Sale"), "receipt": _l("Receipt"), "sold_at": _l("Sold at"),
        "consumer": _l("Consumer"),
        "meter": _l("Meter number"), "units": _l("Units"), "charged_minor": _l("Paid"),
        "received_minor": _l("Received"), "change_minor": _l("Change"),
        "vending_point": _l("Vending point"), "operator_name": _l("Operator"),
        "business_date": _l("Business date"), "state": _l("State"),
        "module": _l("Security module"), "consumer_number": _l("Consumer number"),
        "credit": _l("Credit"), "charged": _l("Paid"), "received": _l("Received"),
        "change": _l("Change"), "currency": _l("Currency"), "taken_back": _l("Taken back"),
        "kind": _l("Kind"), "given_for": _l("Given for"),
    }  # fmt: skip
    numbers = frozenset({"units", "charged_minor", "received_minor", "change_minor"})
    filters = (
        RECEIPT,
        SOLD,
        HOUR,
        Choice(name="state", label=_l("State"), column=Sale.state, words=SALE_STATES),
        Choice(name="kind", label=_l("Kind"), column=Sale.kind, words=SALE_KINDS),
        *ABOUT,
        Searched(name="consumer", label=_l("Consumer"), column=Sale.consumer_id, model=Consumer,
                 endpoint="Consumers.lookup"),
        Searched(name="meter", label=_l("Meter number"), column=Sale.meter_id, model=Meter,
                 endpoint="Meters.lookup"),
        MADE,
        TAKEN_BACK,
        COUNTED,
        *HANDS,
        TAX,
        STEP,
        REVERSAL_FILTER,
    )  # fmt: skip
    loads = (
        joinedload(Sale.consumer), joinedload(Sale.meter), joinedload(Sale.vending_point),
        undefer(Sale.operator_name), defer(Sale.calculation),
    )  # fmt: skip
    cells = {
        "consumer": lambda sale: sale.consumer or _("Outside your region"),
        "meter": lambda sale: digits(sale.meter.drn) if sale.meter else _("Outside your region"),
        "receipt": lambda sale: digits(sale.receipt) if sale.receipt else None,
        "units": _sold,
        "charged_minor": _paid,
        "received_minor": _received,
        "change_minor": lambda sale: _money(sale, sale.change_minor),
        "module": _module,
        "taken_back": reversal_said,
        "kind": lambda sale: _(SALE_KINDS[sale.kind]),
        "given_for": _given_for,
        "state": lambda sale: state(_(SALE_STATES[sale.state]), TONES.get(sale.state)),
    }
    export_columns = names(
        "id state receipt sold_at business_date consumer_number consumer meter units credit charged"
        " received change currency vending_point operator_name kind"
    )
    export_cells = {
        "consumer_number": lambda sale: sale.consumer.number if sale.consumer else None,
        "units": lambda sale: None if sale.in_money else sale.units,
        "credit": lambda sale: sale.credit_minor and _exact(sale, sale.credit_minor),
        "charged": lambda sale: _exact(sale, sale.charged_minor),
        "received": lambda sale: _exact(sale, sale.received_minor),
        "change": lambda sale: _exact(sale, sale.change_minor),
    }
    empty = _l("Sales stand here as soon as the first token is sold at the counter.")

    def links(self, row: Sale) -> Sequence[tuple[str, str]]:
        """Where it goes on at the counter, and what was asked for about its money."""
        asked = request_link(row)
        links = [] if row.is_free else [(_("Why this amount?"), self.url("why", pk=row.id))]
        if self.appbuilder.sm.has_access("can_receipt", COUNTER):
            word = _("Open at the counter") if row.state == "pending" else _("Open the receipt")
            links.append((word, url_for("Counter.sale", sale_id=row.id)))
        links += self.reversal_links(row)
        return [*links, asked] if asked else links

    @expose("/why/<int:pk>")
    @has_access
    @permission_name("show")
    def why(self, pk: int) -> str:
        """Explain what a sale cost."""
        return sale_explained(self, pk, self.url("show", pk=pk))

    def name_of(self, row: Sale) -> str:
        """Its number."""
        return str(_("Sale %(id)s", id=row.id))
