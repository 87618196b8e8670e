"""The forms of consumers. What may stand in a field, the services say."""

from typing import Any, Final

from flask import current_app
from wtforms import BooleanField, SelectField, StringField, TextAreaField

from vmsapp.errors import N_
from vmsapp.i18n import _, _l, choose_locale
from vmsapp.models import Gender, Region
from vmsapp.services.registration.drafts import ConsumerDraft
from vmsapp.services.registration.masking import masked
from vmsapp.services.registration.personal_data import LONGEST_REASON
from vmsapp.views.forms import LookupField, OfficeForm
from vmsapp.views.numbers import ascii_digits

GENDERS: Final = {
    "unknown": N_("Not given"),
    "female": N_("Female"),
    "male": N_("Male"),
    "other": N_("Another gender"),
}


class ConsumerForm(OfficeForm):
    """Who buys, where, and how to reach them."""

    name = StringField(_l("Full name"))
    number = StringField(_l("Consumer number"))
    region = LookupField(
        _l("Region"), model=Region, endpoint="Regions.lookup",
        description=_l("Type a part of its name. Who sees the region sees this consumer."),
    )  # fmt: skip
    address = StringField(_l("Address"))
    gender = SelectField(_l("Gender"), choices=list, validate_choice=False)
    id_number = StringField(_l("ID number"))
    phone = StringField(_l("Telephone"))
    email = StringField(_l("E-mail"))
    language = SelectField(
        _l("Language"), choices=list, validate_choice=False, default=choose_locale,
        description=_l("Receipts are printed in it."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.gender.choices = [(code, _(word)) for code, word in GENDERS.items()]
        self.language.choices = [
            (code, spec["name"]) for code, spec in current_app.config["LANGUAGES"].items()
        ]
        self.name.flags.required = self.region.flags.required = True
        for field in (self.name, self.address, self.id_number, self.phone):
            field.render_kw = {"autocomplete": "off"}  # the browser knows only who types

    def draft(self) -> ConsumerDraft:
        """What was typed, for the services."""
        region = self.region.data
        return ConsumerDraft(
            name=self.name.data or "",
            region_id=None if region is None else region.id,
            number=ascii_digits(self.number.data or ""),
            address=self.address.data or "",
            gender=self.gender.data or Gender.UNKNOWN,
            id_number=self.id_number_typed(),
            email=self.email.data or "",
            phone=ascii_digits(self.phone.data or ""),
            language=self.language.data or "",
        )

    def id_number_typed(self) -> str | None:
        """The ID number as it is kept."""
        return ascii_digits(self.id_number.data or "")


class NewConsumerForm(ConsumerForm):
    """A consumer that is to be."""

    number = StringField(
        _l("Consumer number"),
        description=_l("Leave it empty for the next number. It is unique over all regions."),
    )


class ChangedConsumerForm(ConsumerForm):
    """A consumer that is there; the ID number on record is not written into the page."""

    remove_id_number = BooleanField(_l("Remove the ID number on record"))
    unseen = frozenset({"id_number", "remove_id_number"})

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        if not self.id_number.raw_data:
            self.id_number.data = ""
        self.number.flags.required = True
        known = masked(getattr(options.get("obj"), "id_number", ""))
        if known:
            self.id_number.description = _(
                "%(known)s is on record. Leave it empty to keep it.", known=known
            )
        else:
            del self.remove_id_number

    def id_number_typed(self) -> str | None:
        """The new number; ``None`` keeps the one on record."""
        typed = super().id_number_typed()
        return typed or ("" if self._removed() else None)

    def _removed(self) -> bool:
        return "remove_id_number" in self and bool(self.remove_id_number.data)


class AnonymiseForm(OfficeForm):
    """Why, and for whom for certain."""

    reason = TextAreaField(
        _l("Reason"), render_kw={"maxlength": LONGEST_REASON, "rows": 2},
        description=_l("It stays on record, so do not name the person."),
    )  # fmt: skip
    number = StringField(
        _l("Consumer number"), description=_l("Type the number once more, to be sure.")
    )

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.reason.flags.required = self.number.flags.required = True
