"""What the database itself holds of key changes, and what completing thousands of them costs it."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, func, insert, literal_column, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.faults import down
from tests.fleet import LEGACY
from vmsapp.clock import now_utc
from vmsapp.models import (
    Campaign,
    CampaignChunk,
    ChangeState,
    KeyChange,
    KeyChangeToken,
    Meter,
    OfficeUser,
    SecurityModule,
)
from vmsapp.services.campaigns import making
from vmsapp.services.campaigns.terms import Target
from vmsapp.services.proof.key_changes import changes_astray, tokens_astray

pytestmark = pytest.mark.ring

POSTGRES = pytest.mark.parametrize(
    "backend", [pytest.param("postgres", marks=pytest.mark.postgres)]
)
NONE = 999_999
"""An id that no row has."""
CHANGES, TOKENS = KeyChange.__table__, KeyChangeToken.__table__


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(making, "WAITS", (0.0,))


def drafted(fleet, count=3):
    ids = fleet.add(count, [LEGACY])
    numbers = [row.drn for row in fleet.shop.rows(Meter, Meter.id.in_(ids))]
    return fleet.draft(Target(krn=2), numbers=numbers)


@pytest.fixture
def changes(fleet):
    """Three completed changes of one campaign."""
    campaign_id = drafted(fleet)
    fleet.begin(campaign_id)
    fleet.work(campaign_id)
    rows = fleet.changes(campaign_id)
    assert [row.state for row in rows] == [ChangeState.COMPLETED] * 3
    return rows


def refuse(fleet, statement):
    with pytest.raises(IntegrityError):
        fleet.shop.change(lambda session: session.execute(statement))


def row_of(fleet, table, *where):
    with fleet.shop.session() as session:
        return dict(session.execute(select(table).where(*where).limit(1)).mappings().one())


def like(fleet, change, **values):
    """A change like another, under ids of its own."""
    row = row_of(fleet, CHANGES, CHANGES.c.id == change.id)
    del row["id"]
    return insert(CHANGES).values(**row | {"form_key": "another", "request_id": "another"} | values)


def test_a_token_is_of_a_change(fleet, changes):
    row = row_of(fleet, TOKENS, TOKENS.c.key_change_id == changes[0].id)
    refuse(fleet, insert(TOKENS).values(**row | {"key_change_id": NONE}))


def test_the_meter_of_a_token_is_there(fleet, changes):
    row = row_of(fleet, TOKENS, TOKENS.c.key_change_id == changes[0].id)
    refuse(fleet, insert(TOKENS).values(**row | {"number": 9, "meter_id": NONE}))


@POSTGRES
def test_a_token_is_of_the_meter_of_its_change(fleet, changes):
    row = row_of(fleet, TOKENS, TOKENS.c.key_change_id == changes[0].id)
    other = row | {"number": 9, "meter_id": changes[1].meter_id}
    refuse(fleet, insert(TOKENS).values(**other))
    mine = insert(TOKENS).values(**row | {"number": 9})
    fleet.shop.change(lambda session: session.execute(mine))


@POSTGRES
def test_one_of_many_rows_that_hangs_on_nothing_refuses_them_all(fleet, changes):
    row = row_of(fleet, TOKENS, TOKENS.c.key_change_id == changes[0].id)
    many = [row | {"number": 9}, row | {"number": 10, "key_change_id": NONE}]
    refuse(fleet, insert(TOKENS).values(many))
    assert fleet.shop.count(KeyChangeToken) == 2 * len(changes)


@POSTGRES
def test_who_names_a_meter_keeps_it_from_being_removed_meanwhile(fleet, changes):
    closed = {"state": "failed", "closed_at": now_utc()}
    with fleet.shop.session() as session, fleet.shop.session() as other:
        session.execute(like(fleet, changes[0], **closed))
        other.execute(text("SET LOCAL lock_timeout = '200ms'"))
        table = Meter.__table__
        with pytest.raises(DBAPIError) as late:
            other.execute(delete(table).where(table.c.id == changes[0].meter_id))
        assert "lock timeout" in str(late.value)
        session.rollback()
        other.rollback()


@pytest.mark.parametrize("column", ["campaign_id", "chunk_id", "module_id", "reserved_by_id"])
def test_what_a_change_names_is_there_when_it_is_changed(fleet, changes, column):
    refuse(fleet, update(CHANGES).where(CHANGES.c.id == changes[0].id).values({column: NONE}))


@POSTGRES
@pytest.mark.parametrize("column", ["campaign_id", "chunk_id", "module_id", "reserved_by_id"])
def test_the_proof_finds_a_change_that_hangs_on_nothing(fleet, changes, column):
    def astray(session):
        session.execute(text("SET LOCAL session_replication_role = replica"))
        of_first = CHANGES.c.id == changes[0].id
        session.execute(update(CHANGES).where(of_first).values({column: NONE}))

    fleet.shop.change(astray)
    with fleet.shop.session() as session:
        assert session.execute(changes_astray()).all() == [(changes[0].id,)]
        assert session.execute(tokens_astray()).all() == []


@POSTGRES
def test_the_proof_finds_tokens_that_hang_on_nothing(fleet, changes):
    def astray(session):
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(delete(CHANGES).where(CHANGES.c.id == changes[0].id))

    fleet.shop.change(astray)
    with fleet.shop.session() as session:
        assert session.execute(changes_astray()).all() == []
        assert session.execute(tokens_astray()).all() == [(changes[0].id,)]


def test_a_change_that_has_tokens_stays(fleet, changes):
    refuse(fleet, delete(CHANGES).where(CHANGES.c.id == changes[0].id))


def test_whatever_a_change_names_is_there(fleet, changes):
    closed = {"state": "failed", "closed_at": now_utc()}
    refuse(fleet, like(fleet, changes[0], campaign_id=NONE, **closed))
    refuse(fleet, like(fleet, changes[0], chunk_id=NONE, **closed))
    for column in ("meter_id", "module_id", "reserved_by_id"):
        refuse(fleet, like(fleet, changes[0], **{column: NONE}, **closed))
    fleet.shop.change(lambda session: session.execute(like(fleet, changes[0], **closed)))


def test_whatever_a_change_names_stays(fleet, changes):
    chunk, campaign, first = CampaignChunk.__table__, Campaign.__table__, changes[0]
    refuse(fleet, delete(chunk).where(chunk.c.id == changes[0].chunk_id))
    refuse(fleet, delete(campaign).where(campaign.c.id == first.campaign_id))
    for model, number in (
        (Meter, first.meter_id), (SecurityModule, first.module_id),
        (OfficeUser, first.reserved_by_id),
    ):  # fmt: skip
        table = model.__table__
        refuse(fleet, delete(table).where(table.c.id == number))


def test_a_meter_has_one_open_change_and_one_that_takes_it_back(fleet, changes):
    first = changes[0]
    for state in ("reserved", "completed"):
        refuse(fleet, like(fleet, first, state=state))
    back = like(fleet, first, state="reserved", undoes_id=first.id)
    fleet.shop.change(lambda session: session.execute(back))
    refuse(fleet, like(fleet, first, state="completed", undoes_id=first.id, form_key="third",
                       request_id="third"))  # fmt: skip
    closed = {"state": "confirmed", "closed_at": now_utc() + timedelta(minutes=1)}
    fleet.shop.change(
        lambda session: session.execute(
            update(CHANGES).where(CHANGES.c.id == first.id).values(closed)
        )
    )
    anew = like(fleet, first, state="reserved", closed_at=None, form_key="anew", request_id="anew")
    fleet.shop.change(lambda session: session.execute(anew))


@POSTGRES
def test_whatever_is_closed_says_when(fleet, changes):
    refuse(fleet, update(CHANGES).values(state="confirmed"))
    refuse(fleet, update(CHANGES).values(closed_at=now_utc()))


@POSTGRES
def test_completing_changes_of_a_campaign_touches_no_index(fleet, module):
    module.always("issue_key_changes", down)
    campaign_id = drafted(fleet, 40)
    fleet.begin(campaign_id)
    fleet.work(campaign_id)
    anew = func.pg_stat_get_xact_tuples_hot_updated(literal_column("'key_change'::regclass"))

    def complete(session):
        mine = CHANGES.c.campaign_id == campaign_id
        done = {"state": "completed", "completed_at": now_utc()}
        session.execute(update(CHANGES).where(mine, CHANGES.c.state == "reserved").values(**done))
        return session.scalar(select(anew))

    assert fleet.shop.change(complete) == 40
