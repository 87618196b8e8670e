"""Adding a security module by its address, and reaching one elsewhere: the connect test first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import current_app, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from flask_login import current_user
from limits import RateLimitItemPerMinute
from wtforms import (
    BooleanField,
    HiddenField,
    PasswordField,
    SelectField,
    StringField,
    ValidationError,
)
from wtforms.validators import DataRequired, NumberRange

from vmsapp.errors import N_, VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.connect import STEPS, StaleTest, Step, Target, Ticket, checked
from vmsapp.i18n import _, _l
from vmsapp.models import SecurityModule
from vmsapp.services import audit
from vmsapp.services.restore import standstill
from vmsapp.services.security_modules import adding, health
from vmsapp.views.base import actor, modules, session, status_of
from vmsapp.views.forms import OfficeForm, WholeField, of_length, put_error, tidy
from vmsapp.views.lists.pages import Answer, OfficeListView
from vmsapp.views.modules.advice import advice_said, why_said
from vmsapp.views.modules.words import DRIVERS, stages
from vmsapp.views.numbers import ascii_digits

TESTS: Final = RateLimitItemPerMinute(adding.TESTS_A_MINUTE)
PORTS: Final = {"tcp": 8770, "prism": 9443}
HEX_DIGITS: Final = 64

SECRET_STAYS: Final = {
    "tcp": N_(
        "Left empty, the secret on record stays. Type one only if the module server has a new"
        " secret for us, or knows us by another name."
    ),
    "prism": N_(
        "Left empty, the password on record stays. Type it if it is a new one, or if PrismToken"
        " has a new certificate or knows us by another name."
    ),
}
"""What stands beside the secret of a module that is reached elsewhere."""

NO_KEYS_YET: Final = N_("The module was reached. It holds no keys yet: load its key file next.")
KEYS_BY_HAND: Final = N_("PrismToken was reached. Enter next which keys it holds.")


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step of a connect test as the page shows it.

    Attributes:
        word: What was tried.
        well: It did not fail.
        took_ms: How long it took.
        said: Why it failed, or what comes next; empty where nothing is to be said.
        advice: What to do about it.
    """

    word: str
    well: bool
    took_ms: int
    said: str = ""
    advice: str = ""


class ConnectForm(OfficeForm):
    """Where a module is and who we are to it."""

    driver = SelectField(_l("Kind of module"), choices=list)
    host = StringField(
        _l("Address"), [DataRequired(), of_length(1, 253)],
        description=_l("Name or number of the computer on which the module's service runs."),
        render_kw={"dir": "ltr", "autocapitalize": "none", "spellcheck": "false"},
    )  # fmt: skip
    port = WholeField(
        _l("Port"), [DataRequired(_l("Enter a port.")),
                     NumberRange(1, 65535, _l("A port is a number from 1 to 65535."))],
        description=_l("Usually 8770 for a module server and 9443 for PrismToken."),
    )  # fmt: skip
    client = StringField(
        _l("Our name there"), [DataRequired(), of_length(1, 60)],
        description=_l(
            "For a module server the client's name in its settings, for PrismToken the user."
        ),
        render_kw={"dir": "ltr", "autocapitalize": "none", "spellcheck": "false",
                   "autocomplete": "off"},
    )  # fmt: skip
    secret = PasswordField(
        _l("Secret"), [of_length(0, 400)],
        description=_l(
            "What is in the client's secret file at the module server, or the user's password for"
            " PrismToken. It is kept in a file of this server, never in the database, and not"
            " shown again."
        ),
    )  # fmt: skip
    fingerprint = StringField(
        _l("Fingerprint of its certificate"),
        description=_l(
            "SHA-256 as it is shown at the module (server.sha256), 64 characters; spaces and"
            " colons between them do not matter. Left empty, the test shows the one it finds;"
            " PrismToken is sent the password only once you have entered it."
        ),
        render_kw={"dir": "ltr", "autocapitalize": "none", "spellcheck": "false",
                   "autocomplete": "off"},
    )  # fmt: skip
    kept = HiddenField(_l("Secret"))

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.driver.choices = [(code, _(DRIVERS[code])) for code in adding.DRIVERS]

    def validate_fingerprint(self, field: StringField) -> None:
        """64 characters, however they are set apart."""
        plain = "".join((field.data or "").replace(":", "").split()).lower()
        field.data = plain
        if plain and (len(plain) != HEX_DIGITS or set(plain) - set("0123456789abcdef")):
            raise ValidationError(_("A fingerprint has 64 characters, 0 to 9 and a to f."))

    def target(self) -> Target:
        """What is to be tried."""
        known = self.fingerprint.data
        return Target(
            self.driver.data, self.host.data, self.port.data,
            bytes.fromhex(known) if known else None,
        )  # fmt: skip


class ProvedForm(OfficeForm):
    """What a test proved, on its way to be added."""

    driver = HiddenField(validators=[DataRequired()])
    host = HiddenField(validators=[DataRequired()])
    port = WholeField(validators=[DataRequired()])
    client = HiddenField(validators=[DataRequired()])
    kept = HiddenField(validators=[DataRequired()])
    ticket = HiddenField(validators=[DataRequired()])
    name = StringField(
        _l("Name"), [DataRequired(), of_length(1, 120)],
        description=_l("What the module is called here."),
    )  # fmt: skip
    sure = BooleanField(_l("I have compared this fingerprint with the one shown at the module"))

    def validate_sure(self, field: BooleanField) -> None:
        """Nobody trusts a certificate unseen."""
        if not field.data:
            raise ValidationError(_("Compare the fingerprint first, then tick this."))

    def target(self) -> Target:
        """What was tried."""
        return Target(self.driver.data, self.host.data, self.port.data)


class Adding(OfficeListView):
    """The pages on the way to a new module."""

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Answer:
        """Ask where the module is, and test it."""
        form = ConnectForm(data={"driver": "tcp", "port": PORTS["tcp"]})
        return self._tested(form, None)

    @expose("/create", methods=["POST"])
    @has_access
    @permission_name("add")
    def create(self) -> Answer:
        """Add the module that was tested."""
        form = ProvedForm()
        tidy(form)
        if not form.validate():
            return self._proved(form, None), 422
        try:
            added = adding.add(
                session(), settings(), signing_secret(), actor(), target=form.target(),
                ticket=form.ticket.data, kept=form.kept.data, client=form.client.data,
                name=form.name.data,
            )  # fmt: skip
        except VmsError as error:
            put_error(form, error)
            return self._proved(form, None), status_of(error)
        health.look(session(), modules(), added, actor=actor())
        flash(_("“%(name)s” was added.", name=form.name.data), "success")
        row = self.row(added)
        to_keys = "enter_key" if row.driver == "prism" else "import_keys"
        first = not row.keys and self.may("import")
        return redirect(self.url(to_keys if first else "show", pk=added))

    @expose("/replace/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def replace(self, pk: int) -> Answer:
        """Ask where a module is now, and test it."""
        row = self._elsewhere(pk)
        params = row.params
        form = ConnectForm(
            data={
                "driver": row.driver, "host": params["host"], "port": int(params["port"]),
                "client": params.get("client") or params.get("username"),
                "fingerprint": params["fingerprint"],
            }
        )  # fmt: skip
        form.driver.choices = [(row.driver, gettext(DRIVERS[row.driver]))]
        form.secret.description = gettext(SECRET_STAYS[row.driver])
        return self._tested(form, row)

    @expose("/replace/<int:pk>/confirm", methods=["POST"])
    @has_access
    @permission_name("change")
    def confirm(self, pk: int) -> Answer:
        """Reach the module from now on where it was tested."""
        row = self._elsewhere(pk)
        form = ProvedForm()
        form.name.data = row.name
        tidy(form)
        if not form.validate():
            return self._proved(form, row), 422
        try:
            adding.replace_at(
                session(), settings(), signing_secret(), actor(), pk, target=form.target(),
                ticket=form.ticket.data, kept=form.kept.data, client=form.client.data,
            )  # fmt: skip
        except VmsError as error:
            session().rollback()
            put_error(form, error)
            return self._proved(form, self.row(pk)), status_of(error)
        modules().forget(pk)
        health.look(session(), modules(), pk, actor=actor())
        flash(_("“%(name)s” is reached there from now on.", name=row.name), "success")
        return redirect(self.url("show", pk=pk))

    def count_test(self) -> None:
        """Count a test of this person.

        Raises:
            TooManyTests: There were too many within the minute.
        """
        limiter = self.appbuilder.sm.limiter.limiter
        if not limiter.hit(TESTS, "module test", current_user.get_id()):
            raise adding.TooManyTests(count=TESTS.amount)

    def _elsewhere(self, pk: int) -> SecurityModule:
        row: SecurityModule = self.row(pk)
        if row.driver not in adding.DRIVERS:
            raise adding.NotByAddress(name=row.name)
        return row

    def _tested(self, form: ConnectForm, row: SecurityModule | None) -> Answer:
        steps: Sequence[ShownStep] = ()
        status, found = 200, None
        if request.method == "POST":
            tidy(form)
            form.port.raw_data = [ascii_digits(str((form.port.raw_data or [""])[0]))]
            status = 422
            if form.validate():
                try:
                    self.count_test()
                    end_reading(session())  # nobody waits for the database meanwhile
                    found = adding.try_out(
                        settings(), signing_secret(), form.target(), form.client.data,
                        (form.secret.data or "").encode(), form.kept.data or "", row,
                    )  # fmt: skip
                    _note(form, row, found.tried.steps)
                    steps = [_shown(step, form.driver.data, row) for step in found.tried.steps]
                    if found.ticket is not None:
                        adding.check_found(session(), found, row)
                        return self._proved(self._to_prove(form, found, row), row, found, steps)
                    status = 200
                except VmsError as error:
                    put_error(form, error)
                    status = status_of(error)
        shown = None
        if found is not None:
            form.kept.data = found.kept if found.typed else ""
            if form.kept.data:
                form.secret.description = _(
                    "The secret typed before is kept for ten minutes; leave it empty to use it"
                    " again."
                )
            shown = None if found.ticket else found.tried.fingerprint
            if shown and not form.fingerprint.data and form.driver.data == "prism":
                form.fingerprint.data = shown.hex()
        page = self._page(
            "modules/connect.html", form=form, row=row, steps=steps, stages=stages(),
            names=["driver", "host", "port", "client", "secret", "fingerprint"],
            title=_("Reach “%(name)s” elsewhere", name=row.name) if row else str(self.add_title),
            back=self.url("show", pk=row.id) if row else self.url("list"),
            found=shown.hex() if shown else "",
        )  # fmt: skip
        return page, status

    def _to_prove(
        self, form: ConnectForm, found: adding.Outcome, row: SecurityModule | None
    ) -> ProvedForm:
        return ProvedForm(
            formdata=None,
            data={
                "driver": form.driver.data, "host": form.host.data, "port": form.port.data,
                "client": form.client.data, "kept": found.kept, "ticket": found.ticket,
                "name": row.name if row else "", "sure": bool(form.fingerprint.data),
            },
        )  # fmt: skip

    def _proved(
        self,
        form: ProvedForm,
        row: SecurityModule | None,
        found: adding.Outcome | None = None,
        steps: Sequence[ShownStep] = (),
    ) -> str:
        return self._page(
            "modules/proved.html", form=form, row=row, steps=steps, stages=stages(),
            tried=found.tried if found else None, older=_is_older(row, found),
            ticket=_ticket(form),
            title=_("Reach “%(name)s” elsewhere", name=row.name) if row else str(self.add_title),
            action=self.url("confirm", pk=row.id) if row else self.url("create"),
            again=self.url("replace", pk=row.id) if row else self.url("add"),
        )  # fmt: skip


def _shown(step: Step, driver: str, row: SecurityModule | None) -> ShownStep:
    """Put a step in words; a module that only lacks its first keys did not fail."""
    word, took = str(gettext(STEPS[step.name])), round(step.took_ms)
    if step.why == "no_keys":
        return ShownStep(word, well=True, said=_keys_next(driver, row), took_ms=took)
    if step.why:
        why, advice = why_said(step.why), advice_said(step.why, testing=True)
        return ShownStep(word, well=False, said=why, advice=advice, took_ms=took)
    return ShownStep(word, well=True, took_ms=took)


def _is_older(row: SecurityModule | None, found: adding.Outcome | None) -> bool:
    """Tell whether the record where a module is to be reached is not the one it had last."""
    if row is None or found is None or found.tried.status is None:
        return False
    return standstill.would_begin(session(), row.id, found.tried.status)


def _keys_next(driver: str, row: SecurityModule | None) -> str:
    """Say how a module gets its first keys; a test never hears of those entered for PrismToken."""
    if driver != "prism":
        return str(gettext(NO_KEYS_YET))
    return "" if row else str(gettext(KEYS_BY_HAND))


def _ticket(form: ProvedForm) -> Ticket | None:
    """What a test proved; nothing where its ticket is not good any more."""
    try:
        return checked(signing_secret(), form.ticket.data or "", form.target())
    except StaleTest:
        return None


def _note(form: ConnectForm, row: SecurityModule | None, steps: Sequence[Step]) -> None:
    """Put on record who tried which address."""
    with atomic(session()) as current:
        audit.record(
            current, actor(), "module.tried", "security_module", row.id if row else None,
            driver=form.driver.data, host=form.host.data, port=form.port.data,
            outcome=steps[-1].why or "well",
        )  # fmt: skip


def settings() -> Any:  # noqa: ANN401 - the settings' own class
    """What this instance was started with."""
    return current_app.extensions["vms_settings"]


def signing_secret() -> bytes:
    """What tickets are signed with."""
    return str(current_app.config["SECRET_KEY"]).encode()
