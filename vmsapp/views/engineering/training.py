"""The training meter's page: keypad and display, and a bench where its tokens are made.

All of it is forms, so that it works without script too: a key of the keypad sends what was typed
so far, with the key. With script the keys type by themselves, and the page changes in its place.
"""

from decimal import Decimal
from typing import Final

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext

from vmsapp.clock import now_utc
from vmsapp.errors import InvalidInput, VmsError
from vmsapp.i18n import _
from vmsapp.security import TRAINING, current_session
from vmsapp.services import training
from vmsapp.services.token_desk.typed import bare
from vmsapp.services.training import Lesson, NoTraining, Training, Wish
from vmsapp.services.training.entering import TYPED_MAX
from vmsapp.services.training.lessons import SHOWS, UnitsOutOfRange, WattsOutOfRange
from vmsapp.services.vending.errors import NumberUnreadable
from vmsapp.sts.nmse import MeterTest
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of
from vmsapp.views.engineering import training_words as words
from vmsapp.views.engineering.token_words import TESTS
from vmsapp.views.lists.pages import Answer
from vmsapp.views.numbers import ascii_digits, read_number
from vmsapp.views.people.sign_in import key_for

MAX_TYPED: Final = 120
KEYS: Final = (*"123456789", "back", "0", "enter")
CIPHERS: Final = {"7": 7, "11": 11}


class TrainingBench(OfficeView):
    """For who learns; of the own browser's meter alone."""

    route_base = "/training"
    default_view = "show"
    class_permission_name = TRAINING
    base_permissions = ("can_train",)

    @expose("/")
    @has_access
    @permission_name("train")
    def show(self) -> str:
        """Show the meter, or how to begin."""
        return self._page()

    @expose("/begin", methods=["POST"])
    @has_access
    @permission_name("train")
    def begin(self) -> Answer:
        """Take a new meter, in place of the one that is there."""
        ea = CIPHERS.get(request.form.get("ea", ""), 7)
        training.begin(session(), actor(), _browser(), _key(), ea=ea)
        return redirect(url_for("TrainingBench.show"))

    @expose("/press", methods=["POST"])
    @has_access
    @permission_name("train")
    def press(self) -> Answer:
        """Press a key: a digit, back, or enter."""
        typed = _digits(request.form.get("typed", ""))
        key = request.form.get("key", "enter")
        if key == "back":
            return self._page(typed=typed[:-1])
        if key.isascii() and key.isdigit() and len(key) == 1:
            return self._page(typed=(typed + key)[:TYPED_MAX])
        try:
            training.change(
                session(), _browser(), _key(), lambda meter: training.enter(meter, typed)
            )
        except NoTraining as error:
            return self._gone(error)
        return redirect(url_for("TrainingBench.show"))

    @expose("/make", methods=["POST"])
    @has_access
    @permission_name("train")
    def make(self) -> Answer:
        """Make the tokens of a lesson."""
        try:
            wish = _wish()
            training.change(
                session(), _browser(), _key(),
                lambda meter: training.make(meter, wish, now_utc()),
            )  # fmt: skip
        except NoTraining as error:
            return self._gone(error)
        except VmsError as error:
            return self._page(error=error), status_of(error)
        return redirect(url_for("TrainingBench.show"))

    @expose("/put-away", methods=["POST"])
    @has_access
    @permission_name("train")
    def put_away(self) -> Answer:
        """Throw the meter away."""
        training.put_away(session(), _browser())
        flash(_("The training meter was put away."), "success")
        return redirect(url_for("TrainingBench.show"))

    def _gone(self, error: NoTraining) -> Answer:
        flash(sentence(error), "warning")
        return redirect(url_for("TrainingBench.show"))

    def _page(self, typed: str = "", error: VmsError | None = None) -> str:
        kept = training.look(session(), _browser(), _key())
        return self.page(
            "training/show.html",
            kept=kept,
            facts=_facts(kept) if kept else (),
            typed=typed,
            keys=KEYS,
            words=words,
            works=[(one, words.LESSONS[one]) for one in words.WORKS],
            fails=[
                (one, words.LESSONS[one])
                for one in words.FAILS
                if one is not Lesson.FORMER_KEY or (kept and kept.former_key)
            ],
            shows=[(int(test), gettext(TESTS[test])) for test in SHOWS],
            wrong=sentence(error) if error else "",
            field=error.field if isinstance(error, InvalidInput) else None,
            typed_in=request.form if error else {},
        )


def _facts(kept: Training) -> list[tuple[str, str]]:
    """What the meter's registers hold."""
    meter = kept.meter
    limit = meter.maximum_power_limit
    return [
        (_("Meter number"), meter.drn),
        (_("Balance in money"), f"{meter.registers[4] / 10**5:.2f}"),
        (_("Maximum power in watts"), "–" if limit is None else str(limit)),
        (_("Cover was opened"), _("Yes") if meter.tampered else _("No")),
        (_("Supply group code (SGC)"), f"{meter.sgc:06d}"),
        (_("Key revision number (KRN)"), str(meter.krn)),
        (_("Tariff index (TI)"), f"{meter.ti:02d}"),
        (_("Key expiry number (KEN)"), str(meter.ken)),
        (_("Encryption algorithm"), f"{kept.ea:02d}"),
    ]


def _wish() -> Wish:
    """Read which lesson is wanted; what is no lesson is a credit.

    Raises:
        TrainingFault: A number cannot be read.
    """
    asked = request.form.get("lesson", "")
    lesson = Lesson(asked) if asked in set(Lesson) else Lesson.CREDIT
    plain = Wish(lesson)
    units, watts = plain.units, plain.watts
    try:
        if lesson is Lesson.CREDIT:
            units = read_number(request.form.get("units", ""))
        if lesson is Lesson.POWER_LIMIT:
            watts = _whole(read_number(request.form.get("watts", "")))
    except NumberUnreadable:
        raise (UnitsOutOfRange if lesson is Lesson.CREDIT else WattsOutOfRange) from None
    test = request.form.get("test", type=int)
    return Wish(
        lesson, units=units, watts=watts,
        ti=ascii_digits(request.form.get("ti", "")[:4]).strip(),
        test=int(MeterTest.TI) if test is None else test,
    )  # fmt: skip


def _whole(number: Decimal) -> int:
    if number != number.to_integral_value():
        raise WattsOutOfRange
    return int(number)


def _digits(text: str) -> str:
    """Leave out what stands between digits; what else was typed the meter refuses by itself."""
    return bare(ascii_digits(text[:MAX_TYPED]))[:TYPED_MAX]


def _browser() -> int:
    return int(current_session().id)


def _key() -> bytes:
    return key_for("training meters")
