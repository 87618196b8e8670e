"""The history of the database: both directions, on both databases, and nothing forgotten."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from alembic import command
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.orm import Session

from config import Settings
from tests.services.pair import permitted
from vmsapp import create_app
from vmsapp.extensions import db
from vmsapp.models import NEVER_REUSED, Tariff, TariffPlan
from vmsapp.models.base import Model
from vmsapp.models.user import Role

SINCE = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def empty(backend, request, tmp_path):
    """The application on an empty database."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite'}"
    if backend == "postgres":
        url = request.getfixturevalue("new_postgres_database")()
    app = create_app(
        Settings.from_environ({"VMS_INSTANCE": str(tmp_path), "DATABASE_URL": url, "DEMO": "0"})
    )
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def tables(app):
    engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"])
    names = set(inspect(engine).get_table_names()) - {"alembic_version"}
    engine.dispose()
    return {name for name in names if "_search" not in name}  # see test_searching


def test_the_history_goes_up_down_and_up_again(empty):
    expected = set(Model.metadata.tables)
    upgrade()
    assert tables(empty) == expected
    downgrade(revision="base")
    assert tables(empty) == set()
    upgrade()
    assert tables(empty) == expected


def test_the_history_misses_nothing_the_models_say(empty):
    upgrade()
    migrate = empty.extensions["migrate"].migrate
    command.check(migrate.get_config())
    assert migrate.get_config().get_main_option("script_location").endswith("migrations")


@pytest.mark.parametrize("backend", [pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_revision_that_waits_for_whom_it_keeps_waiting_is_tried_again(empty, caplog):
    upgrade(revision="0043")
    engine = create_engine(empty.config["SQLALCHEMY_DATABASE_URI"])
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
    met = threading.Event()

    def sell() -> None:
        with engine.begin() as sale, engine.connect() as watch:
            sale.execute(text("SET LOCAL deadlock_timeout = '1min'"))  # so that not this is ended
            sale.execute(text("LOCK TABLE campaign IN ACCESS SHARE MODE"))
            met.set()
            while not watch.scalar(waits):
                watch.rollback()
            sale.execute(text("LOCK TABLE key_change IN ACCESS SHARE MODE"))

    with ThreadPoolExecutor(1) as pool:
        sold = pool.submit(sell)
        assert met.wait(60)
        upgrade()
        sold.result(60)
    engine.dispose()
    assert [record.message for record in caplog.records if "is tried again" in record.message]
    migrate = empty.extensions["migrate"].migrate
    command.check(migrate.get_config())


def test_user_groups_from_before_are_known_as_ready_made_and_own_ones_are_not(empty):
    upgrade()
    downgrade(revision="0003")
    add = text("INSERT INTO ab_role (id, name) VALUES (:id, :name)")
    with db.engine.begin() as connection:
        for number, name in enumerate(("Administrator", "Operator", "Cashiers", "Public"), 90):
            connection.execute(add, {"id": number, "name": name})
    upgrade()
    with db.engine.connect() as connection:
        found = connection.execute(text("SELECT name, ready_made, description FROM ab_role"))
        assert {tuple(row) for row in found} == {
            ("Administrator", "Administrator", None), ("Operator", "Operator", None),
            ("Cashiers", None, None), ("Public", None, None),
        }  # fmt: skip


def test_groups_keep_the_searches_and_lose_screens_they_held_for_them_alone(empty):
    upgrade()
    downgrade(revision="0010")
    pairs = [("can_list", "Regions"), ("can_show", "Regions"), ("can_list", "Products"),
             ("menu_access", "Regions list"), ("can_list", "Sales")]  # fmt: skip
    groups = {"Sees": pairs, "Searches": [*pairs[:3], pairs[4]], "Neither": [pairs[4]]}
    with Session(db.engine) as session, session.begin():
        for group, holds in groups.items():
            permitted(session, group, *holds)
    upgrade()
    searches = {("can_look_up", "Regions"), ("can_look_up", "Products")}
    assert held("Sees") == {*pairs, *searches} - {("can_list", "Products")}
    assert held("Searches") == {("can_list", "Sales"), *searches}
    assert held("Neither") == {("can_list", "Sales")}
    downgrade(revision="0010")
    assert held("Searches") >= set(groups["Searches"])
    assert not held("Searches") & searches
    assert held("Neither") == {("can_list", "Sales")}


def held(group):
    """What a group holds."""
    with Session(db.engine) as session:
        role = session.scalars(select(Role).where(Role.name == group)).one()
        return {(one.permission.name, one.view_menu.name) for one in role.permissions}


def test_the_frameworks_tables_are_in_the_same_history(empty):
    upgrade()
    assert {"ab_user", "ab_role", "ab_permission_view", "ab_user_role"} <= tables(empty)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_ids_of_rows_that_may_go_are_given_once(empty):
    upgrade()
    downgrade(revision="0017")
    shapes = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type <> 'table'")
    add = text("INSERT INTO tariff (name, meter_type, retired) VALUES (:name, 'water', 0)")
    with db.engine.begin() as connection:
        before = set(map(tuple, connection.execute(shapes)))
        connection.execute(add, {"name": "First"})
        connection.execute(text(
            "INSERT INTO audit_event (at, actor_name, action, subject, subject_id, details)"
            " VALUES ('2026-01-01', 'Ann', 'tariff.deleted', 'tariff', '7', '{}')"
        ))  # fmt: skip
    upgrade(revision="0018")
    with db.engine.begin() as connection:
        assert set(map(tuple, connection.execute(shapes))) >= before  # no index is lost
        made = connection.execute(text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINC%'"))
        assert {row.name for row in made} == set(NEVER_REUSED)
        for name in ("Eighth", "Ninth"):
            number = connection.execute(add, {"name": name}).lastrowid
            connection.execute(text("DELETE FROM tariff WHERE id = :id"), {"id": number})
        assert number == 9


def test_the_id_of_a_removed_plan_is_not_given_again(shop):
    tariff_id = shop.rows(Tariff)[0].id
    numbers = []
    for name in ("A", "B"):
        with shop.session() as session, session.begin():
            row = TariffPlan(
                tariff_id=tariff_id, name=name, rules="{}", effective_on=date(2030, 1, 1)
            )
            session.add(row)
            session.flush()
            numbers.append(row.id)
            session.delete(row)
    assert numbers[0] < numbers[1]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_frameworks_apis_work_with_the_pinned_libraries(empty, tmp_path):
    app = create_app(Settings.from_environ({"VMS_INSTANCE": str(tmp_path), "DEMO": "0"}))
    builder = app.extensions["appbuilder"]
    with app.app_context():
        for api in (builder.sm.user_api, builder.sm.role_api, builder.sm.permission_view_menu_api):
            builder.add_api(api)
    assert any(rule.rule.startswith("/api/v1/security/users/") for rule in app.url_map.iter_rules())


def hang_and_leave(connection) -> dict[str, int]:
    """Put meters, consumers and places where later revisions have to tell what hangs where.

    Returns:
        Ids of meters and consumers by what is said of them.
    """
    ids = {}

    def add(table: str, **values) -> int:
        names, holes = ", ".join(values), ", ".join(f":{name}" for name in values)
        statement = text(f"INSERT INTO {table} ({names}) VALUES ({holes}) RETURNING id")
        return connection.execute(statement, values).scalar_one()

    here, there = (
        add("region", level="city", name=name, name_key=name, path=f"{name}.")
        for name in ("here", "there")
    )
    product = add("product", model="M", name="M", meter_type="water", manufacturer="M",
                  manufacturer_code="07", can_become_sts6=False)  # fmt: skip
    links = {
        "hangs": [(here, None)], "hung before": [(here, SINCE)], "never hung": [],
        "hangs again": [(here, SINCE), (here, None)], "hangs elsewhere": [(there, None)],
    }  # fmt: skip
    for number, (said, places) in enumerate(links.items()):
        ids[f"meter {said}"] = meter = add(
            "meter", region_id=here, drn=f"0700000000{number}",
            meter_pan=f"60072707000000000{number}",
            meter_type="water", credit_mode="units", algorithm="legacy", product_id=product,
            sgc="123457", krn=1, kt=2, ti="01", base_date="14", ea=7, tct=2, state="active",
            blocked_reason="",
        )  # fmt: skip
        ids[f"consumer {said}"] = consumer = add(
            "consumer", region_id=here, number=f"C{number}", name=said, address="",
            gender="unknown", id_number="", email="", phone="", language="en", search_key="",
        )  # fmt: skip
        for region, removed in places:
            point = add("service_point", region_id=region, consumer_id=consumer, address="",
                        plan_attached_on=date(2026, 1, 1))  # fmt: skip
            add("meter_installation", service_point_id=point, meter_id=meter,
                installed_at=SINCE, removed_at=removed)  # fmt: skip
    return ids


def test_meters_and_consumers_from_before_are_known_to_be_bound_or_not(empty):
    upgrade(revision="0029")
    with db.engine.begin() as connection:
        ids = hang_and_leave(connection)
    upgrade(revision="0030")
    with db.engine.connect() as connection:
        bound = set(connection.scalars(text("SELECT id FROM meter WHERE bound")))
    assert bound == {ids[f"meter {said}"] for said in ("hangs", "hangs again", "hangs elsewhere")}
    upgrade()
    with db.engine.connect() as connection:
        rows = connection.execute(text("SELECT id, bound, away FROM consumer"))
        told = {row.id: (bool(row.bound), bool(row.away)) for row in rows}
    assert told == {
        ids["consumer hangs"]: (True, False), ids["consumer hung before"]: (False, False),
        ids["consumer never hung"]: (False, False), ids["consumer hangs again"]: (True, False),
        ids["consumer hangs elsewhere"]: (True, True),
    }  # fmt: skip
