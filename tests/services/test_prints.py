"""Prints are counted before anything leaves: one original, then copies, by whom and when."""

import importlib.util
from datetime import timedelta

import pytest
from sqlalchemy import text

from config import ROOT
from tests.factories import HARBOUR, OPERATOR, SOUTH_OPERATOR, SUPERVISOR
from tests.faults import answer_lost, down, request_lost
from tests.shop import in_threads
from vmsapp.errors import NotAllowed, NotFound
from vmsapp.models import AuditEvent, PrintKind, ReceiptPrint, Sale, SaleState
from vmsapp.scope import seen_by
from vmsapp.services import audit, prints, receipts
from vmsapp.services.prints import NoReceipt, PrintedMeanwhile


def as_(shop, deed, *args, by=OPERATOR, **named):
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        return deed(session, *args, **named)


def confirm(shop, sale, nth=1, *, by=OPERATOR, kind=PrintKind.PAPER, may_reprint=True):
    as_(shop, receipts.receipt, shop.actor(by), sale.id, by=by)  # the preview
    as_(shop, prints.note_print, shop.actor(by), sale.id, nth=nth, kind=kind, language="fr",
        may_reprint=may_reprint, by=by)  # fmt: skip


def of(shop, sale, by=OPERATOR):
    return as_(shop, prints.prints_of, sale.id, by=by)


def test_the_first_print_is_the_original_and_the_others_are_copies_with_their_makers(shop):
    sale = shop.sell()
    assert (of(shop, sale), prints.next_of([])) == ([], 1)
    first = shop.clock.now
    confirm(shop, sale)
    second = shop.clock.forward(minutes=3)
    confirm(shop, sale, 2, by=SUPERVISOR, kind=PrintKind.PDF)
    made = of(shop, sale)
    assert [(p.nth, p.copy, p.kind, p.language, p.printed_at, p.by) for p in made] == [
        (1, 0, "paper", "fr", first, OPERATOR),
        (2, 1, "pdf", "fr", second, SUPERVISOR),
    ]
    assert prints.next_of(made) == 3
    events = shop.rows(AuditEvent, AuditEvent.action == "receipt.printed")
    assert [(e.subject_id, e.actor_name, e.details) for e in events] == [
        (str(sale.id), OPERATOR, {"copy": 0, "kind": "paper"}),
        (str(sale.id), SUPERVISOR, {"copy": 1, "kind": "pdf"}),
    ]


@pytest.mark.parametrize("nth", [0, 1, 3, 10**30])
def test_a_print_that_is_another_than_the_preview_said_is_refused(shop, nth):
    sale = shop.sell()
    confirm(shop, sale)
    with pytest.raises(PrintedMeanwhile):
        confirm(shop, sale, nth)
    assert len(of(shop, sale)) == 1


def test_of_two_who_confirm_the_original_at_once_one_has_it(shop):
    sale = shop.sell()
    as_(shop, receipts.receipt, shop.actor(), sale.id)

    def one():
        try:
            confirm(shop, sale)
        except PrintedMeanwhile:
            return "meanwhile"
        return "printed"

    assert sorted(in_threads(one, one)) == ["meanwhile", "printed"]
    assert [p.nth for p in of(shop, sale)] == [1]


def test_who_may_make_no_copies_prints_the_original_alone(shop):
    sale = shop.sell()
    confirm(shop, sale, may_reprint=False)
    with pytest.raises(NotAllowed):
        confirm(shop, sale, 2, may_reprint=False)
    assert len(of(shop, sale)) == 1


def test_a_sale_out_of_sight_is_not_printed_nor_are_its_prints_told(shop):
    sale = shop.sell()
    confirm(shop, sale)
    with pytest.raises(NotFound):
        as_(shop, prints.note_print, shop.actor(SOUTH_OPERATOR), sale.id, nth=2,
            kind=PrintKind.PAPER, language="en", may_reprint=True, by=SOUTH_OPERATOR)  # fmt: skip
    with pytest.raises(NotFound):
        as_(shop, prints.note_not_sent, shop.actor(SOUTH_OPERATOR), sale.id, nth=1, why="x",
            by=SOUTH_OPERATOR)  # fmt: skip
    assert of(shop, sale, by=SOUTH_OPERATOR) == []
    assert as_(shop, prints.printed_of, [sale.id], by=SOUTH_OPERATOR) == {}
    assert as_(shop, prints.printed_of, [sale.id]) == {sale.id: 1}


@pytest.mark.parametrize("fault", [request_lost, answer_lost, down])
def test_a_sale_without_a_token_has_nothing_to_print(shop, module, fault):
    module.once("issue_credit", fault)
    sale = shop.sell()
    with pytest.raises(NoReceipt):
        confirm(shop, sale)
    assert shop.count(ReceiptPrint) == 0


def test_a_sale_taken_back_is_printed_no_more(shop):
    sale = shop.sell()
    confirm(shop, sale)
    shop.change(lambda session: setattr(session.get(Sale, sale.id), "state", SaleState.REVERSED))
    with pytest.raises(NoReceipt):
        confirm(shop, sale, 2)


def test_a_print_stays_open_to_who_confirmed_it_for_ten_minutes(shop):
    sale = shop.sell()
    confirm(shop, sale)
    (made,) = of(shop, sale)
    now = made.printed_at
    assert made.open_to(shop.actor(), now + timedelta(minutes=9, seconds=59))
    assert not made.open_to(shop.actor(), now + timedelta(minutes=10))
    assert not made.open_to(shop.actor(SUPERVISOR), now)


def test_a_mail_that_was_not_sent_counts_no_more_and_paper_always_does(shop):
    sale = shop.sell()
    confirm(shop, sale, kind=PrintKind.MAIL)
    as_(shop, prints.note_not_sent, shop.actor(), sale.id, nth=1, why="mail_refused")
    assert of(shop, sale) == []
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "receipt.not_sent")
    assert event.details == {"copy": 0, "outcome": "mail_refused"}
    confirm(shop, sale)
    as_(shop, prints.note_not_sent, shop.actor(), sale.id, nth=1, why="mail_refused")
    assert [p.kind for p in of(shop, sale)] == ["paper"]


def test_what_was_printed_before_prints_were_counted_counts_too(shop):
    (file,) = (ROOT / "migrations" / "versions").glob("*_prints.py")
    spec = importlib.util.spec_from_file_location("prints", file)
    history = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(history)
    twice, never = shop.sell(), shop.sell()
    for who in (OPERATOR, SUPERVISOR):
        actor = shop.actor(who)
        shop.change(lambda session, actor=actor: audit.record(
            session, actor, "receipt.printed", "sale", twice.id,
            vending_point_id=twice.vending_point_id,
        ))  # fmt: skip
    shop.change(lambda session: session.execute(text(history.BEFORE)))
    assert [(p.nth, p.kind, p.by) for p in of(shop, twice)] == [
        (1, "paper", OPERATOR),
        (2, "paper", SUPERVISOR),
    ]
    assert of(shop, never) == []


def test_the_last_sales_are_ones_own_the_newest_first_and_ten(shop):
    mine = []
    for number in range(12):
        shop.clock.forward(minutes=1)
        mine.append(shop.sell(units=str(10 + number)).id)
    theirs = shop.sell(by=SUPERVISOR, point=HARBOUR).id
    assert [sale.id for sale in as_(shop, receipts.last_sales, shop.actor())] == mine[:1:-1]
    last = as_(shop, receipts.last_sales, shop.actor(SUPERVISOR), by=SUPERVISOR)
    assert [sale.id for sale in last] == [theirs]
    assert as_(shop, receipts.last_sales, shop.actor(), by=SOUTH_OPERATOR) == []
