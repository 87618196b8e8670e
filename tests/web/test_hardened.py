"""What an attacker tried, and what is answered now."""

import pytest

from tests.factories import HARBOUR, LEGACY_11
from tests.web.office import ADMIN
from vmsapp.models import OfficeUser, Sale


@pytest.mark.parametrize("host", ["a..b", ".a", "..", "x" * 64 + ".example.org"])
def test_a_host_that_is_no_host_is_refused_without_an_error_of_ours(office, host, caplog):
    for path in ("/login/", "/nothing-here", "/static/ui/none.css"):
        answer = office.test_client().get(path, headers={"Host": host})
        assert answer.status_code in {400, 404}, path
        assert "Content-Security-Policy" in answer.headers
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_a_vending_point_no_row_can_be_is_refused(browse, shop, utility):
    browser = browse("operator")
    typed = browser.purchase(utility.meters[LEGACY_11], mode="quantity", value="7")
    for number in ("9" * 30, "-1", "0", str(1 << 63)):
        answer = browser.sell(utility.meters[LEGACY_11], typed | {"vending_point": number})
        assert answer.status_code in {403, 404, 409, 422}, number
    assert shop.count(Sale) == 0
    own = str(utility.points[HARBOUR])
    assert (
        browser.sell(utility.meters[LEGACY_11], typed | {"vending_point": own}).status_code == 302
    )


@pytest.mark.parametrize("name", ["ａdmin", "аdmin", "ﬁrst", "admin\u0301"])
def test_a_name_that_looks_like_another_is_refused(browse, shop, utility, name):
    typed = {
        "username": name, "first_name": "A", "last_name": "B", "group": "Operator",
        "email": "w@example.org", "region": utility.regions["north"].id, "language": "",
        "password": "Correct-Horse-71-Battery",
    }  # fmt: skip
    answer = browse(ADMIN).post("/users/add", typed)
    assert answer.status_code == 422
    assert shop.count(OfficeUser, OfficeUser.username == name) == 0


@pytest.mark.parametrize("name", ["josé", "Иван", "王芳", "علي"])
def test_names_of_one_alphabet_are_taken(browse, shop, utility, name):
    typed = {
        "username": name, "first_name": "A", "last_name": "B", "group": "Operator",
        "email": "w@example.org", "region": utility.regions["north"].id, "language": "",
        "password": "Correct-Horse-71-Battery",
    }  # fmt: skip
    assert browse(ADMIN).post("/users/add", typed).status_code == 302
    assert shop.count(OfficeUser, OfficeUser.username == name) == 1


def test_a_nul_in_json_is_refused_before_any_database_sees_it(office):
    body = b'{"username": "a\\u0000", "password": "x", "provider": "db"}'
    answer = office.test_client().post(
        "/api/v1/security/login", data=body, content_type="application/json"
    )
    assert (answer.status_code, answer.json["error"]["code"]) == (400, "unreadable")
