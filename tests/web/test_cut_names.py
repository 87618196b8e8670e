"""Lists narrowed by one of more names than a field offers, and by what there is not."""

import csv
import io
import re
from itertools import product

import pytest
from sqlalchemy import insert

from tests.factories import HARBOUR, MARKET, OPERATOR, SOUTH_OPERATOR
from tests.web.importing import work
from tests.web.office import ADMIN, NORTH_SUPERVISOR, main_part
from tests.web.records import permit, views_of
from vmsapp.models import Job, JobState, VendingPoint
from vmsapp.views.counter.sale_filters import MOST_NAMES
from vmsapp.views.lists import exports
from vmsapp.views.lists.filters import Among

SALES_REPORT = "/reports/sales/"
LEFT_OUT = "“{}” was left out"
NO_FILE = "No file was made. What is asked for by “Vending point”"


@pytest.fixture
def many(shop):
    """More vending points before the two that sell than any field offers."""
    north = shop.utility.regions["north"].id

    points = [
        {"name": f"A {number:04}", "region_id": north} for number in range(MOST_NAMES + 1)
    ]  # fmt: skip
    shop.change(lambda session: session.execute(insert(VendingPoint), points))
    return shop


def table(answer):
    return [row[0] for row in csv.reader(io.StringIO(answer.data.decode("utf-8-sig")))][1:]


def chosen_in(page: str, name: str):
    found = re.search(rf'<select[^>]* name="{name}">(.*?)</select>', page, re.DOTALL)
    return re.findall(r'value="([^"]*)" selected', found[1])


def test_a_point_beyond_those_offered_narrows_every_list_and_is_shown_as_chosen(
    office, browse, many
):
    admin, market = browse(ADMIN), str(many.utility.points[MARKET])
    asked = [
        (view, one.name) for view in views_of(office) for one in view.filters
        if isinstance(one, Among) and one.model is VendingPoint
    ]  # fmt: skip
    assert len(asked) >= 6
    for view, name in asked:
        page = admin.get(f"{view.route_base}/list/?{name}={market}").text
        assert chosen_in(page, name) == [market], view.route_base
        assert "was left out" not in page


def test_a_file_narrowed_by_such_a_point_has_its_rows_alone(browse, many):
    admin, points = browse(ADMIN), many.utility.points
    many.sell()
    for path in ("/users", "/sales"):
        there = table(admin.post(f"{path}/export/csv?point={points[HARBOUR]}"))
        elsewhere = table(admin.post(f"{path}/export/csv?point={points[MARKET]}"))
        assert there, path
        assert not set(there) & set(elsewhere), path
    assert OPERATOR in table(admin.post(f"/users/export/csv?point={points[HARBOUR]}"))
    assert SOUTH_OPERATOR in table(admin.post(f"/users/export/csv?point={points[MARKET]}"))


def test_a_report_is_narrowed_by_such_a_point(browse, many):
    many.sell()
    admin, points = browse(ADMIN), many.utility.points
    page = admin.get(f"{SALES_REPORT}?point={points[MARKET]}").text
    assert "Nothing was sold in this period" in main_part(page)
    assert chosen_in(page, "point") == [str(points[MARKET])]


AMISS = [("/users", "point", "Vending point"), ("/sales", "point", "Vending point"),
         ("/sales", "operator", "Operator"), ("/meters", "region", "Region"),
         ("/meters", "state", "State")]  # fmt: skip


def test_what_there_is_not_is_said_to_be_left_out_and_no_file_is_made(browse):
    admin = browse(ADMIN)
    for (path, name, label), value in product(AMISS, ["999999", "x", "99999999999999999999"]):
        page = admin.get(f"{path}/list/?{name}={value}").text
        assert LEFT_OUT.format(label) in main_part(page), (path, value)
        answer = admin.post(f"{path}/export/csv?{name}={value}")
        assert (answer.status_code, answer.mimetype) == (422, "text/html")
        assert f"“{label}”" in main_part(answer.text), (path, value)


def test_a_point_outside_the_readers_region_is_as_one_there_is_not(browse, shop):
    permit(shop, "Sales", "can_export")
    supervisor, market = browse(NORTH_SUPERVISOR), shop.utility.points[MARKET]
    shop.sell()
    page = supervisor.get(f"/sales/list/?point={market}").text
    assert LEFT_OUT.format("Vending point") in main_part(page)
    assert MARKET not in page
    answer = supervisor.post(f"/sales/export/csv?point={market}")
    assert answer.status_code == 422
    assert NO_FILE in main_part(answer.text)


def test_a_long_file_whose_filter_is_gone_meanwhile_is_not_made(office, browse, shop, monkeypatch):
    monkeypatch.setattr(exports, "DIRECTLY", 0)
    browse(ADMIN).post(f"/users/export/csv?point={shop.utility.points[HARBOUR]}")
    (job,) = shop.rows(Job)

    def gone(session):
        asked = session.get(Job, job.id)
        asked.params = asked.params | {"query": "point=999999"}

    shop.change(gone)
    done = work(office, job.id)
    assert (done.state, done.error, done.stored) == (JobState.FAILED, "filter_left_out", None)


def test_a_report_says_what_is_left_out_and_makes_no_file_of_it(browse, shop):
    admin = browse(ADMIN)
    page = admin.get(f"{SALES_REPORT}?point=999999&period=this_month").text
    assert LEFT_OUT.format("Vending point") in main_part(page)
    answer = admin.post(f"{SALES_REPORT}export/csv?point=999999&period=this_month")
    assert answer.status_code == 422
    assert NO_FILE in main_part(answer.text)
