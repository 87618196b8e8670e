"""The pages of bearers: made by an administrator, shown once, withdrawn."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.factories import OPERATOR, TODAY
from tests.web.channels import KIOSK, Channel, account, user_named
from tests.web.office import ADMIN, main_part, said
from vmsapp.models import AuditEvent, Bearer, OfficeUser
from vmsapp.models.user import Role


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def kiosk(shop, office):
    return account(shop)


def make(admin, user_id, **typed):
    path = f"/users/{user_id}/bearers/make"
    month = str(TODAY + timedelta(days=30))
    return admin.post(path, {"name": "Kiosk", "scopes": ["meters:read"], "last_day": month} | typed)


def test_a_bearer_is_shown_once_and_works(admin, kiosk, office, shop, people):
    page = make(admin, kiosk)
    assert page.status_code == 200
    text = re.search(r'<code id="bearer" dir="ltr">(vms_[\w-]+)</code>', page.text)[1]
    [row] = shop.rows(Bearer)
    assert (row.user_id, row.name, row.scopes) == (kiosk, "Kiosk", "meters:read")
    assert row.made_by_id == people[ADMIN].id
    answer = Channel(office, text).get("/client")
    assert answer.status_code == 200
    assert answer.json["account"] == KIOSK
    listed = admin.get(f"/users/{kiosk}/bearers").text
    assert row.mark in listed
    assert text not in listed
    assert "Look meters up" in listed
    assert page.headers["Cache-Control"] == "no-store"


def test_the_account_leads_there_and_the_own_one_does_not(admin, kiosk, people):
    assert f"/users/{kiosk}/bearers" in admin.get(f"/users/show/{kiosk}").text
    mine = people[ADMIN].id
    assert "/bearers" not in admin.get(f"/users/show/{mine}").text
    assert admin.get(f"/users/{mine}/bearers").status_code == 422


def test_one_is_withdrawn_and_stops_at_once(admin, kiosk, office, shop):
    text = re.search(r"(vms_[0-9a-f]{8}_[\w-]+)</code>", make(admin, kiosk).text)[1]
    [row] = shop.rows(Bearer)
    answer = admin.post(f"/users/{kiosk}/bearers/{row.id}/withdraw")
    assert answer.location == f"/users/{kiosk}/bearers"
    assert Channel(office, text).get("/client").status_code == 401
    page = admin.get(f"/users/{kiosk}/bearers").text
    assert "Withdrawn" in page
    assert f"/{row.id}/withdraw" not in page
    actions = [event.action for event in shop.rows(AuditEvent)]
    assert [one for one in actions if one.startswith("bearer.")] == [
        "bearer.made", "bearer.withdrawn",
    ]  # fmt: skip


def test_no_bearer_of_another_account_is_withdrawn_by_its_number(admin, kiosk, shop, people):
    make(admin, kiosk)
    [row] = shop.rows(Bearer)
    answer = admin.post(f"/users/{people[OPERATOR].id}/bearers/{row.id}/withdraw")
    assert answer.status_code == 404
    assert shop.rows(Bearer)[0].withdrawn_at is None


@pytest.mark.parametrize(("typed", "sentence"), [
    ({"name": ""}, "Say what it is for."),
    ({"scopes": []}, "Choose at least one thing that it may do."),
    ({"scopes": ["everything"]}, "Choose at least one thing that it may do."),
    ({"last_day": str(TODAY - timedelta(days=1))}, "Choose its last day"),
    ({"last_day": ""}, "Enter a date."),
])  # fmt: skip
def test_what_is_missing_is_said_beside_its_field(admin, kiosk, shop, typed, sentence):
    page = make(admin, kiosk, **typed)
    assert page.status_code == 422
    assert sentence in said(page.text)
    assert shop.rows(Bearer) == []


def test_an_account_of_a_person_gets_none(admin, people, shop):
    page = make(admin, people[OPERATOR].id)
    assert page.status_code == 409
    assert "Somebody signs in with this account" in page.text
    assert shop.rows(Bearer) == []


def test_a_person_who_has_a_one_time_code_in_hand_stays_a_person(admin, people, shop):
    number = people[OPERATOR].id
    assert admin.post(f"/users/action/give_code/{number}").status_code == 200
    page = make(admin, number, scopes=["sales:write"])
    assert page.status_code == 409
    assert "Somebody signs in with this account" in page.text
    assert shop.rows(Bearer) == []


def test_a_one_time_code_for_a_program_is_refused_in_a_sentence(admin, kiosk, office):
    text = re.search(r"(vms_[0-9a-f]{8}_[\w-]+)</code>", make(admin, kiosk).text)[1]
    page = admin.post(f"/users/action/give_code/{kiosk}")
    assert page.status_code == 409
    assert "A program uses this account: it has bearers that count." in main_part(page.text)
    assert Channel(office, text).get("/client").status_code == 200


@pytest.mark.usefixtures("kiosk")
def test_an_account_that_was_added_without_a_password_is_a_programs(admin, office, shop):
    typed = {
        "username": "booth", "first_name": "The", "last_name": "Booth", "email": "booth@test",
        "group": "Group of kiosk", "region": str(shop.utility.regions["north"].id),
        "language": "", "password": "",
    }  # fmt: skip
    page = admin.post("/users/add", typed)
    assert 'id="code"' in page.text  # nobody needs it, and nobody uses it
    number = user_named(shop, "booth").id
    text = re.search(r"(vms_[0-9a-f]{8}_[\w-]+)</code>", make(admin, number).text)[1]
    assert Channel(office, text).get("/client").json["account"] == "booth"


def test_none_is_offered_at_an_account_of_a_person_and_a_new_account_is(admin, people):
    path = f"/users/{people[OPERATOR].id}/bearers"
    page = admin.get(path).text
    assert "Somebody signs in with this account" in main_part(page)
    assert 'href="/users/add"' in main_part(page)
    assert f"{path}/make" not in page
    opened = admin.get(f"{path}/make")
    assert (opened.status_code, opened.location) == (302, path)


def test_none_is_offered_to_an_administrator_s_program_and_its_group_is(admin, kiosk, shop):
    def promote(session):
        groups = session.scalars(select(Role).where(Role.ready_made == "Administrator"))
        session.get(OfficeUser, kiosk).roles = list(groups)

    shop.change(promote)
    page = main_part(admin.get(f"/users/{kiosk}/bearers").text)
    assert "No program works as an administrator" in page
    assert f'href="/users/edit/{kiosk}"' in page
    assert "/make" not in page


def test_where_there_are_as_many_as_may_be_one_is_withdrawn_first(admin, kiosk, shop):
    for n in range(10):  # docs/api.md: "An account has ten at most"
        assert "/make" in admin.get(f"/users/{kiosk}/bearers").text
        assert make(admin, kiosk, name=f"Kiosk {n}").status_code == 200
    page = main_part(admin.get(f"/users/{kiosk}/bearers").text)
    assert "This account has 10 bearers that count. Withdraw one first." in page
    assert "/make" not in page
    first = shop.rows(Bearer)[0]
    admin.post(f"/users/{kiosk}/bearers/{first.id}/withdraw")
    assert "/make" in admin.get(f"/users/{kiosk}/bearers").text
