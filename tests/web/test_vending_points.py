"""Vending points: closing and opening one, moving it, and what is refused."""

import pytest

from tests.factories import HARBOUR, MARKET, NOW, OPERATOR, SUPERVISOR
from tests.web.office import ADMIN, NORTH_SUPERVISOR, contents, said
from tests.web.records import permit, read, sent, the_form
from vmsapp.models import AuditEvent, Sale, VendingPoint
from vmsapp.services.vending.errors import VendingPointClosed


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def harbour(utility) -> int:
    return utility.points[HARBOUR]


def form_of(browser, path: str) -> dict[str, str]:
    form = sent(the_form(read(browser.get(path).text)))
    return {name: value for name, value in form.items() if name != "csrf_token"}


def close(browser, point: int, deed: str = "close"):
    return browser.post(f"/vending-points/close/{point}", {"deed": deed})


def events(shop) -> list[tuple[str, dict]]:
    return [(event.action, event.details) for event in shop.rows(AuditEvent)
            if event.action.startswith("vending_point.")]  # fmt: skip


# closing


def test_a_closed_vending_point_sells_nothing_until_it_is_open_again(admin, shop, harbour):
    asked = read(admin.get(f"/vending-points/close/{harbour}").text)
    assert "1 user sells there and cannot sell until it is open again: operator" in asked.text
    assert close(admin, harbour).location == f"/vending-points/show/{harbour}"
    assert shop.rows(VendingPoint, VendingPoint.id == harbour)[0].closed_at == NOW
    with pytest.raises(VendingPointClosed, match=HARBOUR):
        shop.sell()
    assert shop.count(Sale) == 0
    close(admin, harbour, "reopen")
    assert shop.sell().state == "issued"
    assert events(shop) == [
        ("vending_point.closed", {"sellers": [OPERATOR]}),
        ("vending_point.reopened", {"closed_at": NOW.isoformat()}),
    ]


def test_closing_twice_keeps_the_first_moment_and_is_written_once(admin, shop, clock, harbour):
    close(admin, harbour)
    clock.forward(days=1)
    close(admin, harbour)
    assert shop.rows(VendingPoint, VendingPoint.id == harbour)[0].closed_at == NOW
    assert len(events(shop)) == 1


def test_an_operator_whose_vending_point_is_closed_is_told_so(admin, browse, utility, harbour):
    operator = browse(OPERATOR)
    form = operator.purchase(utility.meters["legacy 11"], mode="quantity", value="50")
    close(admin, harbour)
    answer = operator.sell(utility.meters["legacy 11"], form)
    assert answer.status_code == 409
    assert f"Vending point “{HARBOUR}” is closed." in said(answer.text)
    del form["vending_point"]
    answer = operator.sell(utility.meters["legacy 11"], form)
    assert f"Vending point “{HARBOUR}” is closed." in said(answer.text)


def test_a_closed_vending_point_is_offered_nowhere(admin, browse, shop, utility, harbour):
    path = f"/counter/meter/{utility.meters['legacy 11']}?key=1-x"
    assert HARBOUR in browse(SUPERVISOR).get(path).text
    close(admin, harbour)
    assert HARBOUR not in read(browse(SUPERVISOR).get(path).text).text
    assert [one["text"] for one in admin.get("/vending-points/lookup").json] == [MARKET]
    closed = read(admin.get("/vending-points/list/?closed=yes").text)
    assert [link.text for link in closed.all("a", "row-link")] == [HARBOUR]
    still_open = read(admin.get("/vending-points/list/?closed=no").text)
    assert [link.text for link in still_open.all("a", "row-link")] == [MARKET]


def test_a_vending_point_of_another_region_cannot_be_closed(browse, shop, utility, engine):
    permit(shop, "VendingPoints", "can_close", "can_show", "can_list")
    keeper, before = browse(NORTH_SUPERVISOR), contents(engine)
    for answer in (close(keeper, utility.points[MARKET]),
                   keeper.get(f"/vending-points/close/{utility.points[MARKET]}")):  # fmt: skip
        assert answer.status_code == 404
    assert contents(engine) == before
    assert close(keeper, utility.points[HARBOUR]).status_code == 302


# moving and deleting


def test_moving_one_whose_users_would_not_see_it_names_them_and_keeps_what_was_typed(
    admin, shop, utility, harbour
):
    path = f"/vending-points/edit/{harbour}"
    typed = form_of(admin, path) | {"region": str(utility.regions["south"].id), "address": "Pier"}
    answer = admin.post(path, typed)
    assert answer.status_code == 422
    page = read(answer.text)
    assert "do not see that region: operator." in page.one(id="region-error").text
    kept = sent(the_form(page))
    assert (kept["region"], kept["address"]) == (typed["region"], "Pier")
    assert shop.rows(VendingPoint, VendingPoint.id == harbour)[0].region_id != int(typed["region"])


def test_moving_one_whose_users_see_the_new_region_takes_its_sales_along(
    admin, browse, shop, utility, people, harbour
):
    sale = shop.sell()
    shop.change(
        lambda session: setattr(
            session.merge(people[OPERATOR]), "region_id", utility.regions["country"].id
        )
    )
    path, south = f"/vending-points/edit/{harbour}", str(utility.regions["south"].id)
    assert browse(NORTH_SUPERVISOR).get(f"/sales/show/{sale.id}").status_code == 200
    assert admin.post(path, form_of(admin, path) | {"region": south}).status_code == 302
    assert browse(NORTH_SUPERVISOR).get(f"/sales/show/{sale.id}").status_code == 404


def test_one_that_has_sold_stays_on_record(admin, shop, harbour, engine):
    shop.sell()
    before = contents(engine)
    answer = admin.post(f"/vending-points/delete/{harbour}")
    assert answer.status_code == 409
    assert "has sold tokens, so it stays on record. Close it instead." in answer.text
    assert contents(engine) == before


@pytest.mark.parametrize(("typed", "kept"), [
    ("+254 (20) 123-456", "+254 (20) 123-456"), ("020 1; 020 2", "020 1; 020 2"), ("", ""),
    ("٠٢٠ ١٢٣", "020 123"), ("call me", None), ("1", None), ("+", None), ("=1+2", None),
])  # fmt: skip
def test_a_telephone_number_has_digits(admin, shop, harbour, typed, kept):
    path = f"/vending-points/edit/{harbour}"
    answer = admin.post(path, form_of(admin, path) | {"telephone": typed})
    if kept is None:
        assert answer.status_code == 422
        assert read(answer.text).one(id="telephone-error").text
        assert sent(the_form(read(answer.text)))["telephone"] == typed
    else:
        assert answer.status_code == 302
        assert shop.rows(VendingPoint, VendingPoint.id == harbour)[0].telephone == kept
