"""Searching by a part of a text: the same rows as plain Python finds, on both databases."""

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from tests import factories
from vmsapp.models import Consumer, Meter, search
from vmsapp.models.folding import search_key
from vmsapp.models.search import SEARCHED
from vmsapp.scope import SYSTEM, seen_by, unscoped
from vmsapp.services.registration import consumers
from vmsapp.services.registration.drafts import ConsumerDraft

ALPHABET = "aAbBéÉßſİiıЖжЯяΣσςمحمَد王伟電 %_\\/'\"*()-+.^:{}0189ᚠ\u200f\u0301"
"""Letters with and without capitals, signs that mean something to a database, and marks."""

NAMES = st.text(st.sampled_from(ALPHABET), min_size=1, max_size=12)
TYPED = st.text(st.sampled_from(ALPHABET), min_size=1, max_size=5)


@pytest.fixture
def session(shop):
    with shop.session() as session, unscoped("the test searches"):
        yield session


@pytest.fixture
def anywhere(session) -> bool:
    """Whether texts are found by any part: SQLite can; PostgreSQL where the extension is there."""
    if session.get_bind().dialect.name == "sqlite":
        return True
    return bool(session.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")))


@pytest.fixture
def no_extension(monkeypatch):
    """A server that has no trigrams: the indexes of the fallback are not needed to be right."""
    monkeypatch.setattr(search, "has_trigrams", lambda _session: False)


def found(session, model, typed, *, walking=False) -> set[int]:
    wanted = SEARCHED[model].narrow(session, select(model.id), typed, walking=walking)
    return set(session.scalars(wanted))


def compared(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).replace("ᚠ", "")


def by_hand(rows, typed, *, anywhere: bool) -> set[int]:
    """What must be found: a part of a text, or its beginning where fewer than three are typed."""
    part = compared(typed)
    anywhere = anywhere and len(part) >= 3
    return {
        row.id for row in rows for one in map(compared, (row.number, row.name, row.phone))
        if (part in one if anywhere else one.startswith(part))
    }  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=1, max_size=8), st.lists(TYPED, min_size=1, max_size=8), st.data())
def test_what_is_found_is_what_python_finds(session, utility, anywhere, names, typed, data):
    known = len(session.scalars(select(Consumer)).all())
    north = utility.regions["north"].id
    with session.begin_nested() as held:
        session.add_all(
            Consumer(number=f"N{known + at}", name=name, phone=name[::-1], region_id=north)
            for at, name in enumerate(names)
        )
        session.flush()
        rows = session.scalars(select(Consumer)).all()
        parts = [name[data.draw(st.integers(0, 9)) :][:4] for name in names]
        for one in filter(compared, [*typed, *parts, *names]):
            expected = by_hand(rows, one, anywhere=anywhere)
            assert found(session, Consumer, one) == expected, one
            assert found(session, Consumer, one, walking=True) == expected, one
        held.rollback()


@pytest.mark.parametrize("backend", [pytest.param("postgres", marks=pytest.mark.postgres)])
def test_without_trigrams_the_beginnings_are_found(session, utility, no_extension, backend):
    north = utility.regions["north"].id
    for at, name in enumerate(["Жанна", "100% sure", "under_score", "王伟"]):
        session.add(Consumer(number=f"P{at}", name=name, phone=f"+7 {at}", region_id=north))
    session.flush()
    rows = session.scalars(select(Consumer)).all()
    for typed in ("жан", "Анна", "100%", "%", "_", "under_", "P", "p1", "+7 2", "王"):
        assert found(session, Consumer, typed) == by_hand(rows, typed, anywhere=False), typed


@pytest.mark.parametrize("typed", ["0", "07", "7", "99", "070", "0000", "123456", "%", "a", "٠٧"])
def test_meters_are_found_by_a_part_of_their_number(session, anywhere, typed):
    rows = session.scalars(select(Meter)).all()
    anywhere = anywhere and len(typed) >= 3
    expected = {
        row.id for row in rows
        if (typed in row.drn if anywhere else row.drn.startswith(typed))
    }  # fmt: skip
    assert found(session, Meter, typed) == expected
    assert found(session, Meter, typed, walking=True) == expected


def test_short_digits_leave_no_number_out(session):
    for row in session.scalars(select(Meter)):
        for length in range(1, len(row.drn) + 1):
            assert row.id in found(session, Meter, row.drn[:length])


def keys_follow(session) -> None:
    """Every key says what its row says, and the index what the keys do."""
    session.expire_all()
    rows = session.scalars(select(Consumer)).all()
    assert [row.search_key for row in rows] == [
        "".join("ᚠᚠ" + compared(one) + "\n" for one in (row.number, row.name, row.phone))
        for row in rows
    ]  # fmt: skip
    if session.get_bind().dialect.name == "sqlite":
        for name in ("consumer_search", "meter_search"):
            check = f"INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1)"
            session.execute(text(check))


@pytest.mark.postgres
@pytest.mark.parametrize("backend", ["postgres"], indirect=True)
def test_what_is_new_waits_in_a_short_list_where_there_are_trigrams(session):
    told = session.execute(text(
        "SELECT c.relname, c.reloptions FROM pg_class c JOIN pg_am a ON a.oid = c.relam"
        " WHERE a.amname = 'gin' ORDER BY c.relname"
    )).all()  # fmt: skip
    trigrams = session.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"))
    short = ["gin_pending_list_limit=256"]
    names = ["consumer_search", "meter_search"] if trigrams else []
    assert told == [(name, short) for name in names]


def test_keys_and_trigrams_follow_every_deed(shop, session, utility):
    north = utility.regions["north"].id

    def draft(number, name, phone=""):
        return ConsumerDraft(
            number=number, name=name, region_id=north, address="", gender="unknown", id_number="",
            email="", phone=phone, language="en",
        )  # fmt: skip

    with seen_by(SYSTEM):
        many = [draft(f"M{at}", f"Михаил {at}", f"+7 900 {at:03}") for at in range(300)]
        ids = consumers.add(session, SYSTEM, [*many, draft("", "Numbered by itself")])
        keys_follow(session)
        assert found(session, Consumer, "МИХАИЛ 29") == {ids[29], *ids[290:300]}
        changes = {ids[0]: draft("M0", "Zoë"), ids[1]: draft("M1", "Михаил 1", "222 333")}
        consumers.change(session, SYSTEM, changes)
        keys_follow(session)
        assert found(session, Consumer, "zoë") == {ids[0]}
        assert found(session, Consumer, "222 33") == {ids[1]}
        assert ids[0] not in found(session, Consumer, "михаил")
        consumers.delete(session, SYSTEM, ids[:100])
        keys_follow(session)
        assert found(session, Consumer, "михаил") == set(ids[100:300])


def test_trigrams_follow_meters_written_past_the_models(session):
    meter = session.scalars(select(Meter)).first()
    columns = {c.key: getattr(meter, c.key) for c in Meter.__table__.c if c.key != "id"}
    fresh = {"drn": "09876543210", "meter_pan": "6" * 18}
    session.execute(insert(Meter.__table__).values(columns | fresh))
    (made,) = found(session, Meter, "09876543")
    session.execute(update(Meter.__table__).where(Meter.id == made).values(drn="01111111111"))
    assert found(session, Meter, "09876543") == set()
    assert found(session, Meter, "0111111111") == {made}
    keys_follow(session)
    session.execute(delete(Meter.__table__).where(Meter.id == made))
    assert found(session, Meter, "0111111111") == set()
    keys_follow(session)


def test_a_search_shows_no_other_regions_rows(shop, session, utility):
    for number, place in enumerate(("north", "south")):
        region = utility.regions[place].id
        factories.add(session, Consumer(number=f"Q{number}", name="Quentin", region_id=region))
    everywhere = found(session, Consumer, "quentin")
    assert len(everywhere) == 2
    with seen_by(shop.actor()):
        assert len(found(session, Consumer, "quentin") & everywhere) == 1


def test_a_key_has_every_text():
    assert search_key("C1", " Ann  LEE ", None) == "ᚠᚠc1\nᚠᚠann lee\nᚠᚠ\n"
