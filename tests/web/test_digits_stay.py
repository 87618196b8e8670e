"""The twenty digits stand on the receipt of an issued sale, and nowhere else."""

import logging
import re

import pytest
from sqlalchemy import event, text, update

from tests.factories import LEGACY_11
from tests.faults import answer_lost
from tests.web.office import counts
from vmsapp.extensions import db
from vmsapp.models import Sale, SaleState
from vmsapp.services import receipts


def holds(text: str, digits: str) -> bool:
    """Whether digits stand in a text, in one piece, in groups, or split by marks."""
    plain = re.sub(r"<[^>]*>", "", text)
    return digits in text or digits in re.sub(r"[\s\-_.&;:nbsp]", "", plain)


def test_the_digits_stand_on_the_receipt_and_on_no_other_page(operator, utility, shop, browse):
    sold = operator.buy(utility)
    (sale,) = shop.rows(Sale)
    digits = shop.digits(sale)
    assert holds(operator.get(sold.location).text, digits)
    meter_id = utility.meters[LEGACY_11]
    pages = ["/", f"{sold.location}/state", "/counter/", "/counter/open", "/counter/?q=Consumer",
             f"/counter/meter/{meter_id}", f"/counter/meter/{meter_id}?key=1-x",
             f"/counter/meter/{meter_id}/quote?mode=quantity&value=50"]  # fmt: skip
    for path in pages:
        answer = operator.get(path, follow_redirects=True)
        assert not holds(answer.text, digits), path
    asked = operator.buy(utility)  # names the first sale and its state
    assert asked.status_code == 409
    assert not holds(asked.text, digits)


def test_no_address_redirect_header_or_cookie_carries_digits(operator, utility, shop):
    sold = operator.buy(utility)
    (sale,) = shop.rows(Sale)
    printed = operator.print(sale.id)
    receipt = operator.get(sold.location)
    digits = shop.digits(shop.rows(Sale)[0])
    for answer in (sold, printed, receipt):
        assert not holds(str(answer.headers), digits)
    assert not re.search(rf'(href|src|action)="[^"]*{digits}', receipt.text)
    assert not holds(sold.text, digits)


def test_the_log_of_a_sale_at_its_most_talkative_holds_no_digits(
    operator, supervisor, utility, shop, module, caplog
):
    caplog.set_level(logging.DEBUG)
    module.once("issue_credit", answer_lost)
    sold = operator.buy(utility)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    operator.get(sold.location)
    operator.print(shop.rows(Sale)[0].id)
    supervisor.post(f"{sold.location}/give-back")
    digits = shop.digits(shop.rows(Sale)[0])
    assert "outcome open (hsm_timeout)" in caplog.text  # it was talkative
    assert not holds(caplog.text, digits)


def test_digits_that_are_searched_for_are_not_sent_back_as_a_find(operator, utility, shop):
    operator.buy(utility)
    digits = shop.digits(shop.rows(Sale)[0])
    page = operator.get("/counter/", query_string={"q": digits})
    assert "matches" in page.text
    assert "/counter/sale/" not in page.text


@pytest.mark.parametrize("state", [SaleState.REVERSED, SaleState.FAILED, SaleState.PENDING])
def test_a_sale_in_any_other_state_shows_none(operator, utility, shop, state):
    sold = operator.buy(utility)
    digits = shop.digits(shop.rows(Sale)[0])
    no_receipt = {"receipt_number": None, "receipt_series": None}
    values = {} if state == SaleState.REVERSED else no_receipt | {"failure": "cancelled"}
    shop.change(lambda session: session.execute(update(Sale).values(state=state, **values)))
    page = operator.get(sold.location)
    assert page.status_code == 200
    assert not holds(page.text, digits)
    assert "data-copy" not in page.text


def test_the_digits_leave_only_after_it_was_written_that_they_were_shown(
    operator, utility, shop, module, engine
):
    module.once("issue_credit", answer_lost)
    sold = operator.buy(utility)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    (sale,) = shop.rows(Sale)
    assert (sale.state, sale.shown_at) == ("issued", None)
    shop.clock.forward(minutes=5)
    first = shop.clock.now
    assert holds(operator.get(sold.location).text, shop.digits(sale))
    shop.clock.forward(minutes=5)
    operator.get(sold.location)
    assert shop.again(sale).shown_at == first


def test_digits_whose_showing_cannot_be_written_are_not_shown(
    operator, utility, shop, module, monkeypatch
):
    module.once("issue_credit", answer_lost)
    sold = operator.buy(utility)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    monkeypatch.setattr(receipts, "_mark_shown", lambda *_: None)
    page = operator.get(sold.location)
    assert not holds(page.text, shop.digits(shop.rows(Sale)[0]))


def test_looking_at_a_receipt_again_writes_nothing_more(operator, utility, shop, engine):
    sold = operator.buy(utility)
    before = counts(engine)
    for _ in range(2):
        operator.get(sold.location)
    assert counts(engine) == before


def test_a_database_that_refuses_the_shown_stamp_gives_an_error_page_without_digits(
    office, operator, utility, shop, module
):
    module.once("issue_credit", answer_lost)
    sold = operator.buy(utility)
    shop.clock.forward(minutes=1)
    shop.reconcile()
    digits = shop.digits(shop.rows(Sale)[0])

    def refuse(_connection, _cursor, statement, *_rest) -> None:
        if statement.startswith("UPDATE sale"):
            msg = "disk full"
            raise OSError(msg)

    with office.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", refuse)
    page = operator.get(sold.location)
    event.remove(engine, "before_cursor_execute", refuse)
    assert page.status_code == 500
    assert not holds(page.text, digits)


REFUSE = """CREATE TRIGGER refuse BEFORE INSERT ON token
BEGIN SELECT RAISE(ABORT, 'disk is broken'); END"""


def test_a_database_that_refuses_the_token_writes_no_digits_to_the_log(
    operator, utility, shop, module, caplog
):
    shop.change(lambda session: session.execute(text(REFUSE)))
    page = operator.buy(utility)
    assert page.status_code == 500
    digits = module.inner.fetch_result(shop.rows(Sale)[0].request_id)[0].digits
    assert "disk is broken" in caplog.text
    assert digits not in caplog.text
    assert digits not in page.text
