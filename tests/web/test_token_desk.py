"""The token desk's page: who may, what it says, and that digits stay in the form."""

import re

import pytest

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    LEGACY_11,
    NOW,
    OPERATOR,
    SOUTH_OPERATOR,
    SUPERVISOR,
    drn_of,
)
from tests.faults import request_lost
from tests.web.office import ADMIN, ENGINEER, NORTH_SUPERVISOR, main_part
from vmsapp.models import AuditEvent
from vmsapp.services.token_desk import Answer
from vmsapp.services.token_desk.answers import DISPLAYED
from vmsapp.services.token_desk.asking import LOOK_UPS
from vmsapp.services.token_desk.keys import Whose
from vmsapp.services.token_desk.reading import What
from vmsapp.sts.codec import encode
from vmsapp.sts.nmse import MeterTest, run_tests
from vmsapp.views.engineering.token_words import ANSWERS, KEYS, KINDS, TESTS

NOWHERES = "1" + "0" * 19
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.fixture
def support(browse):
    return browse(SUPERVISOR)


def look(browser, digits: str, number: str = "", status: int = 200) -> str:
    answer = browser.post("/token-desk/look", {"digits": digits, "number": number})
    assert answer.status_code == status, answer.text
    return answer.text


def plain(page: str) -> str:
    """A page's text without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", main_part(page)).split())


def test_the_statement_comes_first_then_the_facts(support, shop):
    sale = shop.sell()
    page = main_part(look(support, shop.digits(sale)))
    said = plain(page)
    assert "The meter takes this token, unless it took it before." in said
    assert "Accept / UsedError" in said
    assert said.index("The meter takes") < said.index("The token") < said.index("Our record")
    for fact in ("50.0 kWh", "Consumer 1 · C0001", "Harbour Street", "$5.00", "operator"):
        assert fact in said.replace("US$", "$").replace("5.00 USD", "$5.00"), fact
    assert f'href="/sales/show/{sale.id}"' in page


def test_groups_of_four_and_digits_of_other_scripts_are_taken(support, shop):
    digits = shop.digits(shop.sell())
    grouped = "-".join(digits[at : at + 4] for at in range(0, 20, 4))
    drn = shop.meter(LEGACY_11).drn
    for typed, number in ((grouped, drn), (digits.translate(ARABIC), drn.translate(ARABIC))):
        assert "The meter takes this token" in look(support, typed, number)


def test_the_page_of_a_meter_leads_here_with_its_number(support, shop, utility):
    meter = shop.meter(LEGACY_11)
    page = support.get(f"/meters/show/{meter.id}").text
    assert f'href="/token-desk/?number={meter.drn}"' in page
    asked = support.get(f"/token-desk/?number={meter.drn}").text
    assert f'value="{meter.drn}"' in asked


@pytest.mark.parametrize("who", [OPERATOR, AUDITOR])
def test_who_lacks_the_permission_is_refused_and_finds_no_way(browse, shop, who):
    browser = browse(who)
    assert browser.get("/token-desk/").status_code == 403
    digits = shop.digits(shop.sell())
    assert browser.post("/token-desk/look", {"digits": digits}).status_code == 403
    assert 'href="/token-desk/' not in browser.get("/counter/").text
    assert lookups(shop) == []


@pytest.mark.parametrize("who", [SUPERVISOR, ENGINEER, ADMIN])
def test_who_may_finds_it_in_the_menu(browse, who):
    assert 'href="/token-desk/"' in browse(who).get("/counter/").text


def test_without_its_csrf_token_nothing_is_looked_up(support, shop):
    answer = support.post("/token-desk/look", {"digits": NOWHERES}, csrf=False)
    assert answer.status_code == 400
    assert lookups(shop) == []


def test_what_others_sold_answers_as_what_nobody_did(browse, shop):
    """A supervisor of the north looks up what was sold in the south, and digits of nobody."""
    from tests.factories import MARKET, SOUTHERN  # noqa: PLC0415 - of this test alone

    browser = browse(NORTH_SUPERVISOR)
    digits = shop.digits(shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR))
    drn = shop.meter(LEGACY_11).drn
    told = {plain(look(browser, each, drn)).replace(each, "…") for each in (digits, NOWHERES)}
    assert len(told) == 1
    assert "Not ours" in told.pop()
    southern = shop.meter(SOUTHERN).drn
    absent = drn_of("07", 999)
    unseen, unknown = (look(browser, NOWHERES, number, 422) for number in (southern, absent))
    assert plain(unseen) == plain(unknown)
    assert "No meter with this number is registered where you may look." in unseen


@pytest.mark.parametrize(
    ("digits", "number", "field", "sentence"),
    [
        ("", "", "digits", "Enter the 20 digits of the token."),
        ("123", "", "digits", "A token has 20 digits; 3 were entered."),
        ("x" * 20, "", "digits", "A token has digits alone."),
        ("9" * 20, "", "digits", "No token begins like this"),
        (NOWHERES, "12345", "number", "A meter number has 11 or 13 digits"),
    ],
)
def test_a_slip_is_said_beside_its_field(support, digits, number, field, sentence):
    page = look(support, digits, number, 422)
    beside = re.search(rf'id="{field}-error".*?</p>', page, re.DOTALL)
    assert sentence in beside[0]
    assert re.search(rf'<input[^>]*id="{field}"[^>]*aria-invalid="true"', page)


def test_a_wrong_digit_is_marked_and_the_right_one_not_told(support, shop):
    digits = shop.digits(shop.sell())
    wrong = digits[:8] + str((int(digits[8]) + 1) % 10) + digits[9:]
    page = look(support, wrong, shop.meter(LEGACY_11).drn)
    assert "one or two of them are wrong" in page
    assert re.findall(r"<mark>(\d)</mark>", page) == [wrong[8]]
    assert digits not in re.sub(r"[^0-9]", "", page)


def test_another_meters_token_names_that_meter(support, shop):
    page = plain(look(support, shop.digits(shop.sell(DOMESTIC)), shop.meter(LEGACY_11).drn))
    assert "it was made for another meter" in page
    assert "0700 0000 05" in page


def test_a_display_token_says_what_it_does(support):
    page = plain(look(support, encode(run_tests(MeterTest.SGC))))
    assert "Any meter takes this token. It gives no credit." in page
    assert "Display the supply group code" in page
    assert "Not ours" not in page


def test_a_silent_module_is_said_and_nothing_made_up(support, shop, module):
    drn = shop.meter(LEGACY_11).drn
    module.always("verify", request_lost)
    page = plain(look(support, NOWHERES, drn))
    assert "What the meter would answer cannot be told now." in page
    assert "CRCError" not in page


def test_after_so_many_one_waits(support, shop, browse):
    for _ in range(LOOK_UPS):
        look(support, NOWHERES)
    page = look(support, NOWHERES, status=409)
    assert "You looked up 30 tokens within 10 minutes." in page
    assert len(lookups(shop)) == LOOK_UPS
    look(browse(ADMIN), NOWHERES)


def lookups(shop):
    return shop.rows(AuditEvent, AuditEvent.action == "token.looked_up")


def test_digits_reach_neither_log_nor_record_nor_address(support, shop, caplog):
    caplog.set_level("DEBUG")
    digits = shop.digits(shop.sell())
    grouped = " ".join(digits[at : at + 4] for at in range(0, 20, 4))
    answer = support.post("/token-desk/look", {"digits": grouped})
    assert answer.headers["Cache-Control"] == "no-store"
    told = f"{caplog.text} {answer.headers} {[event.details for event in lookups(shop)]}"
    assert digits not in re.sub(r"[\s-]", "", told)
    assert digits not in "".join(re.findall(r'(?:href|src|action)="([^"]*)"', answer.text))
    (event,) = lookups(shop)
    assert event.details["ends_in"] == digits[-4:]
    trail = browse_trail(event)
    assert digits not in trail


def browse_trail(event) -> str:
    return str(event.details)


@pytest.mark.parametrize("language", ["en", "zh", "fr", "ar"])
def test_it_speaks_the_readers_language(browse, shop, language):
    digits = shop.digits(shop.sell())
    page = look(browse(SUPERVISOR, language), digits)
    assert ("The meter takes this token" in page) is (language == "en")
    assert "UsedError" in page  # the standard's words are the same everywhere
    assert str(NOW.year) in page or language == "ar"


def test_every_answer_kind_and_key_has_its_words():
    assert set(ANSWERS) == set(Answer)
    assert set(KINDS) == set(What)
    assert set(KEYS) == set(Whose)
    assert set(TESTS) == set(MeterTest)
    assert set(DISPLAYED) < set(Answer)
