"""Meters: registered, changed, looked at; what is done to them stands in ``meter_deeds``."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Final

from flask import flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_wtf import FlaskForm
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l, money_text
from vmsapp.models import (
    ApprovalRequest,
    Consumer,
    EngineeringToken,
    Meter,
    MeterInstallation,
    MeterState,
    Product,
    Region,
    Sale,
    ServicePoint,
    Setup,
    Tariff,
)
from vmsapp.security import COUNTER, ENGINEERING
from vmsapp.services.key_changes.offers import Offer, offer_for
from vmsapp.services.registration import meters, removing
from vmsapp.services.registration.correcting import CORRECT, MAX_REASON, Correction, written
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.faults import Fault, FaultyRows
from vmsapp.services.registration.meter_locks import lock_places
from vmsapp.services.registration.meter_page import Facts, consumers_of, facts_of
from vmsapp.services.registration.meter_states import possible
from vmsapp.services.registration.meters import COLUMNS
from vmsapp.services.setup import NotSetUp
from vmsapp.sts import identifiers
from vmsapp.views.approvals.deeds import a_key, after, submit
from vmsapp.views.base import actor, sentence, session, status_of, utility
from vmsapp.views.counter.free_tokens import free_url
from vmsapp.views.engineering.meter_keys import MeterKeys
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.cells import Coded, Known, own_columns
from vmsapp.views.lists.crud import digest
from vmsapp.views.lists.exports import Exported, way_of
from vmsapp.views.lists.filters import Choice, Searched, YesNo
from vmsapp.views.lists.imported import Imported
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import ACTING, Answer, OfficeInterface, Related, names
from vmsapp.views.look import digits, state
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.registration.meter_deeds import HOLDS, WORDS
from vmsapp.views.registration.meter_filters import UnderKey
from vmsapp.views.registration.meter_forms import (
    ALGORITHMS,
    BASE_YEARS,
    CARRIERS,
    CORRECTED,
    FIELD_OF,
    KEY,
    KEY_TYPES,
    MODES,
    OPEN,
    THING,
    ChangedMeterForm,
    CorrectForm,
    MeterForm,
)
from vmsapp.views.registration.meter_many import MeterMany
from vmsapp.views.words import METER_STATES, METER_TYPES, consumer_text

TONES: Final = {"active": "good", "blocked": "bad", "stock": "warn"}


def _owners() -> Mapping[int, Any]:
    """Names and numbers of whose the meters of this page are, by the meters' ids."""
    found: Mapping[int, Any] = g.get("consumers_of_meters", {})
    return found


class HangsAt(Searched):
    """The meters that are bound to a consumer now."""

    def rows(self, value: Consumer) -> ColumnElement[bool]:
        """Those at the consumer's places."""
        hanging = (
            select(MeterInstallation.meter_id)
            .join(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
            .where(ServicePoint.consumer_id == value.id, MeterInstallation.removed_at.is_(None))
        )
        found: ColumnElement[bool] = self.column.in_(hanging)
        return found


class Meters(Exported, Imported, MeterMany, MeterKeys):
    """The meters in the asker's region."""

    datamodel = OfficeInterface(Meter)
    route_base = "/meters"
    exclude_route_methods: ClassVar[set[str]] = {"download"} | ACTING
    form_template = "meters/form.html"
    show_template = "meters/show.html"
    add_form, edit_form = MeterForm, ChangedMeterForm
    base_permissions = None
    sheets = ("meters", "meters-with-consumers", "opening-figures")
    # a file of these is imported as it is
    export_columns = names(
        "drn product region tariff algorithm sgc ti krn kt base_date ea tct credit_mode"
        " consumer_number consumer_name meter_type state blocked_reason"
    )
    export_cells: ClassVar[Mapping[str, Any]] = {
        "drn": lambda meter: identifiers.drn.format(meter.drn),
        "region": Coded("region_id", way_of),
        "consumer_number": Known(_owners, attrgetter("number")),
        "consumer_name": Known(_owners, attrgetter("name")),
        "sgc": attrgetter("sgc"),
        "ti": attrgetter("ti"),
        "ea": Coded("ea", lambda code: f"{code:02d}"),
        "kt": attrgetter("kt"),
        "tct": Coded("tct", lambda code: f"{code:02d}"),
    }

    list_title = _l("Meters")
    add_title = _l("Add meter")
    empty = _l("Meters are listed here once they are added, one by one or from a sheet.")
    list_columns = names("drn meter_type product region tariff consumer algorithm state")
    show_columns = names("meter_type product region tariff credit_mode state")
    key_columns = names("algorithm ea sgc krn ti kt base_date tct")
    add_columns = [*THING, *KEY]
    edit_columns = OPEN
    order_columns = names("drn meter_type algorithm state")
    base_order = ("drn", "asc")
    ties = "drn"
    label_columns = {
        "drn": _l("Meter number"), "meter_type": _l("Meter type"), "product": _l("Product"),
        "region": _l("Region"), "tariff": _l("Tariff"), "consumer": _l("Consumer"),
        "consumer_number": _l("Consumer number"), "consumer_name": _l("Consumer's name"),
        "algorithm": _l("Algorithm"), "state": _l("State"),
        "blocked_reason": _l("Blocked because"), "credit_mode": _l("Credited with"),
        "sgc": _l("Supply group code (SGC)"), "krn": _l("Key revision number (KRN)"),
        "ti": _l("Tariff index (TI)"), "kt": _l("Key type (KT)"), "base_date": _l("Base date"),
        "ea": _l("Encryption algorithm (EA)"), "tct": _l("Token carrier (TCT)"),
    }  # fmt: skip
    searched = (Meter.drn,)
    filters = (
        Choice(name="state", label=_l("State"), column=Meter.state, words=METER_STATES),
        YesNo(name="bound", label=_l("Bound to a consumer"), column=Meter.bound),
        HangsAt(name="consumer", label=_l("Consumer"), column=Meter.id, model=Consumer,
                endpoint="Consumers.lookup"),
        Choice(name="type", label=_l("Meter type"), column=Meter.meter_type, words=METER_TYPES),
        Choice(name="algorithm", label=_l("Algorithm"), column=Meter.algorithm, words=ALGORITHMS),
        UnderKey(name="key", label=_l("Key (SGC/KRN/KT)"), column=Meter.sgc),
        Searched(name="region", label=_l("Region"), column=Meter.region_id, model=Region,
                 endpoint="Regions.lookup"),
        Searched(name="product", label=_l("Product"), column=Meter.product_id, model=Product,
                 endpoint="Products.lookup"),
        Searched(name="tariff", label=_l("Tariff"), column=Meter.tariff_id, model=Tariff,
                 endpoint="Tariffs.lookup"),
    )  # fmt: skip
    loads = (joinedload(Meter.product), joinedload(Meter.region), joinedload(Meter.tariff))
    cells = {
        "base_date": Coded("base_date", lambda code: BASE_YEARS[code]),
        "drn": lambda meter: digits(identifiers.drn.format(meter.drn)),
        "meter_type": Coded("meter_type", lambda code: _(METER_TYPES[code])),
        "credit_mode": Coded("credit_mode", lambda code: _(MODES[code])),
        "algorithm": Coded("algorithm", lambda code: _(ALGORITHMS[code])),
        "consumer": Known(_owners, consumer_text),
        "ea": Coded("ea", lambda code: digits(f"{code:02d}")),
        "tct": Coded("tct", lambda code: _(CARRIERS[str(code)])),
        "kt": Coded("kt", lambda code: _(KEY_TYPES[str(code)])),
        "sgc": lambda meter: digits(meter.sgc),
        "ti": lambda meter: digits(meter.ti),
        "state": Coded("state", lambda code: state(_(METER_STATES[code]), TONES.get(code))),
    }
    related = (
        Related("Sales", "meter", Sale.meter_id),
        Related("EngineeringTokens", "meter", EngineeringToken.meter_id),
    )

    def matching(
        self, statement: Select[Any], search: str, *, walking: bool | None = None
    ) -> Select[Any]:
        """Find a number however it is grouped, in digits of any script."""
        number = identifiers.drn.compact(ascii_digits(search))
        return super().matching(statement, number, walking=walking)

    def name_of(self, row: Meter) -> str:
        """Its number, in groups."""
        return identifiers.drn.format(row.drn)

    def make_ready(self, rows: Sequence[Meter]) -> None:
        """Read whose the meters of a list are."""
        if rows and request.endpoint != f"{self.endpoint}.show":
            g.consumers_of_meters = consumers_of(session(), [row.id for row in rows])

    def export_statement(self) -> Select[Any]:
        """What a file tells of a meter, without the rows around it."""
        named = (Product.model.label("product"), Tariff.name.label("tariff"))
        told = select(*own_columns(Meter), *named)
        return told.join(Meter.product).outerjoin(Meter.tariff)

    def make_lines_ready(self, rows: Sequence[Any], columns: Sequence[str]) -> None:
        """Read whose the meters are."""
        if any(name.startswith("consumer") for name in columns):
            g.consumers_of_meters = consumers_of(session(), [row.id for row in rows])

    def open_to(self, deed: str, row: Meter) -> bool:
        """A retired meter stays as it is; what was in use is retired, not deleted."""
        if deed == "edit":
            return row.state != MeterState.RETIRED
        return row.state == MeterState.STOCK

    # one meter

    def facts(self, meter: Meter) -> Facts:
        """What the page tells beyond the row, read once."""
        if "meter_facts" not in g:
            g.meter_facts = facts_of(session(), _setup(), meter, now_utc())
        found: Facts = g.meter_facts
        return found

    def offer(self, meter: Meter) -> Offer | None:
        """What its tariff asks of its key."""
        return offer_for(meter, meter.tariff, self.facts(meter).key_change)

    def new_key(self) -> str:
        """Make the key of a form."""
        return a_key()

    def fees(self, minor: int) -> str:
        """Write fees due."""
        setup = utility()
        return money_text(minor, setup.currency, setup.exponent)

    def links(self, row: Meter) -> Sequence[tuple[str, str]]:
        """What the asker may do with it: words and addresses."""
        facts = self.facts(row)
        return [
            *self._sale(row, facts), *self._places(row, facts), *self._key(row, facts),
            *self._engineering(row),
            *self._moves(row, facts),
        ]  # fmt: skip

    def _key(self, row: Meter, facts: Facts) -> list[tuple[str, str]]:
        """Where its key is changed, or where it stands if that was begun."""
        if facts.key_change is not None or not self.may("change_key"):
            return []
        if row.state == MeterState.RETIRED:
            return []
        return [(str(_("Change key")), self.url("change_key", pk=row.id))]

    def _engineering(self, row: Meter) -> list[tuple[str, str]]:
        """Where a token is made that sets or clears something in it."""
        may = self.appbuilder.sm.has_access("can_make", ENGINEERING)
        if not may or row.state == MeterState.RETIRED:
            return []
        return [(str(_("Engineering token")), url_for("EngineeringTokens.cards", meter_id=row.id))]

    def _sale(self, row: Meter, facts: Facts) -> list[tuple[str, str]]:
        links: list[tuple[str, str]] = []
        sells = row.state == MeterState.ACTIVE and facts.consumer is not None
        if sells and self.appbuilder.sm.has_access("can_sell", COUNTER):
            links.append((str(_("Sell")), url_for("Counter.purchase", meter_id=row.id)))
        free = free_url(row.id) if sells else None
        return [*links, (str(_("Token without money…")), free)] if free else links

    def _places(self, row: Meter, facts: Facts) -> list[tuple[str, str]]:
        if facts.point is None:
            return [] if row.state == MeterState.RETIRED else [*self.ways_to_bind(row.id)]
        if not self.may("bind"):
            return []
        return [
            (str(_("Swap")), self.url("swap", pk=row.id)),
            (str(_("Unbind")), self.url("unbind", pk=row.id)),
        ]

    def _moves(self, row: Meter, facts: Facts) -> list[tuple[str, str]]:
        found = []
        for deed in possible(row.state, bound=facts.point is not None):
            if deed in HOLDS and self.may("block"):
                found.append((str(_(WORDS[deed][0])), self.url("hold", pk=row.id, hold=deed)))
            elif deed not in HOLDS and self.may("retire"):
                found.append((str(_(WORDS[deed][0])), self.url("move", pk=row.id, move=deed)))
        return found

    def of_consumer(self, consumer_id: int) -> str:
        """The address of a consumer's page, for who may see it; else of the list of meters."""
        if self.appbuilder.sm.has_access("can_show", "Consumers"):
            return url_for("Consumers.show", pk=consumer_id)
        return self.url("list")

    def consumer_url(self, consumer_id: int) -> str | None:
        """The same; nothing for who may not."""
        may = self.appbuilder.sm.has_access("can_show", "Consumers")
        return url_for("Consumers.show", pk=consumer_id) if may else None

    # what is written

    @expose("/add", methods=["GET", "POST"])
    @has_access
    def add(self) -> Answer:
        """Add a meter, perhaps like another one."""
        form = MeterForm()
        if request.method == "GET":
            number = request.args.get("like", type=int)
            like = None if number is None else row_of(session(), Meter, number, *self.loads)
            form.fill(like, alike=True)
        return self._form(form, str(self.add_title), self.add_columns, None)

    @expose("/edit/<int:pk>", methods=["GET", "POST"])
    @has_access
    def edit(self, pk: int) -> Answer:
        """Change a meter; once a token was made its key parameters are not in the form."""
        row = self.row(pk)
        fixed = bool(meters.tokens_made(session(), [pk]))
        form = (ChangedMeterForm if fixed else MeterForm).refresh(obj=row)
        if isinstance(form, MeterForm) and request.method == "GET":
            form.fill(row)
        columns = OPEN if fixed else self.add_columns
        return self._form(form, self.name_of(row), columns, row)

    @expose("/<int:pk>/correct", methods=["GET", "POST"])
    @has_access
    @permission_name("correct")
    def correct(self, pk: int) -> Answer:
        """Ask for a correction of what a meter's record says."""
        row = self.row(pk)
        form, status = CorrectForm(data={"key_of_form": a_key(), "was": written(row)}), 200
        if request.method == "GET":
            form.fill(row)
        else:
            tidy(form)
            status = 422
            if form.validate():
                try:
                    return after(self._corrected(form, row), self.url("show", pk=pk))
                except VmsError as error:
                    session().rollback()
                    row = self.row(pk)
                    put_error(form, beside(error))
                    status = status_of(error)
        title = _("Correct the record of %(number)s", number=self.name_of(row))
        page = self._page(
            "meters/correct.html", title=title, form=form, row=row,
            columns=[*CORRECTED, "reason"], back=self.url("show", pk=pk),
        )  # fmt: skip
        return page, status

    def _corrected(self, form: CorrectForm, row: Meter) -> ApprovalRequest | None:
        draft = form.draft(row)
        number = identifiers.drn.compact(draft.number)
        wanted = Correction(
            row.id, number, draft.algorithm, draft.ea or 0, draft.sgc, draft.krn or 0, draft.ti,
            -1 if draft.kt is None else draft.kt, draft.base_date,
            (form.reason.data or "").strip()[:MAX_REASON], form.was.data,
        )  # fmt: skip
        return submit(CORRECT, wanted, form.key_of_form.data, str(_("Saved.")))

    @expose("/delete/<int:pk>", methods=["POST"])
    @has_access
    def delete(self, pk: int) -> Answer:
        """Delete a meter that was never in use."""
        name = self.name_of(self.row(pk))
        removing.remove(session(), actor(), pk)
        flash(_("“%(name)s” was deleted.", name=name), "success")
        return redirect(self.url("list"))

    def sections_of(self, columns: Sequence[str]) -> Sequence[tuple[str | None, Sequence[str]]]:
        """The parts of a form: the thing, and its key."""
        if "key" not in columns:
            return [(None, columns)]
        return [(None, THING), (str(_("Key parameters")), KEY)]

    def stamp(self, row: Meter, columns: Sequence[str]) -> str:
        """All that can change of a meter, its state too."""
        return digest(row, (*COLUMNS, "state", "blocked_reason"))

    def _saved(self, form: FlaskForm, columns: Sequence[str], pk: int | None) -> Answer:
        try:
            if pk is None:
                draft = form.draft(None)
                (added,) = meters.add(session(), actor(), [draft])
                key = added.meter_id
            else:
                key, draft = pk, self._changed(form, columns, pk)
        except FaultyRows as error:
            raise beside(error) from error
        for odd in meters.warnings(session(), [draft]):
            flash(sentence(odd.error), "warning")
        answer = self._told(self.row(key), new=pk is None)
        if pk is None and request.form.get("again") == "yes":
            return redirect(self.url("add", like=key))
        return answer

    def _changed(self, form: FlaskForm, columns: Sequence[str], pk: int) -> MeterDraft:
        with atomic(session()) as current:
            lock_places(current, [pk])  # before the meter, as ever
            row = self._unchanged(pk, columns)
            draft: MeterDraft = form.draft(row)
            meters.change(current, actor(), {pk: draft})
        return draft


def beside(error: VmsError) -> VmsError:
    """Put the faults of a draft at the fields of the form."""
    if not isinstance(error, FaultyRows):
        return error
    return FaultyRows(
        [Fault(one.row, FIELD_OF.get(one.column, one.column), one.error) for one in error.faults]
    )


def _setup() -> Setup | None:
    try:
        return utility()
    except NotSetUp:
        return None
