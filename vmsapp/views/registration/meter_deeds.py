"""What is done to a meter on its own page: bound, unbound, swapped, blocked, retired."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import ngettext
from flask_wtf import FlaskForm

from vmsapp.errors import N_, InvalidInput, NotFound, VmsError
from vmsapp.i18n import _, groups_in_order
from vmsapp.models import Consumer, Meter, MeterState
from vmsapp.services.registration import binding, meter_states
from vmsapp.services.registration.binding import Link, Swap
from vmsapp.services.registration.meter_errors import NoSuchConsumer
from vmsapp.services.registration.meter_page import FOUND, buyers, unbound, vacant
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts import identifiers
from vmsapp.views.base import actor, sentence, session, status_of
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.asked import MAX_SEARCH
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.listing import holds, row_of
from vmsapp.views.lists.pages import MAX_CHOSEN, Answer
from vmsapp.views.registration.meter_forms import (
    BindForm,
    CreditForm,
    ReasonForm,
    SwapForm,
    credit_of,
)

WORDS: Final = {
    "activate": (N_("Put into use"), N_("It can be sold to as soon as it is bound to a consumer.")),
    "store": (N_("Put into stock"), N_("Nothing is sold to it until it is bound or activated.")),
    "block": (N_("Block"), N_("Nothing is sold to it until it is released.")),
    "unblock": (N_("Release"), N_("It can be sold to again.")),
    "retire": (
        N_("Retire"),
        N_("It is out of use for good. Its history is kept, and it can be taken back."),
    ),
    "take_back": (N_("Take back into stock"), N_("It counts for the licence again.")),
}
"""What the deeds on a meter's state are called, and what they do."""

HOLDS: Final = ("block", "unblock")
"""Those that have a permission of their own."""

SAID: Final = {
    "activate": N_("Meter %(number)s is active."),
    "store": N_("Meter %(number)s is in stock."),
    "block": N_("Meter %(number)s is blocked."),
    "unblock": N_("Meter %(number)s is released."),
    "retire": N_("Meter %(number)s is retired."),
    "take_back": N_("Meter %(number)s is in stock again."),
}


class NothingChosen(InvalidInput):
    """No row was ticked."""

    code = "no_meter_chosen"
    message = N_("Choose at least one meter.")


class MeterDeeds(OfficeModelView):
    """The deeds of the list of meters that have pages of their own."""

    def number(self, meter: Meter) -> str:
        """A meter's number, in groups."""
        return identifiers.drn.format(meter.drn)

    # states

    @expose("/<int:pk>/<any('block', 'unblock'):hold>", methods=["GET", "POST"])
    @has_access
    @permission_name("block")
    def hold(self, pk: int, hold: str) -> Answer:
        """Block a meter with a reason, or release it."""
        return self._moved(pk, hold, ReasonForm())

    @expose(
        "/<int:pk>/<any('activate', 'store', 'retire', 'take_back'):move>",
        methods=["GET", "POST"],
    )
    @has_access
    @permission_name("retire")
    def move(self, pk: int, move: str) -> Answer:
        """Activate a meter, put it into stock, retire it or take it back."""
        return self._moved(pk, move, ReasonForm())

    def _moved(self, pk: int, deed: str, form: ReasonForm) -> Answer:
        meter = self.row(pk)

        def save() -> str:
            meter_states.move(session(), actor(), pk, deed, reason=form.reason.data or "")
            return str(_(SAID[deed], number=self.number(meter)))

        word, does = WORDS[deed]
        fields = ["reason"] if deed == "block" else []
        if fields:
            form.reason.flags.required = True
        return self._asked(meter, form, fields, str(_(word)), str(_(does)), save)

    # places

    @expose("/<int:pk>/bind", methods=["GET", "POST"])
    @has_access
    @permission_name("bind")
    def bind(self, pk: int) -> Answer:
        """Bind a meter to a consumer who is found first."""
        meter = self.row(pk)
        consumer = self._chosen(Consumer, "consumer")
        if consumer is None:
            return self._search(meter, "bind", lambda words: buyers(session(), words))
        form = BindForm()
        places = vacant(session(), meter, consumer)
        form.place.choices = [("", _("A new place, at the consumer's address"))] + [
            (str(point.id), self._place_said(meter, point, link, who))
            for point, link, who in places
        ]

        def save() -> str:
            place = int(form.place.data) if form.place.data else None
            link = Link(pk, consumer.id, place, credit_of(form.credit))
            binding.bind(session(), actor(), [link])
            return str(
                _("Meter %(number)s is bound to %(name)s.",
                  number=self.number(meter), name=consumer.name)
            )  # fmt: skip

        title = _("Bind meter %(number)s", number=self.number(meter))
        return self._asked(
            meter, form, ["place", "credit"], _("Bind"), "", save, title=title, consumer=consumer,
            again=self.url("bind", pk=pk),
        )  # fmt: skip

    def _place_said(self, meter: Meter, point: Any, link: Any, who: Consumer | None) -> str:  # noqa: ANN401
        where = point.address or _("Place %(id)s", id=point.id)
        if link.meter_id == meter.id:
            return str(_("%(address)s: where this meter hung last, for %(name)s",
                         address=where, name=who.name if who else "–"))  # fmt: skip
        return str(_("%(address)s: a place of this consumer without a meter", address=where))

    @expose("/bind-to/<int:consumer_id>", methods=["GET", "POST"])
    @has_access
    @permission_name("bind")
    def bind_to(self, consumer_id: int) -> Answer:
        """Bind several meters to a consumer, found by their numbers."""
        consumer = row_of(session(), Consumer, consumer_id)
        if consumer is None:
            raise NoSuchConsumer
        refusal, status = None, 200
        if request.method == "POST":
            chosen = request.form.getlist("rowid", type=int)[:MAX_CHOSEN]
            try:
                return self._bound_to(consumer, [n for n in chosen if holds(Meter.id, n)])
            except VmsError as error:
                session().rollback()
                refusal, status = sentence(error), status_of(error)
        words = request.values.get("q", "").strip()[:MAX_SEARCH]
        page = self._page(
            "meters/bind_to.html", title=_("Bind meters to %(name)s", name=consumer.name),
            consumer=consumer, words=words, found=unbound(session(), words), limit=FOUND,
            refusal=refusal,
        )  # fmt: skip
        return page, status

    def _bound_to(self, consumer: Consumer, chosen: Sequence[int]) -> Answer:
        if not chosen:
            raise NothingChosen
        wanted = [Link(number, consumer.id) for number in dict.fromkeys(chosen)]
        binding.bind(session(), actor(), wanted)
        flash(
            ngettext("%(num)s meter was bound.", "%(num)s meters were bound.", len(wanted)),
            "success",
        )
        return redirect(self.of_consumer(consumer.id))

    @expose("/<int:pk>/unbind", methods=["GET", "POST"])
    @has_access
    @permission_name("bind")
    def unbind(self, pk: int) -> Answer:
        """Take a meter off its place."""
        meter, form = self.row(pk), CreditForm()

        def save() -> str:
            binding.unbind(
                session(), actor(), pk, credit=credit_of(form.credit),
                afterwards=MeterState(form.afterwards.data),
            )  # fmt: skip
            return str(_("Meter %(number)s is unbound.", number=self.number(meter)))

        does = _("The link is kept with its dates. Units and fees stay with the place.")
        return self._asked(meter, form, ["credit", "afterwards"], _("Unbind"), does, save)

    @expose("/<int:pk>/swap", methods=["GET", "POST"])
    @has_access
    @permission_name("bind")
    def swap(self, pk: int) -> Answer:
        """Hang another meter in the place of this one."""
        meter = self.row(pk)
        other = self._chosen(Meter, "by")
        if other is None:
            return self._search(
                meter, "swap", lambda words: unbound(session(), words, meter.meter_type)
            )
        form = SwapForm()

        def save() -> str:
            deed = Swap(
                pk, other.id, credit_of(form.credit), credit_of(form.new_credit),
                MeterState(form.afterwards.data),
            )  # fmt: skip
            binding.swap(session(), actor(), deed)
            return str(_("Meter %(number)s has taken the place of meter %(old)s.",
                         number=self.number(other), old=self.number(meter)))  # fmt: skip

        title = _("Swap meter %(number)s", number=self.number(meter))
        does = _(
            "Meter %(number)s takes its place: with its consumer, its tariff, the units counted"
            " and the fees due.",
            number=self.number(other),
        )
        form.afterwards.label.text = _("The old meter goes")
        form.credit.label.text = _("Credit left on the old meter")
        return self._asked(
            meter, form, ["credit", "afterwards", "new_credit"], _("Swap"), does, save,
            title=title, again=self.url("swap", pk=pk), leads_to=other.id,
        )  # fmt: skip

    # what they share

    def ways_to_bind(self, meter_id: int) -> Sequence[tuple[str, str]]:
        """Where a meter that hangs nowhere is bound, for who may: words and addresses."""
        if not self.may("bind"):
            return ()
        new = self.new_consumer_url(meter_id)
        links = [(str(_("New consumer here")), new)] if new else []
        return [(str(_("Bind")), self.url("bind", pk=meter_id)), *links]

    def new_consumer_url(self, meter_id: int) -> str | None:
        """Where a consumer is registered who gets a meter at once, for who may."""
        may = self.appbuilder.sm.has_access("can_add", "Consumers")
        return url_for("Consumers.add", meter=meter_id) if may else None

    def _chosen(self, model: type, name: str) -> Any:  # noqa: ANN401 - a row of the model
        """The row an address names; what is out of sight is not there."""
        number = request.values.get(name, type=int)
        if number is None:
            return None
        row = row_of(session(), model, number)
        if row is None:
            raise NoSuchMeter if model is Meter else NoSuchConsumer
        return row

    def _search(self, meter: Meter, deed: str, find: Callable[[str], Sequence[Any]]) -> Answer:
        words = request.args.get("q", "").strip()[:MAX_SEARCH]
        return self._page(
            "meters/choose.html", meter=meter, deed=deed, words=words, found=find(words),
            limit=FOUND, number=self.number(meter),
        )  # fmt: skip

    def _asked(
        self,
        meter: Meter,
        form: FlaskForm,
        fields: Sequence[str],
        word: str,
        does: str,
        save: Callable[[], str],
        *,
        title: str = "",
        consumer: Consumer | None = None,
        again: str | None = None,
        leads_to: int | None = None,
    ) -> Answer:
        """Show what a deed will do, and do it."""
        status = 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    said = save()
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    meter = self.row(meter.id)
                    put_error(form, error)
                    status = status_of(error)
                else:
                    flash(said, "success")
                    return redirect(self.url("show", pk=leads_to or meter.id))
        title = title or f"{word} · {groups_in_order(self.number(meter))}"
        page = self._page(
            "meters/deed.html", title=title, form=form, columns=fields, word=word, does=does,
            meter=meter, consumer=consumer, again=again, back=self.url("show", pk=meter.id),
        )  # fmt: skip
        return page, status

    def of_consumer(self, consumer_id: int) -> str:
        """The address of a consumer's page, for who may see it; else of the list of meters."""
        raise NotImplementedError
