"""A meter's key on its page: changed by tokens, withdrawn, confirmed, refused by the meter."""

from collections.abc import Callable
from datetime import datetime

from flask import current_app, flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext

from vmsapp.clock import business_day
from vmsapp.errors import N_, Conflict, NotFound, VmsError
from vmsapp.i18n import _
from vmsapp.models import ChangeState, KeyChange, Meter, MeterState
from vmsapp.models.key_change import DKGAS
from vmsapp.security import COUNTER
from vmsapp.services.key_changes import answers, offers, printing, settle
from vmsapp.services.key_changes.answers import REASON_MAX
from vmsapp.services.key_changes.choosing import Choice, choices
from vmsapp.services.key_changes.errors import NoSuchChange
from vmsapp.services.key_changes.offers import offer_for
from vmsapp.services.key_changes.planning import Plan, Side, plan
from vmsapp.services.key_changes.reserve import side_of
from vmsapp.services.key_changes.showing import Changes, changes_of
from vmsapp.services.key_changes.start import start
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import key_expires_at
from vmsapp.views.approvals.deeds import MAX_KEY, a_key
from vmsapp.views.base import actor, modules, sentence, session, status_of, zone
from vmsapp.views.counter.slips import KINDS
from vmsapp.views.counter.typed import Typed
from vmsapp.views.engineering.meter_key_forms import (
    TONES,
    WARNINGS,
    ChangeKeyForm,
    ConfirmKeyForm,
    RefuseKeyForm,
    code_of,
)
from vmsapp.views.engineering.meter_key_slips import MeterKeySlips
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.pages import Answer
from vmsapp.views.look import digits, state
from vmsapp.views.modules.words import answering, state_said
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.registration.meter_forms import ALGORITHMS, BASE_YEARS, KEY_TYPES
from vmsapp.views.words import CHANGE_STATES, change_failure


class NothingOpen(Conflict):
    """It was said before what the meter did."""

    code = "key_change_none_open"
    message = N_("This meter has no key change that waits for that.")


class MeterKeys(MeterKeySlips):
    """The pages of a meter's key."""

    @expose("/<int:pk>/key")
    @has_access
    @permission_name("show")
    def key(self, pk: int) -> Answer:
        """Show the key changes of a meter; their tokens to those who deal with them."""
        return self._key_page(self.row(pk))

    @expose("/<int:pk>/key/change", methods=["GET", "POST"])
    @has_access
    @permission_name("change_key")
    def change_key(self, pk: int) -> Answer:
        """Choose another key, look at what will be made, and have it made."""
        meter, form = self.row(pk), ChangeKeyForm(data={"key_of_form": a_key(), "tokens": "2"})
        shown: Plan | None = None
        keys: list[Choice] = []
        listed: list[dict[str, object]] = []
        status = 200
        try:
            keys = choices(session(), meter)
            listed = [_choice_said(one) for one in keys]  # before anything is rolled back
        except VmsError as error:
            put_error(form, error)
            status = status_of(error)
        form.offer(meter, keys)
        if request.method == "GET":
            form.ti.data = ascii_digits(request.args.get("ti", ""))[:2] or meter.ti
        elif status == 200:
            tidy(form)
            status = 422
            if form.validate():
                try:
                    wish = form.wish(meter)
                    shown, status = plan(session(), meter, wish), 200
                    if request.form.get("looked") == wish.body_hash():
                        return self._made(pk, start(
                            session(), modules(), actor(), wish, form.key_of_form.data or "",
                            table_set=_tables(),
                        ))  # fmt: skip
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    meter, status = self.row(pk), status_of(error)
                    put_error(form, error)
        looked = form.wish(meter).body_hash() if shown else ""
        page = self._page(
            "meters/change_key.html",
            title=_("Change the key of %(number)s", number=self.number(meter)),
            form=form, meter=meter, plan=shown, looked=looked, warnings=WARNINGS,
            keys=listed, columns=["key", "ti", "tokens", "reason"],
            back=self.url("key", pk=pk),
        )  # fmt: skip
        return page, status

    @expose("/<int:pk>/key/follow-tariff", methods=["POST"])
    @has_access
    @permission_name("change_key")
    def follow_tariff(self, pk: int) -> Answer:
        """Have the tokens made that the meter's tariff asks for; at the counter, before a sale."""
        meter, typed = self.row(pk), Typed.from_request()
        wanted = ascii_digits(request.form.get("ti", ""))
        tariff = str(meter.tariff or "")
        at_counter = request.form.get("at") == "counter" and self.sells()
        try:
            self._tell(offers.follow(
                session(), modules(), actor(), pk, wanted,
                _("Index of the tariff “%(name)s”", name=tariff)[:REASON_MAX],
                request.form.get("key_of_form", "")[:MAX_KEY] or a_key(), table_set=_tables(),
            ))  # fmt: skip
        except NotFound:
            raise
        except VmsError as error:
            session().rollback()
            if not at_counter:
                return self._key_page(self.row(pk), error)
            flash(sentence(error), "danger")
        if at_counter:
            return redirect(url_for("Counter.purchase", meter_id=pk, **typed.address()))
        return redirect(self.url("key", pk=pk))

    @expose("/<int:pk>/key/withdraw", methods=["POST"])
    @has_access
    @permission_name("change_key")
    def withdraw_key(self, pk: int) -> Answer:
        """Give up a set that is being made."""
        meter = self.row(pk)
        try:
            change = self._meant(meter, ChangeState.RESERVED)
            settle.withdraw(session(), actor(), change.id)
        except NoSuchChange:
            raise
        except VmsError as error:
            session().rollback()
            return self._key_page(self.row(pk), error)
        flash(_("Withdrawn. Its tokens are never shown."), "success")
        return redirect(self.url("key", pk=pk))

    @expose("/<int:pk>/key/confirm", methods=["GET", "POST"])
    @has_access
    @permission_name("confirm_key")
    def confirm_key(self, pk: int) -> Answer:
        """Say that the meter has the new key."""
        form = ConfirmKeyForm()

        def save(change: KeyChange) -> None:
            answers.confirm(session(), actor(), change.id, form.taken())
            flash(_("Confirmed: the meter has this key."), "success")

        return self._answered(
            pk, form, ["proof", "shown_krn", "shown_ti", "cleared"], _("Confirm the key"),
            _("From then on credits are sold without the key change tokens. Enter KRN and TI only"
              " where the meter showed them."), save,
        )  # fmt: skip

    @expose("/<int:pk>/key/refuse", methods=["GET", "POST"])
    @has_access
    @permission_name("refuse_key")
    def refuse_key(self, pk: int) -> Answer:
        """Say that the meter refused its set, with what it shows."""
        form = RefuseKeyForm(data={"key_of_form": a_key()})

        def save(change: KeyChange) -> None:
            back = answers.refuse(
                session(), modules(), actor(), change.id, form.refusal(),
                form.key_of_form.data or "", table_set=_tables(),
            )  # fmt: skip
            self._tell(back)

        return self._answered(
            pk, form, ["shown_krn", "shown_ti", "entered", "reason"], _("The meter refused it"),
            _("The old key counts again. Tokens that lead back to it go before each credit until"
              " somebody confirms the old key, because the customer may still enter the first set."
              " Credits sold under the new key are listed, to be taken back and sold again."), save,
        )  # fmt: skip

    # what they share

    def sells(self) -> bool:
        """Whether the asker sells tokens."""
        return bool(self.appbuilder.sm.has_access("can_sell", COUNTER))

    def _meant(self, meter: Meter, wanted: ChangeState) -> KeyChange:
        """The change a form speaks of, else the one that waits.

        Raises:
            NoSuchChange: It is not this meter's.
            NothingOpen: None waits.
        """
        changes = changes_of(session(), meter.id)
        named = request.form.get("change", type=int)
        if named is not None:
            change = changes.named(named)
            if change is None:
                raise NoSuchChange
            return change
        waits = changes.reserved if wanted == ChangeState.RESERVED else changes.completed
        if waits is None:
            raise NothingOpen
        return waits

    def _answered(
        self,
        pk: int,
        form: ConfirmKeyForm | RefuseKeyForm,
        fields: list[str],
        word: str,
        does: str,
        save: Callable[[KeyChange], None],
    ) -> Answer:
        """Show what saying so does, and have it said."""
        meter = self.row(pk)
        try:
            change = self._meant(meter, ChangeState.COMPLETED)
        except NothingOpen as error:
            flash(sentence(error), "warning")
            return redirect(self.url("key", pk=pk))
        status = 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    save(change)
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    meter, status = self.row(pk), status_of(error)
                    put_error(form, error)
                else:
                    return redirect(self.url("key", pk=pk))
        form.change.data = change.id
        if change.undoes_id is None:
            fields = [name for name in fields if name != "cleared"]
        page = self._page(
            "meters/deed.html", title=f"{word} · {self.number(meter)}", form=form, columns=fields,
            word=word, does=does, meter=meter, consumer=None, again=None,
            back=self.url("key", pk=pk),
        )  # fmt: skip
        return page, status

    def _made(self, pk: int, change: KeyChange) -> Answer:
        self._tell(change)
        return redirect(self.url("key", pk=pk))

    def _tell(self, change: KeyChange) -> None:
        """Say what became of a set."""
        match change.state:
            case ChangeState.COMPLETED:
                flash(_("The key change tokens are made. They go before each credit."), "success")
            case ChangeState.FAILED:
                said = change_failure(change.failure or "")
                flash(_("No key change tokens were made. %(why)s", why=said), "danger")
            case ChangeState.RESERVED:
                flash(_("The key change tokens are being made. Look again in a moment."), "info")
            case _:
                flash(_("The old key counts again."), "success")

    def _key_page(self, meter: Meter, error: VmsError | None = None) -> Answer:
        changes = changes_of(session(), meter.id)
        shows = self.shows_key_tokens()
        handed = changes.completed if shows else None
        page = self._page(
            "meters/key.html", title=_("Key of %(number)s", number=self.number(meter)),
            meter=meter, changes=changes, key=self, refusal=sentence(error) if error else None,
            shows_digits=shows,
            can_change=self.may("change_key") and self.key_may_change(meter, changes),
            offer=offer_for(meter, meter.tariff, changes.reserved or changes.completed),
            key_of_offer=a_key(), kinds=KINDS, zone=zone(),
            prints=printing.prints_of(session(), handed.id) if handed else [],
        )  # fmt: skip
        return page, 200 if error is None else status_of(error)

    def key_may_change(self, meter: Meter, changes: Changes) -> bool:
        """Whether another change can begin."""
        is_open = changes.reserved is not None or changes.completed is not None
        return meter.state != MeterState.RETIRED and not is_open

    def change_state(self, change: KeyChange) -> object:
        """Its state, as every list shows one."""
        return state(gettext(CHANGE_STATES[change.state]), TONES.get(change.state))

    def why_failed(self, change: KeyChange) -> str:
        """Why no set was made."""
        return change_failure(change.failure or "")

    def key_sides(self, change: KeyChange | Plan) -> list[tuple[str, object, object]]:
        """What a key is made of: name, as it was, as it is to be."""
        if isinstance(change, Plan):
            old, new = change.old, change.new
        else:
            old, new = side_of(change, "old"), side_of(change, "new")
        rows = zip(_told(old), _told(new), strict=True)
        return [(name, before, after) for (name, before), (_name, after) in rows]


def _told(side: Side) -> list[tuple[str, object]]:
    return [
        (str(_("Supply group code (SGC)")), digits(side.sgc)),
        (str(_("Key revision number (KRN)")), side.krn),
        (str(_("Tariff index (TI)")), digits(side.ti)),
        (str(_("Key type (KT)")), gettext(KEY_TYPES[str(side.kt)])),
        (str(_("Base date")), BASE_YEARS[side.base_date]),
        (str(_("Key expiry number (KEN)")), side.ken),
        (str(_("Key expires")), business_day(_expiry(side), zone())),
        (str(_("Algorithm")), f"{gettext(ALGORITHMS[DKGAS[side.dkga]])} (DKGA {side.dkga})"),
    ]


def _expiry(side: Side) -> datetime:
    return key_expires_at(side.ken, BaseDate(side.base_date))


def _choice_said(choice: Choice) -> dict[str, object]:
    """Say what a key is, how its module is, and why it cannot be chosen."""
    key = choice.key
    return {
        "code": code_of(choice), "own": choice.own, "sgc": key.sgc, "krn": key.krn,
        "name": key.name, "type": gettext(KEY_TYPES[str(key.kt)]), "demo": key.demo,
        "base_date": BASE_YEARS[key.base_date], "ken": key.ken,
        "ends_on": business_day(choice.ends_at, zone()),
        "ended": choice.ended, "dkga": f"{gettext(ALGORITHMS[DKGAS[key.dkga]])}, DKGA {key.dkga}",
        "module": key.module.name, "answers": state_said(answering(key.module)),
        "warned": [gettext(WARNINGS[code]) for code in choice.warned],
        "refusal": sentence(choice.refusal) if choice.refusal else None,
    }  # fmt: skip


def _tables() -> str:
    return str(current_app.extensions["vms_settings"].sta_tables)
