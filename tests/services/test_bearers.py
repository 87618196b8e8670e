"""Bearers of programs: for whom they are made, when they count, and who sees them."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from tests import factories
from tests.factories import NOW, OPERATOR, SOUTH_OPERATOR, SUPERVISOR, TODAY, ZONE
from vmsapp.errors import VmsError
from vmsapp.models import AuditEvent, Bearer, BearerScope, OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, seen_by, unscoped
from vmsapp.services import bearers, users
from vmsapp.services.bearers import MOST, Wish
from vmsapp.services.sign_in import FORGOTTEN
from vmsapp.services.users import AccountOfProgram

ALL = tuple(BearerScope)
MIDNIGHT = datetime(2026, 4, 16, 21, 0, tzinfo=UTC)
"""The end of 16 April 2026 in Nairobi, three hours east of UTC all year (IANA: EAT)."""


def make(shop, name=OPERATOR, *, label="App", scopes=ALL, last_day=date(2026, 4, 16)):
    user_id = shop.utility.users[name].id
    with shop.session() as session, seen_by(SYSTEM):
        return bearers.make(session, SYSTEM, user_id, Wish(label, scopes, last_day), ZONE)


def client_of(shop, text):
    with shop.session() as session:
        return bearers.client_of(session, text, "192.0.2.7")


def give_code(shop, name=OPERATOR):
    with shop.session() as session, seen_by(SYSTEM):
        users.give_code(session, SYSTEM, shop.utility.users[name].id, b"k" * 32)


def change(shop, name=OPERATOR, **values):
    def do(session):
        user = session.get_one(OfficeUser, shop.utility.users[name].id)
        for key, value in values.items():
            setattr(user, key, value)

    shop.change(do)


def test_a_bearer_says_whose_it_is_and_what_it_is_for(shop):
    made = make(shop, scopes=(BearerScope.SALES_READ, BearerScope.METERS_READ))
    client = client_of(shop, made.text)
    assert client.actor.user_id == shop.utility.users[OPERATOR].id
    assert client.actor.sight == shop.actor(OPERATOR).sight
    assert client.actor.address == "192.0.2.7"
    assert client.scopes == {BearerScope.METERS_READ, BearerScope.SALES_READ}


def test_only_its_hash_is_kept_and_nothing_shows_it_again(shop):
    made = make(shop)
    assert re.fullmatch(r"vms_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", made.text)  # 32 bytes in base64
    [row] = shop.rows(Bearer)
    kept = [str(value) for value in vars(row).values()]
    assert made.text.startswith(f"{row.mark}_")
    assert [value for value in kept if made.text[len(row.mark) :] in value] == []
    assert made.text not in repr(made) + repr(row)
    events = [event.details for event in shop.rows(AuditEvent, AuditEvent.action == "bearer.made")]
    assert [event["mark"] for event in events] == [row.mark]
    assert made.text not in str(events)


def test_it_counts_to_the_end_of_its_last_day_in_the_utilitys_zone(shop):
    made = make(shop)
    assert made.expires_at == MIDNIGHT
    assert client_of(shop.at(MIDNIGHT - timedelta(microseconds=1)), made.text) is not None
    assert client_of(shop.at(MIDNIGHT), made.text) is None


def test_another_or_none_is_nobodys(shop):
    made = make(shop)
    for text in ("", "vms_", made.text[:-1], made.text + "A", made.text.upper(), "x" * 10_000):
        assert client_of(shop, text) is None


def test_a_withdrawn_one_counts_no_more(shop):
    made = make(shop)
    user_id = shop.utility.users[OPERATOR].id
    for _ in range(2):  # the second time it is withdrawn already
        with shop.session() as session, seen_by(SYSTEM):
            bearers.withdraw(session, SYSTEM, user_id, made.id)
    assert client_of(shop, made.text) is None
    assert shop.count(AuditEvent, AuditEvent.action == "bearer.withdrawn") == 1


@pytest.mark.parametrize("values", [{"active": False}, {"password": "pbkdf2:sha256:1$a$b"}])
def test_it_ends_with_its_account_and_when_a_person_gets_it(shop, values):
    made = make(shop)
    change(shop, **values)
    assert client_of(shop, made.text) is None


def test_wrong_passwords_typed_by_anybody_do_not_stop_it(shop):
    made = make(shop)
    change(shop, locked_until=NOW + timedelta(hours=1), fail_login_count=5)
    assert client_of(shop, made.text) is not None


def test_a_one_time_code_counts_no_more_once_the_account_is_a_programs(shop):
    change(shop, code_hash="0" * 64, code_until=NOW + timedelta(hours=1))
    make(shop)
    [user] = shop.rows(OfficeUser, OfficeUser.username == OPERATOR)
    assert (user.code_hash, user.code_until) == (None, None)


def test_an_account_with_a_password_gets_none(shop):
    change(shop, password="pbkdf2:sha256:1$a$b")
    with pytest.raises(bearers.AccountOfPerson):
        make(shop)


ONCE_A_PERSONS = [
    {"password": FORGOTTEN},
    {"login_count": 1},
    {"last_login": datetime(2026, 3, 1, 8, 0)},  # noqa: DTZ001 - as the framework keeps it
    {"must_change_password": True},
    {"totp_secret": b"sealed"},
]
"""What an account keeps of a person, though a one-time code took the password's place."""


@pytest.mark.parametrize("values", ONCE_A_PERSONS)
def test_an_account_of_which_anything_tells_of_a_person_gets_none(shop, values):
    change(shop, **values)
    with pytest.raises(bearers.AccountOfPerson):
        make(shop)


@pytest.mark.parametrize("values", ONCE_A_PERSONS)
def test_a_bearer_that_was_made_for_a_persons_account_does_not_count(shop, values):
    made = make(shop)
    change(shop, **values)
    assert client_of(shop, made.text) is None


def test_a_one_time_code_makes_no_program_of_a_person(shop):
    change(shop, password="pbkdf2:sha256:1$a$b")
    give_code(shop)
    [user] = shop.rows(OfficeUser, OfficeUser.username == OPERATOR)
    assert user.password == FORGOTTEN
    with pytest.raises(bearers.AccountOfPerson):
        make(shop)
    give_code(shop)  # a second one forgets nothing, either
    with pytest.raises(bearers.AccountOfPerson):
        make(shop)


def test_a_code_that_nobody_used_leaves_a_new_account_to_its_program(shop):
    give_code(shop)  # as adding an account without a first password does
    made = make(shop)
    assert client_of(shop, made.text) is not None


def test_a_programs_account_is_handed_to_nobody_while_its_bearers_count(shop):
    made = make(shop)
    with pytest.raises(AccountOfProgram):
        give_code(shop)
    assert client_of(shop, made.text) is not None
    with shop.session() as session, seen_by(SYSTEM):
        bearers.withdraw(session, SYSTEM, shop.utility.users[OPERATOR].id, made.id)
    give_code(shop)


def test_an_administrators_account_gets_none(shop):
    def promote(session):
        role = Role(name="Administrator", ready_made="Administrator")
        session.add(role)
        session.get_one(OfficeUser, shop.utility.users[OPERATOR].id).roles = [role]

    shop.change(promote)
    with pytest.raises(bearers.AccountOfAdministrator):
        make(shop)


@pytest.mark.parametrize(("wish", "error"), [
    ({"label": "  "}, bearers.NameMissing),
    ({"label": "x" * 61}, bearers.NameMissing),
    ({"scopes": ()}, bearers.ScopesMissing),
    ({"last_day": None}, bearers.LastDayWrong),
    ({"last_day": TODAY - timedelta(days=1)}, bearers.LastDayWrong),
    ({"last_day": TODAY + timedelta(days=732)}, bearers.LastDayWrong),
])  # fmt: skip
def test_what_is_left_out_or_too_much_is_asked_for_again(shop, wish, error):
    with pytest.raises(error):
        make(shop, **wish)
    assert shop.rows(Bearer) == []


def test_today_and_two_years_are_last_days(shop):
    make(shop, last_day=TODAY)
    make(shop, last_day=TODAY + timedelta(days=731))
    assert shop.count(Bearer) == 2


def test_an_account_has_no_more_than_somebody_keeps_track_of(shop):
    for _ in range(MOST):
        make(shop, last_day=TODAY)
    with pytest.raises(bearers.TooManyBearers):
        make(shop, last_day=TODAY)
    shop.clock.forward(days=1)
    make(shop)  # those of yesterday count no more


def test_they_are_seen_with_their_accounts(shop):
    north, south = make(shop), make(shop, SOUTH_OPERATOR)
    seen = {}
    for name in (OPERATOR, SOUTH_OPERATOR, SUPERVISOR):
        with shop.session() as session, seen_by(shop.actor(name)):
            seen[name] = {row.id for row in session.query(Bearer)}
    assert seen == {
        OPERATOR: {north.id}, SOUTH_OPERATOR: {south.id}, SUPERVISOR: {north.id, south.id},
    }  # fmt: skip


def test_nobody_makes_or_withdraws_one_of_an_account_out_of_sight(shop):
    made = make(shop, SOUTH_OPERATOR)
    theirs, actor = shop.utility.users[SOUTH_OPERATOR].id, shop.actor(OPERATOR)
    wish = Wish("App", ALL, TODAY)
    for deed in (
        lambda session: bearers.make(session, actor, theirs, wish, ZONE),
        lambda session: bearers.withdraw(session, actor, theirs, made.id),
        lambda session: bearers.bearers_of(session, actor, theirs),
    ):
        with shop.session() as session, seen_by(actor), pytest.raises(VmsError) as refused:
            deed(session)
        assert refused.value.code == "not_found"
    assert client_of(shop, made.text) is not None


def test_one_is_withdrawn_on_the_page_of_its_own_account_alone(shop):
    made = make(shop)
    theirs = shop.utility.users[SOUTH_OPERATOR].id
    with shop.session() as session, seen_by(SYSTEM), pytest.raises(VmsError):
        bearers.withdraw(session, SYSTEM, theirs, made.id)
    assert client_of(shop, made.text) is not None


def test_its_last_use_is_noted_every_five_minutes(shop):
    made = make(shop)
    first = client_of(shop, made.text)
    assert first.notes_use
    bearers.note_use(shop.engine, made.id)
    with unscoped("the test looks at everything"):
        [row] = shop.rows(Bearer)
    assert row.used_at == factories.NOW
    shop.clock.forward(minutes=4)
    assert not client_of(shop, made.text).notes_use
    shop.clock.forward(minutes=1)
    assert client_of(shop, made.text).notes_use
