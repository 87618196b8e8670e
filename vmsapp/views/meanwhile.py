"""What somebody else saved while a form was open: said beside each field that differs."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any, Final

from markupsafe import Markup
from wtforms import Field, Form, SelectFieldBase

from vmsapp.i18n import _, day_text
from vmsapp.models.base import Model

NOT_COMPARED: Final = {"HiddenField", "CSRFTokenField", "PasswordField", "FileField"}


def mark_changed(
    mine: Iterable[Field], theirs: Iterable[Field], unseen: Collection[str] = ()
) -> None:
    """Say beside each field whose saved value is not the typed one what is saved now.

    Args:
        mine: As typed.
        theirs: As saved.
        unseen: Fields that are never filled from the record, and so not here.
    """
    saved = {field.id: field for field in theirs if field.id not in unseen}
    for field in mine:
        other = saved.get(field.id)
        if other is None or field.type in NOT_COMPARED or _plain(field) == _plain(other):
            continue
        field.errors = [*field.errors, _said(other)]


def look_again(form: Form, url: str) -> None:
    """Lead to the record as it is now, beside the form that is being filled."""
    link = Markup('<a href="{}" target="_blank" rel="noopener">{}</a>')
    form.form_errors.append(link.format(url, _("Look at the record as it is now")))


def _said(field: Field) -> str:
    value = _shown(field)
    if not value:
        return str(_("Saved here now: nothing."))
    return str(_("Saved here now: “%(value)s”.", value=value))


def _shown(field: Field) -> str:
    """Write a field's value as the reader would type or choose it."""
    if isinstance(field, SelectFieldBase):
        chosen = (choice for choice in field.iter_choices() if choice[2] and choice[0] != "")
        return ", ".join(str(choice[1]) for choice in chosen)
    match field.data:
        case None:
            return ""
        case bool():
            return str(_("Yes") if field.data else _("No"))
        case date():
            return day_text(field.data.isoformat())
    written = getattr(field, "written", None)
    return str(written() if written else field.data)


def _plain(field: Field) -> Any:  # noqa: ANN401 - of any field
    """Give what is compared: a row is its id, and nothing typed is nothing chosen."""
    value = field.data
    if isinstance(value, Sequence) and not isinstance(value, str):
        return sorted(map(_key, value), key=str)
    return _key(value)


def _key(value: Any) -> Any:  # noqa: ANN401 - of any field
    if isinstance(value, Model):
        return value.id  # type: ignore[attr-defined]
    return None if value in {"", "__None"} else value
