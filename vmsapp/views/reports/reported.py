"""What makes a screen a report: its figures as a table, kept questions, saved, sent by e-mail.

A report declares itself by its class. One of figures is a ``ReportScreen``, one of records a
``ReportList``; either names its ``report``, and tells its table. All else - files, jobs, what
was asked last, saved reports, schedules - follows from the address:

    class TaxReport(ReportScreen):
        report = "tax_report"
        ...
        def table(self) -> Table: ...
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from flask import current_app, redirect, request, url_for
from flask_appbuilder import AppBuilder
from werkzeug.wrappers import Response

from vmsapp.models import SavedReport
from vmsapp.scope import Actor
from vmsapp.security import SAVED_REPORTS, Permission
from vmsapp.services.reports.saving import names_of
from vmsapp.services.reports.sendings import NarrowedOutOfSight
from vmsapp.views.base import actor, session
from vmsapp.views.lists.filters import Filter, left_out, none_left_out
from vmsapp.views.lists.pages import YEAR, secure_cookies
from vmsapp.views.reports.files import Follow, Table

LONGEST_QUESTION: Final = 1000
"""Signs of an address that are kept."""

RESET: Final = "reset"
ASKED: Final = "asked"
"""In an address: it was asked for on the page, also where nothing narrows it any more."""

NOT_ASKED: Final = frozenset({"after", "before", "last", "_l_", RESET, ASKED})
"""Parameters that say where in a report the reader is, not what was asked."""


class Reported:
    """A screen that is a report: what ``ReportScreen`` and ``ReportList`` share.

    What a reader asked last opens the report, in the same browser and for the same person; a
    link that asks anything wins.

    Attributes:
        report: Its name in rows and on record, which never changes.
        opens: The deed that shows it, and its route.
        filters: What it can be narrowed by.
    """

    report: ClassVar[str]
    opens: ClassVar[str] = "show"
    filters: ClassVar[Any] = ()

    appbuilder: AppBuilder
    endpoint: str
    route_base: str
    title: Any
    class_permission_name: str

    def report_table(self, limit: int | None, follow: Follow | None = None) -> Table:
        """Make the table that the address asks for, in the reader's scope and language.

        Args:
            limit: Rows at most, where there may be many.
            follow: Told how far it is.
        """
        raise NotImplementedError

    def background_address(self) -> str:
        """The path under which it is asked without a browser."""
        return f"{self.route_base}/" if self.opens == "show" else f"{self.route_base}/{self.opens}/"

    def opened_by(self, reader: Actor) -> bool:
        """Tell whether somebody may see it and take it away."""
        return all(reader.may(*one) for one in self.needed())

    def needed(self) -> Sequence[Permission]:
        """The permissions that whoever takes it away holds."""
        screen = self.class_permission_name
        return (f"can_{self.opens}", screen), ("can_export", screen)

    def report_title(self) -> str:
        """What it is called, in the reader's language."""
        return str(self.title)

    def report_url(self, query: str = "") -> str:
        """Where it stands, asked something."""
        url = url_for(f"{self.endpoint}.{self.opens}")
        return f"{url}?{query}" if query else url

    def asked_query(self) -> str:
        """What was asked, as it is kept; nothing where it is too long for that."""
        found = [(n, text) for n, text in request.args.items(multi=True) if n not in NOT_ASKED]
        query = urlencode([(name, text) for name, text in found if text])
        return query if len(query) <= LONGEST_QUESTION else ""

    # what was asked last

    def opening(self) -> Response | None:
        """Lead to what the reader asked last, where the address asks nothing."""
        if RESET in request.args:
            return self._kept_by_browser(redirect(self.report_url()), "")
        who, _point, query = request.cookies.get(_cookie(), "").partition(".")
        if request.args or not query or who != str(actor().user_id):
            return None
        return redirect(self.report_url(urlencode(parse_qsl(query[:LONGEST_QUESTION]))))

    def remember(self, answer: Response) -> Response:
        """Have the browser keep what was asked, for who asked it; of nothing it keeps nothing."""
        query = self.asked_query()
        if query or _cookie() in request.cookies:
            self._kept_by_browser(answer, query)
        return answer

    def _kept_by_browser(self, answer: Response, query: str) -> Response:
        """Have the browser keep a question, or forget the last one where there is none.

        A browser forgets a cookie only when told with the same path and flags.
        """
        answer.set_cookie(
            _cookie(), f"{actor().user_id}.{query}" if query else "", max_age=YEAR if query else 0,
            path=request.script_root + self.route_base,
            samesite="Lax", httponly=True, secure=secure_cookies(),
        )  # fmt: skip
        return answer

    def opened_here(self) -> bool:
        """Tell whether the reader may open it."""
        may = self.appbuilder.sm.has_access
        return bool(may(f"can_{self.opens}", self.class_permission_name))

    def check_sight(self) -> None:
        """Make sure that the reader sees all that the question is narrowed to.

        A page leaves out what its reader does not see. A mail would tell more than was meant.

        Raises:
            NarrowedOutOfSight: It names something that the reader does not see.
        """
        if left_out(self.filters, request.args, self._read()):
            raise NarrowedOutOfSight

    def check_filters(self) -> None:
        """Make sure that a file is as narrow as it is asked for.

        Raises:
            FilterLeftOut: Something is asked for that cannot be taken.
        """
        none_left_out(self.filters, request.args, self._read())

    def _read(self) -> Sequence[tuple[Filter, Any]]:
        return [(one, one.read(request.args)) for one in self.filters]

    # what was kept under a name

    def keeps(self) -> bool:
        """Tell whether the reader may keep questions."""
        return bool(self.appbuilder.sm.has_access("can_list", SAVED_REPORTS))

    def kept_query(self) -> str:
        """What is asked now, as it is kept under a name; of nothing that just that was asked."""
        return self.asked_query() or urlencode({ASKED: "yes"})

    def kept(self) -> Sequence[SavedReport]:
        """What the reader kept of this report."""
        return names_of(session(), actor(), self.report)

    def reset_url(self) -> str:
        """The report as it opens for the first time."""
        return self.report_url(f"{RESET}=yes")


def reports() -> Mapping[str, Reported]:
    """All reports of the product, by their names on record, in the order of the menu."""
    views = current_app.extensions["appbuilder"].baseviews
    return {view.report: view for view in views if isinstance(view, Reported)}


def _cookie() -> str:
    """The cookie that holds what this browser last asked of a report."""
    return "__Secure-asked" if secure_cookies() else "asked"
