"""``flask vms``: what its commands do for who has the shell, and what they say."""

import pytest

from tests.factories import OPERATOR
from vmsapp.models import AuditEvent, OfficeUser, RecoveryCode


@pytest.fixture
def backend():
    """SQLite: what differs between databases is tested with the services."""
    return "sqlite"


@pytest.fixture
def run(app, shop):
    """Run a command on the shop's instance."""
    runner = app.test_cli_runner()
    return lambda *words, **more: runner.invoke(args=["vms", *map(str, words)], **more)


# the second factor


def test_a_second_factor_is_taken_away_from_the_shell(run, shop):
    def set_up(session):
        user = session.query(OfficeUser).filter_by(username=OPERATOR).one()
        user.totp_secret, user.totp_since, user.totp_step = b"sealed", shop.clock.now, 7
        session.add(RecoveryCode(user_id=user.id, code_hash="0" * 64))

    shop.change(set_up)
    said = run("reset-second-factor", OPERATOR)
    assert said.exit_code == 0, said.output
    assert f"The second factor of {OPERATOR} is off" in said.output
    (user,) = shop.rows(OfficeUser, OfficeUser.username == OPERATOR)
    assert (user.totp_secret, user.totp_since, user.totp_step) == (None, None, None)
    assert shop.count(RecoveryCode) == 0
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "user.second_factor_reset")
    assert (event.actor_id, event.actor_name, event.subject_id) == (None, "system", str(user.id))
    assert run("reset-second-factor", OPERATOR).output == f"{OPERATOR} has no second factor.\n"
    assert shop.count(AuditEvent, AuditEvent.action == "user.second_factor_reset") == 1


def test_an_unknown_name_has_no_second_factor_to_take_away(run):
    said = run("reset-second-factor", "nobody")
    assert (said.exit_code, said.output) == (1, "Error: There is no user “nobody”.\n")
