"""The page of the audit trail: who sees it, what it finds and says, how it is taken away."""

import csv
import io
from datetime import timedelta

import pytest
from openpyxl import load_workbook

from tests.factories import AUDITOR, HARBOUR, NOW, OPERATOR, SUPERVISOR
from tests.faults import down
from tests.web.office import ADMIN, BOTH, LANGUAGES, NORTH_SUPERVISOR, statements
from tests.web.records import chips, ids, read, rows
from tests.web.test_statements import MOST, own
from vmsapp.extensions import db
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.models import AuditEvent, Job
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.services import audit
from vmsapp.services.audit.heads import sign
from vmsapp.services.audit.sealer import seal
from vmsapp.services.audit.verify import verify
from vmsapp.tasks.audit import seal_events, sign_head, verify_trail
from vmsapp.views.lists import exports
from vmsapp.views.people.audit import AuditTrail

FORMULA = '=HYPERLINK("http://x","y")'


@pytest.fixture
def auditor(browse):
    return browse(AUDITOR)


@pytest.fixture
def written(shop, people):
    """Events of two people, one with a before and an after; their numbers by action."""
    clerk = Actor(people[OPERATOR].id, OPERATOR, SYSTEM.sight, address="10.1.2.3")

    def write(session):
        audit.record(session, clerk, "sale.issued", "sale", 7, amount=1250)
        audit.record(
            session, SYSTEM, "vending_point.changed", "vending_point", 3,
            before={"name": "Quay", "telephone": "1"}, after={"name": "Pier", "telephone": "1"},
        )  # fmt: skip
        audit.record(session, clerk, "odd.deed", "oddity", FORMULA)

    shop.change(write)
    return {event.action: event.id for event in shop.rows(AuditEvent)}


def make_sound(shop, registry):
    with shop.session() as session, seen_by(SYSTEM):
        seal(session)
        sign(session, registry)
        return verify(session, registry)


def actions(page):
    return [line[3] for line in rows(page)]


# seeing


def test_the_trail_says_who_did_what_to_what_from_where(auditor, written):
    page = read(auditor.get("/audit/list/").text)
    assert ids(page)[:3] == sorted(written.values(), reverse=True)[:3]
    newest, changed, sold, *_ = rows(page)
    assert newest[2:] == [OPERATOR, "odd.deed", f"oddity {FORMULA}", "10.1.2.3"]
    assert changed[2:5] == ["system", "Changed", "Vending point Pier"]
    assert sold[3:5] == ["Token made", "Sale 7"]


def test_nobody_with_a_region_sees_an_event(browse, shop, written):
    for who in (OPERATOR, NORTH_SUPERVISOR, SUPERVISOR):
        assert browse(who).get("/audit/list/").status_code == 403
    with shop.session() as session, seen_by(shop.actor(OPERATOR)):
        assert session.query(AuditEvent).all() == []


@BOTH
@pytest.mark.parametrize(("query", "found"), [
    ("q=vending_point.ch", ["vending_point.changed"]),
    ("q=10.1.2", ["sale.issued", "odd.deed"]),
    ("what=sales", ["sale.issued"]),
    ("what=points", ["vending_point.changed"]),
    ("what=files", []),
    ("subject=sale", ["sale.issued"]),
    ("who={operator}&q=odd", ["odd.deed"]),
    ("at_to={yesterday}", []),
    ("at_from={today}&what=sales&subject=sale", ["sale.issued"]),
])  # fmt: skip
def test_the_trail_is_narrowed(auditor, written, people, query, found, backend):
    today = NOW.date()
    query = query.format(
        operator=people[OPERATOR].id, today=today, yesterday=today - timedelta(days=2)
    )
    page = read(auditor.get(f"/audit/list/?{query}").text)
    assert set(ids(page)) & set(written.values()) == {written[action] for action in found}
    assert chips(page)


def test_a_person_is_searched_for_by_name(auditor, browse, people):
    found = auditor.get("/audit/people?q=operator").json
    assert {"value": people[OPERATOR].id, "text": OPERATOR} in found
    assert browse(OPERATOR).get("/audit/people?q=operator").status_code == 403


def test_an_event_shows_before_and_after_side_by_side(auditor, shop, registry, written):
    number = written["vending_point.changed"]
    page = read(auditor.get(f"/audit/show/{number}").text)
    assert rows(page) == [["Name", "Quay", "Pier"], ["Telephone", "1", "1"]]
    assert [one.text for one in page.all("strong")] == ["Pier"]
    assert "not sealed yet" in page.text
    make_sound(shop, registry)
    assert "not sealed yet" not in auditor.get(f"/audit/show/{number}").text


def test_an_event_without_before_and_after_shows_its_details(auditor, written):
    page = read(auditor.get(f"/audit/show/{written['sale.issued']}").text)
    assert page.all("table") == []
    assert "amount" in page.text
    assert "1250" in page.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_open_in_every_language(browse, written, language):
    browser = browse(AUDITOR, language)
    for path in ("/audit/list/", f"/audit/show/{written['sale.issued']}"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert f'dir="{LANGUAGES[language]}"' in answer.text


# the chain


def state(browser):
    page = read(browser.get("/audit/list/").text)
    return page.all("div", "note")[-1].text + page.one("section", id="chain").text


def test_the_page_tells_the_state_of_the_chain(auditor, shop, registry, written, office):
    assert "not checked yet" in state(auditor)
    with office.app_context():
        seal_events()
        sign_head()
        verify_trail()
    told = state(auditor)
    assert "in order" in told
    assert f"Sealed events{shop.count(AuditEvent)}" in told
    assert f"Signed up to place{shop.count(AuditEvent)}" in told
    assert "Confirmed by the security moduleYes" in told


def test_the_page_warns_of_what_the_nightly_check_found(auditor, shop, registry, written, office):
    with office.app_context():
        verify_trail()
    broken = make_sound(shop, registry).as_json() | {"fault": ["event_changed", 2]}
    shop.change(lambda s: setattr(s.query(Job).one(), "result", broken))
    page = auditor.get("/audit/list/").text
    assert "The event in place 2, or its hash, is not what was sealed." in page
    assert "tampered with" in state(auditor)


def test_a_signing_that_failed_is_told(auditor, shop, written, office, module):
    module.always("last_head", down)
    with office.app_context(), pytest.raises(HsmUnavailable):
        sign_head()
    assert "could not be signed" in auditor.get("/audit/list/").text


def test_the_page_takes_few_statements(auditor, office, shop, registry, written):
    make_sound(shop, registry)
    with office.app_context():
        engine = db.engine
    pages = [
        "/audit/list/",
        "/audit/list/?what=sales&who=1",
        f"/audit/show/{min(written.values())}",
    ]
    for ask in [lambda path=path: auditor.get(path) for path in pages] + [
        lambda: auditor.post("/audit/export/csv")
    ]:
        ask()
        with statements(engine) as seen:
            assert ask().status_code == 200
        assert len(own(seen)) <= MOST, seen


def test_nobody_waits_on_sqlite_for_a_file_that_is_made(auditor, office, written, monkeypatch):
    with office.app_context():
        engine = db.engine
    with statements(engine) as seen:
        auditor.post("/audit/export/csv")
    read_at = next(n for n, text in enumerate(seen) if "audit_event.details" in text)
    begun = [text for text in seen[:read_at] if text.startswith("BEGIN")]
    assert begun[-1] == "BEGIN"


# taking it away


def test_the_list_is_exported_as_csv_as_it_is_narrowed(auditor, shop, written):
    page = read(auditor.get("/audit/list/?subject=sale&after=99").text)
    where = next(form["action"] for form in page.all("form") if form.text == "CSV")
    assert where == "/audit/export/csv?subject=sale"
    answer = auditor.post(where)
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=audit_event-")
    head, *lines = csv.reader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert head[:3] == ["Event", "When", "Who"]
    assert [line[0] for line in lines] == [str(written["sale.issued"])]
    assert lines[0][-1] == '{"amount": 1250}'


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_has_the_stable_codes_and_the_words_of_the_readers_language(
    browse, shop, utility, kind
):
    point = utility.points[HARBOUR]
    shop.change(lambda s: audit.record(
        s, SYSTEM, "sale.issued", "vending_point", point, vending_point_id=point
    ))  # fmt: skip
    data = browse(AUDITOR, "fr").post(f"/audit/export/{kind}?q=sale.issued").data
    if kind == "csv":
        head, line = csv.reader(io.StringIO(data.decode("utf-8-sig")))
    else:
        head, line = load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True)
    assert len(set(head)) == len(head)
    assert "Point de vente" in head
    assert [str(cell) for cell in line[4:10]] == [
        "Code de recharge créé", "sale.issued", f"Point de vente {HARBOUR}", "vending_point",
        str(point), HARBOUR,
    ]  # fmt: skip


@pytest.mark.parametrize(("language", "rtl"), [("ar", True), ("fr", False)])
def test_a_workbook_runs_as_the_readers_language_does(browse, shop, language, rtl):
    data = browse(AUDITOR, language).post("/audit/export/xlsx").data
    assert bool(load_workbook(io.BytesIO(data)).active.sheet_view.rightToLeft) is rtl


def test_an_exported_text_is_never_a_formula(auditor, written):
    by_csv = auditor.post("/audit/export/csv").data.decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(by_csv)))
    assert not [cell for line in lines for cell in line if cell[:1] in "=+-@" and cell]
    book = load_workbook(io.BytesIO(auditor.post("/audit/export/xlsx").data))
    cells = [cell for line in book.active.iter_rows() for cell in line]
    assert "f" not in {cell.data_type for cell in cells}
    assert any(FORMULA in str(cell.value) for cell in cells)


def test_an_export_is_on_record_with_what_it_was_narrowed_to(auditor, shop, people, written):
    auditor.post("/audit/export/xlsx?subject=sale&q=7")
    event = max(shop.rows(AuditEvent), key=lambda row: row.id)
    assert (event.action, event.subject) == ("audit_event.exported", "audit_event")
    assert event.actor_id == people[AUDITOR].id
    assert event.details == {"kind": "xlsx", "rows": 1, "cut_off": False, "search": "7",
                             "filters": {"subject": "Sale"},
                             "columns": AuditTrail.export_columns}  # fmt: skip


@BOTH
def test_a_file_holds_the_rows_of_all_pages_up_to_its_limit_and_says_so(
    auditor, shop, monkeypatch, backend
):
    shop.change(lambda s: [audit.record(s, SYSTEM, f"zz{n}", "test") for n in range(7)])
    monkeypatch.setattr("vmsapp.views.lists.listing.CHUNK", 2)

    def lines():
        text = auditor.post("/audit/export/csv?q=zz").data.decode("utf-8-sig")
        return [
            line for line in csv.reader(io.StringIO(text)) if len(line) < 2 or line[6] == "test"
        ]

    assert [line[4] for line in lines()] == [f"zz{n}" for n in range(6, -1, -1)]
    monkeypatch.setattr(exports, "LIMIT", 3)
    cut = lines()
    assert len(cut) == 4
    assert cut[-1] == ["There are more rows; a file holds 3."]
    event = max(shop.rows(AuditEvent), key=lambda row: row.id)
    assert (event.details["rows"], event.details["cut_off"]) == (3, True)
    assert "All rows, as filtered" in auditor.get("/audit/list/").text


def test_an_unknown_kind_of_file_is_not_there(browse):
    assert browse(ADMIN).post("/audit/export/exe").status_code == 404
