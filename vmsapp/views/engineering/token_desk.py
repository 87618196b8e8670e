"""The token desk: twenty digits and a meter, and what the meter would answer.

Digits are sent, and never stand in an address; the page that repeats them is kept nowhere.
"""

from typing import Final

from flask import current_app, request, url_for
from flask_appbuilder import expose, has_access, permission_name

from vmsapp.errors import InvalidInput, VmsError
from vmsapp.security import TOKEN_DESK
from vmsapp.services.token_desk import Answer, Look, look_up
from vmsapp.services.token_desk.records import Kind
from vmsapp.views.base import OfficeView, actor, modules, sentence, session, status_of, utility
from vmsapp.views.engineering.token_words import (
    displayed,
    made_facts,
    made_word,
    said,
    token_facts,
    warnings,
)
from vmsapp.views.lists.pages import view_named
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.words import token_groups

MAX_TYPED: Final = 120
MAX_NUMBER: Final = 40
SAYS_NOTHING: Final = frozenset(
    {Answer.ANY_METER, Answer.MAKERS_METERS, Answer.SLIP, Answer.NEEDS_METER}
)
"""Answers to which "not ours" would add nothing, or is said already."""


class TokenDesk(OfficeView):
    """For who hears that a token does not work."""

    route_base = "/token-desk"
    default_view = "show"
    class_permission_name = TOKEN_DESK
    base_permissions = ("can_look",)

    @expose("/")
    @has_access
    @permission_name("look")
    def show(self) -> str:
        """Ask for the digits; the meter may be named by the page that led here."""
        return self._page("", ascii_digits(request.args.get("number", "")[:MAX_NUMBER]))

    @expose("/look", methods=["POST"])
    @has_access
    @permission_name("look")
    def look(self) -> str | tuple[str, int]:
        """Say what the meter would answer, and what the token is."""
        typed = ascii_digits(request.form.get("digits", "")[:MAX_TYPED]).strip()
        number = ascii_digits(request.form.get("number", "")[:MAX_NUMBER]).strip()
        settings = current_app.extensions["vms_settings"]
        try:
            found = look_up(
                session(), modules(), actor(), typed, number, table_set=settings.sta_tables
            )
        except VmsError as error:
            return self._page(typed, number, error=error), status_of(error)
        return self._page(" ".join(token_groups(found.digits)), number, look=found)

    def _page(
        self, typed: str, number: str, *, look: Look | None = None, error: VmsError | None = None
    ) -> str:
        field = error.field if isinstance(error, InvalidInput) else None
        return self.page(
            "token_desk/show.html",
            typed=typed,
            number=number,
            wrong=sentence(error) if error else "",
            field=field if field in {"digits", "number"} else "",
            look=look,
            found=self._found(look) if look else {},
        )

    def _found(self, look: Look) -> dict[str, object]:
        """What the page says of a look-up."""
        made = look.made
        sales, meters = (view_named(self.appbuilder, name) for name in ("Sales", "Meters"))
        sale_id = made.sale_id if made else look.near and look.near.sale_id
        return {
            "answer": said(look),
            "displayed": displayed(look),
            "warnings": warnings(look),
            "token": token_facts(look, utility()),
            "ours": None if made is None and look.answer in SAYS_NOTHING else made_word(made),
            "made": made_facts(made) if made and made.kind is not Kind.UNSOLD else [],
            "sale": sales.url("show", pk=sale_id) if sale_id and sales.may("show") else None,
            "sale_id": sale_id,
            "meter": meters.url("show", pk=look.meter.id)
            if look.meter and meters.may("show")
            else None,
            "key": url_for("Meters.key", pk=look.meter.id)
            if look.meter and made and made.change_id and meters.may("show")
            else None,
        }
