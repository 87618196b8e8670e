"""Forms: the fields of this product, and how every field is drawn.

The framework's field widgets draw its old look and know no errors. ``control`` draws a
field by what it is, whoever made it: with its help and its error tied to it, and the
keyboard and direction that suit what is typed.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from flask import request, url_for
from flask_appbuilder import fieldwidgets as framework
from flask_appbuilder.forms import DynamicForm
from flask_babel import get_domain, ngettext
from markupsafe import Markup
from werkzeug.datastructures import CombinedMultiDict, MultiDict
from wtforms import Field, FileField, Form, IntegerField, ValidationError, widgets
from wtforms.validators import StopValidation
from wtforms.widgets import html_params

from vmsapp.errors import InvalidInput, VmsError
from vmsapp.i18n import _
from vmsapp.models.base import Model
from vmsapp.services.registration.faults import FaultyRows
from vmsapp.services.setup import NotSetUp, currency_of
from vmsapp.views.base import sentence, session, utility
from vmsapp.views.lists.listing import row_of
from vmsapp.views.numbers import read_number

EARLIEST, LATEST = date(1993, 1, 1), date(2199, 12, 31)
"""The days that a calendar of this product has."""

MOST_DIGITS: Final = 18
"""Of a whole number that is typed; more fit into no column."""

NUMBERS: Final = {
    "IntegerField": "numeric",
    "WholeField": "numeric",
    "DecimalField": "decimal",
    "FloatField": "decimal",
}
LATIN: Final = frozenset(
    {"email", "username", "telephone", "phone", "manufacturer_code", "number", "id_number"}
)
"""Fields of addresses and numbers, which run from left to right in every language."""
CHECKBOX: Final = "form-check-input"
ROW_ID: Final = re.compile(r"[0-9]{1,19}")
LARGEST: Final = 10**12
"""Numbers from here on fit into no column once their decimals are counted."""


class OfficeForm(DynamicForm):
    """A form of ours: like the framework's, and written out field by field."""

    class Meta(DynamicForm.Meta):
        """How it reads what was sent, and in whose words it refuses it."""

        def get_translations(self, form: Form) -> Any:  # noqa: ANN401 - the library's
            """Say the library's refusals in the product's words: it lacks languages of ours."""
            return get_domain().get_translations()

        def wrap_formdata(self, form: Form, formdata: Any) -> Any:  # noqa: ANN401 - the library's
            """Take a form's fields alone, and files only where a field takes one.

            The library would hand a file to any field of its name, and JSON of any shape.
            """
            if formdata is None or hasattr(formdata, "getlist"):
                return formdata
            if request.method != "POST":
                return None
            taking = {field.name for field in form if isinstance(field, FileField)}
            files = [pair for pair in request.files.items(multi=True) if pair[0] in taking]
            return CombinedMultiDict([MultiDict(files), request.form]) if files else request.form


class LookupWidget:
    """A select that holds only the chosen row; the others are searched for."""

    def __call__(self, field: "LookupField", **attributes: Any) -> Markup:  # noqa: ANN401
        """Draw it; without script it offers the chosen row alone."""
        chosen = Markup("")
        if field.data is not None:
            chosen = Markup('<option value="{}" selected>{}</option>').format(
                field.data.id, field.data
            )
        shown = html_params(
            name=field.name,
            data_lookup=url_for(field.endpoint),
            data_none=_("Nothing fits"),
            **attributes,
        )
        attributes_of = Markup(shown)  # noqa: S704 - escaped by the library
        return Markup('<select {}><option value=""></option>{}</select>').format(
            attributes_of, chosen
        )


class Checkboxes:
    """A box for each row of a small table, instead of a list that is scrolled and held down."""

    def __call__(self, field: Field, **attributes: Any) -> Markup:  # noqa: ANN401
        """Draw them; the field's own name is drawn around them."""
        attributes.pop("required", None)
        boxes = []
        for number, choice in enumerate(field.iter_choices()):
            value, label, chosen = choice[:3]
            shown = html_params(
                type="checkbox", name=field.name, value=value, checked=bool(chosen),
                **attributes | {"id": f"{field.id}-{number}", "class": CHECKBOX},
            )  # fmt: skip
            box = Markup(shown)  # noqa: S704 - escaped by the library
            boxes.append(
                Markup('<label class="form-check"><input {}><span>{}</span></label>').format(
                    box, label
                )
            )
        return Markup('<div class="boxes" id="{}" tabindex="-1">{}</div>').format(
            field.id, Markup("").join(boxes)
        )


class WholeField(IntegerField):
    """A whole number of at most ``MOST_DIGITS`` digits.

    The library compares with limits as floats, and breaks where a number is no float.
    """

    data: Any

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Read what was typed.

        Raises:
            ValueError: It is no such number.
        """
        super().process_formdata(valuelist)
        if self.data is not None and abs(self.data) >= 10**MOST_DIGITS:
            self.data = None
            raise ValueError(self.gettext("Not a valid integer value."))


class TypedField(Field):
    """A field that says what is wrong with what was sent, and not that nothing was."""

    def pre_validate(self, form: Form) -> None:
        """Ask no further once it could not be read."""
        if self.process_errors:
            raise StopValidation


class LookupField(TypedField):
    """One row of a large table, as the asker sees it, found by searching.

    Args:
        model: Whose rows.
        endpoint: Which route answers the search with ``[{"value", "text"}]``.
    """

    widget = LookupWidget()

    def __init__(
        self, label: Any = None, *args: Any, model: type[Model], endpoint: str, **options: Any  # noqa: ANN401
    ) -> None:  # fmt: skip
        super().__init__(label, *args, **options)
        self.model, self.endpoint = model, endpoint

    def process_formdata(self, valuelist: list[str]) -> None:
        """Fetch the row whose id was sent."""
        self.data = None
        if not valuelist or not valuelist[0]:
            return
        number = valuelist[0]
        if ROW_ID.fullmatch(number):
            self.data = row_of(session(), self.model, int(number))
        if self.data is None:
            raise ValueError(_("This one is not there any more. Choose another."))

    def populate_obj(self, obj: Any, name: str) -> None:  # noqa: ANN401 - a row of any model
        """Set the row and its key: the guard of what may be written looks at the key."""
        setattr(obj, name, self.data)
        setattr(obj, f"{name}_id", self.data.id if self.data is not None else None)


class NumberField(TypedField):
    """An exact number as the reader writes it; refuses what could be read two ways."""

    widget = widgets.TextInput()
    places: int

    def __init__(self, label: Any = None, *args: Any, places: int = 3, **options: Any) -> None:  # noqa: ANN401
        super().__init__(label, *args, **options)
        self.places = places

    @property
    def unit(self) -> str:
        """What stands after the number."""
        return ""

    def written(self) -> str:
        """The field's value as a number with a decimal point."""
        return f"{Decimal(self.data or 0):f}"

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else self.written()

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read what was typed."""
        typed = bool(valuelist and valuelist[0].strip())
        self.data = self.read(valuelist[0]) if typed else None

    def read(self, text: str) -> Decimal | int:
        """Read a number no finer than ``places``."""
        try:
            number = read_number(text)
        except VmsError as error:
            raise ValueError(sentence(error)) from error
        if abs(number) >= LARGEST:
            raise ValueError(_("This number is too large."))
        if number != round(number, self.places):
            raise ValueError(too_fine(self.places))
        return number


class MoneyField(NumberField):
    """Money in the utility's currency; its data are minor units."""

    @property
    def unit(self) -> str:
        """The currency's code; nothing until the utility has one."""
        try:
            return str(utility().currency)
        except NotSetUp:
            return ""

    def written(self) -> str:
        """The amount in whole coins and parts of them."""
        return str(currency_of(utility()).decimal(int(self.data or 0)))

    def read(self, text: str) -> int:
        """Read an amount no finer than the smallest coin."""
        try:
            self.places = currency_of(utility()).exponent
        except NotSetUp as error:
            raise ValueError(sentence(error)) from error
        return int(Decimal(super().read(text)).scaleb(self.places))


class UnitsField(NumberField):
    """Units of what a meter measures: ``unit`` says of what."""

    def __init__(self, *args: Any, unit: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self._unit = unit

    @property
    def unit(self) -> str:
        """The unit's name."""
        return str(self._unit)

    def set_unit(self, unit: str) -> None:
        """Say of what, where only the row tells."""
        self._unit = unit


CONTROLS: Final[Mapping[type, tuple[Any, str]]] = {
    framework.BS3TextFieldWidget: (widgets.TextInput(), "form-control"),
    framework.BS3TextAreaFieldWidget: (widgets.TextArea(), "form-control"),
    framework.BS3PasswordFieldWidget: (widgets.PasswordInput(), "form-control"),
    framework.DatePickerWidget: (widgets.DateInput(), "form-control"),
    framework.DateTimePickerWidget: (widgets.DateTimeLocalInput(), "form-control"),
    framework.Select2Widget: (widgets.Select(), "form-select"),
    framework.Select2ManyWidget: (Checkboxes(), CHECKBOX),
    widgets.CheckboxInput: (widgets.CheckboxInput(), CHECKBOX),
    widgets.Select: (widgets.Select(), "form-select"),
    LookupWidget: (LookupWidget(), "form-select"),
}
"""Which widget draws a field, and its class; a field not named here draws itself."""


def control(field: Field, **attributes: Any) -> Markup:  # noqa: ANN401 - attributes of HTML
    """Draw a field, tied to its help, its error and what else describes it."""
    widget, look = CONTROLS.get(type(field.widget), (field.widget, "form-control"))
    said_by = [attributes.pop("aria_describedby", None) or ""]
    if field.description:
        said_by.append(f"{field.id}-help")
    if field.errors:
        said_by.append(f"{field.id}-error")
        attributes["aria_invalid"] = "true"
        look += " is-invalid"
    if any(said_by):
        attributes["aria_describedby"] = " ".join(said_by).strip()
    attributes["class"] = f"{look} {attributes.pop('class', '')}".strip()
    for name, value in {**_typing(field), **(field.render_kw or {})}.items():
        attributes.setdefault(name, value)
    if field.flags.required and look != CHECKBOX:
        attributes.setdefault("required", True)
    elif look == CHECKBOX:
        attributes["required"] = False  # a box that must be ticked says so in its sentence
    attributes.setdefault("id", field.id)
    return Markup(widget(field, **attributes))  # noqa: S704 - escaped by the library


def _typing(field: Field) -> dict[str, Any]:
    """Tell the keyboard, direction and help from the browser that suit a field."""
    if field.type in NUMBERS or isinstance(field, NumberField):
        return {"inputmode": NUMBERS.get(field.type, "decimal"), "dir": "ltr",
                "autocomplete": "off"}  # fmt: skip
    if field.type == "PasswordField":
        return {"autocomplete": "new-password", "dir": "ltr"}
    if field.name in LATIN:
        return {"dir": "ltr", "autocapitalize": "none", "spellcheck": "false"}
    if field.type in {"StringField", "TextAreaField"}:
        return {"dir": "auto"}  # a foreign address keeps its order
    return {}


def shown_fields(form: Form, names: Iterable[str]) -> list[Field]:
    """The fields of a form that are seen, in the order asked for."""
    fields = (form[name] for name in names if name in form)
    return [field for field in fields if field.type not in {"HiddenField", "CSRFTokenField"}]


def tidy(form: Form) -> None:
    """Take from typed texts what nobody sees: spaces around them, control and direction marks.

    Two names that look alike would else be two, and a mark that turns the direction of
    writing would turn the sentence the name is put into.
    """
    for field in form:
        if field.type in {"StringField", "TextAreaField"} and isinstance(field.data, str):
            field.data = "".join(mark for mark in field.data if not unseen(mark)).strip()
            field.raw_data = [field.data]


def unseen(mark: str) -> bool:
    """Tell whether a character is a control or format character that no script needs."""
    return unicodedata.category(mark) in {"Cc", "Cf"} and mark not in "\n\u200c\u200d"


def too_fine(places: int) -> str:
    """Say that a number has more decimals than are kept."""
    return str(ngettext("At most %(num)s decimal fits.", "At most %(num)s decimals fit.", places))


def put_error(
    form: Form,
    error: VmsError,
    field: str | None = None,
    say: Callable[[VmsError], str] = sentence,
) -> None:
    """Show a refusal beside its field, or the field it names, else above the form.

    Of faulty rows a form is the only one, and each fault stands beside its field.
    """
    if isinstance(error, FaultyRows):
        for fault in error.faults:
            put_error(form, fault.error, fault.column, say)
        return
    field = field or (error.field if isinstance(error, InvalidInput) else None)
    if field in form:
        form[field].errors = [*form[field].errors, say(error)]
    else:
        form.form_errors.append(say(error))


def of_length(shortest: int, longest: int) -> Callable[[Form, Field], None]:
    """Make a validator of a text's length whose sentence says what is asked for."""

    def check(_form: Form, field: Field) -> None:
        length = len(str(field.data or ""))
        if length < shortest:
            raise ValidationError(_("At least %(count)s characters.", count=shortest))
        if length > longest:
            raise ValidationError(_("At most %(count)s characters.", count=longest))

    return check
