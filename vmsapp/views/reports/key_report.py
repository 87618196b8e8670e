"""Key expiry: until when vending keys serve, and how many meters need each."""

from typing import Any

from flask import current_app, url_for
from flask_babel import gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, _l
from vmsapp.security import KEY_REPORT, MODULES
from vmsapp.services.reports.key_expiry import Metered, key_report
from vmsapp.services.reports.lines import Answer, Line
from vmsapp.views.base import session
from vmsapp.views.counter.sale_filters import REGION
from vmsapp.views.look import number_text
from vmsapp.views.registration.meter_forms import BASE_YEARS, KEY_TYPES
from vmsapp.views.reports.asked import Asked, may_list
from vmsapp.views.reports.columns import Column, Kind
from vmsapp.views.reports.page import ReportPage
from vmsapp.views.words import ALGORITHMS


def module_url(_asked: Asked, line: Line[Any]) -> str | None:
    """Where the module is that has the key; none for who may not see modules."""
    sm = current_app.extensions["appbuilder"].sm
    if not line.apart.module_id or not sm.has_access("can_show", MODULES):
        return None
    return url_for("SecurityModules.show", pk=line.apart.module_id)


def meters_url(asked: Asked, line: Line[Any]) -> str | None:
    """Where the meters stand that need the key."""
    if line.key is None or not may_list("Meters"):
        return None
    named, about = line.apart, dict[str, Any](asked.about())
    return url_for(
        "Meters.list", key=f"{named.sgc}/{named.krn}/{named.kt}", algorithm=named.algorithm,
        **about,
    )  # fmt: skip


def _word(words: Any) -> Any:  # noqa: ANN401 - a way to put codes into words
    return lambda code: str(gettext(words[str(code)])) if code else ""


def _number(number: int) -> str:
    return number_text(number) if number else ""


def _none_of_nought(number: int) -> int | None:
    return number or None


def days_said(days: int) -> str:
    """Say how long it is until then."""
    return number_text(days) if days >= 0 else str(_("ended"))


def days_filed(days: int) -> int | str:
    """Write it into a file, where it is a number to sort by."""
    return days if days >= 0 else days_said(days)


class KeyReport(ReportPage):
    """The keys that end first at the top; above them what meters need that is not there."""

    route_base = "/reports/key-expiry"
    class_permission_name = KEY_REPORT
    report = "key_report"
    title = _l("Key expiry")
    heading = N_("Supply group")
    filters = (REGION,)
    asks_days = False
    columns = (
        Column(name="apart.krn", word=N_("Key revision"), said=_number, filed=_none_of_nought),
        Column(name="apart.kt", word=N_("Key type"), said=_word(KEY_TYPES)),
        Column(name="apart.algorithm", word=N_("Algorithm"), said=_word(ALGORITHMS)),
        Column(name="apart.base_date", word=N_("Base date"), said=_word(BASE_YEARS)),
        Column(name="apart.module", word=N_("Security module"), leads=module_url),
        Column(name="apart.ends_on", word=N_("Ends on"), kind=Kind.DAY),
        Column(name="apart.days", word=N_("Days left"), said=days_said, filed=days_filed),
        Column(name="figures.meters", word=N_("Meters"), kind=Kind.COUNT, leads=meters_url),
    )  # fmt: skip
    note = N_(
        "Meters in use that need the key. A key without a day is in no security module: load it,"
        " or give its meters another key."
    )
    nothing = (
        N_("No key"), N_("Keys stand here once a security module has some that meters need."),
    )  # fmt: skip

    def answer(self, asked: Asked) -> Answer[Metered]:
        """List the keys."""
        return key_report(session(), asked.question)
