"""Imports in words: kinds, states, what was noticed of a file."""

from typing import Final

from flask_babel import ngettext

from vmsapp.errors import N_
from vmsapp.i18n import _
from vmsapp.models import BatchState, ImportBatch
from vmsapp.services.imports.kinds import SheetKind

STATES: Final = {
    "uploaded": N_("handed in"),
    "validating": N_("being checked"),
    "validated": N_("without errors"),
    "rejected": N_("with errors"),
    "applying": N_("being applied"),
    "applied": N_("applied"),
    "cancelled": N_("stopped"),
    "undoing": N_("being undone"),
    "undone": N_("undone"),
}
TONES: Final = {
    "validating": "warn", "applying": "warn", "undoing": "warn", "validated": "good",
    "applied": "good", "rejected": "bad",
}  # fmt: skip
KINDS: Final = {
    "consumers": N_("Consumers"),
    "meters": N_("Meters"),
    "meters-with-consumers": N_("Meters with consumers"),
}
STEPS: Final = (N_("File"), N_("Check"), N_("Apply"))


def import_title(kind: SheetKind) -> str:
    """What handing in a sheet is called."""
    titles = {
        "consumers": _("Import consumers"),
        "meters": _("Import meters"),
        "meters-with-consumers": _("Import meters with consumers"),
    }
    return str(titles[kind.code])


def step_of(row: ImportBatch) -> int:
    """Which of ``STEPS`` it is at, counted from nothing."""
    if row.state in {BatchState.UPLOADED, BatchState.VALIDATING}:
        return 1
    return 3 if row.state in {BatchState.APPLIED, BatchState.UNDONE, BatchState.UNDOING} else 2


def noticed(row: ImportBatch) -> list[str]:
    """What was noticed of the file as a whole."""
    about, found = row.about, []
    if about.get("ignored"):
        found.append(_("Columns that were left out, for their headings are not known: %(names)s.",
                       names=", ".join(about["ignored"])))  # fmt: skip
    if about.get("others"):
        found.append(_("Only the sheet “%(name)s” was read; not %(others)s.",
                       name=about.get("sheet", ""), others=", ".join(about["others"])))  # fmt: skip
    if about.get("hidden"):
        found.append(_("Hidden sheets were not read: %(names)s.",
                       names=", ".join(about["hidden"])))  # fmt: skip
    if about.get("merged_count"):
        found.append(_("Merged cells, of which only the first holds a value: %(areas)s.",
                       areas=", ".join(about["merged"])))  # fmt: skip
    if about.get("examples"):
        found.append(_("The template's example was left out."))
    if about.get("empty"):
        found.append(ngettext("%(num)s empty row was left out.",
                              "%(num)s empty rows were left out.",
                              about["empty"]))  # fmt: skip
    return [str(one) for one in found]
