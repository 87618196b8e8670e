"""The form of a campaign: which meters, to which key, until when and how the tokens go out."""

from collections.abc import Iterable
from typing import Any, Final

from flask import current_app
from flask_appbuilder.fieldwidgets import Select2ManyWidget
from flask_babel import gettext
from flask_wtf.file import FileField
from sqlalchemy import select
from wtforms import BooleanField, DateField, SelectField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Optional

from vmsapp.errors import N_, InvalidInput
from vmsapp.i18n import _, _l, in_every_language
from vmsapp.models import Campaign, Product, Region, VendingKey
from vmsapp.services.campaigns.terms import Selection, Target, Wish
from vmsapp.services.registration.meter_page import vending_keys
from vmsapp.services.sheets.number_list import numbers_in
from vmsapp.views.base import session
from vmsapp.views.campaigns.words import HAND_OUTS
from vmsapp.views.engineering.forms import WholeField
from vmsapp.views.forms import LookupField, OfficeForm, of_length
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import names
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.registration.meter_forms import ALGORITHMS, BASE_YEARS

NAME_MAX: Final = 120
REASON_MAX: Final = 255
KEEP: Final = "keep"
OWN: Final = "own"
"""Of a new key: that of each meter's own supply group."""
HEADING: Final = N_("Meter number")

MEANT: Final = names("name reason due_on")
CHOSEN: Final = names("region products sgcs base_dates algorithms file")
WANTED: Final = names("key ti sts6 three_tokens")
PACE: Final = names("hand_out per_second")
SECTIONS: Final = (
    (N_("What it is"), MEANT), (N_("Which meters"), CHOSEN), (N_("The new key"), WANTED),
    (N_("Making and handing out"), PACE),
)  # fmt: skip


class KeyNotOffered(InvalidInput):
    """A key of another page."""

    code = "campaign_key_not_offered"
    message = N_("Choose the key that the meters are to have.")
    field = "key"


class Boxes(SelectMultipleField):
    """A box for each of a few; none ticked is no bound."""

    def __init__(self, label: Any, **options: Any) -> None:  # noqa: ANN401 - the library's
        super().__init__(
            label, choices=list, validate_choice=False, widget=Select2ManyWidget(), **options
        )


class CampaignForm(OfficeForm):
    """What a campaign is told."""

    name = StringField(
        _l("Name"), [InputRequired(_l("Give the campaign a name.")), of_length(0, NAME_MAX)]
    )
    reason = StringField(
        _l("Reason"), [InputRequired(_l("Say why.")), of_length(0, REASON_MAX)],
        description=_l("The second person reads it, and it is kept with each meter's key change."),
    )  # fmt: skip
    due_on = DateField(
        _l("To be done by"), [InputRequired(_l("Say until when all meters are to be confirmed."))],
        description=_l("Meters not confirmed after this day are listed as overdue."),
    )  # fmt: skip
    region = LookupField(
        _l("Region"), model=Region, endpoint="Regions.lookup",
        description=_l("With all regions below it. Leave it empty for all meters that you see."),
    )  # fmt: skip
    products = Boxes(_l("Products"), coerce=str)
    sgcs = Boxes(_l("Supply groups that the meters are in (SGC)"), coerce=str)
    base_dates = Boxes(_l("Base dates that the meters have"), coerce=str)
    algorithms = Boxes(_l("Algorithm"), coerce=str)
    file = FileField(
        _l("List of meter numbers"),
        description=_l(
            "An Excel workbook (.xlsx) or a CSV file with the numbers in its first column, or under"
            " the heading “Meter number”. What is chosen above narrows the list."
        ),
    )  # fmt: skip
    key = SelectField(
        _l("New key"), [InputRequired(_l("Choose the key that the meters are to have."))],
        choices=dict, validate_choice=False,
        description=_l(
            "Offered are the keys in the security modules. Whether a meter may change to one of"
            " them, its present key's file says: those that may not are listed before anything is"
            " made."
        ),
    )  # fmt: skip
    ti = StringField(
        _l("New tariff index (TI)"), validators=[of_length(0, 5)],
        description=_l("2 digits. Left empty, each meter keeps its own."),
    )  # fmt: skip
    sts6 = BooleanField(
        _l("Take Legacy meters to STS6"),
        description=_l("Only those whose product allows it; the others stay Legacy."),
    )
    three_tokens = BooleanField(
        _l("Send the supply group code, too"),
        description=_l("A third token, for meters that show their supply group code."),
    )
    hand_out = SelectField(
        _l("How the tokens reach the customers"), choices=list, validate_choice=False
    )
    per_second = WholeField(
        _l("Meters per second at most"), [Optional()], places=0,
        description=_l("Left empty, as many as the security module makes."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        keys = vending_keys(session())
        rows = session().execute(select(Product.id, Product.model).order_by(Product.model))
        self.products.choices = [(str(number), model) for number, model in rows]
        self.sgcs.choices = [(sgc, sgc) for sgc in sorted({key.sgc for _name, key in keys})]
        self.base_dates.choices = list(BASE_YEARS.items())
        self.algorithms.choices = [(code, gettext(word)) for code, word in ALGORITHMS.items()]
        self.groups = _keys_offered(key for _name, key in keys)
        self.key.choices = self.groups
        self.hand_out.choices = [(code, gettext(word)) for code, word in HAND_OUTS.items()]
        self.key.flags.required = True

    def ask_for_file_again(self) -> None:
        """Say that a list must be chosen anew: a browser does not keep it in a form that failed."""
        if self.file.data and not self.file.errors:
            again = _("Choose the list again: a page that comes back with errors does not hold it.")
            self.file.errors = [*self.file.errors, again]

    def wish(self) -> Wish:
        """What was typed, for the services.

        Raises:
            KeyNotOffered: The key is none of those on the page.
            UnreadableFile: The list cannot be read.
        """
        assert self.due_on.data is not None, "it was validated"
        region = self.region.data
        return Wish(
            name=self.name.data or "", reason=self.reason.data or "", selection=self._selection(),
            target=self._target(), hand_out=self.hand_out.data or "", due_on=self.due_on.data,
            region_id=None if region is None else region.id,
            per_second=None if self.per_second.data is None else int(self.per_second.data),
            numbers=self._numbers(),
        )  # fmt: skip

    def fill(self, row: Campaign) -> None:
        """Fill it with a campaign that is planned."""
        chosen, target = Selection.read(row.selection), Target.read(row.target)
        self.name.data, self.reason.data, self.due_on.data = row.name, row.reason, row.due_on
        if row.region_id is not None:
            self.region.data = row_of(session(), Region, row.region_id)
        self.products.data = [str(number) for number in chosen.product_ids]
        self.sgcs.data, self.base_dates.data = list(chosen.sgcs), list(chosen.base_dates)
        self.algorithms.data = list(chosen.algorithms)
        self.key.data = _code(target.sgc, target.krn, target.base_date)
        self.ti.data, self.sts6.data = target.ti, target.sts6
        self.three_tokens.data = target.three_tokens
        self.hand_out.data, self.per_second.data = row.hand_out, row.per_second

    def _selection(self) -> Selection:
        numbers = (number for number in self.products.data or () if number.isdecimal())
        return Selection(
            product_ids=tuple(map(int, numbers)), sgcs=tuple(self.sgcs.data or ()),
            base_dates=tuple(self.base_dates.data or ()),
            algorithms=tuple(self.algorithms.data or ()),
        )  # fmt: skip

    def _target(self) -> Target:
        code = self.key.data or ""
        offered = {code for group in self.groups.values() for code, _word in group}
        if not code or code not in offered:
            raise KeyNotOffered
        sgc, krn, base_date = _parts(code)
        return Target(
            sgc=sgc, krn=krn, base_date=base_date,
            ti=ascii_digits(self.ti.data or "").strip() or None, sts6=bool(self.sts6.data),
            three_tokens=bool(self.three_tokens.data),
        )  # fmt: skip

    def _numbers(self) -> list[str] | None:
        upload = self.file.data
        if not upload:
            return None
        headings = in_every_language([HEADING])[HEADING].values()
        with upload.stream as source:
            return numbers_in(
                current_app.extensions["vms_settings"], source, upload.filename or "",
                [HEADING, *headings],
            )  # fmt: skip


def _keys_offered(keys: Iterable[VendingKey]) -> dict[str, list[tuple[str, str]]]:
    """What the new key may be: as now, of each meter's own supply group, or of one group."""
    own: dict[str, str] = {}
    named: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: (key.krn, key.base_date, key.sgc)):
        year = BASE_YEARS[key.base_date]
        own[_code(OWN, key.krn, key.base_date)] = _(
            "KRN %(krn)s, base date %(year)s", krn=key.krn, year=year
        )
        named[_code(key.sgc, key.krn, key.base_date)] = _(
            "%(sgc)s, KRN %(krn)s, base date %(year)s · %(name)s",
            sgc=key.sgc, krn=key.krn, year=year, name=key.name,
        )  # fmt: skip
    return {
        "": [("", str(_("Choose"))), (KEEP, str(_("As now: another tariff index alone")))],
        str(_("In the supply group that each meter is in")): list(own.items()),
        str(_("In one supply group")): list(named.items()),
    }


def _code(sgc: str | None, krn: int | None, base_date: str | None) -> str:
    """Name a new key in the form."""
    return KEEP if krn is None else f"{sgc or OWN}-{krn}-{base_date}"


def _parts(code: str) -> tuple[str | None, int | None, str | None]:
    """Read what ``_code`` wrote."""
    if code == KEEP:
        return None, None, None
    sgc, krn, base_date = code.split("-")
    return None if sgc == OWN else sgc, int(krn), base_date
