"""First-use hints: a few sentences above a page, until they are read or switched off.

A hint stands in the page's flow, before its main part: it covers nothing, takes no focus, and
is passed by like any other part. To add one is a line in ``HINTS``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flask import Flask, abort, flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_login import current_user
from werkzeug.wrappers import Response

from vmsapp.errors import N_
from vmsapp.i18n import _
from vmsapp.security import HINTS as SCREEN
from vmsapp.services import hints
from vmsapp.views.base import OfficeView, actor, came_from, session


@dataclass(frozen=True, slots=True)
class Hint:
    """What somebody should know who sees a page for the first time."""

    name: str
    text: str


HINTS: Final[Mapping[str, Hint]] = {
    "Counter.find": Hint("counter", N_(
        "Here every sale begins. Scan or type the customer’s meter number and press Enter; a name"
        " or telephone number finds it, too.")),
    "Counter.purchase": Hint("sale", N_(
        "Type how much the customer buys: the price follows as you type, and Enter sells. “Why"
        " this amount?” explains every line.")),
    "Consumers.list": Hint("consumers", N_(
        "Everybody who buys is registered here. A consumer’s page shows meters, debts and"
        " purchases, and what can be done with them.")),
    "Meters.list": Hint("meters", N_(
        "A meter sells once it is bound to a consumer and has a tariff. Filters narrow the list;"
        " what is chosen can be exported or changed together.")),
    "Tariffs.list": Hint("tariffs", N_(
        "A tariff holds dated plans. A plan that has begun stays as it is: prices change by the"
        " next plan, which can be tried over past sales first.")),
    "ReportIndex.show": Hint("reports", N_(
        "Each report answers the question beside its name. What you ask of it can be kept under a"
        " name, taken away as a file, and sent by e-mail.")),
    "EngineeringTokens.list": Hint("engineering", N_(
        "Tokens that manage meters are made here: clearing tamper, testing, changing limits. Each"
        " names its reason and stays on record.")),
}  # fmt: skip
"""By the page's endpoint."""

NAMES: Final = frozenset(hint.name for hint in HINTS.values())


def init_app(app: Flask) -> None:
    """Give templates the hint of the page."""
    app.jinja_env.globals.update(hint_here=hint_here)


def hint_here() -> Hint | None:
    """The hint of the page that is shown, unless its reader needs it no more."""
    hint = HINTS.get(request.endpoint or "")
    if hint is None or request.method != "GET" or hints.has_read(current_user, hint.name):
        return None
    return hint


class Hints(OfficeView):
    """For everybody, each for the own account."""

    route_base = "/hints"
    default_view = "show"
    class_permission_name = SCREEN

    @expose("/")
    @has_access
    @permission_name("use")
    def show(self) -> str:
        """Show which helps are on."""
        return self.page("account/helps.html", me=current_user)

    @expose("/", methods=["POST"])
    @has_access
    @permission_name("use")
    def choose(self) -> Response:
        """Switch helps on or off, or show all hints once more."""
        if "anew" in request.form:
            hints.show_anew(session(), actor())
        else:
            hints.choose(
                session(), actor(), shows_hints="shows_hints" in request.form,
                single_keys="single_keys" in request.form,
            )  # fmt: skip
        flash(_("Saved."), "success")
        return redirect(url_for("Hints.show"))

    @expose("/read", methods=["POST"])
    @has_access
    @permission_name("use")
    def read(self) -> Response:
        """Keep that a hint was read, or that none is wanted; lead back to its page."""
        name = request.form.get("hint", "")
        if name not in NAMES:
            abort(400)
        if "none" in request.form:
            hints.choose(
                session(), actor(), shows_hints=False, single_keys=current_user.single_keys
            )
            flash(_("No more hints. They can be switched on under Help as you work."), "info")
        else:
            hints.read(session(), actor(), name)
        return redirect(came_from())
