"""Every registered view is made the product's way; whoever bypasses it is told here."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask
from flask_appbuilder import AppBuilder, BaseView, Model, ModelView
from flask_appbuilder.fields import QuerySelectField, QuerySelectMultipleField
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.security.sqla import models as framework
from flask_babel.speaklater import LazyString
from wtforms import SelectField, StringField

import vmsapp
from config import Settings
from vmsapp import create_app, models
from vmsapp.i18n import _l
from vmsapp.models import Consumer, Meter, OfficeUser, Product, Region, Sale, VendingPoint
from vmsapp.views.base import OfficeView
from vmsapp.views.forms import LookupField, OfficeForm
from vmsapp.views.lists.crud import OfficeModelView
from vmsapp.views.lists.filters import Among, Searched, names_of
from vmsapp.views.lists.pages import WRITING, OfficeInterface, OfficeListView, names

TEMPLATES = Path(vmsapp.__file__).parent / "templates"
VIEWS = Path(vmsapp.__file__).parent / "views"

NEITHER = {
    "Start": "answers `/` by leading on; the framework asks for a start page of its own class",
    "AuthDBView": "the doors in and out, which the framework finds by this class",
    "ResetMyPasswordView": "the framework's own form, with our fields",
    "UserInfoEditView": "the framework's own form, with our fields",
    "SecurityApi": "no page: signs programs in",
}
"""Views that are neither a record's nor a screen of ours, and why."""

UNUSED_TEMPLATES = {("Start", "index_template"): "the start page is drawn by `Start.index`"}

BIG = {Consumer, Meter, Sale, Region, OfficeUser, models.Token, models.ServicePoint,
       models.MeterInstallation, models.AuditEvent, models.LedgerEntry, models.LedgerTransfer,
       models.LedgerAccount, models.SpentTid, models.UserSession}  # fmt: skip
"""Tables that grow with the utility: no page lists one of them whole."""

LATER = "its pages come with the work they belong to; rows are made by the services alone"
PART = "a part of its parent, shown and written with it"
EVIDENCE = "evidence that only services read and write; nobody may touch it by hand"
SUMS = "made of the records by services alone, and read by the reports"

NOT_SHOWN: dict[type, str] = {
    models.Setup: "seen and changed on a page of its own, by dated rows that are never rewritten",
    models.Logo: "a picture of the setup, shown on receipts",
    models.LedgerTransfer: LATER,
    models.LedgerAccount: LATER,
    models.ServicePoint: LATER,
    models.VendingPointAccount: "a vending point's money, shown with its float; never typed",
    models.SavedReport: "listed on a page of its reader's own, beside its schedules",
    models.ReportSchedule: "listed beside the saved reports, and shown on a page of its own",
    models.ReportRecipient: "a part of its schedule, shown and written with it",
    models.ReportSending: "a part of its schedule, shown with it",
    models.FreeToken: "why a sale was given without money, shown with it",
    models.SaleReversal: "how a sale was taken back, shown with it",
    models.ShiftCash: "a part of its shift, shown and written with it",
    models.Debt: "a part of its consumer, shown on a page of its own",
    models.DebtPayment: "a line of the statement of debts",
    models.DebtWriteOff: "a line of the statement of debts",
    models.FloatMovement: "a part of a float's statement",
    models.RevenueNote: "a step of the work on a finding, shown with it",
    models.RevenueRule: "listed by rule, whether or not there is a row",
    models.ApprovalRule: "listed by deed, whether or not there is a row",
    models.TariffPlan: PART,
    models.TariffSimulation: "what a plan was tried over, shown with it",
    models.LedgerEntry: PART,
    models.MeterInstallation: PART,
    models.SmAlgorithm: PART,
    models.ModuleHealth: "how a module is, shown with it",
    models.JournalCheck: "shown below the token journal",
    models.VendingKey: "the public side of a key, written by the module's own commands",
    models.Token: "its digits are shown at the counter alone, to who may sell",
    models.KeyChangePrint: "listed with its key change",
    models.CampaignMeter: "a number of a list that was handed in, shown with its campaign",
    models.CampaignChunk: "what a module was asked for together; its sets are listed one by one",
    models.CampaignRefusal: "the meters left out are listed by reason",
    models.CampaignNotice: "what was handed out, listed with its campaign's meters",
    models.KeyChangeToken: "its digits are shown with its change and with its sales alone",
    models.TrainingMeter: "sealed, and of one browser alone, which has a page for it",
    models.EngineeringDigits: "shown on its token's page, to who may see them",
    models.EngineeringPrint: "listed with its token",
    models.SaleAttempt: EVIDENCE,
    models.ReceiptPrint: "listed with its sale at the counter",
    models.Delivery: "listed with its sale at the counter",
    models.SpentTid: EVIDENCE,
    models.TidHead: EVIDENCE,
    models.Counter: EVIDENCE,
    models.FeePayment: EVIDENCE,
    models.ReceiptCounter: EVIDENCE,
    models.Installation: EVIDENCE,
    models.ImportRow: "shown with its import, where it has errors",
    models.NumberSeries: "the last number of a series, given by the services alone",
    models.AuditUnsealed: EVIDENCE,
    models.Unsummed: EVIDENCE,
    models.LastPurchase: SUMS,
    models.SalesByHour: SUMS,
    models.SalesByPoint: SUMS,
    models.SalesByTariff: SUMS,
    models.SalesByProduct: SUMS,
    models.AuditSeal: "an event's place, shown with the event",
    models.AuditHead: "told on the page of the audit trail, as the state of its chain",
    models.ClockAcceptance: "written by the clock's page, which needs no list of them",
    models.LicenceChange: "shown on the licence's page; rows come of files that somebody signed",
    models.UserSession: "seen and ended by its owner on a page of its own",
    models.RecoveryCode: "shown once, when they are made",
    models.Bearer: "shown once, when it is made; listed on a page of its account",
    framework.User: "the same table as OfficeUser, which is shown",
    framework.Permission: "a part of a user group, shown with it",
    framework.ViewMenu: "a part of a user group, shown with it",
    framework.PermissionView: "a part of a user group, shown with it",
    framework.Group: "a second layer of groups, not used here",
    framework.RegisterUser: "nobody registers themselves",
    framework.ApiKey: "the framework's keys for programs are not used",
}
"""Mapped tables without a view, and why."""


@pytest.fixture(scope="module")
def app(app_on, template_of) -> Flask:
    """The product, as it is registered."""
    return app_on(template_of("sqlite").url)


@pytest.fixture(scope="module")
def builder(app: Flask) -> AppBuilder:
    """Its views."""
    return app.extensions["appbuilder"]


# what is asked of every view


def faults(view: Any) -> list[str]:
    """What is amiss with a view."""
    found = list(template_faults(view))
    if isinstance(view, OfficeListView):
        found += [*column_faults(view), *word_faults(view), *table_faults(view)]
    elif isinstance(view, ModelView):
        found.append("bypasses OfficeListView")
    elif not isinstance(view, OfficeView) and type(view).__name__ not in NEITHER:
        found.append("is neither an OfficeView nor has it a reason")
    return [f"{type(view).__name__} {fault}" for fault in found]


def template_faults(view: Any) -> Iterator[str]:
    """Templates a view names that are not ours."""
    for name in dir(type(view)):
        value = getattr(view, name) if name.endswith("_template") else None
        unused = (type(view).__name__, name) in UNUSED_TEMPLATES
        if isinstance(value, str) and not unused and not (TEMPLATES / value).is_file():
            yield f"names the template {value}, which is not ours"


def columns_needed(view: OfficeListView) -> list[tuple[str, ...]]:
    """Which columns a view must name; any of a group will do."""
    needed: list[tuple[str, ...]] = [("list_columns",), ("show_columns", "show_fieldsets")]
    written = [deed for deed in ("add", "edit") if deed not in view.exclude_route_methods]
    return needed + [(f"{deed}_columns",) for deed in written]


def column_faults(view: OfficeListView) -> Iterator[str]:
    """Columns that a view leaves to the framework's guess."""
    ours = [cls for cls in type(view).__mro__ if not cls.__module__.startswith("flask_appbuilder")]
    for group in columns_needed(view):
        if not any(vars(cls).get(name) for cls in ours for name in group):
            yield f"names no {' or '.join(group)}"


def word_faults(view: OfficeListView) -> Iterator[str]:
    """Words that would stay in the language of who started the product."""
    writes = not view.exclude_route_methods >= WRITING
    said: dict[str, Any] = {"list_title": view.list_title, "empty": view.empty}
    if "add" not in view.exclude_route_methods:
        said["add_title"] = view.add_title
    said |= {f"heading {heading}": heading for heading, _ in view.sections() if heading}
    said |= {f"filter {one.name}": one.label for one in view.filters}
    for name in {*view.list_columns, *view.show_columns}:
        said[f"column {name}"] = view.label_columns.get(name)
    for form in (view.add_form, view.edit_form) if writes else ():
        for name, label, description in fields_of(form):
            said[f"field {name}"] = label
            if description:
                said[f"help of {name}"] = description
    for name, deed in view.actions.items():
        said[f"deed {name}"] = deed.text
    for what, words in said.items():
        if not isinstance(words, LazyString):
            yield f"says {what} in one language: {words!r}"


def fields_of(form: type) -> Iterator[tuple[str, Any, Any]]:
    """Names, labels and helps of a form's fields, as they were written down."""
    for name, field in inspect.getmembers(form, lambda value: hasattr(value, "field_class")):
        label = field.args[0] if field.args else field.kwargs.get("label")
        yield name, label, field.kwargs.get("description")


def table_faults(view: OfficeListView) -> Iterator[str]:
    """Tables that a form or a filter would list whole."""
    related = {one.key: one.mapper.class_ for one in view.model.__mapper__.relationships}
    for form in (view.add_form, view.edit_form):
        for name, field in inspect.getmembers(form, lambda value: hasattr(value, "field_class")):
            searched = issubclass(field.field_class, LookupField)
            many = issubclass(field.field_class, QuerySelectField | QuerySelectMultipleField)
            if related.get(name) in BIG and not searched:
                yield f"lists {related[name].__name__} in the field {name}"
            elif many and name not in related:
                yield f"lists rows of some table in the field {name}"
    for one in view.filters:
        whole = isinstance(one, Among) and type(one).options is Among.options  # others say how many
        if whole and one.model in BIG:
            yield f"lists {one.model.__name__} in the filter {one.name}"


# the product


def test_every_registered_view_is_made_the_products_way(builder):
    assert len(builder.baseviews) > 15
    assert [fault for view in builder.baseviews for fault in faults(view)] == []


def test_every_reason_belongs_to_a_view_that_needs_it(builder):
    registered = {type(view).__name__: view for view in builder.baseviews}
    for name in NEITHER:
        assert not isinstance(registered[name], OfficeView | OfficeListView), name
    for view, attribute in UNUSED_TEMPLATES:
        assert not (TEMPLATES / getattr(registered[view], attribute)).exists()


def test_nothing_of_the_framework_is_registered_that_nobody_needs(app, builder):
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    assert "Products.list" in endpoints
    for part in ("download", "chart", "Chart", "UtilView", "MenuApi", "OpenApi", "Swagger",
                 "RegisterUser", "PermissionModelView", "ViewMenu", "GroupModelView"):  # fmt: skip
        assert [endpoint for endpoint in endpoints if part in endpoint] == [], part
    doors = [type(view) for view in builder.baseviews if not isinstance(view, BaseView)]
    assert [door.__name__ for door in doors] == ["SecurityApi"]


def test_production_has_no_page_of_parts_and_shows_no_traceback(tmp_path, app, monkeypatch):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    secret = tmp_path / "secret"
    secret.write_text("nobody guesses this one, which is long enough")
    secret.chmod(0o600)
    production = create_app(Settings.from_environ({
        "VMS_ENV": "production", "VMS_INSTANCE": str(tmp_path),
        "VMS_SECRET_KEY_FILE": str(secret), "VMS_KEYSTORE_PASSPHRASE_FILE": str(secret),
        "VMS_COOKIE_SECURE": "1",
    }))  # fmt: skip
    parts = {rule.rule for rule in app.url_map.iter_rules() if "_parts" in rule.rule}
    assert {"/_parts/"} <= parts
    assert parts.isdisjoint(rule.rule for rule in production.url_map.iter_rules())
    assert not production.debug


def named_in(folder: Path, pattern: str, suffix: str) -> set[tuple[str, str]]:
    """Templates that files name, each with the file."""
    return {
        (path.name, name)
        for path in sorted(folder.rglob(f"*{suffix}"))
        for name in re.findall(pattern, path.read_text())
    }


FRAMEWORKS_OWN = {"appbuilder/base.html": "leads on to the layout, which is ours"}


def test_every_template_that_is_named_is_ours(builder):
    in_code = named_in(VIEWS, r'"([\w/-]+\.html)"', ".py")
    in_templates = named_in(TEMPLATES, r"""['"]([\w/-]+\.html)['"]""", ".html")
    assert len(in_code) > 10
    assert len(in_templates) > 20
    for where, name in sorted(in_code | in_templates):
        if name not in FRAMEWORKS_OWN:
            assert (TEMPLATES / name).is_file(), f"{where} names {name}"


def test_every_table_has_a_view_or_a_reason_to_have_none(builder):
    shown = {view.model for view in builder.baseviews if isinstance(view, OfficeListView)}
    mapped = {mapper.class_ for mapper in Model.registry.mappers}
    assert shown & NOT_SHOWN.keys() == set()
    assert {cls.__name__ for cls in mapped - shown - NOT_SHOWN.keys()} == set()
    assert {cls.__name__ for cls in NOT_SHOWN.keys() - mapped} == set()
    assert all(NOT_SHOWN.values())


# views that bypass it


class Plain(ModelView):
    """The framework's view of a table."""

    datamodel = SQLAInterface(Product)


class Sound(OfficeListView):
    """A view with nothing amiss, to be spoilt."""

    datamodel = OfficeInterface(Consumer)
    list_title = _l("Consumers")
    list_columns = names("number name")
    show_columns = names("number name")
    label_columns: ClassVar = {"number": _l("Consumer number"), "name": _l("Name")}


class FramedInOneLanguage(Sound):
    """Titles as they were when the product started."""

    list_title = "Consumers"


class UnlabelledColumn(Sound):
    """A column called what the framework makes of its name."""

    show_columns = names("number name gender")


class EagerHeading(Sound):
    """A heading without a translation."""

    show_fieldsets: ClassVar = [("Person", {"fields": names("number name")})]


class GuessedColumns(OfficeListView):
    """Columns left to the framework."""

    datamodel = OfficeInterface(Consumer)
    list_title = _l("Consumers")
    list_columns = names("number name")
    label_columns = Sound.label_columns


class Writing(OfficeModelView):
    """A view with a form."""

    datamodel = OfficeInterface(VendingPoint)
    list_title, add_title = _l("Vending points"), _l("Add vending point")
    list_columns = show_columns = add_columns = edit_columns = names("name region")
    label_columns: ClassVar = {"name": _l("Name"), "region": _l("Region")}


class SelectsARegion(OfficeForm):
    """A choice among all regions."""

    name = StringField(_l("Name"))
    region = SelectField(_l("Region"))


class ChoosesAmongAll(Writing):
    """The same, in a form of its own."""

    add_form = edit_form = SelectsARegion


class OneLanguageForm(OfficeForm):
    """A field whose label is not translated."""

    name = StringField("Name", description="Its name.")


class LabelledInOneLanguage(Writing):
    """A form in one language."""

    add_form = edit_form = OneLanguageForm


class FiltersAmongAll(Sound):
    """A filter that offers every region."""

    filters = (
        Among(name="region", label=_l("Region"), column=Consumer.region_id, model=Region,
              text=names_of(Region, Region.name)),
    )  # fmt: skip


class FilteredInOneLanguage(Sound):
    """A filter with an untranslated label."""

    filters = (
        Searched(name="region", label="Region", column=Consumer.region_id, model=Region,
                 endpoint="Regions.lookup"),
    )  # fmt: skip


class ForeignTemplate(Sound):
    """A page of the framework's."""

    list_template = "appbuilder/general/model/list.html"


class Screen(BaseView):
    """A screen that is not an OfficeView."""


SPOILT = [
    (Plain, "bypasses OfficeListView"),
    (FramedInOneLanguage, "says list_title in one language: 'Consumers'"),
    (UnlabelledColumn, "says column gender in one language: 'Gender'"),
    (EagerHeading, "says heading Person in one language: 'Person'"),
    (GuessedColumns, "names no show_columns or show_fieldsets"),
    (Writing, "lists Region in the field region"),
    (ChoosesAmongAll, "lists Region in the field region"),
    (LabelledInOneLanguage, "says field name in one language: 'Name'"),
    (LabelledInOneLanguage, "says help of name in one language: 'Its name.'"),
    (FiltersAmongAll, "lists Region in the filter region"),
    (FilteredInOneLanguage, "says filter region in one language: 'Region'"),
    (ForeignTemplate, "names the template appbuilder/general/model/list.html, which is not ours"),
    (Screen, "is neither an OfficeView nor has it a reason"),
]


@pytest.mark.parametrize(("spoilt", "fault"), SPOILT)
def test_a_view_that_bypasses_it_is_found_out(spoilt, fault):
    assert f"{spoilt.__name__} {fault}" in faults(spoilt())


def test_a_sound_view_has_no_fault():
    assert faults(Sound()) == []


@pytest.mark.parametrize(("view", "missing"), [(Sound, "list_title"), (Sound, "list_columns"),
                                               (Writing, "add_title")])  # fmt: skip
def test_a_view_without_titles_or_columns_cannot_even_be_made(view, missing):
    nameless = type("Nameless", (view,), {missing: None})
    with pytest.raises(AssertionError, match=f"Nameless names no {missing}"):
        nameless()
