"""Many rows at once, on both databases: what is written is what is read, under known ids."""

from datetime import timedelta, timezone

import pytest
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tests.factories import NOW
from tests.shop import in_threads
from vmsapp.extensions import atomic
from vmsapp.models import Consumer, ImportBatch, ImportRow
from vmsapp.scope import unscoped
from vmsapp.services.rows import among, insert_rows

ODD = ["tab\tand\nbreak", "back\\slash \\N \\.", "", "“quoted” 'text', NULL", "أمينة 王"]


@pytest.fixture
def north(utility) -> int:
    return utility.regions["north"].id


@pytest.fixture
def insert(shop):
    def run(model, rows):
        with shop.session() as session, unscoped("a test of rows"), atomic(session):
            return list(insert_rows(session, model, rows))

    return run


def people(region_id: int, names: list[str], prefix: str = "I") -> list[dict[str, object]]:
    return [
        {"number": f"{prefix}{n}", "name": name, "region_id": region_id}
        for n, name in enumerate(names)
    ]


def test_ids_are_in_the_order_of_the_rows_and_odd_texts_stay_as_they_are(insert, shop, north):
    ids = insert(Consumer, people(north, ODD))
    found = {row.id: row.name for row in shop.rows(Consumer, Consumer.id.in_(ids))}
    assert [found[key] for key in ids] == ODD


@pytest.mark.parametrize("wanted", [ODD, ODD[:2], [""], ["no, comma"], ["plain", "NULL"], []])
def test_rows_are_found_among_odd_texts(insert, shop, north, wanted):
    insert(Consumer, people(north, [*ODD, "no", " comma", "no, comma", "plain", "NULL"]))
    with shop.session() as session, unscoped("a test of rows"):
        rows = session.scalars(select(Consumer.name).where(among(session, Consumer.name, wanted)))
        assert set(rows) == set(wanted)


def test_columns_that_are_not_given_have_what_the_model_says(insert, shop, north):
    (key,) = insert(Consumer, people(north, ["Ann"]))
    (row,) = shop.rows(Consumer, Consumer.id == key)
    assert (row.language, row.gender, row.version, row.retired_at) == ("en", "unknown", 1, None)


def test_moments_and_documents_are_written_as_ever(insert, shop, north):
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    (key,) = insert(Consumer, [people(north, ["Ann"])[0] | {"retired_at": elsewhere}])
    assert shop.rows(Consumer, Consumer.id == key)[0].retired_at == NOW
    shop.change(lambda session: session.add(
        ImportBatch(kind="consumers", file_name="a.csv", sha256="0" * 64, size=1, made_at=NOW)
    ))  # fmt: skip
    (batch,) = shop.rows(ImportBatch)
    errors = [{"column": 1, "code": "x", "params": {"shown": "a\tb\\"}}]
    insert(ImportRow, [{"batch_id": batch.id, "row": 2, "state": "faulty", "errors": errors}])
    (row,) = shop.rows(ImportRow)
    assert (row.errors, row.before, row.subject_id) == (errors, None, None)


def test_a_number_that_is_taken_is_refused_and_the_transaction_goes_on(shop, north):
    rows = people(north, ["Ann", "Ben"])
    with shop.session() as session, unscoped("a test of rows"), atomic(session):
        insert_rows(session, Consumer, rows[:1])
        with pytest.raises(IntegrityError) as refused, session.begin_nested():
            insert_rows(session, Consumer, people(north, ["Cleo"], "J") + rows[1:] + rows[:1])
        assert "Ann" not in str(refused.value)
        insert_rows(session, Consumer, rows[1:])
    names = {row.name for row in shop.rows(Consumer, Consumer.number.in_(["I0", "I1", "J0"]))}
    assert names == {"Ann", "Ben"}


def test_the_id_of_a_row_that_was_deleted_is_not_given_again(insert, shop, north):
    ids = insert(Consumer, people(north, ODD))
    shop.change(lambda session: session.execute(delete(Consumer).where(Consumer.id.in_(ids))))
    (key,) = insert(Consumer, people(north, ["Ann"]))
    assert key > max(ids)
    shop.change(lambda session: session.add(Consumer(number="N", name="Next", region_id=north)))
    assert shop.rows(Consumer, Consumer.number == "N")[0].id > key


def test_what_waits_in_the_session_is_written_first(shop, north):
    with shop.session() as session, unscoped("a test of rows"), atomic(session):
        waiting = Consumer(number="W1", name="Waits", region_id=north)
        session.add(waiting)
        ids = insert_rows(session, Consumer, people(north, ["Ann"]))
        found = session.execute(select(Consumer.id).where(Consumer.number.in_(["W1", "I0"])))
        assert sorted(found.scalars()) == sorted([waiting.id, *ids])


def test_those_who_insert_at_the_same_time_get_ids_of_their_own(insert, shop, north):
    def some(prefix):
        return lambda: insert(Consumer, people(north, ODD * 20, prefix))

    made = in_threads(*map(some, "ABCD"))
    assert len({key for ids in made for key in ids}) == 4 * 20 * len(ODD)
    for prefix, ids in zip("ABCD", made, strict=True):
        first = shop.rows(Consumer, Consumer.id == ids[0])[0]
        assert first.number == f"{prefix}0"
