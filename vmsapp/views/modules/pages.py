"""Security modules: how each is, its keys, what it serves; adding, loading keys, retiring."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy.orm import joinedload, selectinload
from wtforms import StringField
from wtforms.validators import DataRequired

from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import Algorithm, ModuleHealth, SecurityModule, VendingKey
from vmsapp.services.security_modules import assigning, changing, health, importing
from vmsapp.services.security_modules.health import ends_at
from vmsapp.views.base import actor, modules, session, status_of
from vmsapp.views.forms import OfficeForm, of_length, put_error, tidy
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, YesNo
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import ACTING, Answer, OfficeInterface, names
from vmsapp.views.look import digits, number_text
from vmsapp.views.modules.adding import Adding, ConnectForm
from vmsapp.views.modules.advice import refusal_said
from vmsapp.views.modules.keys import Importing
from vmsapp.views.modules.serving import algorithms_said, lacks_said, served_by
from vmsapp.views.modules.words import (
    DRIVERS,
    KEY_TYPES,
    PROTECTIONS,
    algorithm_said,
    condition_said,
    driver_word,
    ending_said,
    ending_tone,
    limits_said,
    nearest_end,
    protection_word,
    troubles,
)
from vmsapp.views.registration.meter_forms import BASE_YEARS
from vmsapp.views.words import ALGORITHMS

NAME_LENGTH: Final = 120


class NameForm(OfficeForm):
    """What a module is called here."""

    name = StringField(_l("Name"), [DataRequired(), of_length(1, NAME_LENGTH)])


def _keys_said(row: SecurityModule) -> str:
    return number_text(len(row.keys))


def _of_health(name: str) -> Any:  # noqa: ANN401 - a cell
    return lambda row: getattr(row.health, name) if row.health else None


def _while_it_answers(name: str) -> Any:  # noqa: ANN401 - a cell
    """What it said last counts while it answers, and no longer."""

    def cell(row: SecurityModule) -> int | None:
        answers = row.health is not None and row.health.failed_at is None
        return getattr(row.health, name) if answers else None

    return cell


def _number_while_it_answers(name: str) -> Any:  # noqa: ANN401 - a cell
    cell = _while_it_answers(name)

    def written(row: SecurityModule) -> str | None:
        value = cell(row)
        return None if value is None else number_text(value)

    return written


class SecurityModules(Adding, Importing, Exported):
    """For administrators; auditors look."""

    datamodel = OfficeInterface(SecurityModule)
    route_base = "/modules"
    exclude_route_methods: ClassVar[set[str]] = {"download", "edit", "delete"} | ACTING
    add_form = edit_form = ConnectForm  # the framework insists on both
    list_template = "modules/list.html"
    show_template = "modules/show.html"
    base_permissions = names(
        "can_list can_show can_export can_add can_change can_test can_import can_replace_keys"
        " can_remove_key can_assign"
    )

    list_title = _l("Security modules")
    add_title = _l("Add security module")
    empty = _l("A security module holds the vending keys and makes the tokens.")
    list_columns = names(
        "name state driver module_id algorithms seen_at latency_ms drift_seconds tokens_left"
        " keys nearest_end"
    )
    show_columns = names("name state driver module_id algorithms seen_at keys retired_at")
    add_columns = names("driver host port client secret fingerprint")
    folded = frozenset({"driver", "module_id", "latency_ms", "drift_seconds", "tokens_left"})
    order_columns = names("name driver module_id")
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Name"), "state": _l("State"), "driver": _l("Where keys live"),
        "module_id": _l("Module"), "algorithms": _l("Makes tokens for"),
        "seen_at": _l("Answered last"), "latency_ms": _l("Answers in (ms)"),
        "drift_seconds": _l("Its clock differs by (s)"), "tokens_left": _l("Tokens left"),
        "keys": _l("Keys"), "nearest_end": _l("First key ends"),
        "retired_at": _l("Retired at"), "health": _l("State"), "params": _l("Address"),
    }  # fmt: skip
    numbers = frozenset({"latency_ms", "drift_seconds", "tokens_left", "keys"})
    searched = (SecurityModule.name, SecurityModule.module_id)
    filters = (
        Choice(name="driver", label=_l("Where keys live"), column=SecurityModule.driver,
               words=DRIVERS),
        YesNo(name="retired", label=_l("Retired"),
              column=SecurityModule.retired_at.is_not(None)),
    )  # fmt: skip
    loads = (joinedload(SecurityModule.health), selectinload(SecurityModule.keys))
    cells = {
        "state": condition_said,
        "driver": lambda row: driver_word(row.driver),
        "module_id": lambda row: digits(row.module_id),
        "algorithms": algorithms_said,
        "seen_at": _of_health("seen_at"),
        "latency_ms": _number_while_it_answers("latency_ms"),
        "drift_seconds": _number_while_it_answers("drift_seconds"),
        "tokens_left": _number_while_it_answers("tokens_left"),
        "keys": _keys_said,
        "nearest_end": lambda row: nearest_end(row.keys),
    }
    export_cells = {
        "keys": lambda row: len(row.keys),
        "latency_ms": _while_it_answers("latency_ms"),
        "drift_seconds": _while_it_answers("drift_seconds"),
        "tokens_left": _while_it_answers("tokens_left"),
    }

    def endings(self, rows: Sequence[SecurityModule]) -> Sequence[tuple[str, str]]:
        """The keys of these modules that end before long: tone and sentence."""
        keys = [key for row in rows for key in row.keys if row.retired_at is None]
        served = {
            algorithm: number for number, all_of in served_by().items() for algorithm in all_of
        }
        found = health.endings_of(session(), keys, served)
        return [(ending_tone(one), ending_said(one)) for one in found]

    def lacking(self, rows: Sequence[SecurityModule]) -> Sequence[str]:
        """What is to be said of keys that these modules lack."""
        return [
            str(_("“%(name)s”: %(said)s", name=row.name, said=text))
            for row in rows if row.retired_at is None for text in lacks_said(row)
        ]  # fmt: skip

    # one module

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show a module with its health, what it serves and its keys."""
        row = self.row(pk)
        return self._page(
            self.show_template,
            title=row.name,
            row=row,
            troubles=troubles(row),
            facts_of=self._facts(row),
            serves=self._serves(row),
            keys=[self._key(key) for key in self._sorted_keys(row)],
            takes_files=row.driver != "prism",
            removes=self.may("remove_key") and row.retired_at is None,
        )

    @expose("/test/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("test")
    def test(self, pk: int) -> Answer:
        """Ask a module how it is, now."""
        row = self.row(pk)
        try:
            self.count_test()
            found = health.look(session(), modules(), pk, actor=actor())
        except VmsError as error:
            flash(refusal_said(error), "danger")
            return redirect(self.url("show", pk=pk))
        if found.failed_at is None:
            flash(_("“%(name)s” answers.", name=row.name), "success")
        else:
            flash(_("“%(name)s” does not answer.", name=row.name), "danger")
        return redirect(self.url("show", pk=pk))

    @expose("/rename/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def rename(self, pk: int) -> Answer:
        """Call a module otherwise."""
        row = self.row(pk)
        form, status = NameForm(obj=row), 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    changing.rename(session(), actor(), pk, form.name.data)
                    flash(_("Saved."), "success")
                    return redirect(self.url("show", pk=pk))
                except VmsError as error:
                    put_error(form, error)
                    status = status_of(error)
        page = self._page(
            "office/form.html", title=_("Rename “%(name)s”", name=row.name), form=form,
            columns=["name"], row=row, seen="", back=self.url("show", pk=pk),
        )  # fmt: skip
        return page, status

    @expose("/retire/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def retire(self, pk: int) -> Answer:
        """Take a module out of use, or put one that is retired to use again."""
        row, refusal, status = self.row(pk), None, 200
        if request.method == "POST":
            back = request.form.get("deed") == "take_back"
            try:
                (changing.take_back if back else changing.retire)(session(), actor(), pk)
                flash(
                    _("“%(name)s” is in use again.", name=row.name) if back
                    else _("“%(name)s” is retired.", name=row.name),
                    "success",
                )  # fmt: skip
                return redirect(self.url("show", pk=pk))
            except VmsError as error:
                refusal, status = refusal_said(error), status_of(error)
        return self._page("modules/retire.html", row=row, refusal=refusal), status

    @expose("/<int:pk>/assign/<any('legacy', 'sts6'):algorithm>", methods=["GET", "POST"])
    @has_access
    @permission_name("assign")
    def assign(self, pk: int, algorithm: str) -> Answer:
        """Let a module make the tokens for a kind of meters, having said what it lacks."""
        row, refusal, status = self._alone(pk), None, 200
        word = gettext(ALGORITHMS[algorithm])
        if request.method == "POST":
            try:
                assigning.assign(session(), modules(), actor(), algorithm, pk)
                flash(
                    _("“%(name)s” makes the tokens for %(algorithm)s meters now.",
                      name=row.name, algorithm=word),
                    "success",
                )  # fmt: skip
                return redirect(self.url("show", pk=pk))
            except VmsError as error:
                session().rollback()
                refusal, status = refusal_said(error), status_of(error)
                row = self._alone(pk)
        serving = next((m for m, served in served_by().items() if algorithm in served), None)
        page = self._page(
            "modules/assign.html",
            row=row,
            algorithm=word,
            now=None if serving is None else session().get(SecurityModule, serving),
            missing=assigning.cover(session(), algorithm, pk),
            refusal=refusal,
        )
        return page, status

    @expose("/<int:pk>/remove/<int:row_id>", methods=["GET", "POST"])
    @has_access
    @permission_name("remove_key")
    def remove_key(self, pk: int, row_id: int) -> Answer:
        """Have a module forget a key, having said what that does."""
        row, refusal, status = self.row(pk), None, 200
        key = next((key for key in row.keys if key.id == row_id), None)
        if key is None or row.retired_at is not None:
            raise NotFound
        if request.method == "POST":
            try:
                importing.remove_key(session(), modules(), actor(), pk, row_id)
                flash(_("The key was removed."), "success")
                return redirect(self.url("show", pk=pk))
            except VmsError as error:
                refusal, status = refusal_said(error), status_of(error)
        page = self._page(
            "modules/remove_key.html", row=row, key=key, kind=gettext(KEY_TYPES[key.kt]),
            refusal=refusal,
        )  # fmt: skip
        return page, status

    def _alone(self, pk: int) -> SecurityModule:
        """A module without what its own page says of it."""
        row: SecurityModule | None = row_of(session(), SecurityModule, pk)
        if row is None:
            raise NotFound
        return row

    # what stands on the page

    def _facts(self, row: SecurityModule) -> Sequence[tuple[str, Any]]:
        known, params = row.health or ModuleHealth(), row.params
        facts: list[tuple[str, Any]] = [
            (_("State"), condition_said(row)),
            (_("Answered last"), known.seen_at),
        ]
        if known.failed_at is None:
            facts.append((_("Answers in"), _unit(known.latency_ms, _("ms"))))
            facts.append((_("Its clock differs by"), _unit(known.drift_seconds, _("s"))))
        facts.append((_("Where keys live"), driver_word(row.driver)))
        facts.append((_("Module"), digits(row.module_id)))
        if params.get("host"):
            address = f"{params['host']}:{params['port']}"
            facts.append((_("Address"), digits(address)))
            facts.append((_("Our name there"), params.get("client") or params.get("username")))
            shown = " ".join(_in_groups(str(params["fingerprint"])))
            wrapped = Markup('<bdi dir="ltr">{}</bdi>').format(shown)
            facts.append((_("Fingerprint of its certificate"), wrapped))
        facts.append((_("Protection of its keys"), protection_word(row.driver)))
        if known.firmware:
            facts.append((_("Firmware"), known.firmware))
        if known.tokens_left is not None:
            facts.append((_("Tokens left"), number_text(known.tokens_left)))
        if known.per_second is not None:
            facts.append((_("Tokens a second"), number_text(known.per_second)))
        if known.inhibited_from is not None:
            facts.append((_("Makes none from"), known.inhibited_from))
        if row.retired_at is not None:
            facts.append((_("Retired at"), row.retired_at))
        return facts

    def _serves(self, row: SecurityModule) -> Sequence[tuple[str, str, bool]]:
        """The kinds of meters: code, word, and whether this module makes their tokens."""
        mine = served_by().get(row.id, ())
        return [(one.value, gettext(ALGORITHMS[one.value]), one.value in mine) for one in Algorithm]

    def _sorted_keys(self, row: SecurityModule) -> Sequence[VendingKey]:
        return sorted(row.keys, key=lambda key: (key.sgc, key.krn, key.kt, key.dkga))

    def _key(self, key: VendingKey) -> Mapping[str, Any]:
        return {
            "id": key.id,
            "number": digits(f"{key.sgc}/{key.krn}/{key.kt}/{key.dkga}"),
            "sgc": digits(key.sgc),
            "krn": key.krn,
            "name": key.name,
            "kt": gettext(KEY_TYPES[key.kt]),
            "algorithm": algorithm_said(key.dkga),
            "base_date": BASE_YEARS[key.base_date],
            "ends_at": ends_at(key),
            "ken": key.ken,
            "active_from": key.active_from,
            "kcv": digits(key.kcv),
            "protection": gettext(PROTECTIONS[key.protection]),
            "demo": key.demo,
            "limits": limits_said(key),
            "changes_to": ", ".join(f"{sgc}/{krn}" for sgc, krn in key.changes_to),
        }


def _unit(value: int | None, unit: str) -> str | None:
    return None if value is None else f"{number_text(value)} {unit}"


def _in_groups(text: str, size: int = 8) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
