"""Loading a key file into a security module: look at it, try it, load it."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    BooleanField,
    HiddenField,
    PasswordField,
    SelectField,
    StringField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Regexp

from vmsapp.errors import VmsError
from vmsapp.extensions import begin_reading
from vmsapp.hsm.answers import ImportReport, KeyFilePreview, KeyInfo
from vmsapp.hsm.errors import KeyFileRefused
from vmsapp.hsm.requests import KeyRef
from vmsapp.i18n import _, _l
from vmsapp.models import SecurityModule
from vmsapp.services.approvals.inbox import people_at_hand
from vmsapp.services.approvals.rules import rule_of
from vmsapp.services.security_modules import importing
from vmsapp.services.security_modules.import_deeds import KEY_IMPORT, KEY_REPLACE
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes
from vmsapp.sts.tid import key_expires_at
from vmsapp.views.approvals.approvers import why_nobody
from vmsapp.views.approvals.deeds import MAX_KEY, a_key, after, rule_said
from vmsapp.views.base import actor, modules, session, status_of
from vmsapp.views.forms import OfficeForm, WholeField, put_error, tidy
from vmsapp.views.lists.pages import Answer, OfficeListView
from vmsapp.views.look import digits
from vmsapp.views.modules.advice import refusal_said
from vmsapp.views.modules.words import (
    KEY_TYPES,
    KINDS_OF_METERS,
    algorithm_said,
    limits_said,
    stages,
    verdict_said,
)
from vmsapp.views.registration.meter_forms import BASE_YEARS

OUTCOMES: Final = {
    "added": (_l("is added"), "good"),
    "same": (_l("is there already"), None),
    "replaced": (_l("replaces another"), "warn"),
    "refused": (_l("is refused"), "bad"),
}
LONGEST_PASSPHRASE: Final = 1000
AT_THE_FILE: Final = frozenset({"passphrase", "wait"})
"""Refusals that are said beside the passphrase; the others say something of the file."""


class ChooseForm(OfficeForm):
    """A key file."""

    file = FileField(
        _l("Key file"), [FileRequired(_l("Choose the key file."))],
        description=_l("It is looked at first; nothing is loaded before you say so."),
    )  # fmt: skip


class LoadForm(OfficeForm):
    """A key file that was looked at, and what opens it."""

    content = HiddenField(validators=[DataRequired()])
    key = HiddenField(validators=[DataRequired(), Length(max=MAX_KEY)])
    passphrase = PasswordField(
        _l("Passphrase of the key file"),
        [InputRequired(_l("Type the passphrase.")), Length(max=LONGEST_PASSPHRASE)],
        description=_l("It is used once and kept nowhere. Whoever sent the file tells it to you."),
    )
    replace = BooleanField(
        _l("Keys of this file may take the place of others of the same name"),
        description=_l(
            "Meters under a key that goes take no token of another one that comes. It always asks"
            " for a second person."
        ),
    )


class EnterForm(OfficeForm):
    """The public side of a key, as PrismToken's own pages show it."""

    sgc = StringField(_l("Supply group code (SGC)"), [DataRequired(), Regexp(
        r"^[0-9]{6}$", message=_l("A supply group code has 6 digits.")
    )], render_kw={"dir": "ltr", "inputmode": "numeric"})  # fmt: skip
    krn = WholeField(_l("Key revision number (KRN)"), [
        InputRequired(), NumberRange(1, 9, _l("A revision is a number from 1 to 9.")),
    ])  # fmt: skip
    kt = SelectField(_l("Key type (KT)"), coerce=int, choices=list)
    dkga = SelectField(_l("Algorithm"), choices=list)
    base_date = SelectField(_l("Base date"), choices=list)
    ken = WholeField(_l("Key expiry number (KEN)"), [
        InputRequired(), NumberRange(0, 255, _l("A key expiry number is from 0 to 255.")),
    ])  # fmt: skip
    kcv = StringField(
        _l("Check value"), [DataRequired(), Regexp(
            r"^[0-9A-Fa-f]{6}$", message=_l("A check value has 6 characters, 0 to 9 and A to F.")
        )],
        description=_l("As TsmWeb shows it. Each token is held against it."),
        render_kw={"dir": "ltr", "autocapitalize": "characters", "spellcheck": "false"},
    )  # fmt: skip
    name = StringField(_l("Name"), [Length(max=120)])

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.kt.choices = [(code, gettext(word)) for code, word in KEY_TYPES.items()]
        self.dkga.choices = [(code, algorithm_said(code)) for code in KINDS_OF_METERS]
        self.base_date.choices = [(code, BASE_YEARS[code]) for code in ("14", "35")]

    def key(self) -> KeyInfo:
        """The key as it was typed."""
        ref = KeyRef(self.sgc.data, self.krn.data, self.kt.data, self.dkga.data)
        return KeyInfo(
            ref, BaseDate(self.base_date.data), self.ken.data, self.kcv.data.upper(),
            self.name.data or "", demo=False, protection="hsm",
        )  # fmt: skip


class Importing(OfficeListView):
    """The pages on which keys get in."""

    @expose("/enter/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("import")
    def enter_key(self, pk: int) -> Answer:
        """Enter the public side of a key that PrismToken holds."""
        row = self.row(pk)
        form, status = EnterForm(data={"kt": 2, "dkga": "04", "base_date": "14", "ken": 255}), 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    importing.enter_key(session(), modules(), actor(), pk, form.key())
                    flash(_("The key was entered."), "success")
                    return redirect(self.url("show", pk=pk))
                except VmsError as error:
                    put_error(form, error, say=refusal_said)
                    status = status_of(error)
        page = self._page(
            "office/form.html", title=_("Enter a key of “%(name)s”", name=row.name), form=form,
            columns=["sgc", "krn", "kt", "dkga", "base_date", "ken", "kcv", "name"], row=row,
            seen="", back=self.url("show", pk=pk),
        )  # fmt: skip
        return page, status

    @expose("/import/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("import")
    def import_keys(self, pk: int) -> Answer:
        """Take a file and show what it says of itself."""
        row, form, status = self.row(pk), ChooseForm(), 200
        if request.method == "POST":
            status = 422
            if form.validate():
                blob = form.file.data.read(importing.MOST_BYTES + 1)
                try:
                    found = importing.preview(session(), modules(), pk, blob)
                    load = LoadForm(
                        formdata=None,
                        data={"content": base64.b64encode(blob).decode(), "key": a_key()},
                    )
                    return self._shown(row, load, found)
                except VmsError as error:
                    put_error(form, error, "file", refusal_said)
                    status = status_of(error)
        row = self.row(pk)
        page = self._page("modules/choose_file.html", form=form, row=row, stages=_stages_of(row))
        return page, status

    @expose("/import/<int:pk>/load", methods=["POST"])
    @has_access
    @permission_name("import")
    def load(self, pk: int) -> Answer:
        """Try a file, or load it."""
        row, form = self.row(pk), LoadForm()
        begin_reading(session())
        found = None
        try:
            blob = _content(form.content.data)
            found = importing.preview(session(), modules(), pk, blob)
            if not form.validate():
                return self._shown(row, form, found), 422
            return self._loaded(row, form, found, blob)
        except VmsError as error:
            session().rollback()
            beside = isinstance(error, KeyFileRefused) and error.why in AT_THE_FILE
            put_error(form, error, "passphrase" if beside else None, refusal_said)
            return self._shown(self.row(pk), form, found), status_of(error)

    def _loaded(
        self, row: SecurityModule, form: LoadForm, found: KeyFilePreview, blob: bytes
    ) -> Answer:
        replaces, asked_by = bool(form.replace.data), actor()
        with SecretBytes(form.passphrase.data.encode()) as passphrase:
            if request.form.get("deed") == "try":
                report = importing.try_keys(
                    session(), modules(), asked_by, row.id, blob, passphrase, replace=replaces
                )
                return self._shown(row, form, found, report)
            done = importing.import_keys(
                session(), modules(), asked_by, row.id, blob, passphrase,
                replace=replaces, key=form.key.data,
            )  # fmt: skip
        if done.asked is not None:
            flash(
                _(
                    "A second person must approve this: it is request %(id)s. Send the file once"
                    " more with its passphrase within a day after that.",
                    id=done.asked.id,
                ),
                "info",
            )
            return after(done.asked, self.url("show", pk=row.id))
        if done.waits:
            return self._shown(row, form, found, done.report, waits=True)
        if not done.report.done:
            return self._shown(row, form, found, done.report), 409
        flash(_("The key file was loaded."), "success")
        return redirect(self.url("show", pk=row.id))

    def _shown(
        self,
        row: SecurityModule,
        form: LoadForm,
        found: KeyFilePreview | None,
        report: ImportReport | None = None,
        *,
        waits: bool = False,
    ) -> str:
        rule = rule_said(rule_of(session(), KEY_IMPORT.action))
        may_replace = self.may("replace_keys")
        return self._page(
            "modules/load_file.html", form=form, row=row, found=found, report=report, waits=waits,
            keys=[_told(key) for key in found.keys] if found else [],
            verdicts=_verdicts(report) if report else [],
            rule=rule, may_replace=may_replace, stages=_stages_of(row),
            nobody=_nobody(asks_always=bool(rule), may_replace=may_replace),
            digest=hashlib.sha256(_content(form.content.data)).hexdigest() if found else "",
        )  # fmt: skip


def _stages_of(row: SecurityModule) -> Sequence[str]:
    """The way to a new module, whose last stage its first key file is."""
    return stages() if row.driver == "tcp" and not row.keys else ()


def _nobody(*, asks_always: bool, may_replace: bool) -> str | None:
    """Say why nobody could approve the file, or that its keys take the place of others."""
    action = KEY_IMPORT.action if asks_always else KEY_REPLACE.action
    if not asks_always and not may_replace:
        return None
    return why_nobody(people_at_hand(session()), action, asks=True)


def _content(text: str | None) -> bytes:
    """Read the file that was looked at out of its page.

    Raises:
        KeyFileRefused: It is no file.
    """
    try:
        return base64.b64decode(text or "", validate=True)
    except ValueError:
        raise KeyFileRefused("format") from None


def _told(key: KeyInfo) -> Mapping[str, Any]:
    """What a file says of one of its keys."""
    expires = key_expires_at(key.ken, key.base_date)
    return {
        "sgc": digits(key.ref.sgc),
        "krn": key.ref.krn,
        "name": key.name,
        "kt": gettext(KEY_TYPES[key.ref.kt]),
        "number": digits(str(key.ref)),
        "algorithm": algorithm_said(key.ref.dkga),
        "base_date": BASE_YEARS[key.base_date.value],
        "ends_at": min(expires, key.issue_until) if key.issue_until else expires,
        "kcv": digits(key.kcv),
        "demo": key.demo,
        "limits": limits_said(key),
        "changes_to": ", ".join(f"{sgc}/{krn}" for sgc, krn in key.changes_to),
    }


def _verdicts(report: ImportReport) -> Sequence[tuple[Any, str, str | None, str]]:
    """Each key of a report: its name, what becomes of it, the tone, why."""
    return [
        (
            digits(str(one.key.ref)),
            str(OUTCOMES[one.outcome][0]),
            OUTCOMES[one.outcome][1],
            verdict_said(one),
        )
        for one in report.verdicts
    ]
