"""Test tokens: any meter obeys them, no key is needed; which were made, when, by whom is kept.

Source: IEC 62055-41:2018, "Class 1: Initiate Meter Test/Display".
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload, undefer

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, NotFound
from vmsapp.extensions import atomic
from vmsapp.hsm.display import digits_of_test
from vmsapp.models import OfficeUser, TestToken
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.sts.nmse import MeterTest

ALL_TESTS: Final = tuple(MeterTest)
"""The nineteen, in the order of their numbers."""


class NoSuchCard(NotFound):
    """There is none, or it is out of sight."""

    code = "no_such_test_card"
    message = N_("There is no such card of test tokens here.")


class NoTestChosen(InvalidInput):
    """A card without a token."""

    code = "no_test_chosen"
    message = N_("Choose at least one test.")
    field = "tests"


def make_card(
    session: Session, actor: Actor, key: str, tests: Sequence[MeterTest], *, four_digits: bool
) -> int:
    """Make the tokens of a card, and write down which, when and by whom.

    Args:
        session: Outside any transaction but one that only read.
        actor: Who makes them.
        key: Made with the form: the same form sent twice makes one card.
        tests: Which; in the order of their numbers whatever order they come in.
        four_digits: For meters whose manufacturer has a four-digit code.

    Returns:
        The id of the card's first token.

    Raises:
        NoTestChosen: There are none.
    """
    if not tests:
        raise NoTestChosen
    before = _first_of(session, key)
    if before is not None:
        return before
    try:
        with atomic(session):
            return _write(session, actor, key, sorted(set(tests)), four_digits=four_digits)
    except IntegrityError:  # the same form twice at once
        before = _first_of(session, key)
        if before is None:
            raise
        return before


def card_of(session: Session, token_id: int) -> Sequence[TestToken]:
    """Read the tokens of the card that one of them is of, in their order.

    Raises:
        NoSuchCard: There is none, or it is out of sight.
    """
    card = session.scalar(select(TestToken.card).where(TestToken.id == token_id))
    if card is None:
        raise NoSuchCard
    return session.scalars(
        select(TestToken)
        .where(TestToken.card == card)
        .options(joinedload(TestToken.vending_point), undefer(TestToken.made_by))
        .order_by(TestToken.test)
    ).all()


def _first_of(session: Session, key: str) -> int | None:
    return session.scalar(
        select(TestToken.id).where(TestToken.card == key).order_by(TestToken.test).limit(1)
    )


def _write(
    session: Session, actor: Actor, key: str, tests: Sequence[MeterTest], *, four_digits: bool
) -> int:
    with unscoped("whoever acts has a region, whether or not it is seen"):
        region = session.scalar(select(OfficeUser.region_id).where(OfficeUser.id == actor.user_id))
    at, point = now_utc(), actor.sight.vending_point_id
    rows = [
        TestToken(
            region_id=region, vending_point_id=point, card=key, test=int(test),
            four_digits=four_digits, digits=digits_of_test(test, four_digits=four_digits),
            made_at=at, made_by_id=actor.user_id,
        )
        for test in tests
    ]  # fmt: skip
    session.add_all(rows)
    session.flush()
    audit.record(
        session, actor, "test_tokens.made", "test_token", rows[0].id, vending_point_id=point,
        tests=[int(test) for test in tests], four_digits=four_digits,
    )  # fmt: skip
    return rows[0].id
