"""What is done to many meters at once, chosen in their list: asked for once more, then told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import ngettext
from flask_wtf import FlaskForm

from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _
from vmsapp.models import Meter
from vmsapp.services.registration import meter_states, tariff_assigning
from vmsapp.services.registration.many import Outcome
from vmsapp.views.base import actor, sentence, session, status_of
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.listing import holds
from vmsapp.views.lists.pages import MAX_CHOSEN, Answer
from vmsapp.views.lists.undo import moment_to_undo, offer_undo
from vmsapp.views.registration.meter_deeds import HOLDS, WORDS
from vmsapp.views.registration.meter_forms import ReasonForm, TariffForm

LISTED: Final = 20
"""Meters a page names that asks once more."""


@dataclass(frozen=True, slots=True)
class Many:
    """A deed on the rows chosen in a list, with a page that asks once more."""

    name: str
    text: str
    url: str
    confirmation: str = ""


class MeterMany(OfficeModelView):
    """The deeds on many meters."""

    def deeds(self, *, single: bool) -> Sequence[Any]:
        """Those on the rows chosen; a single meter has pages of its own."""
        if single:
            return ()
        found = []
        if self.may("block"):
            found += [(deed, self.url("many_hold", hold=deed)) for deed in HOLDS]
        if self.may("retire"):
            moves = [deed for deed in WORDS if deed not in HOLDS]
            found += [(deed, self.url("many_move", move=deed)) for deed in moves]
        deeds = [Many(deed, str(_(WORDS[deed][0])), url) for deed, url in found]
        if self.may("edit"):
            deeds.append(Many("tariff", str(_("Assign a tariff")), self.url("many_tariff")))
        return deeds

    @expose("/many/<any('block', 'unblock'):hold>", methods=["POST"])
    @has_access
    @permission_name("block")
    def many_hold(self, hold: str) -> Answer:
        """Block meters with a reason, or release them."""
        return self._states(hold, ["reason"] if hold == "block" else [])

    @expose("/many/<any('activate', 'store', 'retire', 'take_back'):move>", methods=["POST"])
    @has_access
    @permission_name("retire")
    def many_move(self, move: str) -> Answer:
        """Activate meters, put them into stock, retire them or take them back."""
        return self._states(move, [])

    @expose("/many/tariff", methods=["POST"])
    @has_access
    @permission_name("edit")
    def many_tariff(self) -> Answer:
        """Give meters a tariff."""
        form = TariffForm()
        return self._asked_for_many(
            "tariff", form, ["tariff"], str(_("Assign a tariff")),
            str(_("It counts at the meter's place from today on.")),
            lambda ids: tariff_assigning.assign(session(), actor(), ids, form.chosen()),
        )  # fmt: skip

    @expose("/undo", methods=["POST"])
    @has_access
    @permission_name("retire")
    def undo(self) -> Answer:
        """Undo what the asker retired at a moment."""
        count = meter_states.undo_retiring(session(), actor(), moment_to_undo())
        flash(_done("take_back", count), "success")
        return redirect(self.url("list"))

    def _states(self, deed: str, fields: Sequence[str]) -> Answer:
        form = ReasonForm()
        form.reason.flags.required = bool(fields)
        word, does = WORDS[deed]
        return self._asked_for_many(
            deed, form, fields, str(_(word)), str(_(does)),
            lambda ids: meter_states.move_many(
                session(), actor(), ids, deed, reason=form.reason.data or ""
            ),
        )  # fmt: skip

    def _asked_for_many(
        self,
        deed: str,
        form: FlaskForm,
        fields: Sequence[str],
        word: str,
        does: str,
        run: Callable[[Sequence[int]], Outcome],
    ) -> Answer:
        """Show what a deed will do, and to which meters; then do it."""
        rows, status = self._chosen_rows(), 200
        if not rows:
            flash(_("Nothing was chosen."), "warning")
            return redirect(self.url("list"))
        if request.form.get("sure") == "yes":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    outcome = run(list(rows))
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    rows = self._chosen_rows()
                    put_error(form, error)
                    status = status_of(error)
                else:
                    return self._outcome(deed, word, outcome, rows)
        count = len(rows)
        title = ngettext("%(word)s: %(num)s meter", "%(word)s: %(num)s meters", count, word=word)
        page = self._page(
            "meters/many.html", title=title, form=form, columns=fields, word=word, does=does,
            rows=rows, listed=LISTED,
        )  # fmt: skip
        return page, status

    def _chosen_rows(self) -> dict[int, str]:
        """Numbers of the meters chosen that the asker sees, by their ids."""
        chosen = request.form.getlist("rowid", type=int)[:MAX_CHOSEN]
        wanted = [number for number in chosen if holds(Meter.id, number)]
        found = session().scalars(
            self.statement().where(Meter.id.in_(wanted)).order_by(Meter.drn)
        ).unique()  # fmt: skip
        return {row.id: self.name_of(row) for row in found}

    def _outcome(self, deed: str, word: str, outcome: Outcome, rows: Mapping[int, str]) -> Answer:
        """Tell what was done, and of each meter to which it was not done why."""
        count = len(outcome.done)
        if count and deed == "retire":
            offer_undo(_done(deed, count), self.url("undo"), outcome.at)
        elif count:
            flash(_done(deed, count), "success")
        if not outcome.kept:
            return redirect(self.url("list"))
        kept = [(key, rows[key], sentence(error)) for key, error in outcome.kept.items()]
        return self._page("meters/many_kept.html", title=word, kept=kept)


def _done(deed: str, num: int) -> str:
    """Say to how many it was done."""
    said = {
        "block": ngettext("%(num)s meter was blocked.", "%(num)s meters were blocked.", num),
        "unblock": ngettext("%(num)s meter was released.", "%(num)s meters were released.", num),
        "activate": ngettext("%(num)s meter was activated.", "%(num)s meters were activated.", num),
        "store": ngettext(
            "%(num)s meter was put into stock.", "%(num)s meters were put into stock.", num
        ),
        "retire": ngettext("%(num)s meter was retired.", "%(num)s meters were retired.", num),
        "take_back": ngettext(
            "%(num)s meter was taken back.", "%(num)s meters were taken back.", num
        ),
        "tariff": ngettext(
            "%(num)s meter has the tariff now.", "%(num)s meters have the tariff now.", num
        ),
    }
    return str(said[deed])
