"""The page after a restore: what it found, and booking what was sold in the lost interval.

Source of what must hold: SALE.md 16 "Restore, promotion, standby"; docs/operations.md "Restore".
"""

import re
from dataclasses import replace

import pytest
from sqlalchemy import update

from tests.factories import AUDITOR, EPOCH, HARBOUR, LEGACY_11, OPERATOR, STS6_11
from tests.faults import down
from tests.web.office import ADMIN, contents, main_part, said
from vmsapp.models import (
    AuditEvent,
    FindingKind,
    Installation,
    JournalFinding,
    Sale,
    SaleState,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.restore.procedure import after_restore
from vmsapp.services.vending import new_key
from vmsapp.services.vending.issue import credit_request

REASON = "the disk broke; backup of this morning"


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def lose(shop, module):
    """Have the module make tokens for 50 units, of sales that the restored database lacks."""

    def lost(*meters, epoch=EPOCH):
        models = [shop.sell(meter, units="50", key=new_key(epoch)) for meter in meters]
        asked = [
            replace(credit_request(model), request_id=f"S-{number:024x}-1", tid=model.tid + 9)
            for number, model in enumerate(models, start=1)
        ]
        return [(request, module.inner.issue_credit(request)) for request in asked]

    return lost


@pytest.fixture
def restored(shop):
    """Run the procedure, as the command does."""

    def run(**options):
        with shop.session() as session, seen_by(SYSTEM):
            return after_restore(session, shop.registry, SYSTEM, REASON, **options)

    return run


def findings(shop):
    return sorted(
        shop.rows(JournalFinding, JournalFinding.kind == FindingKind.NOT_SOLD),
        key=lambda row: row.request_id,
    )


def booked(shop):
    return [row for row in shop.rows(Sale) if "-booked-" in row.idempotency_key]


def form_of(shop, rows, **typed):
    """What the form sends of some findings."""
    plain = {
        "sure": "yes", "rowid": [str(row.id) for row in rows], "note": "receipts seen",
        "vending_point": str(shop.utility.points[HARBOUR]),
    }  # fmt: skip
    return plain | typed


def test_where_nothing_was_restored_the_page_says_so(admin, shop):
    page = main_part(admin.get("/restored/list/").text)
    assert "Nothing was restored" in page
    assert "<table" not in page
    assert 'href="/restored/list/"' in admin.get("/journal/list/").text  # the menu leads there


def test_the_page_tells_what_the_restore_found(admin, shop, lose, restored):
    lose(LEGACY_11, STS6_11)
    restored()
    page = main_part(admin.get("/restored/list/").text)
    assert REASON in page
    assert "never asked for" in page
    assert "Not settled: 2" in re.sub(r"<[^>]+>|[\u2066-\u2069]", "", page)
    for row in findings(shop):
        assert f"/journal/show/{row.id}" in page
    assert page.count("To be booked") == 2
    assert "Book the chosen" in page


def test_while_all_stand_still_nothing_is_booked(admin, shop, lose, restored, engine):
    lose(LEGACY_11)
    restored()
    shop.change(
        lambda s: s.execute(
            update(Installation).values(standstill_since=shop.clock(), standstill_why="told")
        )
    )
    page = main_part(admin.get("/restored/list/").text)
    assert "flask vms after-restore" in page
    assert "Book the chosen" not in page
    assert "Nothing is missing" not in page
    before = contents(engine)
    refused = admin.post("/restored/book", form_of(shop, findings(shop)))
    assert refused.status_code == 409
    assert "flask vms after-restore" in said(main_part(refused.text))
    assert "receipts seen" in refused.text
    assert contents(engine) == before
    assert booked(shop) == []


def test_one_is_booked_from_the_journals_page(admin, shop, lose, restored):
    ((_request, token),) = lose(LEGACY_11)
    restored()
    (row,) = findings(shop)
    way = f"/restored/book?rowid={row.id}"
    assert way in admin.get(f"/journal/show/{row.id}").text
    asked = admin.get(way)
    assert asked.status_code == 200
    assert "50.0 kWh" in re.sub(r"[\u2066-\u2069]", "", asked.text)
    assert token.digits not in asked.text
    answer = admin.post("/restored/book", form_of(shop, [row]))
    assert answer.location == "/restored/list/"
    (sale,) = booked(shop)
    assert (sale.state, sale.units, sale.request_id) == (SaleState.ISSUED, 50, row.request_id)
    assert shop.digits(sale) == token.digits
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "sale.booked")
    assert (event.actor_name, event.details["note"]) == (ADMIN, "receipts seen")
    page = admin.get("/restored/list/").text
    assert "1 sale was booked." in page
    assert f"/sales/show/{sale.id}" in page
    assert way not in admin.get(f"/journal/show/{row.id}").text


def test_many_are_booked_and_what_is_refused_keeps_what_was_typed(admin, shop, lose, restored):
    lose(LEGACY_11, STS6_11)
    restored()
    good, bad = findings(shop)
    typed = {f"token-{bad.id}-paid": "1.23", f"token-{bad.id}-taken_back": "y"}
    answer = admin.post("/restored/book", form_of(shop, [good, bad], **typed))
    assert answer.status_code == 422
    assert "would carry" in said(main_part(answer.text))
    assert 'value="1.23"' in answer.text
    assert "receipts seen" in answer.text
    assert f'value="{shop.utility.points[HARBOUR]}" selected' in answer.text
    assert f'name="rowid" value="{good.id}"' not in answer.text, "it is booked"
    assert [sale.request_id for sale in booked(shop)] == [good.request_id]
    typed[f"token-{bad.id}-paid"] = ""
    assert admin.post("/restored/book", form_of(shop, [bad], **typed)).status_code == 302
    states = {sale.request_id: sale.state for sale in booked(shop)}
    assert states == {good.request_id: SaleState.ISSUED, bad.request_id: SaleState.REVERSED}


@pytest.mark.parametrize(("typed", "sentence"), [
    ({"note": " "}, "Say in a few words what is known."),
    ({"note": "x" * 256}, "At most 255 characters."),
    ({"vending_point": ""}, "Choose where it was sold."),
    ({"vending_point": "1000000"}, "not there any more"),
    ({"paid": "0"}, "more than zero"),
    ({"paid": "-1"}, "more than zero"),
    ({"paid": "1.001"}, "At most 2 decimals fit."),
    ({"paid": "many"}, "many"),
])  # fmt: skip
def test_what_is_typed_amiss_is_said_and_nothing_booked(
    admin, shop, lose, restored, engine, typed, sentence
):
    lose(LEGACY_11)
    restored()
    (row,) = findings(shop)
    sent = {f"token-{row.id}-{name}" if name == "paid" else name: value
            for name, value in typed.items()}  # fmt: skip
    before = contents(engine)
    answer = admin.post("/restored/book", form_of(shop, [row], **sent))
    assert answer.status_code == 422
    assert sentence in main_part(answer.text)
    assert contents(engine) == before


def test_a_silent_module_refuses_all_at_once(admin, shop, lose, restored, module):
    lose(LEGACY_11, STS6_11)
    restored()
    module.always("request_of", down)
    answer = admin.post("/restored/book", form_of(shop, findings(shop)))
    assert answer.status_code == 503
    assert main_part(answer.text).count("cannot be reached") == 1
    assert booked(shop) == []


def test_what_cannot_be_booked_says_why(admin, shop, lose, restored, module):
    ((request, _token),) = lose(LEGACY_11)
    other = replace(request, request_id="E-0000000000000000000000ff-1", tid=request.tid + 9)
    module.inner.issue_credit(other)
    stray = replace(request, request_id="S-0000000000000000000000fe-1", tid=request.tid + 18)
    module.inner.issue_credit(stray)
    restored()
    shop.change(
        lambda s: s.execute(
            update(JournalFinding)
            .where(JournalFinding.request_id == stray.request_id)
            .values(meter_pan="600727000000000009")
        )
    )
    page = main_part(admin.get("/restored/list/").text)
    assert "settle it in the token journal" in page
    assert "register it first" in page
    no_sales = [row for row in findings(shop) if row.request_id != request.request_id]
    refused = admin.post("/restored/book", form_of(shop, no_sales))
    assert refused.location == "/restored/list/"
    assert booked(shop) == []
    answer = admin.post("/restored/book", form_of(shop, findings(shop)))
    assert [sale.request_id for sale in booked(shop)] == [request.request_id]
    assert "Left out" in admin.get(answer.location).text
    engineering = next(row for row in findings(shop) if row.request_id == other.request_id)
    assert "/restored/book" not in main_part(admin.get(f"/journal/show/{engineering.id}").text)


def test_a_token_made_after_the_restore_is_none_of_it(admin, shop, lose, restored):
    restored(anyway=True)
    shop.clock.forward(minutes=10)
    page = main_part(admin.get("/restored/list/").text)
    assert "Nothing is missing" in page
    lose(LEGACY_11, epoch=2)
    admin.post("/journal/compare")
    (row,) = findings(shop)
    assert f"/journal/show/{row.id}" not in main_part(admin.get("/restored/list/").text)
    assert f"/restored/book?rowid={row.id}" not in admin.get(f"/journal/show/{row.id}").text
    refused = admin.post("/restored/book", form_of(shop, [row]))
    assert (refused.status_code, refused.location) == (302, "/restored/list/")
    assert booked(shop) == []


def test_what_somebody_settled_meanwhile_is_left_alone(admin, shop, lose, restored):
    lose(LEGACY_11)
    restored()
    (row,) = findings(shop)
    admin.post(f"/journal/settle/{row.id}", {"note": "engineer's test"})
    answer = admin.post("/restored/book", form_of(shop, [row]))
    assert answer.location == "/restored/list/"
    assert "Nothing was chosen that can be booked." in admin.get(answer.location).text
    assert booked(shop) == []
    listed = main_part(admin.get("/restored/list/?state=settled").text)
    assert f"/journal/show/{row.id}" in listed
    assert f"/journal/show/{row.id}" not in main_part(admin.get("/restored/list/?state=open").text)


def test_auditors_look_and_book_nothing_and_operators_see_nothing(browse, shop, lose, restored):
    lose(LEGACY_11)
    restored()
    auditor = browse(AUDITOR)
    page = main_part(auditor.get("/restored/list/").text)
    assert "To be booked" in page
    assert "Book the chosen" not in page
    assert auditor.post("/restored/book", form_of(shop, findings(shop))).status_code == 403
    assert auditor.get("/restored/points?q=").status_code == 403
    assert browse(OPERATOR).get("/restored/list/").status_code == 403
    assert booked(shop) == []


def test_the_form_finds_vending_points(admin, shop):
    found = admin.get("/restored/points?q=harb").json
    assert [one["value"] for one in found] == [shop.utility.points[HARBOUR]]
