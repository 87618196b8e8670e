"""Accounts: who is suspended signs in no more, whoever asks for it."""

from tests.factories import AUDITOR, OPERATOR, SUPERVISOR
from vmsapp.models import AuditEvent, OfficeUser, UserSession
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import sessions, users


def suspend(shop, *names: str) -> int:
    """As the supervisor, with everything in sight."""
    with shop.session() as session, seen_by(SYSTEM):
        chosen = [shop.utility.users[name].id for name in names]
        return users.suspend(session, shop.actor(SUPERVISOR), chosen)


def test_people_are_suspended_at_once_but_never_oneself(shop):
    operator = shop.utility.users[OPERATOR].id
    with shop.session() as session, seen_by(SYSTEM):
        sessions.begin(session, operator, address=None, user_agent="")
    assert suspend(shop, OPERATOR, AUDITOR, SUPERVISOR) == 2
    active = {user.username for user in shop.rows(OfficeUser) if user.active}
    assert {OPERATOR, AUDITOR} & active == set()
    assert SUPERVISOR in active
    assert [row.ended_why for row in shop.rows(UserSession)] == ["inactive"]
    noted = shop.rows(AuditEvent, AuditEvent.action == "user.suspended")
    assert len(noted) == 2
    assert str(operator) in {event.subject_id for event in noted}
    assert suspend(shop, OPERATOR, AUDITOR, SUPERVISOR) == 0
