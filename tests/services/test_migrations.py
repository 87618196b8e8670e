"""The history of the database: both directions, on both databases, and nothing forgotten."""

import pytest
from alembic import command
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine, inspect, text

from config import Settings
from vmsapp import create_app
from vmsapp.extensions import db
from vmsapp.models.base import Model


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
    return names


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


def test_the_frameworks_tables_are_in_the_same_history(empty):
    upgrade()
    assert {"ab_user", "ab_role", "ab_permission_view", "ab_user_role"} <= tables(empty)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_frameworks_apis_work_with_the_pinned_libraries(empty, tmp_path):
    app = create_app(Settings.from_environ({"VMS_INSTANCE": str(tmp_path), "DEMO": "0"}))
    builder = app.extensions["appbuilder"]
    with app.app_context():
        for api in (builder.sm.user_api, builder.sm.role_api, builder.sm.permission_view_menu_api):
            builder.add_api(api)
    assert any(rule.rule.startswith("/api/v1/security/users/") for rule in app.url_map.iter_rules())
