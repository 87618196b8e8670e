"""Consumers: registered, looked at, retired, and their data handed over or removed."""

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from flask import current_app, flash, g, redirect, render_template, request
from flask_appbuilder import action, expose, has_access, permission_name
from flask_babel import ngettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import ColumnElement, Select, and_, case, or_, select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from config import LANGUAGES
from vmsapp.clock import now_utc
from vmsapp.errors import Conflict, NotAllowed, Refused, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l, money_text
from vmsapp.models import Channel, Consumer, Meter, MeterInstallation, Region, Sale, ServicePoint
from vmsapp.scope import current_sight
from vmsapp.services.delivery import addresses
from vmsapp.services.delivery.addresses import Fresh
from vmsapp.services.registration import binding, consumers, personal_data, retiring
from vmsapp.services.registration.consumer_meters import (
    MOST_LINKS,
    Link,
    bound_and_history,
    links_of,
    meters_bound,
)
from vmsapp.services.registration.dues import dues_at
from vmsapp.services.registration.masking import masked
from vmsapp.services.setup import NotSetUp
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts import identifiers
from vmsapp.views.base import actor, sentence, session, status_of, utility
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.cells import Coded, Known
from vmsapp.views.lists.crud import OfficeModelView, digest
from vmsapp.views.lists.exports import Exported, way_of
from vmsapp.views.lists.filters import Choice, Searched, YesNo
from vmsapp.views.lists.imported import Imported
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import Answer, OfficeInterface, Related, names, view_named
from vmsapp.views.lists.undo import moment_to_undo, offer_undo
from vmsapp.views.look import digits, number_text, state
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.registration.consumer_forms import (
    GENDERS,
    AnonymiseForm,
    ChangedConsumerForm,
    NewConsumerForm,
)
from vmsapp.views.registration.debts import DebtPages
from vmsapp.views.words import CONSUMER_STATES, consumer_state, consumer_text


def _bound() -> dict[int, int]:
    """Meters of the consumers on this page, by id."""
    known: dict[int, int] = g.setdefault("meters_bound", {})
    return known


class HasMeter(YesNo):
    """Whether a meter that the asker sees hangs at the consumer's.

    The consumer's row tells it, but for those whose meters all hang in other regions.
    """

    def rows(self, value: str) -> ColumnElement[bool]:
        """Consumers with such a meter, or without one."""
        if current_sight().everything:
            return super().rows(value)
        # one value and no EXISTS, which PostgreSQL would answer for all consumers beforehand
        seen = (
            select(ServicePoint.id)
            .join(MeterInstallation, MeterInstallation.service_point_id == ServicePoint.id)
            .where(ServicePoint.consumer_id == Consumer.id, MeterInstallation.removed_at.is_(None))
            .limit(1).correlate(Consumer).scalar_subquery()
        )  # fmt: skip
        if value == "yes":
            return and_(Consumer.bound, or_(~Consumer.away, seen.is_not(None)))
        return or_(~Consumer.bound, and_(Consumer.away, seen.is_(None)))


class Consumers(DebtPages, Exported, Imported, OfficeModelView):
    """Who buys, in the asker's region."""

    datamodel = OfficeInterface(Consumer)
    route_base = "/consumers"
    list_template = "consumers/list.html"
    show_template = "consumers/show.html"
    add_form, edit_form = NewConsumerForm, ChangedConsumerForm
    base_permissions = None
    finds_people = True
    sheets = ("consumers",)
    # a file of these is imported as it is; ID numbers are in those of whoever may see them
    export_cells: ClassVar[Mapping[str, Any]] = {
        **{name: attrgetter(name) for name in ("number", "id_number", "phone")},
        "region": Coded("region_id", way_of),
        "meters": Known(_bound, otherwise=0),
        "state": Coded("state", lambda code: _(CONSUMER_STATES[code][0])),
        "retired": Coded("retired", bool),
    }
    export_columns = names(
        "number name region address gender id_number phone email language meters state"
    )

    list_title = _l("Consumers")
    add_title = _l("Add consumer")
    empty = _l("Consumers are listed here once they are added, one by one or from a sheet.")
    list_columns = names("number name region address phone meters retired")
    show_columns = names(
        "number name region address phone email gender id_number language state retired_at"
    )
    add_columns = names("name number region address gender id_number phone email language")
    edit_columns = names(
        "name number region address gender id_number remove_id_number phone email language"
    )
    order_columns = names("number name")
    base_order = ("number", "asc")
    label_columns = {
        "number": _l("Consumer number"), "name": _l("Full name"), "region": _l("Region"),
        "address": _l("Address"), "phone": _l("Telephone"), "email": _l("E-mail"),
        "gender": _l("Gender"), "id_number": _l("ID number"), "language": _l("Language"),
        "meters": _l("Meters"), "state": _l("State"), "retired": _l("No longer a consumer"),
        "retired_at": _l("Consumer until"),
    }  # fmt: skip
    numbers = frozenset({"meters"})
    folded = frozenset({"retired"})
    searched = (Consumer.number, Consumer.name, Consumer.phone)
    filters = (
        Searched(name="region", label=_l("Region"), column=Consumer.region_id, model=Region,
                 endpoint="Regions.lookup"),
        HasMeter(name="meter", label=_l("Has a meter"), column=Consumer.bound),
        Choice(name="gender", label=_l("Gender"), column=Consumer.gender, words=GENDERS),
        YesNo(name="retired", label=_l("No longer a consumer"),
              column=Consumer.retired_at.is_not(None)),
    )  # fmt: skip
    loads = (joinedload(Consumer.region),)
    cells = {
        "number": lambda row: digits(row.number),
        "phone": lambda row: digits(row.phone) if row.phone else None,
        "gender": Coded("gender", lambda code: _(GENDERS[code])),
        "language": Coded("language", lambda code: LANGUAGES.get(code, {}).get("name")),
        "meters": lambda row: number_text(_bound().get(row.id, 0)),
        "state": lambda row: state(*consumer_state(row)),
    }
    related = (Related("Sales", "consumer", Sale.consumer_id),)

    def name_of(self, row: Consumer) -> str:
        """Name and number."""
        return consumer_text(row)

    def offered(self) -> Select[Any]:
        """Nothing new is hung on who is retired."""
        return super().offered().where(Consumer.retired_at.is_(None))

    def make_ready(self, rows: Sequence[Consumer]) -> None:
        """Count the meters of the rows of a list, and tell which can be deleted."""
        ids = [row.id for row in rows]
        if not ids or request.endpoint == f"{self.endpoint}.show":
            return
        if not self.may("delete"):
            _bound().update(meters_bound(session(), ids))
            return
        known = bound_and_history(session(), ids)
        _bound().update({key: count for key, (count, _kept) in known.items()})
        g.consumers_kept = {key for key, (_count, kept) in known.items() if kept}

    def export_statement(self) -> Select[Any]:
        """What a file tells of a consumer, without the row of the region."""
        told = ("id", "region_id", "number", "name", "address", "gender", "id_number", "phone",
                "email", "language")  # fmt: skip
        state = case(
            (Consumer.anonymised_at.is_not(None), "anonymised"),
            (Consumer.retired_at.is_not(None), "retired"),
            else_="active",
        )
        columns = (getattr(Consumer, name) for name in told)
        return select(*columns, Consumer.retired, state.label("state"))

    def make_lines_ready(self, rows: Sequence[Any], columns: Sequence[str]) -> None:
        """Count the meters that are bound to them."""
        if "meters" in columns:
            g.meters_bound = meters_bound(session(), [row.id for row in rows])

    def open_to(self, deed: str, row: Consumer) -> bool:
        """Who has a history stays; whose data were removed stays as removed."""
        if deed == "edit":
            return row.anonymised_at is None
        if "consumers_kept" not in g:
            g.consumers_kept = consumers.with_history(session(), [row.id])
        return row.id not in g.consumers_kept

    def value(self, row: Consumer, column: str) -> Any:  # noqa: ANN401
        """What stands in a cell; of the ID number its end, and the way to see it whole."""
        if column != "id_number":
            return super().value(row, column)
        if not row.id_number:
            return None
        whole = g.get("id_number_shown")
        return Markup(  # noqa: S704 - escaped by the template
            render_template(
                "consumers/_id_number.html", view=self, row=row, whole=whole,
                shown=digits(whole or masked(row.id_number)),
            ).strip()
        )  # fmt: skip

    # one consumer

    def exportable(self, columns: Sequence[str]) -> list[str]:
        """All but the ID numbers, unless the asker may see them.

        The asker, not who is signed in: a long list is written by a job, where nobody is.
        """
        may = actor().may("can_id_number", self.class_permission_name)
        return [name for name in columns if name != "id_number" or may]

    def meter_links(self, row: Consumer) -> Sequence[tuple[Link, str | None]]:
        """The meters bound now and before, each with the fees due at its place."""
        links, g.meters_in_all = links_of(session(), row.id)
        if links:  # it has a history, which need not be asked for
            g.setdefault("consumers_kept", {row.id})
        try:
            setup = utility()
        except NotSetUp:
            return [(link, None) for link in links]
        bound = [(link.point, link.meter.tariff_id) for link in links if link.until is None]
        fees = {
            place: money_text(due.all_minor, setup.currency, setup.exponent)
            for place, due in dues_at(session(), setup, bound, now_utc()).items()
        }
        return [(link, None if link.until else fees.get(link.point.id)) for link in links]

    def meters_in_all(self) -> int:
        """How many meters are bound now, where the page does not show them all; else none."""
        count: int = g.get("meters_in_all", 0)
        return count if count > MOST_LINKS else 0

    def meters_view(self) -> Any:  # noqa: ANN401 - a view, or none
        """The list of meters, if the asker may see one."""
        meters = view_named(self.appbuilder, "Meters")
        return meters if meters.may("show") else None

    def purchases_view(self) -> Any:  # noqa: ANN401 - a view, or none
        """The records of purchases, if the asker may see them."""
        purchases = view_named(self.appbuilder, "PurchaseRecords")
        return purchases if purchases.may("list") else None

    def import_url(self, row: Consumer) -> str | None:
        """Where meters are imported for a consumer, for who may."""
        imports = view_named(self.appbuilder, "Imports")
        may = imports.may("run") and imports.may("meters")
        return imports.url("new", sheet="meters", consumer=row.id) if may else None

    def _related_lists(self, row: Consumer) -> Sequence[Any]:
        lists = super()._related_lists(row)
        g.meter_links = self.meter_links(row)
        if any(one["rows"] for one in lists):
            g.setdefault("consumers_kept", {row.id})
        return lists

    def links(self, row: Consumer) -> Sequence[tuple[str, str]]:
        """To the debts, and to the page on which the data are removed for good."""
        if self.may("anonymise") and row.anonymised_at is None:
            remove = (str(_("Remove personal data")), self.url("anonymise", pk=row.id))
            return [*self.debt_links(row.id), remove]
        return self.debt_links(row.id)

    def deeds_for(self, row: Consumer) -> Sequence[Any]:
        """Retire who is not retired; take back who is, unless nobody could be told any more."""
        idle = {"retire": row.retired, "take_back": not row.retired or row.anonymised_at}
        return [deed for deed in self.deeds(single=True) if not idle.get(deed.name)]

    # what is written

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Answer:
        """Register a consumer, perhaps for a meter that hangs nowhere."""
        meter, form = self._meter_to_bind(), NewConsumerForm()
        if meter is None:
            return self._form(form, str(self.add_title), self.add_columns, None)
        if request.method == "GET":
            form.region.process_data(meter.region)
        title = _("New consumer for meter %(number)s", number=identifiers.drn.format(meter.drn))
        return self._form(form, str(title), self.add_columns, None)

    def _meter_to_bind(self) -> Meter | None:
        """The meter an address names, which who binds meters may bind.

        Raises:
            NoSuchMeter: None, or out of sight.
        """
        if "meter" not in request.args:
            return None
        if not self.appbuilder.sm.has_access("can_bind", "Meters"):
            raise NotAllowed
        number = request.args.get("meter", type=int)
        loads = joinedload(Meter.region)
        found = None if number is None else row_of(session(), Meter, number, loads)
        if found is None:
            raise NoSuchMeter
        meter: Meter = found
        return meter

    def stamp(self, row: Consumer, columns: Sequence[str]) -> str:
        """The version alone: from a digest of the values an ID number could be guessed."""
        return digest(row, ("id", "version"))

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Answer:
        draft = form.draft()
        with atomic(session()) as current:
            if pk is None:
                meter = self._meter_to_bind()
                (key,) = consumers.add(current, actor(), [draft])
                if meter is not None:
                    binding.bind(current, actor(), [binding.Link(meter.id, key)])
            else:
                key = self._unchanged(pk, columns).id
                consumers.change(current, actor(), {key: draft})
        return self._told(self.row(key), new=pk is None)

    @expose("/delete/<int:pk>", methods=["POST"])
    @has_access
    def delete(self, pk: int) -> Answer:
        """Delete a consumer on whom nothing hangs."""
        name = self.name_of(self.row(pk))
        consumers.delete(session(), actor(), [pk])
        flash(_("“%(name)s” was deleted.", name=name), "success")
        return redirect(self.url("list"))

    @action("retire", _l("Retire as consumer"),
            _l("Retire? Nothing is lost, and they can be taken back."))  # fmt: skip
    def retire(self, chosen: Consumer | Sequence[Consumer]) -> Response:
        """Retire consumers; for some minutes a press undoes it."""
        done = retiring.retire(session(), actor(), _ids(chosen))
        count, kept = len(done.retired), len(done.kept)
        if count:
            text = ngettext(
                "%(num)s consumer was retired.", "%(num)s consumers were retired.", count
            )
            offer_undo(text, self.url("undo"), done.at)
        if kept:
            flash(
                ngettext(
                    "%(num)s consumer still has a meter and was not retired. Unbind it first.",
                    "%(num)s consumers still have a meter and were not retired. Unbind them first.",
                    kept,
                ),
                "warning",
            )
        if not count and not kept:
            flash(_("Nothing was to be done: they are retired already."), "info")
        return self._back(chosen)

    @action("take_back", _l("Take back as consumer"), "")
    def take_back(self, chosen: Consumer | Sequence[Consumer]) -> Response:
        """Take retired consumers back."""
        return self._taken_back(retiring.take_back(session(), actor(), _ids(chosen)), chosen)

    @expose("/undo", methods=["POST"])
    @has_access
    @permission_name("undo")
    def undo(self) -> Answer:
        """Undo what the asker retired at a moment."""
        return self._taken_back(retiring.undo(session(), actor(), moment_to_undo()), ())

    def _taken_back(self, count: int, chosen: Consumer | Sequence[Consumer]) -> Response:
        text = ngettext(
            "%(num)s consumer was taken back.", "%(num)s consumers were taken back.", count
        )
        flash(text, "success" if count else "info")
        return self._back(chosen)

    def _back(self, chosen: Consumer | Sequence[Consumer]) -> Response:
        if isinstance(chosen, Consumer):
            return redirect(self.url("show", pk=chosen.id))
        return redirect(self.url("list"))

    # where receipts may be sent

    def fresh_addresses(self, row: Consumer) -> Sequence[tuple[Fresh, Markup]]:
        """The addresses that do not count yet, each with what it is."""
        if row.anonymised_at is not None:
            return ()
        found = (addresses.fresh(row, channel, now_utc()) for channel in Channel)
        return [(one, digits(getattr(row, addresses.COLUMN[one.channel]))) for one in found if one]

    @expose("/confirm-address/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("confirm_address")
    def confirm_address(self, pk: int) -> Answer:
        """Let an address count that was entered or changed a short while ago."""
        chosen = request.form.get("channel")
        channel = Channel.SMS if chosen == Channel.SMS else Channel.MAIL
        try:
            addresses.confirm(session(), actor(), pk, channel)
        except (Conflict, Refused) as error:
            flash(sentence(error), "warning")
        else:
            flash(_("The address was confirmed. Receipts may be sent there now."), "success")
        return redirect(self.url("show", pk=pk))

    # what is held of a person

    @expose("/id-number/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("id_number")
    def id_number(self, pk: int) -> Answer:
        """Show a record with its whole ID number, and note who looked."""
        g.id_number_shown = personal_data.show_id_number(session(), actor(), pk)
        row = self.row(pk)
        return self._page(
            self.show_template, title=self.name_of(row), row=row, related=self._related_lists(row)
        )

    @expose("/find-id-number", methods=["POST"])
    @has_access
    @permission_name("id_number")
    def find_id_number(self) -> Answer:
        """Find who has an ID number; it is sent, so that no address holds it."""
        typed = ascii_digits(request.form.get("id_number", "")).strip()
        found = personal_data.find_id_number(session(), actor(), typed) if typed else ()
        if not found:
            flash(_("Nobody here has this ID number."), "warning")
            return redirect(self.url("list"))
        if len(found) == 1:
            return redirect(self.url("show", pk=found[0].id))
        self.make_ready(found)
        return self._page("consumers/found.html", title=_("With this ID number"), rows=found)

    @expose("/person/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("export_person")
    def person(self, pk: int) -> Answer:
        """Hand over all that is held of a person, as a file."""
        held = personal_data.everything_of(session(), actor(), pk)
        name = "consumer-" + held["consumer"]["number"].replace("/", "_") + ".json"
        text = json.dumps(held, ensure_ascii=False, indent=2) + "\n"
        answer = Response(text, mimetype="application/json")
        answer.headers.set("Content-Disposition", "attachment", filename=name)
        return answer

    @expose("/anonymise/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("anonymise")
    def anonymise(self, pk: int) -> Answer:
        """Remove what tells who a consumer is, having said what that does."""
        row, form, status = self.row(pk), AnonymiseForm(), 200
        name = self.name_of(row)
        if request.method == "POST":
            tidy(form)
            try:
                personal_data.anonymise(
                    session(), actor(), current_app.extensions["vms_settings"], pk,
                    reason=form.reason.data or "", number=ascii_digits(form.number.data or ""),
                )  # fmt: skip
            except VmsError as error:
                session().rollback()
                put_error(form, error)
                status = status_of(error)
            else:
                flash(_("The personal data were removed."), "success")
                return redirect(self.url("show", pk=pk))
        page = self._page("consumers/anonymise.html", title=name, row=row, form=form)
        return page, status


def _ids(chosen: Consumer | Sequence[Consumer]) -> list[int]:
    return [row.id for row in ([chosen] if isinstance(chosen, Consumer) else chosen)]
