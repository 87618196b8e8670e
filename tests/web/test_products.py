"""Products: what may no longer change once meters of one are registered."""

import pytest

from tests.web.office import ADMIN, contents
from tests.web.records import read, sent, the_form
from vmsapp.models import Product


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


def form_of(browser, path: str) -> dict[str, str]:
    form = sent(the_form(read(browser.get(path).text)))
    return {name: value for name, value in form.items() if name != "csrf_token"}


@pytest.mark.parametrize(("changed", "field"), [
    ({"meter_type": "gas"}, "meter_type"), ({"manufacturer_code": "09"}, "manufacturer_code"),
])  # fmt: skip
def test_a_product_with_meters_keeps_its_type_and_code(admin, shop, engine, changed, field):
    product = shop.rows(Product, Product.manufacturer_code == "07")[0]
    path, before = f"/products/edit/{product.id}", contents(engine)
    typed = form_of(admin, path) | changed | {"name": "Renamed"}
    answer = admin.post(path, typed)
    assert answer.status_code == 422
    page = read(answer.text)
    assert "Meters of this product are registered" in page.one(id=f"{field}-error").text
    assert sent(the_form(page))[field] == changed[field]
    assert contents(engine) == before
    assert admin.post(path, form_of(admin, path) | {"name": "Renamed"}).status_code == 302


def test_a_product_without_meters_may_change_all(admin, shop):
    typed = {"model": "EM-9", "name": "Nine", "meter_type": "water", "manufacturer": "Makers",
             "manufacturer_code": "٠١٠٧"}  # fmt: skip
    path = admin.post("/products/add", typed).location.replace("show", "edit")
    assert form_of(admin, path)["manufacturer_code"] == "0107"
    changed = form_of(admin, path) | {"meter_type": "gas", "manufacturer_code": "12"}
    assert admin.post(path, changed).status_code == 302
    product = shop.rows(Product, Product.model == "EM-9")[0]
    assert (product.meter_type, product.manufacturer_code) == ("gas", "12")


def test_a_model_is_taken_in_other_capitals_too(admin, shop):
    model = shop.rows(Product)[0].model
    typed = {"model": model.lower(), "name": "Twin", "meter_type": "water",
             "manufacturer": "Makers", "manufacturer_code": "12"}  # fmt: skip
    assert model != model.lower()
    answer = admin.post("/products/add", typed)
    assert answer.status_code == 422
    assert read(answer.text).one(id="model-error").text
