"""The proof of the books in the browser: run, read, and the alarm at the counter."""

import pytest

from tests.factories import AUDITOR, OPERATOR
from tests.services.test_proof import BREAKS, broken
from tests.web.office import ADMIN, main_part, said
from tests.web.records import read
from vmsapp.models import LedgerProof, Sale
from vmsapp.services.proof.running import EXPECTED_EVERY
from vmsapp.tasks.proof import run
from vmsapp.views.money.ledger_proof import KINDS


def prove(browser):
    answer = browser.post("/proof/run")
    assert answer.status_code == 302
    return browser.get(answer.location).text


def test_books_that_agree_say_so(browse, shop):
    shop.sell()
    assert "All that was compared agrees." in prove(browse(ADMIN))
    (proof,) = shop.rows(LedgerProof)
    assert (proof.sales, proof.faults) == (1, 0)
    assert proof.asked_by_id is not None
    assert "The books agree." in browse(AUDITOR).get("/proof/list/").text


def test_every_check_has_its_sentence():
    assert set(KINDS) == set(BREAKS)


@pytest.mark.parametrize("language", ["en", "zh", "fr", "ar"])
def test_what_disagrees_is_said_in_sentences_with_links(browse, shop, language):
    shop.sell()
    broken(shop, BREAKS["sale_without_token"])
    broken(shop, BREAKS["receipts"])
    page = read(prove(browse(ADMIN, language)))
    (sale,) = shop.rows(Sale)
    links = {one["href"] for one in page.all("a")}
    assert {f"/sales/show/{sale.id}", f"/floats/show/{sale.vending_point_id}"} <= links
    if language == "en":
        text = page.text
        assert f"Sale {sale.id} was made, and has 0 credit tokens." in text
        assert (
            f"Vending point {sale.vending_point_id}, series 1: the last number is 2, and 1" in text
        )


def test_the_alarm_stands_at_the_counter_until_a_proof_finds_nothing(browse, shop):
    shop.sell()
    broken(shop, BREAKS["receipts"])
    admin = browse(ADMIN)
    prove(admin)
    (proof,) = shop.rows(LedgerProof)
    page = admin.get("/counter/").text
    assert "The books do not agree. 1 thing does not agree." in said(page, "note note-bad")
    assert f'href="/proof/show/{proof.id}"' in page
    assert "books" not in main_part(browse(OPERATOR).get("/counter/").text)
    broken(shop, "UPDATE receipt_counter SET last_number = 1")
    prove(admin)
    assert "books" not in main_part(admin.get("/counter/").text)


def test_a_proof_that_was_missed_is_said(browse, shop):
    prove(browse(ADMIN))
    shop.clock.now += EXPECTED_EVERY
    assert "books" not in main_part(browse(ADMIN).get("/counter/").text)
    shop.clock.forward(seconds=1)
    assert "The books were not proved last night." in browse(ADMIN).get("/counter/").text


def test_the_nightly_task_proves_and_keeps_the_result(office, shop):
    shop.sell()
    with office.app_context():
        run()
    (proof,) = shop.rows(LedgerProof)
    assert (proof.sales, proof.faults, proof.asked_by_id) == (1, 0, None)
