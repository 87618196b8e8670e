"""The manual, inside the product: its contents, its chapters, and all of it to be printed."""

from typing import Final

from flask import Flask, abort, request, send_file
from flask_appbuilder import expose
from flask_babel import get_locale
from werkzeug.wrappers import Response

from vmsapp.errors import N_
from vmsapp.services.manual import book
from vmsapp.services.manual.search import find
from vmsapp.views.base import OfficeView, actor, ask_to_sign_in
from vmsapp.views.help.places import help_here
from vmsapp.views.look import menu

PUBLIC: Final = "signing-in"
"""The chapter for who is not in yet."""

TITLES: Final = (
    N_("What VMS is"), N_("First start and first sale"), N_("Signing in, language, account"),
    N_("The counter"), N_("Consumers, meters, imports"), N_("Tariffs and plans"),
    N_("Setting up"), N_("Engineering"), N_("Reports"), N_("Audit and security"), N_("Keyboard"),
    N_("When something goes wrong"),
)  # fmt: skip
"""Of the chapters in English: the contents name those in the reader's language that lack one."""

FOR_MENU: Final = {
    "counter": "Vending", "registration": "Registration", "engineering": "Engineering",
    "reports": "Reports", "tariffs": "System", "setup": "System", "audit": "System",
}  # fmt: skip
"""Chapters on a group of the menu: who may open nothing there finds them further down."""

KEPT: Final = "private, max-age=3600"
"""How long a browser keeps a picture."""
LONGEST: Final = 60
"""Letters of what is looked for."""


def init_app(app: Flask) -> None:
    """Give every page the way to its section."""
    app.jinja_env.globals["help_here"] = help_here


class Help(OfficeView):
    """For everybody who is signed in; how to sign in, for all."""

    route_base = book.SHOWN_AT
    default_view = "contents"

    @expose("/")
    def contents(self) -> str | Response:
        """What there is to read, the reader's own work first; or where some words stand."""
        if actor().user_id is None:
            return ask_to_sign_in()
        text = request.args.get("q", "").strip()[:LONGEST]
        own, others = _sorted_for_reader(book.whole(_language()))
        return self.page(
            "help/contents.html", text=text, found=find(text, _language()), own=own, others=others
        )

    @expose("/<string:chapter>")
    def chapter(self, chapter: str) -> str | Response:
        """One chapter."""
        if actor().user_id is None and chapter != PUBLIC:
            return ask_to_sign_in()
        if chapter not in book.CHAPTERS:
            abort(404)
        at = book.CHAPTERS.index(chapter)
        around = [book.CHAPTERS[n] if 0 <= n < len(book.CHAPTERS) else None
                  for n in (at - 1, at + 1)]  # fmt: skip
        before, after = (one and book.chapter(one, _language()) for one in around)
        read = book.chapter(chapter, _language())
        return self.page("help/chapter.html", chapter=read, before=before, after=after)

    @expose("/whole")
    def whole(self) -> str | Response:
        """All chapters on one page, to be printed."""
        if actor().user_id is None:
            return ask_to_sign_in()
        return self.page("help/whole.html", chapters=book.whole(_language()))

    @expose("/figures/<string:language>/<string:figure>.png")
    def figure(self, language: str, figure: str) -> Response:
        """A picture of the manual."""
        wanted = (language, figure)
        made = book.FIGURES.glob("*/*.png")
        path = next((one for one in made if (one.parent.name, one.stem) == wanted), None)
        if path is None:
            abort(404)
        response: Response = send_file(path, mimetype="image/png")
        response.headers["Cache-Control"] = KEPT
        return response


def _language() -> str:
    locale = get_locale()
    return str(locale.language) if locale else book.WRITTEN_FIRST


def _sorted_for_reader(
    chapters: list[book.Chapter],
) -> tuple[list[book.Chapter], list[book.Chapter]]:
    """Chapters on what the reader may do, and the others."""
    opens = {group.name for group in menu()}
    own = [one for one in chapters if FOR_MENU.get(one.name) in {None, *opens}]
    return own, [one for one in chapters if one not in own]
