"""The training meter's page: keys, display, lessons; each browser has its own."""

import re

import pytest
from sqlalchemy import update

from tests.factories import AUDITOR, LEGACY_11, OPERATOR, drn_of
from tests.web.office import main_part
from vmsapp.models import AuditEvent, Meter, TrainingMeter
from vmsapp.services.training import Lesson
from vmsapp.services.training.lessons import SHOWS
from vmsapp.sts.meter import DISPLAYS, Result
from vmsapp.views.engineering.token_words import TESTS
from vmsapp.views.engineering.training_words import LESSONS, SHOWN, WHYS


@pytest.fixture
def learner(operator):
    """Somebody who has begun."""
    assert operator.post("/training/begin", {"ea": "7"}).location == "/training/"
    return operator


def seen(browser) -> str:
    return main_part(browser.get("/training/").text)


def made(browser, lesson: str, **typed) -> list[str]:
    """Have a lesson's tokens made: their digits, as they lie beside the meter."""
    answer = browser.post("/training/make", {"lesson": lesson} | typed)
    assert answer.location == "/training/", answer.text
    newest = re.search(r'<div class="offered">.*?</ol></div>', seen(browser), re.DOTALL)[0]
    found = re.findall(r'token-digits" dir="ltr">([\d ]+)<', newest)
    return [digits.replace(" ", "") for digits in found]


def entered(browser, digits: str) -> str:
    """Enter digits: the standard's word on the display."""
    assert browser.post("/training/press", {"typed": digits}).location == "/training/"
    return re.search(r'class="lcd-word">([^<]*)<', seen(browser))[1]


def balance(browser) -> str:
    return re.search(r'class="lcd-balance">([^<]*)<', seen(browser))[1]


def test_a_credit_is_made_entered_and_counted(learner):
    (token,) = made(learner, "credit", units="12.5")
    assert entered(learner, token) == "Accept"
    assert balance(learner) == "12.5 kWh"
    assert entered(learner, " ".join(token[at : at + 4] for at in range(0, 20, 4))) == "UsedError"
    page = seen(learner)
    assert "The meter took this token before." in page
    assert balance(learner) == "12.5 kWh"


def test_without_script_each_key_is_a_page(learner):
    typed = ""
    for key in "1234":
        page = learner.post("/training/press", {"typed": typed, "key": key}).text
        typed = re.search(r'id="typed"[^>]*value="(\d*)"', page)[1]
    assert typed == "1234"
    page = learner.post("/training/press", {"typed": typed, "key": "back"}).text
    assert re.search(r'id="typed"[^>]*value="123"', page)
    assert entered(learner, "123") == "FormatError"


def test_enter_in_the_field_presses_the_key_that_enters(learner):
    form = re.search(r"<form[^>]*data-keypad.*?</form>", seen(learner), re.DOTALL)[0]
    assert re.findall(r'<button[^>]*value="(\w+)"', form)[0] == "enter"


@pytest.mark.parametrize(
    ("lesson", "word"),
    [("used", "UsedError"), ("old", "OldError"), ("other_meter", "CRCError"),
     ("mistyped", "CRCError"), ("expired", "KeyExpiredError"), ("water", "FunctionError"),
     ("power_limit", "Accept"), ("clear_credit", "Accept"), ("clear_tamper", "Accept")],
)  # fmt: skip
def test_each_lesson_can_be_tried(learner, lesson, word):
    (token,) = made(learner, lesson, watts="3000")
    assert entered(learner, token) == word


@pytest.mark.parametrize(("ea", "count"), [("7", 2), ("11", 4)])
def test_a_key_change_is_entered_and_the_old_token_works_no_more(operator, ea, count):
    operator.post("/training/begin", {"ea": ea})
    assert 'value="former_key"' not in seen(operator)
    (credit,) = made(operator, "credit", units="1")
    tokens = made(operator, "key_change", ti="42")
    assert len(tokens) == count
    assert "Key change to TI 42" in seen(operator)
    words = [entered(operator, token) for token in tokens]
    assert words[0] == "1stKCT"
    assert words[-1] == "Accept"
    assert entered(operator, credit) == "CRCError"
    assert 'value="former_key"' in seen(operator)
    (former,) = made(operator, "former_key")
    assert entered(operator, former) == "CRCError"


def test_a_display_token_shows_its_value(learner):
    drn = re.search(r"Meter number</dt><dd><bdi dir=\"ltr\">(\d{11})<", seen(learner))[1]
    (token,) = made(learner, "show", test="18")
    assert entered(learner, token) == "Accept"
    assert re.search(r'class="lcd-shown">([^<]*)<', seen(learner))[1] == drn


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [({"lesson": "credit", "units": "0"}, "Enter from 0.1 to 10,000.0 kWh"),
     ({"lesson": "credit", "units": "abc"}, "Enter from 0.1"),
     ({"lesson": "power_limit", "watts": "1.5"}, "Enter from 1 to"),
     ({"lesson": "key_change", "ti": "7"}, "A tariff index has two digits.")],
)  # fmt: skip
def test_a_number_that_cannot_be_is_said_beside_its_field(learner, typed, sentence):
    answer = learner.post("/training/make", typed)
    assert answer.status_code == 422
    assert sentence[:20] in re.search(r'class="field-error".*?</p>', answer.text, re.DOTALL)[0]


def test_two_browsers_of_one_person_have_two_meters(browse, shop):
    one, other = browse(OPERATOR), browse(OPERATOR)
    for browser in (one, other):
        browser.post("/training/begin")
    (token,) = made(one, "credit", units="5")
    assert entered(other, token) == "CRCError"
    assert entered(one, token) == "Accept"
    assert (balance(one), balance(other)) == ("5.0 kWh", "0.0 kWh")
    assert shop.count(TrainingMeter) == 2


def test_the_cookie_carries_nothing_of_it(learner):
    with learner.client.session_transaction() as cookie:
        assert set(cookie) <= {"_user_id", "_fresh", "_id", "ticket", "csrf_token", "page_history"}


def test_one_that_rested_too_long_is_put_away(learner, shop):
    (token,) = made(learner, "credit", units="5")
    past = update(TrainingMeter).values(expires_at=shop.clock())
    shop.change(lambda session: session.execute(past))
    assert "A virtual meter with a keypad" in seen(learner)
    answer = learner.post("/training/press", {"typed": token}, follow_redirects=True)
    assert "This training meter was put away." in answer.text


def test_put_away_it_is_gone(learner, shop):
    learner.post("/training/put-away")
    assert shop.count(TrainingMeter) == 0
    assert 'name="ea"' in seen(learner)


def test_it_is_marked_wherever_it_is_seen(learner):
    made(learner, "credit", units="5")
    page = seen(learner)
    assert page.count("TRAINING") >= 3  # above the page, on the display, beside each token


def test_its_number_cannot_be_registered(learner, browse, shop):
    drn = re.search(r"Meter number</dt><dd><bdi dir=\"ltr\">(\d{11})<", seen(learner))[1]
    assert drn.startswith("0099")
    region = shop.utility.regions["north"].id
    answer = learner.post("/meters/add", {"number": drn, "product_id": "1", "region": region})
    assert answer.status_code == 422
    assert "is a training meter" in answer.text
    assert shop.rows(Meter, Meter.drn == drn) == []
    assert drn_of("00", 1).startswith("0000")  # numbers of the standard's examples stay free


def test_neither_module_nor_books_know_of_it(learner, shop, module, engine):
    from tests.web.office import counts  # noqa: PLC0415 - of this test alone

    before, asked = counts(engine), len(module.asked)
    for lesson in Lesson:
        if lesson is not Lesson.FORMER_KEY:
            for token in made(learner, lesson.value, units="1", watts="10", ti="08", test="5"):
                entered(learner, token)
    assert counts(engine) == before
    assert len(module.asked) == asked
    assert [e.action for e in shop.rows(AuditEvent)] == ["training.begun"]


def test_who_may_not_is_refused(browse, shop):
    auditor = browse(AUDITOR)
    assert auditor.get("/training/").status_code == 403
    for deed in ("begin", "press", "make", "put-away"):
        assert auditor.post(f"/training/{deed}").status_code == 403
    assert shop.count(TrainingMeter) == 0


def test_a_real_token_does_nothing_to_it(learner, shop):
    digits = shop.digits(shop.sell(LEGACY_11))
    assert entered(learner, digits) == "CRCError"


@pytest.mark.parametrize("language", ["en", "zh", "fr", "ar"])
def test_it_explains_in_the_readers_language(browse, language):
    browser = browse(OPERATOR, language)
    browser.post("/training/begin")
    (token,) = made(browser, "used")
    assert entered(browser, token) == "UsedError"
    assert ("The meter took this token before" in seen(browser)) is (language == "en")


def test_every_answer_lesson_and_display_has_its_words():
    assert set(WHYS) == {result.standard_name for result in Result}
    assert set(LESSONS) == set(Lesson)
    assert set(SHOWN) == set(DISPLAYS.values())
    assert set(SHOWS) <= set(TESTS)
