"""Every list of the product can be had as a file, of just the rows and columns it shows."""

import csv
import io

import openpyxl
import pytest
from sqlalchemy import select, update

from tests import factories
from tests.factories import HARBOUR, MARKET, OPERATOR, SOUTH_OPERATOR, SOUTHERN
from tests.web.office import ADMIN, main_part, statements
from tests.web.records import permit, read, rows, views_of
from tests.web.test_second_person_pages import pay_in
from tests.web.test_statements import MOST, own, told
from vmsapp.clock import now_utc
from vmsapp.extensions import db
from vmsapp.models import (
    ApprovalRequest,
    AuditEvent,
    Consumer,
    ImportBatch,
    Job,
    OfficeUser,
    Product,
    Region,
    Tariff,
    VendingPoint,
)
from vmsapp.views.lists.exports import Exported

LISTS = ("Approvals", "AuditTrail", "CampaignLeftOut", "CampaignMeters", "Campaigns", "Consumers",
         "EngineeringRefusals", "EngineeringTokens",
         "TestTokens", "Floats", "Imports", "InactiveConsumers", "Jobs", "KeyChangeTokens",
         "LedgerProofs", "Meters", "Products", "PurchaseRecords", "Regions", "RevenueFindings",
         "Sales", "SalesTokens",
         "SecurityModules",
         "Shifts", "Tariffs",
         "TokenJournal", "UserGroups", "Users", "VendingPoints")  # fmt: skip
UNLINKED = {"PurchaseRecords", "SalesTokens"}
"""Lists whose rows have no page of their own: a token's is its sale's, and so is a purchase's."""

OF_ANOTHER = {"AfterRestore"}
"""Lists of rows that another list gives as a file: what a restore lost stands in the journal."""

EVERY_LIST = pytest.mark.parametrize("name", LISTS)
SCOPED = ("Consumers", "Floats", "Meters", "Regions", "Sales", "Users", "VendingPoints")
"""Lists of which an operator sees a part; jobs, imports and approvals are of their own tests."""
WITHOUT_ROWS = {
    "CampaignLeftOut",
    "CampaignMeters",
    "Campaigns",
    "EngineeringRefusals",
    "EngineeringTokens",
    "TestTokens",
    "InactiveConsumers",
    "KeyChangeTokens",
    "LedgerProofs",
    "RevenueFindings",
    "SecurityModules",
    "Shifts",
    "TokenJournal",
}
DANGEROUS = "=1+1"


@pytest.fixture
def full(shop, utility):
    """Rows in every list, some called like a formula."""
    shop.sell()
    shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)

    def add(session):
        for column in (Consumer.name, Product.model, Tariff.name, VendingPoint.name, Region.name,
                       OfficeUser.last_name):  # fmt: skip
            some = select(column.class_.id).order_by(column.class_.id.desc()).limit(1)
            session.execute(
                update(column.class_).where(column.class_.id == some.scalar_subquery())
                .values({column.key: DANGEROUS}).execution_options(synchronize_session=False)
            )  # fmt: skip
        now = now_utc()
        admin = session.query(OfficeUser).filter_by(username=ADMIN).one()
        job = Job(kind="export", actor_id=admin.id, made_at=now, params={"title": DANGEROUS})
        session.add(job)
        session.flush()
        session.add(ImportBatch(
            kind="consumers", state="validated", file_name=DANGEROUS, sha256="0" * 64, size=1,
            language="en", update_existing=False, actor_id=admin.id, made_at=now, about={}, rows=3,
            faulty=1, applied=0, kept=0, good_only=False, job_id=job.id,
        ))  # fmt: skip
        factories.add(session, ApprovalRequest(
            action="float.pay_in", params={}, hash="0" * 64, asked_by_id=admin.id, made_at=now,
            expires_at=now, state="pending", key="k", amount_minor=1234,
        ))  # fmt: skip

    shop.change(add)


@pytest.fixture
def view(office, name):
    return next(view for view in views_of(office) if type(view).__name__ == name)


def lines(answer) -> list[list[str]]:
    assert answer.status_code == 200, main_part(answer.text)
    text = answer.data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_there_is_no_list_that_cannot_be_had_as_a_file(office):
    lists = {type(view).__name__: view for view in views_of(office)}
    assert lists.keys() == {*LISTS, *OF_ANOTHER}
    assert {name for name, view in lists.items() if isinstance(view, Exported)} == {*LISTS}


@EVERY_LIST
def test_a_file_holds_the_rows_of_the_list(full, view, browse, shop, name):
    admin = browse(ADMIN)
    page = read(admin.get(f"{view.route_base}/list/?size=100").text)
    offered = {form["action"] for form in page.all("form")}
    address = f"{view.route_base}/export"
    assert {f"{address}/csv", f"{address}/xlsx"} <= offered
    head, *found = lines(admin.post(f"{address}/csv"))
    listed = page.all("tr")[1:] if name in UNLINKED else page.all("a", "row-link")
    assert len(found) == len(listed)
    assert found or name in WITHOUT_ROWS
    assert head == [
        str(view.label_columns[one]) for one in view.export_columns or view.list_columns
    ]
    event = max(shop.rows(AuditEvent), key=lambda row: row.id)
    assert event.action == f"{view.exported_subject()}.exported"
    assert event.details["rows"] == len(found)


@EVERY_LIST
def test_the_columns_of_the_file_are_those_of_the_list_where_they_were_chosen(
    full, view, browse, name
):
    admin = browse(ADMIN)
    chosen = list(view.list_columns[:2])
    admin.post(f"{view.route_base}/columns", {"column": chosen})
    page = read(admin.get(f"{view.route_base}/list/?size=100").text)
    address = f"{view.route_base}/export/csv"
    assert {address, f"{address}?columns=all"} <= {form["action"] for form in page.all("form")}
    labels = [str(view.label_columns[one]) for one in chosen]
    assert lines(admin.post(address))[0] == labels
    whole = [str(view.label_columns[one]) for one in view.export_columns or view.list_columns]
    assert lines(admin.post(f"{address}?columns=all"))[0] == whole


@EVERY_LIST
def test_no_text_of_a_file_is_a_formula(full, view, browse, name):
    admin = browse(ADMIN)
    by_csv = lines(admin.post(f"{view.route_base}/export/csv"))
    assert not [cell for row in by_csv for cell in row if cell.startswith(("=", "+", "@"))]
    data = admin.post(f"{view.route_base}/export/xlsx").data
    cells = [cell for row in openpyxl.load_workbook(io.BytesIO(data)).active for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f"]
    if name not in WITHOUT_ROWS | {"Approvals", "AuditTrail", "UserGroups"}:
        assert [cell for cell in cells if DANGEROUS in str(cell.value)], "nothing was tried"


@pytest.mark.parametrize("name", SCOPED)
def test_an_operators_file_holds_only_what_the_operators_list_shows(full, view, browse, shop, name):
    permit(shop, view.class_permission_name, "can_list", "can_export", group="Operator")
    operator = browse(OPERATOR)
    shown = rows(read(operator.get(f"{view.route_base}/list/?size=100").text))
    _, *found = lines(operator.post(f"{view.route_base}/export/csv"))
    _, *every = lines(browse(ADMIN).post(f"{view.route_base}/export/csv"))
    assert 0 < len(found) == len(shown) < len(every)
    first = view.list_columns[0]
    place = list(view.export_columns or view.list_columns).index(first)
    assert {row[place].lstrip("'") for row in found} == {row[0] for row in shown}


@EVERY_LIST
def test_whoever_may_not_export_is_refused(full, view, browse, shop, name):
    assert browse(OPERATOR).post(f"{view.route_base}/export/csv").status_code == 403
    if name in {"Sales", "Consumers", "Meters"}:
        assert "/export/" not in browse(OPERATOR).get(f"{view.route_base}/list/").text


@EVERY_LIST
def test_a_file_takes_no_more_than_a_few_statements(office, full, view, browse, name):
    admin = browse(ADMIN)
    address = f"{view.route_base}/export/csv"
    lines(admin.post(address))
    with office.app_context():
        engine = db.engine
    with statements(engine) as seen:
        lines(admin.post(address))
    assert len(own(seen)) <= MOST, told(seen)


def test_search_filter_and_order_of_the_list_are_those_of_the_file(full, browse):
    admin = browse(ADMIN)
    head, *found = lines(admin.post("/vending-points/export/csv?q=a&sort=-name&closed=no"))
    names = [row[head.index("Name")] for row in found]
    listed = rows(read(admin.get("/vending-points/list/?q=a&sort=-name&closed=no").text))
    assert names == [row[0] for row in listed]
    assert len(names) == 1


def test_money_and_units_are_numbers_that_can_be_added_up(full, browse):
    data = browse(ADMIN).post("/sales/export/xlsx").data
    head, *found = openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True)
    paid = [row[head.index("Paid")] for row in found]
    assert all(isinstance(one, int | float) and one > 0 for one in paid)
    assert {type(row[head.index("Units")]) for row in found} <= {int, float}
    assert len({row[head.index("Currency")] for row in found}) == 1


def test_the_statement_of_a_float_is_a_file_of_the_days_shown(full, browse, shop):
    point = shop.utility.points[HARBOUR]
    admin = browse(ADMIN)
    pay_in(admin, shop)
    page = read(admin.get(f"/floats/show/{point}?day_from=2026-03-01&day_to=2026-03-31").text)
    days = "day_from=2026-03-01&day_to=2026-03-31"
    (form,) = page.all("form", action=f"/floats/{point}/statement/csv?{days}")
    head, *found = lines(admin.post(form["action"]))
    assert head[:2] == ["Business date", "Movement"]
    shown = [row for row in rows(page) if len(row) > 1]
    assert [row[1] for row in found] == [row[1] for row in shown]
    assert found[0][1] == "Balance before"
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "float.statement_exported")
    assert (event.subject_id, event.details["rows"]) == (str(point), len(found) - 1)
    assert browse(OPERATOR).post(form["action"]).status_code == 403
    permit(shop, "Floats", "can_export", group="Operator")
    assert browse(SOUTH_OPERATOR).post(form["action"]).status_code == 404
