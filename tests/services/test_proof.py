"""The proof of the books: silent on what was sold, loud on each thing broken behind our back."""

import pytest
from sqlalchemy import event, text

from tests.factories import DOMESTIC, HARBOUR, OPERATOR
from tests.faults import down, request_lost
from tests.services.pair import make_pair
from tests.till import Till
from vmsapp.models import AuditEvent, LedgerProof, ReceiptCounter, Sale
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.float_terms import CHANGE_TERMS, Terms
from vmsapp.services.proof.checks import CHECKS
from vmsapp.services.proof.running import EXAMPLES, last, prove


def proved(shop):
    with shop.session() as session, seen_by(SYSTEM):
        return prove(session)


def found(shop):
    """How many faults each check found."""
    return {one["check"]: one["count"] for one in proved(shop).findings}


@pytest.fixture
def lived(shop, module):
    """A utility that sold, failed, sealed, reversed, moved a float and closed shifts."""
    pair, till = make_pair(shop), Till(shop)
    shift = till.open(1000)
    shop.sell()
    shop.sell(DOMESTIC)
    module.once("issue_credit", down)
    assert shop.sell(units="20").state == "failed"
    module.once("issue_credit", request_lost)
    sealed = shop.sell(units="7")
    shop.clock.forward(minutes=1)
    module.once("fetch_result", request_lost)
    shop.reconcile()
    shop.seal(sealed)
    assert shop.reconcile() == {"reversed": 1}
    till.count(shift, 1234)
    till.finish(shift, "somebody paid twice")
    pair.ask(CHANGE_TERMS, key="t", params=Terms(shop.utility.points[HARBOUR], True, 5000))
    pair.ask(amount_minor=4000)
    shop.sell(units="30")
    module.once("issue_credit", request_lost)
    assert shop.sell(units="40").state == "pending"
    return shop


def broken(shop, *statements):
    """Change rows as nobody may: past the guards of the database."""

    def change(session):
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            guards = session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            for name in guards.all():
                session.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            assert session.execute(text(statement)).rowcount > 0, statement

    shop.change(change)


def test_what_the_product_wrote_proves_itself(lived):
    proof = proved(lived)
    assert (proof.faults, proof.findings) == (0, [])
    assert (proof.sales, proof.tokens) == (6, 4)
    # six sales, one taken back, one payment into the float, one drawer with too much in it
    assert proof.transfers == 9
    (event_row,) = lived.rows(AuditEvent, AuditEvent.action == "ledger.proved")
    assert event_row.details == {"faults": 0, "found": {}}


SALE = "SELECT min(id) FROM sale WHERE state = 'issued'"
TRANSFER = f"SELECT id FROM ledger_transfer WHERE kind = 'sale' AND sale_id = ({SALE})"
CAMPAIGN = (
    "INSERT INTO campaign (id, name, reason, state, selection, target, listed, hand_out, due_on,"
    " meters, cursor, round, made_at) VALUES ({id}, 'c', '', 'running', '{{}}', '{{}}', false,"
    " 'next_sale', '2099-01-01', 1, 0, 1, CURRENT_TIMESTAMP)"
)
CHUNK = (
    "INSERT INTO campaign_chunk (id, campaign_id, state, request_id, module_id, first_id, last_id,"
    " meters, reserved_at) SELECT {id}, {campaign}, 'asked', 'C-1', min(id), 74, 74, 1,"
    " CURRENT_TIMESTAMP FROM security_module"
)
CHANGE = (
    "INSERT INTO key_change (id, meter_id, meter_pan, state, form_key, body_hash, reason, old_sgc,"
    " old_krn, old_kt, old_ti, old_base_date, old_ken, old_dkga, new_sgc, new_krn, new_kt, new_ti,"
    " new_base_date, new_ken, new_dkga, ea, tct, three_tokens, table_set, request_id, module_id,"
    " reserved_at, note, campaign_id, chunk_id) SELECT {id}, id, meter_pan, 'reserved', 'f', 'h',"
    " '', '990001', 1, 2, '01', '14', 255, '04', '990001', 2, 2, '01', '14', 255, '04', 7, 2,"
    " false, 'production', 'r', (SELECT min(id) FROM security_module), CURRENT_TIMESTAMP, '',"
    " {campaign}, {chunk} FROM meter WHERE id = (SELECT min(id) FROM meter)"
)
TOKEN = (
    "INSERT INTO key_change_token (key_change_id, number, meter_id, digits, subclass, kcv,"
    " module_name, demo, made_at) SELECT 74, 1, max(id), '1234567890' || '1234567890', 3, 'A1B2C3',"
    " 'M', true, CURRENT_TIMESTAMP FROM meter"
)
BREAKS = {
    "unbalanced": (
        "UPDATE ledger_entry SET amount_minor = amount_minor + 1 WHERE id ="
        " (SELECT max(id) FROM ledger_entry WHERE amount_minor < 0"
        f" AND transfer_id IN ({TRANSFER}))"
    ),
    "empty": (
        "DELETE FROM ledger_entry WHERE transfer_id ="
        " (SELECT id FROM ledger_transfer WHERE state = 'voided')"
    ),
    "float_balance": (
        "UPDATE vending_point_account SET balance_minor = balance_minor + 1 WHERE limited"
    ),
    "pending": (
        "UPDATE vending_point_account SET pending_minor = pending_minor + 1 WHERE limited"
    ),
    "sale_without_transfer": (
        "UPDATE ledger_transfer SET state = 'pending', settled_at = NULL"
        " WHERE kind = 'sale' AND state = 'voided'"
    ),
    "amount_differs": (
        f"UPDATE sale SET charged_minor = charged_minor + 1, received_minor = received_minor + 1"
        f" WHERE id = ({SALE})"
    ),
    "free_differs": (
        "INSERT INTO free_token (sale_id, vending_point_id, meter_id, kind, reason, note,"
        " value_minor, business_date) SELECT id, vending_point_id, meter_id, 'free', 'social', '',"
        f" 5, business_date FROM sale WHERE id = ({SALE})"
    ),
    "reversal_missing": ("UPDATE sale SET state = 'issued' WHERE state = 'reversed'"),
    "sale_without_token": (f"DELETE FROM token WHERE sale_id = ({SALE})"),
    "token_without_sale": (
        "UPDATE token SET sale_id = (SELECT id FROM sale WHERE state = 'failed')"
        f" WHERE sale_id = ({SALE})"
    ),
    "token_differs": (f"UPDATE token SET tid = tid + 1 WHERE sale_id = ({SALE})"),
    "receipts": ("UPDATE receipt_counter SET last_number = last_number + 1"),
    "float_paper": ("DELETE FROM float_movement"),
    "shift_difference": (
        "UPDATE shift SET over_short_minor = over_short_minor + 1,"
        " counted_minor = counted_minor + 1"
    ),
    "roll_ups": (f"DELETE FROM ledger_unsummed WHERE transfer_id IN ({TRANSFER})"),
    "last_purchase": (
        "INSERT INTO last_purchase (service_point_id, consumer_id, bought_on)"
        " SELECT min(id), min(consumer_id), '2026-01-01' FROM service_point"
        " WHERE id NOT IN (SELECT service_point_id FROM sale WHERE service_point_id IS NOT NULL)"
    ),
    "change_astray": (
        *(CAMPAIGN.format(id=number) for number in (71, 72)),
        CHUNK.format(id=73, campaign=71),
        CHANGE.format(id=74, campaign=72, chunk=73),
    ),
    "key_token_astray": (
        CHANGE.format(id=74, campaign="NULL", chunk="NULL"),
        TOKEN,
    ),
}  # fmt: skip
ALSO = {"token_without_sale": {"sale_without_token", "token_differs"}}
"""What else such a break is."""


def test_every_check_is_broken_here():
    assert set(BREAKS) == {check.code for check in CHECKS}


@pytest.mark.parametrize("code", BREAKS)
def test_what_was_broken_is_found_and_nothing_else(lived, code):
    done = BREAKS[code]
    broken(lived, *([done] if isinstance(done, str) else done))
    assert found(lived) == {code: 1} | dict.fromkeys(ALSO.get(code, ()), 1)


def test_a_gap_in_the_receipts_is_found_with_its_vending_point_and_the_numbers(lived):
    broken(
        lived,
        "UPDATE sale SET receipt_number = 9 WHERE receipt_number = 2",
        "UPDATE receipt_counter SET last_number = 9",
    )
    (finding,) = proved(lived).findings
    assert finding == {
        "check": "receipts", "count": 1,
        "examples": [
            {
                "vending_point_id": lived.utility.points[HARBOUR], "series": 1, "expected": 9,
                "found": 4,
            }
        ],
    }  # fmt: skip


def test_money_of_a_point_without_an_account_is_found(lived):
    broken(lived, "DELETE FROM vending_point_account")
    assert set(found(lived)) == {"float_balance", "pending"}


def test_a_few_of_many_faults_are_kept_and_all_are_counted(shop):
    for number in range(EXAMPLES + 3):
        shop.sell(units=f"{number + 1}")
    broken(shop, "DELETE FROM token")
    (finding,) = proved(shop).findings
    assert (finding["check"], finding["count"]) == ("sale_without_token", EXAMPLES + 3)
    assert len(finding["examples"]) == EXAMPLES


def test_the_proof_asks_no_more_for_more_sales(shop):
    asked = []

    def count():
        statements = []
        event.listen(shop.engine, "before_cursor_execute", note := _noting(statements))
        proved(shop)
        event.remove(shop.engine, "before_cursor_execute", note)
        asked.append(len([one for one in statements if one.startswith("SELECT")]))

    shop.sell()
    count()
    for number in range(5):
        shop.sell(units=f"{number + 2}")
    count()
    assert asked[0] == asked[1]


def _noting(statements):
    def note(_connection, _cursor, statement, *_rest):
        statements.append(statement)

    return note


def test_a_sale_under_way_while_the_proof_runs_is_no_fault(shop, monkeypatch):
    """The books are seen as they were at one moment: a sale in the middle changes nothing."""
    shop.sell()
    from vmsapp.services.proof import running  # noqa: PLC0415 - to put a sale between its looks

    looks, plain = [], running._finding

    def between(session, code, statement):
        if len(looks) in (2, 7):
            shop.sell(units=f"{len(looks)}")
        looks.append(code)
        return plain(session, code, statement)

    monkeypatch.setattr(running, "_finding", between)
    proof = proved(shop)
    assert (proof.sales, proof.findings) == (1, [])
    assert shop.count(Sale) == 3


def test_the_newest_proof_is_the_one_that_stands(lived):
    first = proved(lived)
    broken(lived, BREAKS["receipts"])
    second = proved(lived)
    with lived.session() as session, seen_by(lived.actor(OPERATOR)):
        assert last(session).id == second.id
    assert lived.count(LedgerProof) == 2
    assert first.id != second.id
    assert lived.count(ReceiptCounter) == 1
