"""Imports in words: kinds, states, steps."""

from typing import Final

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
    "opening-figures": N_("Opening figures of meters"),
}
STEPS: Final = (N_("File"), N_("Check"), N_("Apply"))


def import_title(kind: SheetKind) -> str:
    """What handing in a sheet is called."""
    titles = {
        "consumers": _("Import consumers"),
        "meters": _("Import meters"),
        "meters-with-consumers": _("Import meters with consumers"),
        "opening-figures": _("Import opening figures of meters"),
    }
    return str(titles[kind.code])


def step_of(row: ImportBatch) -> int:
    """Which of ``STEPS`` it is at, counted from nothing."""
    if row.state in {BatchState.UPLOADED, BatchState.VALIDATING}:
        return 1
    return 3 if row.state in {BatchState.APPLIED, BatchState.UNDONE, BatchState.UNDOING} else 2
