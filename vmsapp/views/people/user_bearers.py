"""Bearers of programs on the pages of their accounts: made, shown once, withdrawn."""

from datetime import timedelta
from typing import Final

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_appbuilder.fieldwidgets import Select2ManyWidget
from markupsafe import Markup
from werkzeug.wrappers import Response
from wtforms import DateField, SelectMultipleField, StringField
from wtforms.validators import InputRequired

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, Refused, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import Bearer, BearerState, OfficeUser
from vmsapp.services import bearers
from vmsapp.services.bearers import (
    NAME_LONGEST,
    SCOPE_WORDS,
    AccountOfAdministrator,
    AccountOfPerson,
    Wish,
)
from vmsapp.views.base import actor, sentence, session, status_of, zone
from vmsapp.views.forms import OfficeForm, of_length, put_error, tidy
from vmsapp.views.lists.pages import Answer, OfficeListView
from vmsapp.views.look import state

STATES: Final = {
    BearerState.VALID: (N_("Valid"), "good"),
    BearerState.EXPIRED: (N_("Expired"), "warn"),
    BearerState.WITHDRAWN: (N_("Withdrawn"), "bad"),
}

A_YEAR: Final = timedelta(days=365)
COLUMNS: Final = ("name", "scopes", "last_day")


class BearerForm(OfficeForm):
    """What a bearer is for."""

    name = StringField(
        _l("What it is for"),
        [InputRequired(_l("Say what it is for.")), of_length(1, NAME_LONGEST)],
        description=_l("Such as the app's name, and which server shows it."),
    )
    scopes = SelectMultipleField(
        _l("What it may do"), choices=list, validate_choice=False, widget=Select2ManyWidget(),
        description=_l("No more than the user group of the account may do, either."),
    )  # fmt: skip
    last_day = DateField(
        _l("Last day"), [InputRequired(_l("Enter a date."))],
        description=_l("It counts to the end of that day, two years at most."),
    )  # fmt: skip

    def offer(self) -> None:
        """Offer all scopes."""
        self.scopes.choices = [
            (scope.value, f"{_(word)} ({scope.value})") for scope, word in SCOPE_WORDS.items()
        ]


class BearerPages(OfficeListView):
    """The pages of an account's bearers; part of the list of users."""

    @expose("/<int:pk>/bearers")
    @has_access
    @permission_name("bearers")
    def bearers(self, pk: int) -> str:
        """List an account's bearers, whose text nobody can read again."""
        user, rows = bearers.bearers_of(session(), actor(), pk)
        refusal = _refusal(user)
        return self._page(
            "account/bearers.html", title=_title(user), row=user, bearers=rows, zone=zone(),
            state_of=_state, scopes_of=_scopes, valid=_valid,
            refusal=sentence(refusal) if refusal else None,
            way_on=self._way_on(refusal, pk) if refusal else None,
        )  # fmt: skip

    @expose("/<int:pk>/bearers/make", methods=["GET", "POST"])
    @has_access
    @permission_name("bearers")
    def make_bearer(self, pk: int) -> Answer:
        """Make a bearer, and show it this once."""
        user, _rows = bearers.bearers_of(session(), actor(), pk)
        if request.method == "GET" and _refusal(user):
            return redirect(self.url("bearers", pk=pk))  # says why, and what to do
        form = BearerForm(data={"last_day": business_day(now_utc(), zone()) + A_YEAR})
        form.offer()
        status = 200
        if form.is_submitted():
            tidy(form)
            status = 422
            if form.validate():
                try:
                    return self._made(user, _wish(form))
                except VmsError as error:
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
        page = self._page(
            "account/bearer_make.html", title=_("New bearer of %(name)s", name=user.username),
            form=form, columns=COLUMNS, back=self.url("bearers", pk=pk),
        )  # fmt: skip
        return page, status

    @expose("/<int:pk>/bearers/<int:bearer_id>/withdraw", methods=["POST"])
    @has_access
    @permission_name("bearers")
    def withdraw_bearer(self, pk: int, bearer_id: int) -> Response:
        """Let a bearer count no more, from this moment on."""
        bearers.withdraw(session(), actor(), pk, bearer_id)
        flash(_("The bearer was withdrawn. Nobody can use it any more."), "success")
        return redirect(self.url("bearers", pk=pk))

    def _way_on(self, refusal: Refused, pk: int) -> tuple[str, str] | None:
        """What helps an account that gets no bearer, for who may do that: word and address."""
        if isinstance(refusal, AccountOfPerson) and self.may("add"):
            return _("Add an account for the program"), self.url("add")
        if isinstance(refusal, AccountOfAdministrator) and self.may("edit"):
            return _("Change its user group"), self.url("edit", pk=pk)
        return None

    def _made(self, user: OfficeUser, wish: Wish) -> Answer:
        made = bearers.make(session(), actor(), user.id, wish, zone())
        shown = Markup('<code id="bearer" dir="ltr">{}</code>').format(made.text)
        return self._page(
            "account/bearer_made.html", title=_("New bearer of %(name)s", name=user.username),
            made=made, shown=shown, zone=zone(), back=self.url("bearers", pk=user.id),
        )  # fmt: skip


def _refusal(user: OfficeUser) -> Refused | None:
    """Why no bearer can be made for an account now."""
    try:
        bearers.check_account(session(), user)
    except Refused as refusal:
        return refusal
    return None


def _title(user: OfficeUser) -> str:
    return str(_("Bearers of %(name)s", name=user.username))


def _wish(form: BearerForm) -> Wish:
    scopes = bearers.scopes_from(form.scopes.data or ())
    return Wish(form.name.data or "", scopes, form.last_day.data)


def _valid(row: Bearer) -> bool:
    return row.state_at(now_utc()) is BearerState.VALID


def _state(row: Bearer) -> Markup:
    word, tone = STATES[row.state_at(now_utc())]
    return state(_(word), tone)


def _scopes(row: Bearer) -> str:
    return ", ".join(_(word) for scope, word in SCOPE_WORDS.items() if scope in row.all_scopes)
