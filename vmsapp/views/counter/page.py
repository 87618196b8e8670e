"""The counter: find a meter, buy for it, hand over the receipt."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response, current_app, flash, jsonify, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.i18n import _
from vmsapp.models import (
    Meter,
    MeterState,
    SaleState,
    ServicePoint,
    Setup,
    TariffPlan,
    VendingPoint,
)
from vmsapp.security import COUNTER, MODULES
from vmsapp.services import meters, prints, receipts, vending
from vmsapp.services.key_changes.offers import offer_for
from vmsapp.services.security_modules.finding import MeterWithoutKey
from vmsapp.services.setup import installation
from vmsapp.services.shifts.errors import ShiftRefusesSale
from vmsapp.services.vending import SaleRequest, new_key
from vmsapp.services.vending.errors import (
    LooksLikeMeterNumber,
    LooksRepeated,
    NoVendingPoint,
    QuoteChanged,
    ReceivedTooLittle,
    VendingPointClosed,
    VendingPointNotChosen,
)
from vmsapp.services.vending.give_back import GIVE_BACK, GivenBackBefore, give_back_for
from vmsapp.services.vending.history import History
from vmsapp.services.vending.pricing import Priced
from vmsapp.views.approvals.deeds import a_key, submit
from vmsapp.views.base import (
    actor,
    modules,
    sentence,
    session,
    status_of,
    utility,
    zone,
)
from vmsapp.views.counter.buying import field_beside, purchase_of, quick_amounts, wrong_in_received
from vmsapp.views.counter.free_tokens import free_url
from vmsapp.views.counter.reversing import reverse_url, whom_to_ask
from vmsapp.views.counter.search import CounterSearch
from vmsapp.views.counter.sending import COUNTER_DEEDS, sent_of
from vmsapp.views.counter.settling import goes_back, next_steps, settling
from vmsapp.views.counter.slips import KEY_STEPS, KINDS, free_said, language_of, slip_of
from vmsapp.views.counter.typed import MAX_KEY, Typed
from vmsapp.views.counter.why import quote_explained, sale_explained
from vmsapp.views.lists.pages import view_named
from vmsapp.views.registration.meter_deeds import MeterDeeds
from vmsapp.views.words import failure_sentence

Answer = str | BaseResponse | tuple[str, int]


class Counter(CounterSearch):
    """Where tokens are sold."""

    route_base = "/counter"
    default_view = "find"
    class_permission_name = COUNTER
    base_permissions = COUNTER_DEEDS

    @expose("/meter/<int:meter_id>")
    @has_access
    @permission_name("sell")
    def purchase(self, meter_id: int) -> Answer:
        """Show the meter card and the purchase form, with a price if asked."""
        typed = Typed.from_request()
        if not typed.key:  # the key stands in the address, so that reload and back keep it
            key = new_key(installation(session()).epoch)
            return redirect(url_for("Counter.purchase", meter_id=meter_id, key=key))
        return self._form(meter_id, typed)

    @expose("/meter/<int:meter_id>/quote")
    @has_access
    @permission_name("sell")
    def quote(self, meter_id: int) -> Answer:
        """Give the price alone, as a part of the page, while the amount is typed."""
        typed = Typed.from_request()
        try:
            meter, point = meters.meter_to_sell_to(session(), meter_id)
            priced, short = self._price(utility(), meter, point, typed)
        except VmsError as error:
            return self._refused(error, typed), status_of(error)
        quote = self._part(
            "counter/_quote.html", priced=priced, typed=typed, meter_id=meter_id, short=short
        )
        return quote if short is None else (quote + self._refused(short, typed), status_of(short))

    @expose("/meter/<int:meter_id>/why")
    @has_access
    @permission_name("sell")
    def why(self, meter_id: int) -> Answer:
        """Explain the price that is shown; back leads to the purchase as it was typed."""
        typed = Typed.from_request()
        back = url_for("Counter.purchase", meter_id=meter_id, **typed.address())
        try:
            meter, point = meters.meter_to_sell_to(session(), meter_id)
            priced, _short = self._price(utility(), meter, point, typed)
        except NotFound:
            raise
        except VmsError:
            return redirect(back)  # says what is wrong, beside the field
        shown = request.args.get("shown", type=int)
        return quote_explained(self, meter, priced, typed.mode, shown, back)

    @expose("/meter/<int:meter_id>/sell", methods=["POST"])
    @has_access
    @permission_name("sell")
    def sell(self, meter_id: int) -> Answer:
        """Sell, then show the receipt; a refusal shows the form again as it was typed."""
        typed = Typed.from_request()
        settings = current_app.extensions["vms_settings"]
        quote_shown = _figures(request.form.get("quote", ""))
        try:
            sale = vending.sell(
                session(),
                modules(),
                actor(),
                SaleRequest(
                    vending_point_id=self._vending_point(typed),
                    key=typed.key,
                    purchase=purchase_of(meter_id, typed, utility()),
                    quote_shown=quote_shown,
                    repeat_confirmed=request.form.get("repeat") == "yes",
                ),
                table_set=settings.sta_tables,
                grace_days=settings.licence_grace_days,
            )
        except NotFound:
            raise
        except VmsError as error:
            return self._form(meter_id, typed, error), status_of(error)
        return redirect(url_for("Counter.sale", sale_id=sale.id))

    @expose("/sale/<int:sale_id>")
    @has_access
    @permission_name("receipt")
    def sale(self, sale_id: int) -> Answer:
        """Show what became of a sale: the receipt, or why there is none."""
        if request.method == "HEAD":  # shows nothing, and so marks nothing as shown
            return Response(status=200 if receipts.state_of(session(), sale_id) else 404)
        return self._sale(sale_id)

    @expose("/sale/<int:sale_id>/why")
    @has_access
    @permission_name("receipt")
    def why_sale(self, sale_id: int) -> Answer:
        """Explain what a sale cost; its token is no part of this."""
        return sale_explained(self, sale_id, url_for("Counter.sale", sale_id=sale_id))

    @expose("/sale/<int:sale_id>/state")
    @has_access
    @permission_name("receipt")
    def state(self, sale_id: int) -> Response:
        """Tell the state of a sale, for the page that waits for it."""
        return jsonify(state=receipts.state_of(session(), sale_id))

    @expose("/open")
    @has_access
    @permission_name("receipt")
    def open(self) -> Answer:
        """List the sales that are being settled, and those that were settled later."""
        sales = receipts.open_sales(session())
        return self.page(
            "counter/open.html",
            sales=sales,
            settled=receipts.settled_later(session(), now_utc()),
            next_steps=next_steps(sales, may=self.may("can_give_back")),
            zone=zone(),
        )

    @expose("/sale/<int:sale_id>/give-back", methods=["POST"])
    @has_access
    @permission_name("give_back")
    def give_back(self, sale_id: int) -> Answer:
        """Note that the customer got the money back while the sale was in doubt, or ask for it."""
        params = give_back_for(session(), sale_id)
        key = request.form.get("key", "")[:MAX_KEY] or a_key()
        try:
            submit(GIVE_BACK, params, key, _("Noted: the money was given back."))
        except VmsError as error:
            if isinstance(error, GivenBackBefore) and error.params["by_id"] == actor().user_id:
                flash(sentence(error), "info")  # the same form sent once more
            elif receipts.state_of(session(), sale_id) != SaleState.PENDING:
                raise  # its page would hand its token out
            else:
                return self._sale(sale_id, error), status_of(error)
        return redirect(url_for("Counter.sale", sale_id=sale_id))

    def _refused(self, error: VmsError, typed: Typed) -> str:
        """Say why there is no price, and where a number leads that was no amount."""
        other = error.params["number"] if isinstance(error, LooksLikeMeterNumber) else None
        return self._part(
            "counter/_refusal.html", message=sentence(error), other=other,
            beside="received" if wrong_in_received(error, typed) else "value",
        )  # fmt: skip

    def _meter_url(self, meter_id: int) -> str | None:
        """Where the meter's record is, if the user may see it."""
        may = self.appbuilder.sm.has_access("can_show", "Meters")
        return url_for("Meters.show", pk=meter_id) if may else None

    def _sale(self, sale_id: int, error: VmsError | None = None) -> str:
        """Show a sale, with what was said against giving its money back."""
        receipt = receipts.receipt(session(), actor(), sale_id)
        before = prints.prints_before(session(), receipt) if receipt.sale.issued_at else []
        nth = prints.next_of(before)
        return self.page(
            "counter/sale.html",
            receipt=receipt,
            sale=receipt.sale,
            slip=slip_of(receipt, language_of(receipt), nth - 1, actor().name),
            key_steps=[gettext(step) for step in KEY_STEPS],
            prints=before,
            kinds=KINDS,
            sent=sent_of(receipt),
            free=free_said(receipt.free),
            zone=receipt.utility.time_zone,
            module=self._module_page(receipt.sale.module_id),
            settling=settling(receipt.sale, may=self.may("can_give_back")),
            goes_back=goes_back(receipt.sale),
            refusal=sentence(error) if error else None,
            reverse_url=reverse_url(receipt.sale),
            whom_to_ask=whom_to_ask(receipt.sale),
            key=a_key(),
        )

    def _part(self, template: str, **context: Any) -> str:  # noqa: ANN401 - the template's
        return current_app.jinja_env.get_template(template).render(**context)

    def _form(self, meter_id: int, typed: Typed, error: VmsError | None = None) -> str:
        """Show the purchase form as it was typed, with its price or its refusal."""
        settings = utility()
        card = meters.meter_card(session(), settings, meter_id, now_utc())
        priced, short, refusal = None, None, error
        if card.in_money and not typed.value:
            typed.mode = "amount"
        if typed.value and card.can_sell and card.point:
            try:
                priced, short = self._price(
                    settings, card.meter, card.point, typed, card.history, card.plans
                )
                refusal = refusal or short
            except VmsError as wrong:
                refusal = refusal or wrong
        return self.page(
            "counter/purchase.html",
            card=card,
            meter_id=meter_id,
            meter_url=None if card.can_sell else self._meter_url(meter_id),
            typed=typed,
            priced=priced,
            short=short,
            refusal=_said(refusal) if refusal else None,
            price_shown=bool(request.form.get("quote")),
            beside=field_beside(refusal, typed),
            other=refusal.params["number"] if isinstance(refusal, LooksLikeMeterNumber) else None,
            quick=quick_amounts(settings),
            price_changed=isinstance(error, QuoteChanged),
            repeated=error if isinstance(error, LooksRepeated) else None,
            module=self._module_that_failed(card, refusal),
            underway=error.params.get("sale_id") if error else None,
            no_shift=error if isinstance(error, ShiftRefusesSale) else None,
            key_page=self._key_page(meter_id) if card.key_change else None,
            offer=offer_for(card.meter, card.meter.tariff, card.key_change),
            may_change_key=self.appbuilder.sm.has_access("can_change_key", "Meters"),
            key_of_offer=a_key(),
            free_url=free_url(meter_id) if card.can_sell else None,
            binding=self._ways_to_bind(card),
            points=self.points(),
            utility=settings,
            zone=settings.time_zone,
        )

    def _price(
        self,
        settings: Setup,
        meter: Meter,
        point: ServicePoint,
        typed: Typed,
        history: History | None = None,
        plans: Sequence[TariffPlan] = (),
    ) -> tuple[Priced, ReceivedTooLittle | None]:
        """Price what was typed; where too little was received the price stands beside that."""
        purchase = purchase_of(meter.id, typed, settings)
        price = partial(
            vending.quote, session(), meter, point, moment=now_utc(), setup=settings,
            history=history, plans=plans,
        )  # fmt: skip
        try:
            return price(purchase), None
        except ReceivedTooLittle as short:
            return price(replace(purchase, received_minor=None)), short

    def _vending_point(self, typed: Typed) -> int:
        """Tell which vending point sells: the form's, else the only one there is.

        Raises:
            VendingPointNotChosen: There are several.
            VendingPointClosed: The form's was closed meanwhile, or all are.
            NoVendingPoint: There is none, or the form's may not be sold at.
        """
        if typed.vending_point_id is not None:
            return typed.vending_point_id  # the sale itself asks whether it may be sold there
        points = [point.id for point in self.points()]
        if len(points) == 1:
            return points[0]
        if points:
            raise VendingPointNotChosen
        closed = select(VendingPoint.name).where(VendingPoint.closed_at.is_not(None))
        name = session().scalars(closed.limit(1)).first()
        raise NoVendingPoint if name is None else VendingPointClosed(name=name)

    def _key_page(self, meter_id: int) -> str | None:
        """The page of a meter's key, for who may see it."""
        may = self.appbuilder.sm.has_access("can_show", "Meters")
        return url_for("Meters.key", pk=meter_id) if may else None

    def _module_page(self, module_id: int) -> str | None:
        """The page of the module that was asked, for who may see it and has to look after it."""
        if not self.appbuilder.sm.has_access("can_test", MODULES):
            return None
        return url_for("SecurityModules.show", pk=module_id)

    def _ways_to_bind(self, card: meters.Card) -> Sequence[tuple[str, str]]:
        """Where a meter that hangs nowhere is bound to a consumer, for who may."""
        if card.point is not None or card.meter.state == MeterState.RETIRED:
            return ()
        view = view_named(self.appbuilder, "Meters")
        assert isinstance(view, MeterDeeds)
        return view.ways_to_bind(card.meter.id)

    def _module_that_failed(self, card: meters.Card, refusal: VmsError | None) -> str | None:
        """The page of the module that made no token for a meter; nothing for another refusal."""
        if card.module_id is None or not isinstance(refusal, HsmUnavailable | MeterWithoutKey):
            return None
        return self._module_page(card.module_id)


def _figures(text: str) -> dict[str, Any]:
    """Read the figures the form carried; anything else is as if none were shown."""
    try:
        figures = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return figures if isinstance(figures, dict) else {}


def _said(refusal: VmsError) -> str:
    """Write a refusal; of a module that is not there, what a seller does about it."""
    if isinstance(refusal, HsmUnavailable):
        nothing = _("No token was made; take no money.")
        return f"{nothing} {failure_sentence(f'unavailable_{refusal.why}')}"
    return str(sentence(refusal))
