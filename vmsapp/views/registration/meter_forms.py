"""The forms of meters. What may stand in a field, the services say."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import or_, select
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from vmsapp.errors import N_, InvalidInput
from vmsapp.i18n import _, _l
from vmsapp.models import Meter, Product, Region, Tariff, VendingKey
from vmsapp.services.registration.drafts import MeterDraft
from vmsapp.services.registration.meter_errors import TariffMissing
from vmsapp.services.registration.meter_page import vending_keys
from vmsapp.sts import identifiers
from vmsapp.views.approvals.deeds import MAX_KEY
from vmsapp.views.base import session
from vmsapp.views.forms import LookupField, NumberField, OfficeForm, of_length
from vmsapp.views.lists.pages import names
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.words import METER_TYPES

DEVICES: Final = {
    "legacy-7": N_("Legacy (DKGA 02, EA 07)"),
    "sts6-7": N_("STS6 (DKGA 04, EA 07)"),
    "sts6-11": N_("STS6 (DKGA 04, EA 11)"),
}
"""Algorithm and cipher of a meter in one choice: no other pair exists."""

ALGORITHMS: Final = {"legacy": N_("Legacy"), "sts6": N_("STS6")}
MODES: Final = {
    "units": N_("Units"),
    "currency": N_("Money, which the meter rates itself"),
}
CARRIERS: Final = {"2": N_("02: number, typed in"), "1": N_("01: magnetic card")}
KEY_TYPES: Final = {
    "2": N_("2: unique to the meter (DUTK)"), "3": N_("3: common to a group (DCTK)"),
    "1": N_("1: default (DDTK)"), "0": N_("0: initialisation (DITK)"),
}  # fmt: skip
BASE_YEARS: Final = {"14": "2014", "35": "2035", "93": "1993"}

THING: Final = names("number product_id region tariff_id credit_mode device tct")
KEY: Final = names("key ti sgc krn kt base_date")
OPEN: Final = names("product_id region tariff_id credit_mode tct")
"""Fields that stay open once a token was made."""

CORRECTED: Final = ["number", "device", *KEY]
"""Fields of a correction, beside its reason."""

FIELD_OF: Final = {
    "region_id": "region", "meter_type": "product_id", "algorithm": "device", "ea": "device",
    "drn": "number",
}  # fmt: skip
"""The fields of drafts that are called otherwise in the form."""


class KeyOfOtherAlgorithm(InvalidInput):
    """A key makes tokens for the meters of its algorithm alone."""

    code = "key_of_other_algorithm"
    message = N_("This vending key is for meters of another algorithm. Choose one of the meter's.")
    field = "key"


class ChangedMeterForm(OfficeForm):
    """What may change of a meter for which tokens were made."""

    product_id = SelectField(
        _l("Product"), coerce=str, choices=dict, validate_choice=False,
        description=_l("It says what the meter measures."),
    )  # fmt: skip
    region = LookupField(
        _l("Region"), model=Region, endpoint="Regions.lookup",
        description=_l("Type a part of its name. Who sees the region sees this meter."),
    )  # fmt: skip
    tariff_id = SelectField(
        _l("Tariff"), coerce=str, choices=dict, validate_choice=False,
        description=_l("It must be for what the meter measures. Without one nothing is sold."),
    )  # fmt: skip
    credit_mode = SelectField(_l("Credited with"), choices=list, validate_choice=False)
    tct = SelectField(_l("Token carrier (TCT)"), coerce=str, choices=list, validate_choice=False)

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.product_id.choices = self._products()
        self.tariff_id.choices = {"": [("", str(_("None yet")))], **tariffs_offered(self.tariff_id)}
        self.credit_mode.choices = _said(MODES)
        self.tct.choices = _said(CARRIERS)
        self.product_id.flags.required = self.region.flags.required = True

    def _products(self) -> dict[str, list[tuple[str, str]]]:
        rows = session().scalars(select(Product).order_by(Product.model))
        offered = [(row.meter_type, str(row.id), f"{row.model} · {row.name}") for row in rows]
        return {"": [("", str(_("Choose")))], **_by_type(offered)}

    def draft(self, meter: Meter | None) -> MeterDraft:
        """What was typed, for the services; the rest stays as it is."""
        assert meter is not None
        return MeterDraft(
            number=meter.drn, algorithm=meter.algorithm, ea=meter.ea, sgc=meter.sgc,
            krn=meter.krn, kt=meter.kt, ti=meter.ti, base_date=meter.base_date, **self._thing(),
        )  # fmt: skip

    def _thing(self) -> dict[str, Any]:
        region = self.region.data
        return {
            "product_id": _id(self.product_id.data),
            "tariff_id": _id(self.tariff_id.data),
            "region_id": None if region is None else region.id,
            "credit_mode": self.credit_mode.data or "",
            "tct": _id(self.tct.data),
        }


class MeterForm(ChangedMeterForm):
    """A meter before its first token: all of it."""

    number = StringField(
        _l("Meter number"),
        validators=[of_length(0, 40)],
        description=_l("11 or 13 digits as on the meter; the last one checks the others."),
    )
    device = SelectField(
        _l("Algorithm"), choices=list, validate_choice=False,
        description=_l("The generation of STS the meter was built with; it stands on its label."),
    )  # fmt: skip
    key = SelectField(
        _l("Vending key"), choices=dict, validate_choice=False,
        description=_l("Supply group, revision, key type and base date come from it."),
    )  # fmt: skip
    ti = StringField(
        _l("Tariff index (TI)"), validators=[of_length(0, 5)], description=_l("2 digits.")
    )
    sgc = StringField(
        _l("Supply group code (SGC)"),
        validators=[of_length(0, 20)],
        description=_l("6 digits. This and what follows counts where no key is chosen above."),
    )
    krn = StringField(
        _l("Key revision number (KRN)"), validators=[of_length(0, 5)], description=_l("1 to 9.")
    )
    kt = SelectField(_l("Key type (KT)"), coerce=str, choices=list, validate_choice=False)
    base_date = SelectField(
        _l("Base date"), choices=list, validate_choice=False,
        description=_l("Left open it is the vending key's; 2014 while no module has the key."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.device.choices = _said(DEVICES)
        self.kt.choices = _said(KEY_TYPES)
        self.base_date.choices = [("", str(_("The vending key's"))), *BASE_YEARS.items()]
        self.keys = vending_keys(session())
        offered = [(name, key_code(name, key), key_said(key)) for name, key in self.keys]
        self.key.choices = {
            **_grouped(offered, ALGORITHMS), "": [("", str(_("Another, as typed below")))],
        }  # fmt: skip
        self.number.flags.required = self.ti.flags.required = True
        for field in (self.sgc, self.krn):
            field.flags.needed = True  # where no key is chosen

    def draft(self, meter: Meter | None) -> MeterDraft:
        """What was typed, for the services.

        Raises:
            KeyOfOtherAlgorithm: The chosen key is no key for such a meter.
        """
        algorithm, _dash, ea = str(self.device.data or "").partition("-")
        return MeterDraft(
            number=ascii_digits(self.number.data or ""), algorithm=algorithm, ea=_id(ea),
            ti=ascii_digits(self.ti.data or ""), **self._thing(), **self._key(algorithm),
        )  # fmt: skip

    def _key(self, algorithm: str) -> dict[str, Any]:
        chosen = next((one for one in self.keys if key_code(*one) == self.key.data), None)
        if chosen is None:
            return {
                "sgc": identifiers.sgc.compact(ascii_digits(self.sgc.data or "")),
                "krn": _id(ascii_digits(self.krn.data or "").strip()),
                "kt": _id(self.kt.data),
                "base_date": self.base_date.data or "",
            }
        name, key = chosen
        if name != algorithm:
            raise KeyOfOtherAlgorithm
        return {"sgc": key.sgc, "krn": key.krn, "kt": key.kt, "base_date": key.base_date}

    def fill(self, meter: Meter | None, *, alike: bool = False) -> None:
        """Fill it with a meter's row, or for a new one with what most have.

        Args:
            meter: The row; ``None`` for a new meter that is like none.
            alike: The new one is to be like this one, but for its number.
        """
        if meter is None:
            self.ti.data, self.krn.data, self.kt.data = "01", "1", "2"
            if self.keys:
                self.key.data = key_code(*self.keys[0])
                self.device.data = f"{self.keys[0][0]}-7"
            return
        self.number.data = "" if alike else identifiers.drn.format(meter.drn)
        self.device.data = f"{meter.algorithm}-{meter.ea}"
        own = (meter.algorithm, meter.sgc, meter.krn, meter.kt)
        known = [key_code(*one) for one in self.keys
                 if (one[0], one[1].sgc, one[1].krn, one[1].kt) == own]  # fmt: skip
        self.key.data = next(iter(known), "")
        for field in ("ti", "sgc", "krn", "kt", "base_date"):
            self[field].data = str(getattr(meter, field))
        if alike:
            self.product_id.data, self.tariff_id.data = str(meter.product_id), _text(meter)
            self.region.data, self.credit_mode.data = meter.region, meter.credit_mode
            self.tct.data = str(meter.tct)


class ReasonForm(OfficeForm):
    """Why a meter is blocked."""

    reason = StringField(
        _l("Reason"),
        description=_l("The operator at the counter reads it, and tells the customer."),
    )


class TariffForm(OfficeForm):
    """The tariff that many meters get."""

    tariff = SelectField(
        _l("Tariff"), [DataRequired(_l("Choose a tariff."))], coerce=str, choices=dict,
        validate_choice=False,
        description=_l("It must be for what the meters measure."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.tariff.choices = {"": [("", str(_("Choose")))], **tariffs_offered(self.tariff)}
        self.tariff.flags.required = True

    def chosen(self) -> int:
        """The tariff's id.

        Raises:
            TariffMissing: None was chosen.
        """
        number = _id(self.tariff.data)
        if number is None:
            raise TariffMissing
        return number


class CreditForm(OfficeForm):
    """What stood on a meter that is taken off, and where it goes."""

    credit = NumberField(
        _l("Credit left on the meter"), places=1,
        description=_l("As its display shows it. It is recorded; nothing is paid back by it."),
    )  # fmt: skip
    afterwards = SelectField(_l("The meter goes"), choices=list)

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.afterwards.choices = [("stock", _("into stock")), ("retired", _("out of use"))]


class SwapForm(CreditForm):
    """What stood on both."""

    new_credit = NumberField(
        _l("Credit on the new meter"), places=1, description=_l("Most come with none, or a little.")
    )


class BindForm(OfficeForm):
    """Where the meter is to hang, and what stands on it."""

    place = SelectField(_l("Place"), choices=list)
    credit = NumberField(
        _l("Credit on the meter"), places=1, description=_l("As its display shows it.")
    )


class CorrectForm(MeterForm):
    """What the record should have said, and why that is known."""

    key_of_form = HiddenField(validators=[DataRequired(), Length(max=MAX_KEY)])
    was = HiddenField(validators=[DataRequired()])

    reason = TextAreaField(
        _l("Reason"),
        description=_l("What was wrong, and how that is known: the meter's display, a document."),
    )  # fmt: skip

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.reason.flags.needed = True  # the service says what must stand there


def tariffs_offered(field: SelectField) -> dict[str, list[tuple[str, str]]]:
    """The tariffs a meter can get, by what they price; a retired one where it is chosen."""
    now = _id(field.data) or 0
    rows = session().scalars(
        select(Tariff).where(or_(Tariff.retired.is_(False), Tariff.id == now)).order_by(Tariff.name)
    )
    return _by_type((row.meter_type, str(row.id), row.name) for row in rows)


def credit_of(field: NumberField) -> Decimal | None:
    """What was typed of a meter's credit; ``None``: nothing, which is not zero."""
    return None if field.data is None else Decimal(field.data)


def key_code(algorithm: str, key: VendingKey) -> str:
    """Name a key in a form: what it is, not which row it is."""
    return f"{algorithm}-{key.sgc}-{key.krn}-{key.kt}"


def key_said(key: VendingKey) -> str:
    """Name a key to its reader."""
    return str(
        _(
            "%(sgc)s, KRN %(krn)s, KT %(kt)s, base date %(year)s · %(name)s",
            sgc=key.sgc, krn=key.krn, kt=key.kt, year=BASE_YEARS[key.base_date], name=key.name,
        )
    )  # fmt: skip


def _by_type(offered: Iterable[tuple[str, str, str]]) -> dict[str, list[tuple[str, str]]]:
    return _grouped(offered, METER_TYPES)


def _grouped(
    offered: Iterable[tuple[str, str, str]], words: Mapping[str, str]
) -> dict[str, list[tuple[str, str]]]:
    """Sort choices into groups, each under the word for its code."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for code, value, text in offered:
        groups.setdefault(str(_(words[code])), []).append((value, text))
    return groups


def _said(words: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(code, str(_(word))) for code, word in words.items()]


def _id(text: object) -> int | None:
    """Read a small number; what is none is none."""
    shown = str(text or "")
    return int(shown) if shown.isascii() and shown.isdecimal() and len(shown) < 10 else None


def _text(meter: Meter) -> str:
    return "" if meter.tariff_id is None else str(meter.tariff_id)
