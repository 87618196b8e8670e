"""What is to be said of a file that was handed in, beside its rows."""

from flask_babel import ngettext

from vmsapp.i18n import _
from vmsapp.models import ImportBatch


def noticed(row: ImportBatch) -> list[str]:
    """What was noticed of the file as a whole."""
    about, found = row.about, []
    if about.get("ignored"):
        found.append(_("Columns that were left out, for their headings are not known: %(names)s.",
                       names=", ".join(about["ignored"])))  # fmt: skip
    if about.get("told"):
        found.append(_("Columns that only tell how things were; they are not imported: %(names)s.",
                       names=", ".join(about["told"])))  # fmt: skip
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
