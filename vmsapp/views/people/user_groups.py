"""User groups: what the people of a group may do, as a matrix of screens and deeds."""

from collections.abc import Sequence
from typing import Any, Final

from flask import flash, g, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_wtf import FlaskForm
from sqlalchemy import Select, select
from sqlalchemy.orm import selectinload
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from vmsapp.errors import NotFound
from vmsapp.i18n import _, _l
from vmsapp.models.user import Role
from vmsapp.security import ADMINISTRATORS, NOBODY, READY_MADE
from vmsapp.services import reach, user_groups
from vmsapp.services.user_groups import Wish
from vmsapp.views.base import actor, session
from vmsapp.views.forms import OfficeForm
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.pages import ACTING, Answer, OfficeInterface, names, view_named
from vmsapp.views.people.matrix import MatrixField, Sheet, states
from vmsapp.views.words import group_description, group_name

PEOPLE: Final = 50
"""People a group's page names."""


class UserGroupForm(OfficeForm):
    """What it is called, what it is for, what it permits."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=64)])
    description = StringField(
        _l("Description"),
        [Length(max=255)],
        description=_l("Who belongs to this group, in a few words."),
    )  # fmt: skip
    permissions = MatrixField(_l("Permissions"))


class UserGroups(Exported, OfficeModelView):
    """The framework's roles, in words; who administers may do everything."""

    datamodel = OfficeInterface(Role)
    exclude_route_methods = {"download"} | ACTING
    route_base = "/roles"
    base_permissions = None
    export_subject = "user_group"
    add_form = edit_form = UserGroupForm
    show_template = "groups/show.html"
    form_template = "groups/form.html"

    list_title = _l("User groups")
    add_title = _l("Add user group")
    list_columns = names("name description people ready_made")
    order_columns = names("name")
    base_order = ("name", "asc")
    show_columns = names("name description ready_made")
    add_columns = edit_columns = names("name description permissions")
    label_columns = {
        "name": _l("Name"), "description": _l("Description"), "people": _l("People"),
        "ready_made": _l("Came with the product"), "permissions": _l("Permissions"),
    }  # fmt: skip
    numbers = frozenset({"people"})
    loads = (selectinload(Role.permissions),)
    cells = {
        "name": group_name,
        "description": group_description,
        "ready_made": lambda group: group.ready_made is not None,
        "people": lambda group: _people_counts().get(group.id, 0),
    }

    def statement(self) -> Select[Any]:
        """All but the one nobody is in; what they permit is not listed."""
        return select(Role).where(Role.name != NOBODY)

    def row(self, pk: int) -> Role:
        """Fetch a group with its permissions."""
        found = super().row(pk)
        if found.name == NOBODY:
            raise NotFound
        return found

    def name_of(self, row: Role) -> str:
        """Its name in the reader's language."""
        return group_name(row)

    def open_to(self, deed: str, row: Role) -> bool:
        """The administrators' group stays as it is; what came with the product is not deleted."""
        if row.id in _of_others():
            return False
        return row.ready_made is None or (deed == "edit" and row.ready_made != ADMINISTRATORS)

    def links(self, row: Role) -> Sequence[tuple[str, str]]:
        """Begin another with the same permissions."""
        return [(_("Make a copy"), self.url("add", copy=row.id))] if self.may("add") else []

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show what a group permits, and who is in it."""
        row = self.row(pk)
        held = ((one.permission.name, one.view_menu.name) for one in row.permissions)
        users = view_named(self.appbuilder, "Users")
        people = user_groups.people_of(session(), row.id, PEOPLE + 1)
        return self._page(
            self.show_template, title=self.name_of(row), row=row, sheet=Sheet(states(held)),
            people=people[:PEOPLE], more=len(people) > PEOPLE, related=(),
            users=users if users.may("show") else None, hindrance=self._hindrance(row),
        )  # fmt: skip

    def _hindrance(self, row: Role) -> str | None:
        """Say why a group is only shown to somebody who changes others."""
        bound = self.may("edit") and row.ready_made != ADMINISTRATORS and row.id in _of_others()
        return _(user_groups.GroupOfOthers.message) if bound else None

    @expose("/put-back/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("edit")
    def put_back(self, pk: int) -> Response:
        """Make a ready-made group what it was when it was delivered."""
        group = user_groups.put_back(session(), actor(), pk)
        flash(_("“%(name)s” is as it was delivered.", name=group_name(group)), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/delete/<int:pk>", methods=["POST"])
    @has_access
    def delete(self, pk: int) -> Response:
        """Delete a group nobody is in."""
        name = user_groups.delete(session(), actor(), pk)
        flash(_("“%(name)s” was deleted.", name=name), "success")
        return redirect(self.url("list"))

    def _form(self, form: FlaskForm, title: str, columns: Sequence[str], row: Any) -> Answer:  # noqa: ANN401
        if row is not None and row.ready_made == ADMINISTRATORS:
            raise user_groups.AdministratorsStay
        if row is not None and row.id in _of_others():
            raise user_groups.GroupOfOthers
        form.permissions.own = reach.own_permissions(session(), actor())
        if request.method == "GET":
            self._prefill(form, row)
        answer: Answer = super()._form(form, title, columns, row)
        return answer

    def _prefill(self, form: FlaskForm, row: Role | None) -> None:
        """Begin with names in the reader's language, or with another group's permissions."""
        model = request.args.get("copy", type=int)
        if row is not None:
            form.name.data, form.description.data = group_name(row), group_description(row)
        elif model is not None:
            form.permissions.process_data(self.row(model).permissions)

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Response:
        with reach.one_by_one(session()):
            if pk is None:
                group = user_groups.add(session(), actor(), _wish(form))
            else:
                before = self._unchanged(pk, columns)
                group = user_groups.change(session(), actor(), pk, _wish(form, before))
        done = _("“%(name)s” was added.", name=group.name) if pk is None else _("Saved.")
        flash(done, "success")
        to_record = self.url("show", pk=group.id) if self.may("show") else self.url("list")
        return redirect(to_record)


def _wish(form: FlaskForm, before: Role | None = None) -> Wish:
    """Read the form; words that came with the product are stored as delivered."""
    name, description = form.name.data, form.description.data
    code = None if before is None else before.ready_made
    if code is not None:
        delivered = READY_MADE[code]
        name = code if name == _(delivered.name) else name
        description = None if description == _(delivered.description) else description
    return Wish(name, description, form.permissions.chosen, form.permissions.kept)


def _of_others() -> set[int]:
    """The groups that the asker does not change, read once a request."""
    if "of_others" not in g:
        g.of_others = user_groups.of_others(session(), actor())
    groups: set[int] = g.of_others
    return groups


def _people_counts() -> dict[int, int]:
    """How many people are in each group, read once a request."""
    if "people_counts" not in g:
        g.people_counts = user_groups.people_counts(session())
    counts: dict[int, int] = g.people_counts
    return counts
