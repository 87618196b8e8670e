"""Products: the kinds of meters a utility has."""

from typing import Any

from flask_appbuilder import expose, has_access, permission_name
from sqlalchemy import inspect
from werkzeug.wrappers import Response
from wtforms import BooleanField, SelectField, StringField, ValidationError
from wtforms.validators import DataRequired, Length

from vmsapp.i18n import _, _l
from vmsapp.models import Meter, Product
from vmsapp.services import products
from vmsapp.views.base import session
from vmsapp.views.forms import OfficeForm
from vmsapp.views.lists.crud import AlreadyThere, OfficeModelView
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice
from vmsapp.views.lists.pages import OfficeInterface, Related, names
from vmsapp.views.numbers import ascii_digits
from vmsapp.views.words import METER_TYPES


class ModelTaken(AlreadyThere):
    """The same model, perhaps in other capitals."""

    field = "model"


class ProductForm(OfficeForm):
    """What a product is."""

    model = StringField(_l("Model"), [DataRequired(), Length(max=60)])
    name = StringField(_l("Name"), [DataRequired(), Length(max=120)])
    meter_type = SelectField(
        _l("Meter type"), choices=list,
        description=_l("It cannot change once a meter of this product is registered."),
    )  # fmt: skip
    manufacturer = StringField(_l("Manufacturer"), [DataRequired(), Length(max=120)])
    manufacturer_code = StringField(
        _l("Manufacturer code"), [DataRequired()],
        description=_l(
            "The STS code: 2 digits for 11-digit meter numbers, 4 for 13-digit ones."
            " It cannot change once a meter of this product is registered."
        ),
    )  # fmt: skip

    can_become_sts6 = BooleanField(
        _l("Legacy meters can become STS6"),
        description=_l("Its meters of EA 07 take key change tokens to an STS6 key (DKGA 04)."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - the framework's
        super().__init__(*args, **options)
        self.meter_type.choices = [(code, _(word)) for code, word in METER_TYPES.items()]

    def validate_manufacturer_code(self, field: StringField) -> None:
        """Two digits or four, of any script."""
        code = field.data = ascii_digits(field.data)
        if not (code.isascii() and code.isdigit() and len(code) in {2, 4}):
            raise ValidationError(_("A manufacturer code has 2 or 4 digits."))


class Products(Exported, OfficeModelView):
    """Reference data of the utility."""

    datamodel = OfficeInterface(Product)
    route_base = "/products"
    base_permissions = None
    add_form = edit_form = ProductForm

    list_title = _l("Products")
    add_title = _l("Add product")
    empty = _l("A product is a meter model of a manufacturer. Meters are registered under one.")
    list_columns = names("model name meter_type manufacturer manufacturer_code")
    show_columns = add_columns = edit_columns = [*list_columns, "can_become_sts6"]
    order_columns = names("model name meter_type manufacturer")
    base_order = ("model", "asc")
    label_columns = {
        "model": _l("Model"), "name": _l("Name"), "meter_type": _l("Meter type"),
        "manufacturer": _l("Manufacturer"), "manufacturer_code": _l("Manufacturer code"),
        "can_become_sts6": _l("Legacy meters can become STS6"),
    }  # fmt: skip
    searched = (Product.model, Product.name, Product.manufacturer)
    filters = (
        Choice(name="type", label=_l("Meter type"), column=Product.meter_type, words=METER_TYPES),
    )
    cells = {"meter_type": lambda product: _(METER_TYPES[product.meter_type])}
    related = (Related("Meters", "product", Meter.product_id),)

    @expose("/lookup")
    @has_access
    @permission_name("look_up")
    def lookup(self) -> Response:
        """Answer a searching field, also of who does not see this screen."""
        return self._found()

    def pre_add(self, item: Product) -> None:
        """No two products have the same model."""
        if products.model_taken(session(), item.model, None):
            raise ModelTaken

    def pre_update(self, item: Product) -> None:
        """Meters that are registered keep their type and their numbers."""
        with session().no_autoflush:
            if products.model_taken(session(), item.model, item.id):
                raise ModelTaken
            if not products.in_use(session(), item.id):
                return
        changed = inspect(item).attrs
        if changed.meter_type.history.has_changes():
            raise products.MeterTypeInUse
        if changed.manufacturer_code.history.has_changes():
            raise products.ManufacturerCodeInUse
