"""How fields are drawn, and what numbers people may type."""

import re
from decimal import Decimal

import pytest
from flask_appbuilder import fieldwidgets as framework
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Form, IntegerField, PasswordField, StringField, TextAreaField
from wtforms.validators import DataRequired

from vmsapp.errors import InvalidInput, Refused
from vmsapp.views.forms import MoneyField, NumberField, UnitsField, control, put_error


class Sample(Form):
    """A field of each kind that is drawn in a way of its own."""

    name = StringField("Name", [DataRequired()], description="What it is called.")
    code = IntegerField("Code", widget=framework.BS3TextFieldWidget())
    email = StringField("E-mail")
    remark = TextAreaField("Remark", widget=framework.BS3TextAreaFieldWidget())
    password = PasswordField("Password", widget=framework.BS3PasswordFieldWidget())
    sure = BooleanField("Sure", [DataRequired()])


def drawn(field, **attributes: object) -> dict[str, str]:
    """The attributes of a drawn field."""
    tag = re.match(r"<\w+([^>]*)>", control(field, **attributes))
    assert tag
    found = re.findall(r'([\w-]+)(?:="([^"]*)")?', tag[1])
    return dict(found)


def test_a_field_is_tied_to_its_help_and_its_error():
    form = Sample(MultiDict({"name": ""}))
    assert drawn(form.name)["aria-describedby"] == "name-help"
    assert "aria-invalid" not in drawn(form.name)
    assert not form.validate()
    wrong = drawn(form.name)
    assert wrong["aria-describedby"] == "name-help name-error"
    assert wrong["aria-invalid"] == "true"
    assert wrong["class"] == "form-control is-invalid"
    assert "aria-describedby" not in drawn(form.email)


@pytest.mark.parametrize(("name", "expected"), [
    ("name", {"type": "text", "class": "form-control", "required": "", "id": "name"}),
    ("code", {"inputmode": "numeric", "dir": "ltr", "autocomplete": "off"}),
    ("email", {"dir": "ltr", "autocapitalize": "none", "spellcheck": "false"}),
    ("password", {"type": "password", "autocomplete": "new-password", "dir": "ltr"}),
    ("remark", {"class": "form-control"}),
    ("sure", {"type": "checkbox", "class": "form-check-input"}),
])  # fmt: skip
def test_a_field_suits_what_is_typed_into_it(name, expected):
    attributes = drawn(Sample()[name])
    assert {key: attributes.get(key) for key in expected} == expected
    assert ("required" in attributes) == (name == "name")


def test_what_was_typed_is_written_as_text_and_a_password_not_at_all():
    form = Sample(MultiDict({"name": '"><script>', "password": "secret"}))
    assert "<script>" not in control(form.name)
    assert "&lt;script&gt;" in control(form.name)
    assert "secret" not in control(form.password)


def test_the_caller_may_say_more_of_a_field():
    said = drawn(Sample().name, autofocus=True, **{"class": "large"})
    assert said["class"] == "form-control large"
    assert said["autofocus"] == ""


class Amounts(Form):
    """Numbers of each kind; the first must be typed."""

    amount = MoneyField("Amount", [DataRequired()])
    quantity = UnitsField("Quantity", unit="kWh")
    rate = NumberField("Rate", places=6)


def read(**typed: str) -> Amounts:
    form = Amounts(MultiDict({"amount": "1"} | typed))
    form.validate()
    return form


@pytest.mark.parametrize(("typed", "minor"), [
    ("12.34", 1234), ("12", 1200), (" 0.5 ", 50), ("١٢٫٥", 1250), ("-3", -300), ("12.340", 1234),
    ("999999999999.99", 99999999999999), ("2 000", 200000), ("12\u00a0345.5", 1234550),
    ("1\u202f000", 100000), ("-2\u2009000\u2009000", -200000000),
])  # fmt: skip
def test_money_is_read_into_minor_units(page, typed, minor):
    form = read(amount=typed)
    assert form.errors == {}
    assert form.amount.data == minor
    assert form.amount._value() == typed


@pytest.mark.parametrize(("field", "typed", "said"), [
    ("amount", "12.345", "At most 2 decimals fit."),
    ("amount", "1,5", "“1,5” is not a number. Type it like 20.5, without signs between thousands."),
    ("amount", "20 00",
     "“20 00” is not a number. Type it like 20.5, without signs between thousands."),
    ("amount", "abc", "“abc” is not a number. Type it like 20.5, without signs between thousands."),
    ("amount", "1e9", "“1e9” is not a number. Type it like 20.5, without signs between thousands."),
    ("amount", "1000000000000", "This number is too large."),
    ("quantity", "0.0001", "At most 3 decimals fit."),
    ("rate", "9" * 23, "This number is too large."),
    ("rate", "0.0000001", "At most 6 decimals fit."),
    ("rate", "9" * 5000,
     "“" + "9" * 24 + "” is not a number. Type it like 20.5, without signs between thousands."),
])  # fmt: skip
def test_a_number_that_does_not_fit_is_refused_in_one_sentence(page, field, typed, said):
    form = read(**{field: typed})
    assert form.errors == {field: [said]}  # and not that nothing was typed
    assert form[field].data is None
    assert form[field]._value() == typed


def test_a_number_that_must_be_typed_is_asked_for(page):
    assert read(amount=" ").errors == {"amount": ["This field is required."]}
    assert read(quantity="").errors == {}
    assert read(quantity="").quantity.data is None


def test_numbers_are_written_into_the_form_as_they_can_be_read_again(page):
    form = Amounts(data={"amount": 1250, "quantity": Decimal("3.500"), "rate": Decimal("1E+2")})
    assert form.amount._value() == "12.50"
    assert form.quantity._value() == "3.500"
    assert form.rate._value() == "100"
    assert (form.amount.unit, form.quantity.unit, form.rate.unit) == ("USD", "kWh", "")


class TooLittle(InvalidInput):
    code, message, field = "too_little", "Too little.", "amount"


class NotNow(Refused):
    code, message = "not_now", "Not now."


def test_a_refusal_stands_beside_the_field_it_names(page):
    form = read()
    put_error(form, TooLittle())
    assert form.errors == {"amount": ["Too little."]}
    put_error(form, NotNow(), "rate")
    assert form.errors == {"amount": ["Too little."], "rate": ["Not now."]}


@pytest.mark.parametrize(("error", "field"), [(NotNow(), None), (NotNow(), "elsewhere")])
def test_a_refusal_of_no_field_stands_above_the_form(page, error, field):
    form = read()
    put_error(form, error, field)
    assert form.form_errors == ["Not now."]
    assert not any(one.errors for one in form)
