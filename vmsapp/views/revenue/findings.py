"""The worklist of revenue protection: what was found, who looks at it, what was behind it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from flask import flash, g, redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from sqlalchemy import select
from sqlalchemy.orm import joinedload, undefer

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l, labelled
from vmsapp.models import (
    Consumer,
    Meter,
    RevenueFinding,
    RevenueNote,
    RevenueState,
    SuppliedPlace,
    VendingPoint,
)
from vmsapp.models.meter import CreditMode
from vmsapp.security import REVENUE
from vmsapp.services.revenue_protection import evidence, working
from vmsapp.services.revenue_protection.rules import RULES
from vmsapp.services.revenue_protection.setting import setting_from
from vmsapp.services.revenue_protection.working import Said
from vmsapp.services.rows import among
from vmsapp.views.base import actor, session, status_of, utility, zone
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.exports import Exported, way_of
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import Answer, OfficeInterface, names, view_named
from vmsapp.views.reports.lines import month_text
from vmsapp.views.revenue.filters import FILTERS
from vmsapp.views.revenue.forms import NoteForm, decide_form
from vmsapp.views.revenue.words import (
    DEEDS,
    OUTCOMES,
    PERMISSIONS,
    found_said,
    is_over,
    outcome_said,
    place_of,
    point_said,
    rule_sentence,
    rule_word,
    state_said,
    subject_links,
    subject_said,
)
from vmsapp.views.words import unit_name


def _consumer(row: RevenueFinding, column: str) -> Any:  # noqa: ANN401 - a value of a column
    place = place_of(row)
    return getattr(place.consumer, column) if place and place.consumer else None


def _address(row: RevenueFinding) -> Any:  # noqa: ANN401 - a value of a column
    place = place_of(row)
    return place.address or _consumer(row, "address") if place else None


def _region(row: RevenueFinding) -> Any:  # noqa: ANN401 - a region, or None
    subject = row.meter or row.vending_point
    return subject.region if subject else None


def _way(row: RevenueFinding) -> str | None:
    region = _region(row)
    return way_of(region.id) if region else None


def _bought_on(row: RevenueFinding) -> Any:  # noqa: ANN401 - a day, or None
    place = place_of(row)
    return place.bought_on if place else None


WITH_WORK = (
    joinedload(RevenueFinding.notes).undefer(RevenueNote.made_by),
    joinedload(RevenueFinding.setting),
)
"""What a finding's page tells besides: one statement instead of three."""


class RevenueFindings(Exported):
    """Findings about the meters and at the vending points that the reader sees."""

    datamodel = OfficeInterface(RevenueFinding)
    route_base = "/revenue-findings"
    class_permission_name = REVENUE
    base_permissions = PERMISSIONS
    list_template = "revenue/list.html"
    show_template = "revenue/show.html"

    list_title = _l("Findings")
    list_columns = names("subject rule said region vending_point consumer state assigned visit_on"
                         " found_at outcome")  # fmt: skip
    show_columns = names("subject rule said state region vending_point operator consumer phone"
                         " address bought_on found_at ceased_at assigned visit_on outcome"
                         " decided_at decided_by")  # fmt: skip
    order_columns = names("found_at")
    base_order = ("found_at", "desc")
    label_columns = {
        "id": _l("Finding"), "subject": _l("About"), "rule": _l("Rule"),
        "said": _l("What was found"),
        "region": _l("Region"), "vending_point": _l("Vending point"), "operator": _l("Operator"),
        "consumer": _l("Consumer"), "consumer_number": _l("Consumer number"),
        "phone": _l("Telephone"), "address": _l("Address"), "bought_on": _l("Last purchase"),
        "state": _l("State"), "assigned": _l("Assigned to"), "visit_on": _l("Field visit"),
        "found_at": _l("Found"), "ceased_at": _l("No longer true since"),
        "outcome": _l("Outcome"), "decided_at": _l("Decided on"), "decided_by": _l("Decided by"),
    }  # fmt: skip
    folded = frozenset({"region", "outcome"})
    filters = FILTERS
    loads = (
        joinedload(RevenueFinding.meter).joinedload(Meter.region),
        joinedload(RevenueFinding.vending_point).joinedload(VendingPoint.region),
        undefer(RevenueFinding.operator), undefer(RevenueFinding.assigned),
        undefer(RevenueFinding.decided_by),
    )  # fmt: skip
    cells = {
        "subject": subject_said,
        "rule": lambda row: rule_word(row.rule),
        "said": found_said,
        "region": _region,
        "vending_point": point_said,
        "consumer": lambda row: _consumer(row, "name"),
        "consumer_number": lambda row: _consumer(row, "number"),
        "phone": lambda row: _consumer(row, "phone"),
        "address": _address,
        "bought_on": _bought_on,
        "state": state_said,
        "outcome": outcome_said,
    }
    # for whoever goes there: the whole way to the place
    export_columns = names(
        "id rule subject said consumer_number consumer phone address region bought_on"
        " vending_point operator state assigned visit_on found_at outcome"
    )
    export_cells: ClassVar[Mapping[str, Any]] = {
        "id": lambda row: row.id,
        "subject": lambda row: row.meter.drn if row.meter else subject_said(row),
        "region": _way,
    }
    empty = _l("Nothing was found. The rules are asked each night.")

    def make_ready(self, rows: Sequence[RevenueFinding]) -> None:
        """Read where the meters hang, and who buys there."""
        keys = [row.meter_id for row in rows if row.meter_id is not None]
        places = session().scalars(
            select(SuppliedPlace)
            .options(joinedload(SuppliedPlace.consumer).load_only(
                Consumer.number, Consumer.name, Consumer.phone, Consumer.address
            ))
            .where(among(session(), SuppliedPlace.meter_id, keys))
        ) if keys else ()  # fmt: skip
        g.revenue_places = {place.meter_id: place for place in places}

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show a finding with what it rests on, and the work on it."""
        row = row_of(session(), self.model, pk, *self.loads, *WITH_WORK)
        if row is None:
            raise NotFound
        self.make_ready([row])
        rule = RULES.get(row.rule)
        numbers = setting_from(rule, row.setting).numbers if rule else {}
        today = business_day(now_utc(), zone())
        return self._page(
            self.show_template, title=self.name_of(row), row=row,
            sentence=rule_sentence(row.rule, numbers) if numbers else "",
            months=evidence.history(session(), row.meter_id, today, place_of(row))
            if row.meter else (),
            in_money=bool(row.meter and row.meter.credit_mode == CreditMode.CURRENCY),
            unit=unit_name(row.meter.meter_type) if row.meter else "",
            sales=evidence.sales_concerned(session(), row, numbers, zone()),
            sales_url=self._sales_url(row), earlier=evidence.earlier(session(), row),
            notes=row.notes, utility=utility(), is_over=is_over(row),
            due=row.state in {RevenueState.OPEN, RevenueState.TAKEN},
            own=row.assigned_id == actor().user_id,
            about_reader=row.operator_id == actor().user_id,
            deeds=DEEDS, outcomes=OUTCOMES, found_said=found_said, state_said=state_said,
            rule_word=rule_word, outcome_said=outcome_said, month_text=month_text,
            sales_view=view_named(self.appbuilder, "Sales"),
        )  # fmt: skip

    @expose("/<int:pk>/take", methods=["POST"])
    @has_access
    @permission_name("work")
    def take(self, pk: int) -> Answer:
        """Take a finding on."""
        working.take(session(), actor(), pk)
        flash(_("It is yours now."), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/<int:pk>/leave", methods=["POST"])
    @has_access
    @permission_name("work")
    def leave(self, pk: int) -> Answer:
        """Give a finding up, for others."""
        working.leave(session(), actor(), pk)
        flash(_("It is for others now."), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/<int:pk>/reopen", methods=["POST"])
    @has_access
    @permission_name("decide")
    def reopen(self, pk: int) -> Answer:
        """Take a decision back."""
        working.reopen(session(), actor(), pk)
        flash(_("The decision was taken back; the finding is yours now."), "success")
        return redirect(self.url("show", pk=pk))

    @expose("/<int:pk>/note", methods=["GET", "POST"])
    @has_access
    @permission_name("work")
    def note(self, pk: int) -> Answer:
        """Write about a finding."""
        row = self.row(pk)
        form = NoteForm(data={"visit_on": row.visit_on})

        def save(said: Said) -> object:
            return working.note(session(), actor(), pk, said)

        return self._written(row, form, _("Note"), names("text visit_on"), save)

    @expose("/<int:pk>/decide", methods=["GET", "POST"])
    @has_access
    @permission_name("decide")
    def decide(self, pk: int) -> Answer:
        """Say what was behind a finding."""
        row = self.row(pk)
        form = decide_form(row)

        def save(said: Said) -> object:
            return working.decide(session(), actor(), pk, form.outcome.data or "", said)

        columns = names("outcome text visit_on")
        return self._written(row, form, _("Outcome"), columns, save)

    def _written(
        self, row: RevenueFinding, form: NoteForm, heading: str, columns: Sequence[str],
        save: Callable[[Said], object],
    ) -> Answer:  # fmt: skip
        status = 200
        if form.is_submitted():
            tidy(form)
            status = 422
            if form.validate():
                try:
                    save(Said(form.text.data or "", form.visit_on.data))
                    flash(_("Saved."), "success")
                    return redirect(self.url("show", pk=row.id))
                except VmsError as error:
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
        page = self._page(
            "revenue/form.html", title=labelled(heading, self.name_of(row)), form=form, row=row,
            columns=columns, back=self.url("show", pk=row.id), said=found_said(row),
        )  # fmt: skip
        return page, status

    def links(self, row: RevenueFinding) -> Sequence[tuple[str, str]]:
        """What it is about."""
        return subject_links(row)

    def _sales_url(self, row: RevenueFinding) -> str:
        """Where all sales of what it is about are listed, for who may list them."""
        if row.sale_id is not None or not self.appbuilder.sm.has_access("can_list", "Sales"):
            return ""
        if row.meter_id is not None:
            return url_for("Sales.list", meter=row.meter_id)
        return url_for("Sales.list", point=row.vending_point_id, operator=row.operator_id)

    def name_of(self, row: RevenueFinding) -> str:
        """The rule, and what it is about."""
        told = subject_said(row)
        plain = told.striptags() if hasattr(told, "striptags") else told
        return labelled(rule_word(row.rule), plain)
