"""What a module issued against what was sold: ghost vending shows, and a slow sale does not."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from tests.factories import LEGACY_11, STS6_11
from tests.faults import answer_lost, during, request_lost
from vmsapp.errors import NotFound
from vmsapp.hsm.errors import HsmUnavailable, NotSupported
from vmsapp.models import (
    AuditEvent,
    FindingKind,
    JournalCheck,
    JournalFinding,
    SaleState,
    SecurityModule,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.security_modules import journal_check
from vmsapp.services.security_modules.journal_check import FindingSettled, compare, settle
from vmsapp.services.vending.issue import credit_request


def check(shop):
    module_id = shop.utility.module_id
    with shop.session() as session, seen_by(SYSTEM):
        return compare(session, shop.registry, SYSTEM, module_id)


def findings(shop):
    rows = shop.rows(JournalFinding, JournalFinding.settled_at.is_(None))
    return [(row.kind, row.request_id) for row in rows]


@pytest.fixture
def sold(shop):
    """Two sales, old enough to be compared."""
    sales = [shop.sell(LEGACY_11), shop.sell(STS6_11)]
    shop.clock.forward(minutes=10)
    return sales


def ghost(shop, module, request_id="ghost-1"):
    """Somebody asks the module for a token beside us, with a sale's own parameters."""
    sale = shop.sell(LEGACY_11)
    request = credit_request(sale)
    module.inner.issue_credit(replace(request, request_id=request_id, tid=sale.tid + 7))
    return sale


def test_what_agrees_is_no_finding(shop, sold):
    done = check(shop)
    assert (done.from_number, done.to_number, done.entries, done.tokens) == (0, 2, 2, 2)
    assert (done.found, findings(shop)) == (0, [])


def test_each_comparison_goes_on_where_the_last_ended(shop, sold):
    check(shop)
    shop.sell(LEGACY_11)
    shop.clock.forward(minutes=10)
    again = check(shop)
    assert (again.from_number, again.to_number, again.entries) == (2, 3, 1)
    assert again.tokens == 1
    assert findings(shop) == []
    nothing = check(shop)
    assert (nothing.entries, nothing.found) == (0, 0)


def test_a_token_nobody_sold_is_found_once_and_stays_on_the_list(shop, module):
    ghost(shop, module)
    shop.clock.forward(minutes=10)
    assert check(shop).found == 1
    assert check(shop).found == 0
    assert findings(shop) == [(FindingKind.NOT_SOLD, "ghost-1")]
    (row,) = shop.rows(JournalFinding)
    assert (row.number, row.sale_id) == (2, None)
    assert len(row.meter_pan) == 18
    event = shop.rows(AuditEvent, AuditEvent.action == "journal.found")[-1]
    assert event.details["kind"] == "not_sold"


def test_a_token_of_a_sale_that_failed_was_not_sold(shop, module):
    """The line said that nothing was sent, and it was carried out all the same."""

    def lies(call):
        call()
        raise HsmUnavailable("refused", sent=False)

    module.once("issue_credit", lies)
    sale = shop.sell(LEGACY_11)
    assert sale.state == SaleState.FAILED
    assert check(shop).found == 1
    assert findings(shop) == [(FindingKind.NOT_SOLD, sale.request_id)]
    assert shop.rows(JournalFinding)[0].sale_id == sale.id


def test_a_sale_being_settled_is_looked_at_again(shop, module):
    module.once("issue_credit", answer_lost)
    sale = shop.sell(LEGACY_11)
    assert check(shop).found == 1
    assert findings(shop) == [(FindingKind.OPEN, sale.request_id)]
    shop.clock.forward(minutes=1)
    assert shop.reconcile() == {"issued": 1}
    shop.clock.forward(minutes=10)
    check(shop)
    assert findings(shop) == []


def test_a_token_the_module_knows_nothing_of_is_found(shop, sold, module):
    sale = sold[0]
    module.inner._results.close()
    _in_the_file(module, f"DELETE FROM journal WHERE request_id = '{sale.request_id}'",
                 f"DELETE FROM request WHERE request_id = '{sale.request_id}'")  # fmt: skip
    check(shop)
    assert (FindingKind.NOT_MADE, sale.request_id) in findings(shop)


def test_other_digits_are_found(shop, sold, module):
    module.once("tags", lambda call: [tag[::-1] for tag in call()])
    assert check(shop).found == 2
    assert sorted(findings(shop)) == sorted(
        (FindingKind.OTHER_DIGITS, sale.request_id) for sale in sold
    )


def test_a_journal_shorter_than_before_is_found(shop, sold, module):
    check(shop)
    module.inner._results.close()
    _in_the_file(module, "DELETE FROM journal")
    check(shop)
    assert (FindingKind.CUT_SHORT, "") in findings(shop)


def test_a_young_token_is_left_for_the_next_time(shop, module):
    shop.sell(LEGACY_11)
    assert check(shop).tokens == 0
    shop.clock.forward(minutes=10)
    assert check(shop).tokens == 1
    assert findings(shop) == []


def test_a_module_that_does_not_answer_is_compared_another_time(shop, sold, module):
    def silent(_call):
        raise HsmUnavailable("refused", sent=False)

    module.once("journal", silent)
    with pytest.raises(HsmUnavailable):
        check(shop)
    assert shop.count(JournalCheck) == 0
    with shop.session() as session, seen_by(SYSTEM):
        module.once("journal", silent)
        assert journal_check.compare_all(session, shop.registry) == {"Module": -1}
        assert journal_check.compare_all(session, shop.registry) == {"Module": 0}


def test_a_kind_of_module_without_a_journal_is_passed_over(shop, module):
    def none(_call):
        raise NotSupported

    module.once("journal", none)
    assert check(shop) is None


def test_no_transaction_is_open_while_the_module_is_asked(shop, sold, module):
    busy = []
    for method in ("journal", "tags"):
        module.once(method, during(lambda: busy.append(shop.engine.pool.checkedout())))
    check(shop)
    assert busy == [0, 0]


def test_a_person_says_what_became_of_a_finding_once(shop, module):
    ghost(shop, module)
    check(shop)
    (row,) = shop.rows(JournalFinding)
    with shop.session() as session, seen_by(SYSTEM):
        settle(session, SYSTEM, row.id, "A test of the technician's")
        with pytest.raises(FindingSettled):
            settle(session, SYSTEM, row.id, "Again")
        with pytest.raises(NotFound):
            settle(session, SYSTEM, 10**6, "Nothing")
    (row,) = shop.rows(JournalFinding)
    assert row.note == "A test of the technician's"
    assert row.settled_at is not None
    event = shop.rows(AuditEvent, AuditEvent.action == "journal.settled")[-1]
    assert event.details["note"] == "A test of the technician's"


def test_an_unknown_module_is_not_found(shop):
    with shop.session() as session, seen_by(SYSTEM), pytest.raises(NotFound):
        compare(session, shop.registry, SYSTEM, 10**6)
    assert shop.count(SecurityModule) == 1


def test_a_request_that_never_arrived_is_in_neither(shop, module):
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11)
    assert check(shop).entries == 0
    assert findings(shop) == []


def _in_the_file(module, *statements):
    with closing(sqlite3.connect(module.inner._results._path)) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            file.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            file.execute(statement)
        file.commit()


def compared(shop):
    with shop.session() as session, seen_by(SYSTEM):
        return journal_check.compare_all(session, shop.registry)


def retire(shop):
    shop.change(lambda s: setattr(s.query(SecurityModule).one(), "retired_at", shop.clock.now))


def test_a_retired_module_is_compared_once_more_and_then_left_alone(shop, sold, module):
    assert compared(shop) == {"Module": 0}
    ghost(shop, module)
    retire(shop)
    shop.clock.forward(minutes=4)
    assert compared(shop) == {"Module": 1}  # but what is younger than five minutes is to come
    shop.clock.forward(minutes=6)
    assert compared(shop) == {"Module": 0}
    assert shop.rows(JournalCheck)[-1].tokens == 1  # the last sale of it
    shop.clock.forward(minutes=60)
    assert compared(shop) == {}


def test_a_retired_module_that_is_gone_for_good_is_no_failure(shop, sold, module):
    def silent(_call):
        raise HsmUnavailable("refused", sent=False)

    retire(shop)
    module.once("journal", silent)
    assert compared(shop) == {}
    assert shop.count(JournalCheck) == 0
    assert compared(shop) == {"Module": 0}
