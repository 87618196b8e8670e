"""The base of what is changed in the browser: ``OfficeModelView``.

Its forms are the framework's; the work is done here: a refusal keeps what was typed,
two people do not overwrite each other, and every change is on record. It writes
reference data only; money, keys and tokens have screens and services of their own.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access
from flask_wtf import FlaskForm
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _
from vmsapp.models.base import Model
from vmsapp.scope import unscoped
from vmsapp.services import audit
from vmsapp.views.base import actor, session, status_of
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.pages import Answer, OfficeListView
from vmsapp.views.meanwhile import look_again, mark_changed


class ChangedMeanwhile(Conflict):
    """Somebody else changed the record while this form was open."""

    code = "changed_meanwhile"
    message = N_("Somebody else changed this record meanwhile. Look at it, then save again.")


class AlreadyThere(InvalidInput):
    """A value that must be unique is taken."""

    code = "already_there"
    message = N_("There is such a record already. Change what must differ.")


class StillUsed(Conflict):
    """Other records hang on the row."""

    code = "still_used"
    message = N_("Other records still use “%(name)s”, so it was not deleted.")


class OfficeModelView(OfficeListView):
    """Base of every list whose rows are added, changed and deleted in the browser."""

    form_template = "office/form.html"
    exclude_route_methods: ClassVar[set[str]] = {"download"}
    base_permissions: ClassVar[list[str] | None] = None

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Answer:
        """Add a record."""
        form = self.add_form.refresh()
        return self._form(form, str(self.add_title), self.add_columns, None)

    @expose("/edit/<int:pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: int) -> Answer:
        """Change a record."""
        row = self.row(pk)
        form = self.edit_form.refresh(obj=row)
        if request.method == "GET":
            self.prefill_form(form, pk)
        return self._form(form, self.name_of(row), self.edit_columns, row)

    @expose("/delete/<int:pk>", methods=["POST"])
    @has_access
    def delete(self, pk: int) -> Answer:
        """Delete a record nothing hangs on."""
        name = self.name_of(self.row(pk))
        try:
            with atomic(session()) as current:
                row = self.row(pk)
                self.pre_delete(row)
                current.delete(row)
                current.flush()
                self._note("deleted", pk, before=self._values(row, self.show_columns))
        except IntegrityError as error:
            raise StillUsed(name=name) from error
        flash(_("“%(name)s” was deleted.", name=name), "success")
        return redirect(self.url("list"))

    def _form(self, form: FlaskForm, title: str, columns: Sequence[str], row: Any) -> Answer:  # noqa: ANN401
        pk = None if row is None else row.id
        seen, status = "" if row is None else self.stamp(row, columns), 200
        if request.method == "POST":
            seen, status = request.form.get("seen", ""), 422
            tidy(form)
            if form.validate():
                try:
                    return self._saved(form, columns, pk)
                except VmsError as error:
                    session().rollback()
                    put_error(form, error, self._taken(form, pk, error))
                    status = status_of(error)
                    if pk is not None and isinstance(error, ChangedMeanwhile):
                        now = self.row(pk)
                        seen = self.stamp(now, columns)
                        self._mark_changed(form, now)
        page = self._page(
            self.form_template, title=title, form=form, columns=columns, row=row, seen=seen,
            back=self.url("list") if pk is None else self.url("show", pk=pk),
        )  # fmt: skip
        return page, status

    def _mark_changed(self, form: FlaskForm, now: Any) -> None:  # noqa: ANN401 - a row
        """Say what somebody else saved, beside each field, and where to look at all of it."""
        theirs = self.edit_form(formdata=None, obj=now)
        self.prefill_form(theirs, now.id)
        mark_changed(form, theirs, getattr(form, "unseen", ()))
        if self.may("show"):
            look_again(form, self.url("show", pk=now.id))

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Answer:
        try:
            with atomic(session()) as current:
                saved = self.model() if pk is None else self._unchanged(pk, columns)
                before = {} if pk is None else self._values(saved, columns)
                self.process_form(form, pk is None)
                form.populate_obj(saved)
                self.pre_add(saved) if pk is None else self.pre_update(saved)
                current.add(saved)
                current.flush()
                self._note(
                    "added" if pk is None else "changed", saved.id,
                    before=before, after=self._values(saved, columns),
                )  # fmt: skip
        except IntegrityError as error:
            raise AlreadyThere from error
        return self._told(saved, new=pk is None)

    def _told(self, saved: Any, *, new: bool) -> Answer:  # noqa: ANN401 - a row of the model
        """Say that a record was saved, and lead on to it or to the next one."""
        name = self.name_of(saved)
        flash(_("“%(name)s” was added.", name=name) if new else _("Saved."), "success")
        again = request.form.get("again") == "yes"
        to_record = self.url("show", pk=saved.id) if self.may("show") else self.url("list")
        return redirect(self.url("add") if again else to_record)

    def _taken(self, form: FlaskForm, pk: int | None, error: VmsError) -> str | None:
        """Name the field whose value another row has, be that row seen or not."""
        if not isinstance(error, AlreadyThere):
            return None
        with unscoped("a value that must be unique is taken wherever its row stands"):
            for column in self.model.__table__.columns:
                if column.unique and column.key in form:
                    had = select(self.model.id).where(column == form[column.key].data)
                    if any(number != pk for number in session().scalars(had)):
                        return str(column.key)
        return None

    def _unchanged(self, pk: int, columns: Sequence[str]) -> Any:  # noqa: ANN401
        found = session().scalars(
            select(self.model).where(self.model.id == pk).options(*self.loads)
            .with_for_update(of=self.model).execution_options(populate_existing=True)
        ).unique().first()  # fmt: skip
        if found is None:
            raise NotFound
        if request.form.get("seen") != self.stamp(found, columns):
            raise ChangedMeanwhile
        return found

    def stamp(self, row: Any, columns: Sequence[str]) -> str:  # noqa: ANN401
        """What a form keeps of a row, to notice that it changed meanwhile."""
        return digest(row, columns)

    def _values(self, row: Any, columns: Sequence[str]) -> dict[str, str]:  # noqa: ANN401
        hidden = {"password", "conf_password"}
        return {
            name: written(getattr(row, name)) for name in columns
            if name not in hidden and hasattr(row, name)
        }  # fmt: skip

    def _note(self, deed: str, pk: int, **details: Any) -> None:  # noqa: ANN401
        subject = self.model.__tablename__
        audit.record(session(), actor(), f"{subject}.{deed}", subject, pk, **details)


def written(value: Any) -> str:  # noqa: ANN401 - of any column
    """Write a value as it is compared and put on record: of other rows their ids, too."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(sorted(map(written, value)))
    return f"{value} ({value.id})" if isinstance(value, Model) else str(value)  # type: ignore[attr-defined]


def digest(row: Any, columns: Sequence[str]) -> str:  # noqa: ANN401 - a row of any model
    """Sum up the values a form was filled with, to notice that they changed meanwhile."""
    values = [written(getattr(row, name, "")) for name in columns]
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]
