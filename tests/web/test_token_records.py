"""The lists of tokens under Reports: whose they show, and to whom their digits."""

import csv
import io
import re

import pytest
from sqlalchemy import update

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    HARBOUR,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.web.office import ADMIN, BOTH, ENGINEER
from tests.web.records import links, permit, read, rows
from tests.web.test_digits_stay import holds
from vmsapp.models import AuditEvent, KeyChange, KeyChangeToken, Sale

pytestmark = pytest.mark.ring

SALES, SETS = "/sales-tokens", "/key-change-tokens"


@pytest.fixture
def listed(browse):
    """The rows of a list, by the text of their first cell."""

    def ask(base: str, who: str = ADMIN, **query: object) -> dict[str, list[str]]:
        page = browse(who).get(f"{base}/list/", query_string={"size": 100} | query)
        assert page.status_code == 200
        return {row[0]: row for row in rows(read(page.text))}

    return ask


def grouped(text: str) -> str:
    return " ".join(re.findall("....", text))


def masked(text: str) -> str:
    return "•" * 16 + text[-4:]


def handed_out(shop, sale: Sale) -> str:
    """Have a sale's digits be shown, as at the counter, and give them back."""
    values = {"shown_at": shop.clock()}
    shop.change(lambda s: s.execute(update(Sale).where(Sale.id == sale.id).values(values)))
    return shop.digits(sale)


@BOTH
def test_digits_stand_in_full_for_whoever_may_and_masked_for_everybody_else(
    listed, browse, shop, backend
):
    sale = shop.sell()
    text = handed_out(shop, sale)
    for who in (ADMIN, SUPERVISOR):
        assert grouped(text) in listed(SALES, who)[str(sale.id)]
    for who in (OPERATOR, AUDITOR, ENGINEER):
        page = browse(who).get(f"{SALES}/list/").text
        assert not holds(page, text), who
    for who in (OPERATOR, AUDITOR):
        assert masked(text) in listed(SALES, who)[str(sale.id)]


@pytest.mark.parametrize("values", [{"shown_at": None}, {"state": "reversed"}])
def test_digits_that_never_left_or_were_taken_back_are_told_to_nobody(listed, browse, shop, values):
    sale = shop.sell()
    text = handed_out(shop, sale)
    shop.change(lambda s: s.execute(update(Sale).where(Sale.id == sale.id).values(values)))
    admin = browse(ADMIN)
    assert masked(text) in listed(SALES)[str(sale.id)]
    for page in (admin.get(f"{SALES}/list/").text, admin.post(f"{SALES}/export/csv").text):
        assert not holds(page, text)


@pytest.mark.parametrize(("who", "whole"), [(SUPERVISOR, True), (AUDITOR, False)])
def test_a_file_masks_the_digits_as_the_list_does_and_is_on_record(browse, shop, who, whole):
    sale = shop.sell()
    text = handed_out(shop, sale)
    answer = browse(who).post(f"{SALES}/export/csv")
    head, line = csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline=""))
    told = dict(zip(head, line, strict=True))
    assert told["Token"] == (grouped(text) if whole else masked(text))
    assert told["Meter number"] == shop.meter(LEGACY_11).drn
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "sales_tokens.exported")
    assert event.details["rows"] == 1
    assert text not in str(event.details)


def test_whoever_has_a_vending_point_sees_its_tokens_alone(listed, shop):
    north = shop.sell()
    south = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    assert set(listed(SALES, OPERATOR)) == {str(north.id)}
    assert set(listed(SALES, SOUTH_OPERATOR)) == {str(south.id)}
    assert set(listed(SALES)) == {str(north.id), str(south.id)}


def test_sales_without_a_token_are_not_in_the_list(listed, shop):
    sale = shop.sell()
    failed = {"state": "failed", "receipt_number": None, "receipt_series": None, "failure": "x"}
    shop.change(lambda s: s.execute(update(Sale).where(Sale.id == sale.id).values(failed)))
    assert listed(SALES) == {}


def test_tokens_are_found_by_day_point_meter_kind_and_person(listed, shop, utility):
    first = str(shop.sell().id)
    shop.clock.forward(days=1)
    second = str(shop.sell(DOMESTIC).id)
    south = str(shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR).id)
    assert set(listed(SALES, sold_to="2026-03-17")) == {first}
    assert set(listed(SALES, sold_from="2026-03-18")) == {second, south}
    assert set(listed(SALES, point=utility.points[HARBOUR])) == {first, second}
    assert set(listed(SALES, meter=utility.meters[DOMESTIC])) == {second}
    assert set(listed(SALES, kind="sale")) == {first, second, south}
    assert listed(SALES, kind="free") == {}
    assert set(listed(SALES, OPERATOR, by="me")) == {first, second}
    assert listed(SALES, by="me") == {}


def test_the_lists_lead_to_each_other_as_far_as_the_reader_may(browse):
    ways = links(read(browse(ADMIN).get(f"{SALES}/list/").text))
    assert ways["Key change tokens"] == f"{SETS}/list/"
    assert ways["Engineering tokens"] == "/engineering/list/"
    assert ways["Non-meter-specific tokens"] == "/test-tokens/list/"
    assert ways["Refused engineering tokens"] == "/engineering-refusals/list/"
    few = links(read(browse(OPERATOR).get(f"{SALES}/list/").text))
    assert "Key change tokens" in few
    assert "Engineering tokens" not in few


def digits_of(shop, change) -> list[str]:
    found = shop.rows(KeyChangeToken, KeyChangeToken.key_change_id == change.id)
    return [one.digits for one in sorted(found, key=lambda one: one.number)]


def test_a_set_of_a_key_change_is_one_record_with_all_its_tokens(listed, browse, shop, keys):
    change = keys.start(LEGACY_11, ti="02")
    whole = ", ".join(map(grouped, digits_of(shop, change)))
    hidden = ", ".join(map(masked, digits_of(shop, change)))
    row = listed(SETS)[f"K-{change.id}"]
    assert whole in row
    assert SUPERVISOR in row
    assert f"{change.old_sgc} / 1 / 01" in row
    assert whole in listed(SETS, SUPERVISOR)[f"K-{change.id}"]
    for who in (AUDITOR, ENGINEER):
        assert hidden in listed(SETS, who)[f"K-{change.id}"]
        page = browse(who).get(f"{SETS}/list/").text
        assert not any(holds(page, one) for one in digits_of(shop, change))


def test_of_a_set_the_meter_refused_no_digits_are_told(listed, shop, keys):
    change = keys.start(LEGACY_11, ti="02")
    values = {"state": "refused", "closed_at": shop.clock()}
    shop.change(
        lambda s: s.execute(update(KeyChange).where(KeyChange.id == change.id).values(values))
    )
    assert ", ".join(map(masked, digits_of(shop, change))) in listed(SETS)[f"K-{change.id}"]


def test_a_set_is_of_the_point_whose_people_made_it_or_that_handed_it_out(listed, shop, keys):
    change = keys.start(LEGACY_11, ti="02")  # by a supervisor of no vending point
    assert listed(SETS, OPERATOR) == {}
    shop.sell(LEGACY_11)  # hands the set out
    assert set(listed(SETS, OPERATOR)) == {f"K-{change.id}"}
    assert listed(SETS, SOUTH_OPERATOR) == {}


def test_digits_of_sets_need_both_permissions(listed, shop, keys):
    change = keys.start(LEGACY_11, ti="02")
    shop.sell(LEGACY_11)
    permit(shop, "TokenRecords", "can_digits", group="Operator")
    hidden = ", ".join(map(masked, digits_of(shop, change)))
    assert hidden in listed(SETS, OPERATOR)[f"K-{change.id}"]


def test_without_a_region_nothing_is_seen(listed, shop, people):
    shop.sell()
    shop.change(
        lambda s: s.execute(
            update(type(people[SUPERVISOR]))
            .where(type(people[SUPERVISOR]).id == people[SUPERVISOR].id)
            .values(region_id=None)
        )
    )
    assert listed(SALES, SUPERVISOR) == {}
    assert listed(SETS, SUPERVISOR) == {}


def test_a_token_of_a_sale_leads_to_the_sale_for_who_sees_sales(browse, shop):
    sale = shop.sell()
    page = browse(OPERATOR).get("/sales-tokens/list/").text
    assert f'<a href="/sales/show/{sale.id}">{sale.id}</a>' in page


def test_a_ready_made_period_moves_on_with_the_days(browse, shop, clock):
    shop.sell()
    query = {"sold": "yesterday"}
    admin = browse(ADMIN)
    page = admin.get(f"{SALES}/list/", query_string=query).text
    assert "Business date: Yesterday: Mar 16, 2026" in " ".join(re.sub("<[^>]+>", "", page).split())
    assert rows(read(page)) == []
    clock.forward(days=1)
    page = browse(ADMIN).get(f"{SALES}/list/", query_string=query).text
    assert len(rows(read(page))) == 1
