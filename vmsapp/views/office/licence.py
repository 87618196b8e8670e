"""The licence: what it allows and what is used of it, installing one, giving it up."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from flask import current_app, flash, redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import ngettext
from flask_wtf.file import FileField, FileRequired
from markupsafe import Markup
from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired

from config import Settings
from vmsapp.errors import N_, VmsError
from vmsapp.i18n import _, _l, date_text
from vmsapp.models import LicenceDeed
from vmsapp.security import LICENCE
from vmsapp.services.licence import changes
from vmsapp.services.licence.changes import REASON_LENGTH, Overview, Rules
from vmsapp.services.licence.file import MOST_BYTES
from vmsapp.services.licence.standing import LicenceState, Standing
from vmsapp.services.setup import installation
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of, zone
from vmsapp.views.counter.page import Answer
from vmsapp.views.forms import OfficeForm, of_length, put_error, tidy
from vmsapp.views.look import number_text, state

STATES: Final = {
    LicenceState.OPEN: (N_("Open edition"), None),
    LicenceState.LICENSED: (N_("Licensed"), "good"),
    LicenceState.ENDS_SOON: (N_("Ends soon"), "warn"),
    LicenceState.GRACE: (N_("Grace period"), "warn"),
    LicenceState.ENDED: (N_("Ended"), "bad"),
}
"""The word for each state, and the tone it is written in."""

GROUP: Final = 8
"""Digits of a long number that stand together."""

DEEDS: Final = {
    LicenceDeed.INSTALLED: N_("Installed"),
    LicenceDeed.RETURNED: N_("Returned to the open edition"),
}


class InstallForm(OfficeForm):
    """A licence file."""

    file = FileField(
        _l("Licence file"),
        [FileRequired(_l("Choose the licence file."))],
        description=_l("It replaces the licence there is. What was installed stays listed below."),
    )


class ReturnForm(OfficeForm):
    """Why, and a yes."""

    reason = StringField(
        _l("Reason"),
        [InputRequired(_l("Say why the licence is given up.")), of_length(1, REASON_LENGTH)],
    )
    sure = BooleanField(
        _l("I know that the licence counts no more until a file is installed again"),
        [InputRequired(_l("Tick this if you are sure."))],
    )


class Licence(OfficeView):
    """For administrators to change, for auditors to see."""

    route_base = "/licence"
    default_view = "show"
    class_permission_name = LICENCE

    @expose("/")
    @has_access
    @permission_name("show")
    def show(self) -> Answer:
        """Show the licence beside what is used of it."""
        return self._page()

    @expose("/", methods=["POST"])
    @has_access
    @permission_name("install")
    def install(self) -> Answer:
        """Install the file sent."""
        form = InstallForm()
        if not form.validate():
            return self._page(form), 422
        try:
            content = form.file.data.read(MOST_BYTES + 1)
            changes.install(session(), actor(), content, rules())
        except VmsError as error:
            put_error(form, error)
            return self._page(form), status_of(error)
        flash(_("The licence is installed."), "success")
        return redirect(url_for("Licence.show"))

    @expose("/give-up", methods=["GET", "POST"])
    @has_access
    @permission_name("give_up")
    def give_up(self) -> Answer:
        """Ask why, and return to the open edition."""
        form, status = ReturnForm(), 200
        tidy(form)
        if form.is_submitted():
            try:
                if form.validate():
                    changes.return_to_open_edition(session(), actor(), form.reason.data)
                    flash(_("This is the open edition again. Nothing is limited."), "success")
                    return redirect(url_for("Licence.show"))
                status = 422
            except VmsError as error:
                put_error(form, error)
                status = status_of(error)
        return self.page("licence/give_up.html", form=form), status

    def _page(self, form: InstallForm | None = None) -> str:
        seen = changes.overview(session(), rules())
        return self.page(
            "licence/show.html",
            standing=seen.standing,
            facts_of=_facts(seen.standing, seen.meters),
            warnings=warnings_of(seen),
            history=seen.history,
            deeds={deed: _(word) for deed, word in DEEDS.items()},
            zone=zone(),
            cannot_install=None if rules().key else sentence(changes.NoTrustedKey()),
            form=(form or InstallForm(formdata=None)) if self._may("can_install") else None,
            may_give_up=seen.standing.licence is not None and self._may("can_give_up"),
        )

    def _may(self, deed: str) -> bool:
        return bool(self.appbuilder.sm.has_access(deed, LICENCE))


def rules() -> Rules:
    """By what licences are judged here."""
    settings: Settings = current_app.extensions["vms_settings"]
    return Rules(settings.licence_key, zone(), settings.licence_grace_days)


def warn_who_signs_in() -> None:
    """Say once, after signing in, what the licence warns of."""
    for text in warnings_of(changes.overview(session(), rules())):
        flash(text, "warning")


def warnings_of(seen: Overview) -> list[str]:
    """Say what must be done about the licence before long, or now."""
    said = [_time_warning(seen.standing)]
    if seen.standing.near_limit(seen.meters):
        said.append(_meter_warning(seen.standing, seen.meters))
    return [text for text in said if text]


def _time_warning(standing: Standing) -> str:
    until, last, left = _ends(standing)
    match standing.state:
        case LicenceState.ENDS_SOON if left == 0:
            return str(_("Today is the last day of the licence. Install a new one."))
        case LicenceState.ENDS_SOON:
            return str(
                ngettext(
                    "The licence ends in %(num)s day, on %(until)s. Ask for a new one in time.",
                    "The licence ends in %(num)s days, on %(until)s. Ask for a new one in time.",
                    left,
                    until=until,
                )
            )
        case LicenceState.GRACE:
            return str(
                _(
                    "The licence ended on %(until)s. Tokens are sold until %(last)s;"
                    " then selling stops until a new licence is installed.",
                    until=until,
                    last=last,
                )
            )
        case LicenceState.ENDED:
            return str(
                _(
                    "The licence ended on %(until)s, and nothing can be sold until a new one is"
                    " installed. Everything can be read, printed again and settled as before.",
                    until=until,
                )
            )
        case _:
            return ""


def _meter_warning(standing: Standing, meters: int) -> str:
    limit = (standing.licence and standing.licence.meter_limit) or 0
    values = {"meters": number_text(meters), "limit": number_text(limit)}
    if meters < limit:
        return str(
            _("There are %(meters)s meters of the %(limit)s that the licence allows.", **values)
        )
    return str(
        _(
            "There are %(meters)s meters, and the licence allows %(limit)s: none can be added."
            " Retire meters that are gone, or install a larger licence.",
            **values,
        )
    )


def _ends(standing: Standing) -> tuple[str, str, int]:
    """The last day of the licence and of selling, as they are written, and the days left."""
    licence, last = standing.licence, standing.sells_until
    if licence is None or licence.valid_until is None or last is None:
        return "", "", 0
    return _day(licence.valid_until), _day(last), standing.days_left or 0


def _day(day: date) -> str:
    return date_text(day, "long")


def _grouped(digits: str) -> Markup:
    """Write a long number in groups, left to right, so that it can be read out and wraps."""
    groups = (digits[start : start + GROUP] for start in range(0, len(digits), GROUP))
    return Markup('<bdi dir="ltr">{}</bdi>').format(" ".join(groups))


def _facts(standing: Standing, meters: int) -> Sequence[tuple[str, Any]]:
    """The licence and what is used of it, as a record shows them."""
    word, tone = STATES[standing.state]
    ours, licence = installation(session()).instance_id, standing.licence
    facts: list[tuple[str, Any]] = [(_("State"), state(_(word), tone))]
    if licence is not None:
        made_for = _("This installation") if licence.installation else _("Any installation")
        facts += [
            (_("Holder"), licence.holder),
            (_("Licence number"), _grouped(str(licence.number))),
            (_("Issued on"), licence.issued_on),
            (_("Valid until"), licence.valid_until),
            (_("Days left"), number_text(max(standing.days_left or 0, 0))),
            (_("Tokens are sold until"), standing.sells_until),
            (_("Made for"), made_for),
        ]
    limit = licence.meter_limit if licence is not None else None
    return [
        *facts,
        (_("Meter limit"), _("No limit") if limit is None else number_text(limit)),
        (_("Meters now"), number_text(meters)),
        (_("Installation ID"), _grouped(ours)),
    ]
