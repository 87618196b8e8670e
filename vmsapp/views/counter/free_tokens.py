"""Tokens without money: asked for at a meter, looked at, then left to a second person."""

from typing import Any, Final

from flask import current_app, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l, money_text, units_text
from vmsapp.models import CreditMode
from vmsapp.security import COUNTER
from vmsapp.services import meters
from vmsapp.services.free_tokens.deed import GIVE
from vmsapp.services.free_tokens.errors import MAX_NOTE
from vmsapp.services.free_tokens.reserve import KINDS, REASONS, Gift, Preview, preview
from vmsapp.services.meters import Card
from vmsapp.services.setup import installation
from vmsapp.services.vending import new_key
from vmsapp.services.vending.errors import (
    MeterWithoutConsumer,
    NoVendingPoint,
    VendingPointNotChosen,
)
from vmsapp.views.approvals.deeds import DeedForm, after, put_refusal, submit
from vmsapp.views.base import OfficeView, session, status_of, utility
from vmsapp.views.counter.sending import COUNTER_DEEDS
from vmsapp.views.counter.shift_line import own_places
from vmsapp.views.forms import MoneyField, UnitsField, WholeField, tidy
from vmsapp.views.lists.pages import Answer
from vmsapp.views.words import unit_name

MOST: Final = (1 << 63) - 1
"""No id is larger."""

BESIDE: Final = {"invalid_quantity": "amount", "above_token_limit": "amount"}
"""Where refusals of the price engine stand, which speak of what is given."""


class FreeTokenForm(DeedForm):
    """What is given, and why."""

    point = SelectField(_l("Vending point"), coerce=str, choices=list, validate_choice=False)
    reason = SelectField(
        _l("Reason"), [DataRequired(_l("Choose why this token is given."))], choices=dict,
        validate_choice=False,
    )  # fmt: skip
    for_sale = WholeField(
        _l("Makes up for sale"), [Optional(), NumberRange(1, MOST, _l("A sale has a number."))],
        description=_l("The number of the sale, where a compensation is for one."),
    )  # fmt: skip
    note = StringField(
        _l("Remark"), [Length(max=MAX_NOTE)],
        description=_l("For the second person, and for whoever asks later. “Other” needs one."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.reason.choices = {"": [("", str(_("Choose")))]} | {
            gettext(KINDS[kind]): [
                (f"{kind}-{reason}", gettext(word)) for reason, word in words.items()
            ]
            for kind, words in REASONS.items()
        }
        self.reason.flags.required = True
        points = [point for point, _shift in own_places() if point.closed_at is None]
        self.points = {str(point.id): point.name for point in points}
        choose = [("", str(_("Choose")))] if len(points) != 1 else []
        self.point.choices = choose + list(self.points.items())
        self.point.flags.required = True

    def vending_point_id(self) -> int:
        """Which vending point gives it.

        Raises:
            NoVendingPoint: There is none, or it is out of sight.
            VendingPointNotChosen: There are several.
        """
        if self.point.data in self.points:
            return int(self.point.data)
        if self.point.data or not self.points:
            raise NoVendingPoint
        raise VendingPointNotChosen


class FreeUnitsForm(FreeTokenForm):
    """Units for a meter that counts them."""

    amount = UnitsField(
        _l("How much"), [InputRequired(_l("Say how much is given, above zero."))], unit="", places=1
    )


class FreeMoneyForm(FreeTokenForm):
    """Money for a meter that rates itself."""

    amount = MoneyField(_l("How much"), [InputRequired(_l("Say how much is given, above zero."))])


class FreeTokens(OfficeView):
    """Where a token without money is asked for."""

    route_base = "/counter/free"
    default_view = "give"
    class_permission_name = COUNTER
    base_permissions = COUNTER_DEEDS

    @expose("/<int:meter_id>", methods=["GET", "POST"])
    @has_access
    @permission_name("give_free")
    def give(self, meter_id: int) -> Answer:
        """Fill in what is given, look at it, then ask a second person."""
        card = meters.meter_card(session(), utility(), meter_id, now_utc())
        if card.consumer is None or card.point is None:
            raise MeterWithoutConsumer(drn=card.meter.drn)
        form = self._form(card)
        shown: Preview | None = None
        looked, status = "", 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    gift = self._gift(card, form)
                    shown, looked, status = preview(session(), gift), GIVE.freeze(gift)[1], 200
                    if request.form.get("looked") == looked:
                        asked = submit(GIVE, gift, form.key.data or "", "")
                        return after(asked, url_for("Counter.purchase", meter_id=meter_id))
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    shown, looked, status = None, "", status_of(error)
                    put_refusal(form, error, BESIDE.get(error.code))
                    card = meters.meter_card(session(), utility(), meter_id, now_utc())
        page = self.page(
            "counter/free.html", card=card, form=form, shown=shown, looked=looked,
            told=self._told(card, shown) if shown else (),
            columns=["point", "reason", "amount", "for_sale", "note"],
            back=url_for("Counter.purchase", meter_id=meter_id),
        )  # fmt: skip
        return page, status

    def _form(self, card: Card) -> FreeTokenForm:
        """The form for this meter, with a key of its own."""
        key = new_key(installation(session()).epoch)
        if card.meter.credit_mode == CreditMode.CURRENCY:
            return FreeMoneyForm(data={"key": key})
        form = FreeUnitsForm(data={"key": key})
        form.amount.set_unit(unit_name(card.meter.meter_type))
        return form

    def _gift(self, card: Card, form: Any) -> Gift:  # noqa: ANN401 - either form
        assert card.consumer is not None, "asked before"
        kind, _dash, reason = str(form.reason.data).partition("-")
        in_money = isinstance(form, FreeMoneyForm)
        return Gift(
            vending_point_id=form.vending_point_id(), meter_id=card.meter.id,
            consumer_id=card.consumer.id, kind=kind, reason=reason,
            table_set=str(current_app.extensions["vms_settings"].sta_tables),
            note=(form.note.data or "").strip(),
            units="" if in_money else f"{form.amount.data.normalize():f}",
            credit_minor=int(form.amount.data) if in_money else 0,
            for_sale_id=form.for_sale.data,
        )  # fmt: skip

    def _told(self, card: Card, shown: Preview) -> list[tuple[str, str]]:
        """What is said before a second person is asked."""
        given, setup = shown.given, utility()
        worth = money_text(given.value_minor, setup.currency, setup.exponent)
        told = [(str(_("Worth")), worth)]
        if not given.in_money:
            unit = unit_name(card.meter.meter_type)
            told.append(
                (str(_("Given to this meter this month")), f"{units_text(shown.used.units)} {unit}")
            )
            if setup.free_units_a_month is not None:
                told.append((
                    str(_("Most free units a month for one meter")),
                    f"{units_text(setup.free_units_a_month)} {unit}",
                ))  # fmt: skip
        return told


def free_url(meter_id: int) -> str | None:
    """Where a token without money is asked for, for who may."""
    builder = current_app.extensions["appbuilder"]
    if not builder.sm.has_access("can_give_free", COUNTER):
        return None
    return url_for("FreeTokens.give", meter_id=meter_id)
