"""Signed-in sessions as rows: what is kept, how long they live, what ends them."""

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, NoResultFound

from tests.factories import AUDITOR, NOW, OPERATOR, SUPERVISOR
from vmsapp.errors import NotFound
from vmsapp.models import AuditEvent, OfficeUser, UserSession
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import sessions
from vmsapp.services.users import new_password

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HALF_A_MINUTE = timedelta(seconds=30)


def as_(shop, deed, *args, by=OPERATOR, **named):
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        return deed(session, actor, *args, **named)


def begin(shop, by=OPERATOR, address="10.0.0.7", user_agent=FIREFOX) -> str:
    user_id = shop.utility.users[by].id
    with shop.session() as session:
        return sessions.begin(session, user_id, address=address, user_agent=user_agent)


def own(shop, by=OPERATOR) -> list[int]:
    return [row.id for row in as_(shop, sessions.own_sessions, timedelta(hours=1), by=by)]


def rows(shop) -> list[UserSession]:
    return sorted(shop.rows(UserSession), key=lambda row: row.id)


def told(shop) -> list[tuple[str, str, str | None]]:
    """What the audit trail says: who did what to which."""
    events = sorted(shop.rows(AuditEvent), key=lambda event: event.id)
    return [(event.actor_name, event.action, event.subject_id) for event in events]


def test_a_session_keeps_the_hash_of_its_ticket_and_never_the_ticket(shop):
    ticket = begin(shop)
    (row,) = rows(shop)
    assert row.ticket_hash == hashlib.sha256(ticket.encode()).hexdigest()
    assert len(ticket) >= 43  # 32 bytes in base 64
    assert ticket not in repr([vars(row) for row in shop.rows(UserSession)])
    assert (row.user_id, row.created_at, row.seen_at) == (shop.utility.users[OPERATOR].id, NOW, NOW)
    assert (row.address, row.device) == ("10.0.0.7", "Firefox 128, Linux")
    assert (row.ended_at, row.ended_why) == (None, None)


def test_no_two_sessions_have_the_same_ticket(shop):
    assert len({begin(shop) for _ in range(20)}) == 20
    twice = rows(shop)[0].ticket_hash

    def add(session):
        session.add(UserSession(user_id=shop.utility.users[OPERATOR].id, ticket_hash=twice,
                                created_at=NOW, seen_at=NOW, device=""))  # fmt: skip

    with pytest.raises(IntegrityError):
        shop.change(add)


def test_an_end_has_a_reason_and_a_reason_an_end(shop):
    begin(shop)

    def end_without_reason(session):
        session.scalars(select(UserSession)).one().ended_at = NOW

    with pytest.raises(IntegrityError):
        shop.change(end_without_reason)


@pytest.mark.parametrize(("used_until", "now", "lives"), [
    (timedelta(0), timedelta(minutes=65) - HALF_A_MINUTE, True),  # written every 5 minutes
    (timedelta(0), timedelta(minutes=65), False),
    (timedelta(hours=11, minutes=30), timedelta(hours=12) - HALF_A_MINUTE, True),
    (timedelta(hours=11, minutes=30), timedelta(hours=12), False),
    (timedelta(hours=11), timedelta(hours=12) - HALF_A_MINUTE, True),
    (timedelta(hours=10), timedelta(hours=12) - HALF_A_MINUTE, False),
])  # fmt: skip
def test_a_session_lives_an_hour_unused_and_twelve_hours_at_most(shop, used_until, now, lives):
    begin(shop)
    shop.change(
        lambda s: setattr(s.scalars(select(UserSession)).one(), "seen_at", NOW + used_until)
    )
    shop.at(NOW + now)
    assert own(shop) == ([rows(shop)[0].id] if lives else [])


def test_people_see_their_own_sessions_the_one_used_last_first(shop):
    begin(shop)
    shop.clock.forward(minutes=1)
    begin(shop, by=SUPERVISOR)
    begin(shop)
    first, theirs, last = (row.id for row in rows(shop))
    assert own(shop) == [last, first]
    assert own(shop, SUPERVISOR) == [theirs]


def test_one_of_the_own_sessions_can_be_ended_once(shop):
    begin(shop)
    begin(shop)
    first, second = own(shop)
    shop.clock.forward(minutes=1)
    as_(shop, sessions.end, first)
    assert own(shop) == [second]
    ended = next(row for row in rows(shop) if row.id == first)
    assert (ended.ended_at, ended.ended_why) == (NOW + timedelta(minutes=1), "ended")
    with pytest.raises(NotFound):
        as_(shop, sessions.end, first)
    assert told(shop) == [("operator", "session.ended", str(first))]


@pytest.mark.parametrize("by", [SUPERVISOR, OPERATOR])
def test_nobody_ends_a_session_of_somebody_else_or_of_nobody(shop, by):
    begin(shop, by=OPERATOR if by == SUPERVISOR else SUPERVISOR)
    for session_id in (rows(shop)[0].id, 10**6):
        with pytest.raises(NotFound):
            as_(shop, sessions.end, session_id, by=by)
    as_(shop, sessions.sign_out, rows(shop)[0].id, by=by)
    as_(shop, sessions.end_others, 10**6, by=by)
    assert [row.ended_at for row in rows(shop)] == [None]
    assert told(shop) == []


def test_all_others_are_ended_and_this_one_stays(shop):
    for _ in range(3):
        begin(shop)
    begin(shop, by=SUPERVISOR)
    kept, *others = own(shop)
    as_(shop, sessions.end_others, kept)
    assert own(shop) == [kept]
    assert len(own(shop, SUPERVISOR)) == 1
    assert sorted(told(shop)) == sorted(("operator", "session.ended", str(n)) for n in others)


def test_signing_out_ends_the_session_and_says_so_once(shop):
    begin(shop)
    (mine,) = own(shop)
    as_(shop, sessions.sign_out, mine)
    as_(shop, sessions.sign_out, mine)
    assert rows(shop)[0].ended_why == "signed_out"
    assert told(shop) == [("operator", "user.signed_out", str(mine))]


def test_the_own_new_password_ends_every_session_and_begins_another(shop):
    old = [begin(shop), begin(shop)]
    begin(shop, by=SUPERVISOR)
    before = own(shop)
    new = as_(shop, sessions.change_own_password, "hash", address=None, user_agent="")
    assert new not in old
    (mine,) = own(shop)
    assert mine not in before
    assert {row.ended_why for row in rows(shop) if row.id in before} == {"new_password"}
    assert len(own(shop, SUPERVISOR)) == 1
    assert shop.rows(OfficeUser, OfficeUser.username == OPERATOR)[0].password == "hash"
    user_id = str(shop.utility.users[OPERATOR].id)
    assert told(shop) == [("operator", "user.password_changed", user_id)]


def test_all_sessions_of_somebody_are_ended_by_who_sees_them(shop):
    begin(shop)
    user_id = shop.utility.users[OPERATOR].id
    as_(shop, sessions.end_all, user_id, by=SUPERVISOR)
    assert own(shop) == []
    assert told(shop) == [("supervisor", "user.sessions_ended", str(user_id))]
    with pytest.raises(NoResultFound):
        as_(shop, sessions.end_all, shop.utility.users[AUDITOR].id, by=SUPERVISOR)


def test_a_password_given_at_the_shell_ends_every_session(shop):
    begin(shop)
    with shop.session() as session, seen_by(SYSTEM):
        new_password(session, SYSTEM, username=OPERATOR, hash_password=str.upper)
    assert [row.ended_why for row in rows(shop)] == ["new_password"]


def change_user(shop, **changed) -> None:
    def change(session):
        user = session.get_one(OfficeUser, shop.utility.users[OPERATOR].id)
        for name, value in changed.items():
            setattr(user, name, value)

    shop.change(change)


def test_who_is_made_inactive_has_no_session_even_when_active_again(shop):
    begin(shop)
    begin(shop, by=SUPERVISOR)
    change_user(shop, active=False)
    assert [row.ended_why for row in rows(shop)] == ["inactive", None]
    change_user(shop, active=True)
    assert own(shop) == []


def test_other_changes_of_a_user_end_no_session(shop):
    begin(shop)
    change_user(shop, first_name="Other", login_count=7, active=True, password="!")
    assert len(own(shop)) == 1


def test_a_password_that_is_not_saved_after_all_ends_nothing(shop):
    begin(shop)
    with shop.session() as session, seen_by(SYSTEM):
        session.get_one(OfficeUser, shop.utility.users[OPERATOR].id).password = "hash"
        session.flush()
        session.rollback()
    assert len(own(shop)) == 1


CHROME = (
    "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0{} Safari/537.36{}"
)
WINDOWS, ANDROID = "Windows NT 10.0; Win64; x64", "Linux; Android 10; K"
AGENTS = {
    FIREFOX: "Firefox 128, Linux",
    CHROME.format(WINDOWS, "", ""): "Chrome 126, Windows",
    CHROME.format(WINDOWS, "", " Edg/126.0.2592.87"): "Edge 126, Windows",
    CHROME.format(WINDOWS, "", " OPR/112.0.0.0"): "Opera 112, Windows",
    CHROME.format(ANDROID, " Mobile", ""): "Chrome 126, Android",
    CHROME.format(ANDROID, " Mobile", " EdgA/126.0.0.0"): "Edge 126, Android",
    CHROME.format("X11; CrOS x86_64 14541.0.0", "", ""): "Chrome 126, ChromeOS",
    "Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36": "Samsung Internet 25, Android",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4.1 Safari/605.1.15": "Safari 17, macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1": "Safari 17, iPhone",
    "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1": "Chrome 126, iPad",
    "Mozilla/5.0 (Windows NT 6.1)": "Windows",
    "curl/8.5.0": "curl/8.5.0",
    "": "",
    "\0\0": "",
    "<script>alert(1)</script>": "",
    "’; DROP TABLE user_session": "",
    "Firefox/99999999": "Firefox 9999",
    "x" * 5000: "x" * 120,
    "é" * 500: "",
}


@pytest.mark.parametrize(("said", "device"), AGENTS.items())
@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_device_is_named_in_a_few_harmless_words(shop, said, device):
    begin(shop, user_agent=said)
    assert rows(shop)[0].device == device
