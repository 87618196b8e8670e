"""Accounts in the browser: nobody locks out themselves, nor another by a name that is alike."""

import pytest

from tests.factories import OPERATOR
from tests.web.office import ADMIN, contents
from tests.web.records import read, sent, the_form
from vmsapp.models import OfficeUser, Product


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


def the_own_form(admin, people) -> tuple[str, dict]:
    path = f"/users/edit/{people[ADMIN].id}"
    return path, sent(the_form(read(admin.get(path).text)))


def a_clerk(shop, **typed: str) -> dict[str, str]:
    return {
        "username": "clerk", "first_name": "New", "last_name": "Clerk", "email": "clerk@test",
        "group": "Operator", "region": str(shop.utility.regions["north"].id), "language": "",
        "password": "a few plain words",
    } | typed  # fmt: skip


def test_an_administrator_does_not_lock_out_themselves(admin, people, shop, engine):
    path, form = the_own_form(admin, people)
    before = contents(engine)
    for change in ({"active": None}, {"group": "Auditor"}):
        typed = {name: value for name, value in (form | change).items() if value is not None}
        answer = admin.post(path, typed)
        assert answer.status_code == 422
        assert "Another administrator can." in answer.text
    assert contents(engine) == before
    assert admin.get("/users/list/").status_code == 200


@pytest.mark.parametrize("typed", [
    {"username": OPERATOR.upper()}, {"email": "OPERATOR@test"}, {"username": "operator@test"},
])  # fmt: skip
def test_a_name_that_differs_by_capitals_alone_is_taken(admin, shop, typed):
    shop.change(
        lambda s: setattr(
            s.query(OfficeUser).filter_by(username=OPERATOR).one(), "email", "operator@test"
        )
    )
    answer = admin.post("/users/add", a_clerk(shop, **typed))
    assert answer.status_code == 422
    assert "Somebody else signs in with that already." in answer.text


@pytest.mark.parametrize("typed", [
    {"username": "two words"}, {"username": "   "}, {"username": ""}, {"email": "x"},
    {"email": "a b@test"}, {"first_name": " "}, {"last_name": "\u202e"},
])  # fmt: skip
def test_a_name_nobody_could_type_or_tell_apart_is_refused(admin, shop, typed):
    before = shop.count(OfficeUser)
    assert admin.post("/users/add", a_clerk(shop, **typed)).status_code == 422
    assert shop.count(OfficeUser) == before


def test_what_nobody_sees_is_taken_from_what_was_typed(admin, shop):
    product = {"model": "  \u202eEM\u200b-9\x01 ", "name": "می\u200cشود", "meter_type": "water",
               "manufacturer": "Makers", "manufacturer_code": "07"}  # fmt: skip
    assert admin.post("/products/add", product).status_code == 302
    saved = shop.rows(Product, Product.model == "EM-9")
    assert [row.name for row in saved] == ["می\u200cشود"]  # a sign that Persian needs stays
