"""The rules about those who sell: who is found, exactly from where on, and who is not."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from tests.factories import HARBOUR, LEGACY_11, MARKET, OPERATOR, SOUTH_OPERATOR, SOUTHERN, TODAY
from tests.services.revenue import ON_SQLITE, ask_rules, findings, point_id, set_rule, sold_on
from vmsapp.models import PrintKind, ReceiptPrint, RevenueFinding, Sale, SaleKind

SOUTH = {"meter": SOUTHERN, "point": MARKET, "by": SOUTH_OPERATOR}
FREE = {"kind": SaleKind.FREE, "charged_minor": 0, "received_minor": 0}
FIRST = TODAY - timedelta(days=29)
"""Of the last thirty days."""


@pytest.fixture
def sell(shop):
    """Have some sales been made on a day."""

    def sell(count, day=TODAY, **values):
        for _ in range(count):
            sold_on(shop, day, **values)

    return sell


def operator(shop, name=OPERATOR):
    return shop.utility.users[name].id


def live(shop, rule):
    return findings(shop, rule, RevenueFinding.live)


def test_five_tokens_outside_the_hours(shop, sell, backend):
    sell(2, FIRST, local_hour=5)
    sell(2, local_hour=22)
    sell(1, local_hour=0)
    sell(7, local_hour=6)
    sell(7, local_hour=21)
    sell(4, **SOUTH, local_hour=23)
    sell(9, FIRST - timedelta(days=1), **SOUTH, local_hour=23)
    assert ask_rules(shop) == {"hours": 1}
    (found,) = live(shop, "hours")
    assert (found.vending_point_id, found.operator_id) == (point_id(shop), operator(shop))
    assert (found.meter_id, found.sale_id) == (None, None)
    assert found.facts == {"tokens": 19, "outside": 5}


@ON_SQLITE
def test_hours_may_reach_over_midnight(shop, sell):
    set_rule(shop, "hours", opens=18, closes=4, least=1)
    sell(1, local_hour=3)
    sell(1, local_hour=18)
    sell(1, local_hour=4)
    ask_rules(shop)
    assert live(shop, "hours")[0].facts == {"tokens": 3, "outside": 1}


def test_what_was_given_is_compared_with_all_that_was_made(shop, sell, backend):
    sell(57)
    sell(3, **FREE)  # exactly 5 percent
    sell(1, **SOUTH)
    sell(2, **SOUTH, **FREE)  # two are less than three
    assert ask_rules(shop) == {}
    shop.change(lambda s: s.execute(text(
        "UPDATE sale SET state = 'failed', receipt_number = NULL WHERE id ="
        " (SELECT min(id) FROM sale WHERE kind = 'sale')"
    )))  # fmt: skip
    assert ask_rules(shop) == {"given_operator": 1}
    assert live(shop, "given_operator")[0].facts == {"tokens": 59, "given": 3}


def test_sales_taken_back_by_operator_and_by_vending_point(shop, sell, backend):
    sell(95)
    sell(5, FIRST, state="reversed")  # exactly 5 percent of the operator's, more than 3 there
    assert ask_rules(shop) == {"back_point": 1}
    (found,) = live(shop, "back_point")
    assert (found.vending_point_id, found.operator_id) == (point_id(shop), None)
    assert found.facts == {"sales": 100, "back": 5}
    sell(1, state="reversed")
    assert ask_rules(shop) == {"back_operator": 1}
    assert live(shop, "back_operator")[0].facts == {"sales": 101, "back": 6}
    assert live(shop, "back_point")[0].facts == {"sales": 101, "back": 6}  # brought up to date
    with shop.session() as session:
        sold, back = session.execute(text(
            "SELECT count(*), sum(CASE WHEN state = 'reversed' THEN 1 ELSE 0 END) FROM sale"
        )).one()  # fmt: skip
    assert (sold, back) == (101, 6)


def printed(shop, sale_id, times, by=OPERATOR, point=HARBOUR):
    rows = [
        ReceiptPrint(
            sale_id=sale_id, vending_point_id=point_id(shop, point), nth=nth, language="en",
            kind=PrintKind.PAPER, printed_at=shop.clock.now, printed_by_id=operator(shop, by),
        )
        for nth in range(1, times + 1)
    ]  # fmt: skip
    shop.change(lambda session: session.add_all(rows))


def test_a_receipt_with_more_than_three_copies(shop, backend):
    sales = [sold_on(shop, day) for day in (TODAY, FIRST, FIRST - timedelta(days=1))]
    printed(shop, sales[0], 4)  # the original and three copies
    printed(shop, sales[1], 5)
    printed(shop, sales[2], 9)
    assert ask_rules(shop)["copies_sale"] == 1
    (found,) = live(shop, "copies_sale")
    assert (found.sale_id, found.facts) == (sales[1], {"copies": 4})
    assert found.vending_point_id == point_id(shop)


def test_who_makes_more_copies_a_sale_than_three_times_the_others(shop, sell, backend):
    set_rule(shop, "copies_sale", copies=99)
    mine = [sold_on(shop, TODAY) for _ in range(4)]
    theirs = [sold_on(shop, TODAY, **SOUTH) for _ in range(4)]
    for sale in theirs:
        printed(shop, sale, 2, by=SOUTH_OPERATOR, point=MARKET)
    printed(shop, mine[0], 13)  # 12 copies to 4 sales: exactly three times 4 to 4
    assert ask_rules(shop) == {}
    printed(shop, mine[1], 2)
    assert ask_rules(shop) == {"copies_operator": 1}
    (found,) = live(shop, "copies_operator")
    assert found.operator_id == operator(shop)
    assert found.facts == {"sales": 4, "copies": 13, "others_sales": 4, "others_copies": 4}


@ON_SQLITE
def test_who_sells_alone_is_compared_with_nobody(shop):
    printed(shop, sold_on(shop, TODAY), 30)
    assert "copies_operator" not in ask_rules(shop)


@ON_SQLITE
def test_a_sale_counts_by_its_business_date_and_its_hour_there(shop):
    sale = shop.sell(LEGACY_11)
    shop.change(lambda s: s.execute(update(Sale).where(Sale.id == sale.id).values(kind="sale")))
    set_rule(shop, "hours", opens=12, closes=13, least=1)
    assert ask_rules(shop) == {}  # 9:30 UTC is 12:30 in Nairobi
    set_rule(shop, "hours", opens=9, closes=10, least=1)
    assert ask_rules(shop) == {"hours": 1}
