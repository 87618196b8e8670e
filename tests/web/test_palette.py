"""The palette finds pages, meters and consumers, and shows nobody more than they may open."""

import re

import pytest
from sqlalchemy import select

from tests.factories import LEGACY_11, SOUTHERN
from tests.web.office import ADMIN, ENGINEER, NEWCOMER, contents, main_part
from vmsapp.models import Consumer, Region
from vmsapp.views.lists.matching import distance

OPTION = re.compile(r'<a role="option"[^>]*href="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)


def found(browser, text: str) -> dict[str, str]:
    """What is offered: addresses, and what stands there."""
    answer = browser.get("/palette/look", query_string={"q": text})
    assert answer.status_code == 200
    plain = ((url, re.sub(r"<[^>]+>", " ", inside)) for url, inside in OPTION.findall(answer.text))
    return {url: " ".join(words.split()) for url, words in plain}


TYPED = {
    "meters": "/meters/list/",
    "METER": "/meters/list/",
    "mteers": "/meters/list/",  # two letters swapped
    "metrs": "/meters/list/",  # one too few
    "metters": "/meters/list/",  # one too many
    "mexers": "/meters/list/",  # another one
    "new meter": "/meters/add",
    "shift open": "/shifts/open",
    "report tax": "/reports/taxes/",
    "password": "/resetmypassword/form",
    "registration": "/consumers/list/",  # the group of the menu it stands in
}


def test_a_page_is_found_by_any_word_of_its_name_and_with_a_slip(browse):
    admin = browse(ADMIN)
    assert [typed for typed, path in TYPED.items() if path not in found(admin, typed)] == []


def test_pages_are_found_in_the_readers_language_and_in_english(browse):
    french = browse(ADMIN, language="fr")
    shown = found(french, "consumers")["/consumers/list/"]
    assert "Consumers" not in shown
    assert "/consumers/list/" in found(french, shown.split()[0])


# singular and plural as the glossary and dictionaries have them
@pytest.mark.parametrize(("language", "typed", "path"), [
    ("ar", "وردية", "/shifts/list/"), ("ar", "مشتركين", "/consumers/list/"),
    ("ar", "عميل", "/consumers/list/"), ("ar", "زبون", "/consumers/list/"),
    ("ar", "منطقة", "/regions/"), ("ar", "حملة", "/campaigns/list/"),
    ("ar", "نقطة", "/vending-points/list/"), ("ar", "رمز", "/sales-tokens/list/"),
    ("ar", "تقرير", "/reports/taxes/"), ("ru", "смена", "/shifts/list/"),
    ("ru", "точка", "/vending-points/list/"), ("sw", "kituo", "/vending-points/list/"),
    ("pt", "regiao", "/regions/"), ("en", "customer", "/consumers/list/"),
])  # fmt: skip
def test_a_page_is_found_by_the_word_for_one_of_its_records(browse, language, typed, path):
    assert path in found(browse(ADMIN, language=language), typed)


def test_letters_count_without_their_accents():
    assert distance("electricite", "Électricité") == 0
    assert distance("électricité", "ELECTRICITE") == 0


def test_what_a_group_may_not_open_is_not_offered(browse, operator):
    assert "/audit/list/" in found(browse(ADMIN), "audit")
    assert found(operator, "audit") == {}
    assert "/shifts/open" not in found(browse(ENGINEER), "shift")
    assert "/meters/add" not in found(browse("auditor"), "new meter")


def test_meters_and_consumers_are_found_as_far_as_the_reader_sees(browse, operator, shop):
    drn, far = shop.meter(LEGACY_11).drn, shop.meter(SOUTHERN)
    assert any(drn in said for said in found(operator, drn[2:8]).values())
    assert found(operator, far.drn) == {}
    assert f"/meters/show/{far.id}" in found(browse(ADMIN), far.drn)

    def name_one(session):
        south = session.scalars(select(Region).where(Region.name == "South")).one()
        session.add(Consumer(number="P1", name="Palmira Far", region_id=south.id))

    shop.change(name_one)
    (said,) = found(browse(ADMIN), "palmira").values()
    assert said == "Palmira Far P1"
    assert found(operator, "palmira") == {}


def test_a_scanned_meter_number_opens_its_card(operator, shop):
    meter = shop.meter(LEGACY_11)
    for typed in (meter.drn, f"{meter.drn[:4]} {meter.drn[4:]}", meter.meter_pan):
        answer = operator.get("/palette/", query_string={"q": typed})
        assert (answer.status_code, answer.location) == (302, f"/meters/show/{meter.id}")


def test_a_number_of_another_region_is_answered_as_one_that_is_not_there(operator, shop):
    far = shop.meter(SOUTHERN).drn
    absent = "0" * 11  # a whole number as its check digit has it, of no meter
    shown = operator.get("/palette/", query_string={"q": far})
    assert shown.status_code == 200
    nowhere = operator.get("/palette/", query_string={"q": absent})
    assert main_part(shown.text).replace(far, "…") == main_part(nowhere.text).replace(absent, "…")


def test_a_wrong_check_digit_is_told(operator):
    answer = operator.get("/palette/look", query_string={"q": "99999999999"})
    assert "its check digit is wrong" in answer.text


def test_the_number_of_an_identity_card_finds_nobody_here(browse, shop):
    def give(session):
        session.scalars(select(Consumer)).first().id_number = "ZX81ZX81"

    shop.change(give)
    assert found(browse(ADMIN), "ZX81ZX81") == {}


def test_looking_for_something_writes_nothing(operator, engine):
    before = contents(engine)
    for typed in ("mwangi", "0700", "audit", "%_'", "x" * 5000):
        assert operator.get("/palette/", query_string={"q": typed}).status_code == 200
    assert contents(engine) == before


def test_without_scripts_it_is_a_page_with_links(operator):
    page = operator.get("/palette/", query_string={"q": "sales"})
    assert 'href="/sales/list/"' in main_part(page.text)
    top = operator.get("/counter/").text
    assert re.search(r'<a [^>]*href="/palette/"[^>]*aria-keyshortcuts="Control\+K Meta\+K"', top)


def test_who_is_in_no_group_is_offered_nothing(browse):
    assert browse(NEWCOMER).get("/palette/look?q=meter").status_code in {302, 403}


def test_only_pages_that_can_be_opened_again_are_kept_by_a_browser(operator):
    kept = operator.get("/counter/").text
    assert 'data-recent="' in kept
    refused = operator.get("/nothing-here")
    assert 'data-recent="' not in refused.text
    assert 'data-recent="' not in operator.post("/hints/read", {"hint": "x"}).text
