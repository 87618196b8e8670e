"""Regions: the tree level by level, a list to search, and the deeds that change the tree."""

from collections.abc import Sequence
from typing import Any

from flask import flash, g, jsonify, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import Select
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.models import Consumer, Region, VendingPoint
from vmsapp.models.region import LEVEL_BELOW, RegionLevel
from vmsapp.services import regions
from vmsapp.views.base import actor, sentence, session, status_of
from vmsapp.views.forms import LookupField, OfficeForm
from vmsapp.views.lists.asked import MAX_SEARCH
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.exports import Exported, way_of
from vmsapp.views.lists.filters import Choice
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import FOUND, Answer, OfficeInterface, Related, names

LEVELS = {
    "country": N_("Country"), "province": N_("Province or state"), "city": N_("City or town"),
}  # fmt: skip
LEVELS_OF_MANY = {
    "country": N_("Countries"),
    "province": N_("Provinces or states"),
    "city": N_("Cities or towns"),
}


class TargetMissing(InvalidInput):
    """Nothing was chosen to move or merge into."""

    code = "target_missing"
    message = N_("Choose a region first.")


class RenameForm(OfficeForm):
    """What a region is called."""

    name = StringField(_l("Name"), [DataRequired(), Length(max=120)])


class RegionForm(RenameForm):
    """A new region; its level follows from what it belongs to."""

    parent = LookupField(
        _l("Belongs to"), model=Region, endpoint="Regions.lookup",
        description=_l("A country belongs to nothing: leave this empty."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        if not actor().sight.everything:  # who sees a part of the tree adds no country
            self.parent.validators = [DataRequired(_l("Choose a region first."))]
            self.parent.flags.required = True
            self.parent.description = ""


class Regions(Exported, OfficeModelView):
    """The regions the asker sees."""

    datamodel = OfficeInterface(Region)
    route_base = "/regions"
    default_view = "tree"
    base_permissions = None
    add_form, edit_form = RegionForm, RenameForm

    list_title = _l("Regions")
    add_title = _l("Add region")
    empty = _l("Add a country first, then its provinces or states, then their cities or towns.")
    list_columns = names("name level parent")
    show_columns = names("name level parent regions points consumers users")
    add_columns = names("parent name")
    edit_columns = names("name")
    order_columns = names("name level")
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Name"), "level": _l("Level"), "parent": _l("Belongs to"),
        "whole": _l("Where it lies"),
        "regions": _l("Regions below it"), "points": _l("Vending points"),
        "consumers": _l("Consumers"), "users": _l("Users"),
    }  # fmt: skip
    searched = (Region.name,)
    filters = (Choice(name="level", label=_l("Level"), column=Region.level, words=LEVELS),)
    export_columns = names("name level parent whole")
    export_cells = {"whole": lambda region: way_of(region.id)}
    loads = (regions.NAME,)
    cells = {
        "level": lambda region: _(LEVELS[region.level]),
        "regions": lambda region: held(region).get("region", 0),
        "points": lambda region: held(region).get("vending_point", 0),
        "consumers": lambda region: held(region).get("consumer", 0),
        "users": lambda region: held(region).get("ab_user", 0),
    }
    related = (
        Related("VendingPoints", "region", VendingPoint.region_id),
        Related("Consumers", "region", Consumer.region_id),
    )

    # looking

    @expose("/")
    @has_access
    @permission_name("list")
    def tree(self) -> Answer:
        """Show the tree down to a region, or what a search finds."""
        words = request.args.get("q", "").strip()[:MAX_SEARCH]
        at = row_of(session(), Region, request.args.get("at", 0, type=int))
        found = list(regions.search(session(), words)) if words else []
        levels = [] if words else regions.levels(session(), actor().sight, at)
        shown = [*found[: regions.FOUND], *(row for level in levels for row in level.regions)]
        return self._page(
            "regions/tree.html", title=self.list_title, words=words, found=found, levels=levels,
            limit=regions.FOUND, held=regions.belongings(session(), shown), words_of=LEVELS,
            many=LEVELS_OF_MANY,
        )  # fmt: skip

    @expose("/lookup")
    @has_access
    @permission_name("look_up")
    def lookup(self) -> Response:
        """Answer a searching field: many towns have the same name, so each says where it lies."""
        found = regions.search(session(), request.args.get("q", "")[:MAX_SEARCH], FOUND - 1)
        return jsonify(
            [{"value": row.id, "text": ", ".join(reversed(row.whole_name))} for row in found]
        )

    def matching(
        self, statement: Select[Any], search: str, *, walking: bool | None = None
    ) -> Select[Any]:
        """Narrow to a part of the name, however it is written."""
        return regions.containing(statement, search)

    def name_of(self, row: Region) -> str:
        """The name alone; where it lies stands beside it."""
        return row.name

    def links(self, row: Region) -> Sequence[tuple[str, str]]:
        """Back into the tree, and what else can be done with it."""
        found = [(_("Show in the tree"), self.url("tree", at=row.id))]
        if not self.may("move"):
            return found
        if back := request.args.get("moved_from", type=int):
            found.append((_("Move back"), self.url("move", pk=row.id, to=back)))
        if row.level != RegionLevel.COUNTRY:
            found.append((_("Move"), self.url("move", pk=row.id)))
        return [*found, (_("Merge"), self.url("merge", pk=row.id))]

    # changing

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Answer:
        """Add a region; the tree's own small forms end here, too."""
        form = self.add_form.refresh()
        if request.method == "GET":
            form.parent.data = row_of(session(), Region, request.args.get("parent", 0, type=int))
        return self._form(form, str(self.add_title), self.add_columns, None)

    @expose("/delete/<int:pk>", methods=["POST"])
    @has_access
    def delete(self, pk: int) -> Answer:
        """Delete a region on which nothing hangs."""
        row = self.row(pk)
        regions.delete(session(), actor(), pk)
        flash(_("“%(name)s” was deleted.", name=row.name), "success")
        return redirect(self.url("tree", at=row.parent_id))

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Response:
        if pk is not None:
            with atomic(session()):
                regions.one_at_a_time(session())
                self._unchanged(pk, columns)
                regions.rename(session(), actor(), pk, form.name.data)
            flash(_("Saved."), "success")
            return redirect(self.url("show", pk=pk))
        parent = form.parent.data.id if form.parent.data is not None else None
        try:
            added = regions.add(session(), actor(), name=form.name.data, parent_id=parent)
        except regions.RegionThere as error:
            form.name.description = Markup('<a href="{}">{}</a>').format(
                self.url("tree", at=error.region_id), _("Open “%(name)s”", name=form.name.data)
            )
            raise
        flash(_("“%(name)s” was added.", name=added.name), "success")
        if request.form.get("again") == "yes":
            return redirect(self.url("add", parent=parent))
        return redirect(self.url("tree", at=parent or added.id) + f"#add-{added.level}")

    @expose("/move/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("move")
    def move(self, pk: int) -> Answer:
        """Hang a region under another parent, having said what that does."""
        return self._rearranged(pk, "move")

    @expose("/merge/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("move")
    def merge(self, pk: int) -> Answer:
        """Let a region take over all of another, having said what that does."""
        return self._rearranged(pk, "merge")

    def _rearranged(self, pk: int, deed: str) -> Answer:
        row = self.row(pk)
        came_from = row.parent_id
        target = row_of(session(), Region, request.values.get("to", 0, type=int), *self.loads)
        plan, refusal, status = None, None, 200
        try:
            if request.method == "POST":
                if target is None:
                    raise TargetMissing
                change = regions.move if deed == "move" else regions.merge
                kept = change(session(), actor(), pk, target.id)
                return self._done(deed, row, kept, came_from)
            if target is not None:
                plan = self._planned(deed, row, target)
        except VmsError as error:
            session().rollback()
            refusal, status = sentence(error), status_of(error)
            row = self.row(pk)
        words = request.args.get("q", "").strip()[:MAX_SEARCH]
        offered = [] if plan else regions.targets(session(), row, deed, words)
        page = self._page(
            "regions/rearrange.html", row=row, deed=deed, plan=plan, refusal=refusal, words=words,
            offered=offered, limit=regions.FOUND, sees_users=self._sees_users(),
        )  # fmt: skip
        return page, status

    def _planned(self, deed: str, row: Region, target: Region) -> regions.Plan:
        plan = regions.plan_move if deed == "move" else regions.plan_merge
        return plan(session(), row, target)

    def _done(self, deed: str, row: Region, kept: Region, came_from: int | None) -> Response:
        if deed == "merge":
            flash(_("“%(name)s” is now a part of “%(into)s”.", name=row.name, into=kept.name),
                  "success")  # fmt: skip
            return redirect(self.url("show", pk=kept.id))
        flash(_("“%(name)s” was moved.", name=row.name), "success")
        return redirect(self.url("show", pk=row.id, moved_from=came_from))

    # small questions

    def below(self, level: regions.Level) -> bool:
        """Tell whether a region can be added to a level by the asker."""
        return self.may("add") and (level.parent is not None or actor().sight.everything)

    def opens(self, row: Region) -> str:
        """The address that opens a region in the tree, at what is below it."""
        return self.url("tree", at=row.id) + f"#{LEVEL_BELOW.get(row.level, row.level)}"

    def _sees_users(self) -> bool:
        return bool(self.appbuilder.sm.has_access("can_list", "UserDBModelView"))


def held(region: Region) -> dict[str, int]:
    """What one region holds, counted once a page."""
    known = g.setdefault("held", {})
    if region.id not in known:
        known |= regions.belongings(session(), [region])
    counts: dict[str, int] = known[region.id]
    return counts
