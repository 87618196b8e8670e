"""What the tests of the doors share: the utility with its user groups, and people at browsers."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import joinedload
from werkzeug.security import generate_password_hash

from config import Settings
from tests import factories
from tests.conftest import keep, put_back
from tests.debug_log import KNOWN, report
from tests.factories import AUDITOR, OPERATOR, SOUTH_OPERATOR, SUPERVISOR, Utility
from tests.traces import found_in_database
from tests.web.importing import go_on, hand_in, row
from tests.web.office import ADMIN, ENGINEER, NEWCOMER, NORTH_SUPERVISOR, PASSWORD, Browser
from vmsapp.cli.vms import _sync_permissions
from vmsapp.extensions import atomic, db
from vmsapp.hsm.registry import Registry
from vmsapp.models import OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, seen_by

GROUP_OF = {
    OPERATOR: "Operator", SOUTH_OPERATOR: "Operator", SUPERVISOR: "Supervisor",
    NORTH_SUPERVISOR: "Supervisor", AUDITOR: "Auditor", ENGINEER: "Engineer",
    ADMIN: "Administrator",
}  # fmt: skip
"""Who is in which ready-made group; the newcomer is in none."""

IMPORTING = (go_on, hand_in, row)
"""Fixtures that are written down with the files they hand in."""

Browse = Callable[..., Browser]
AppOn = Callable[[str], Flask]


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    """SQLite, unless the test is marked with ``office.BOTH``."""
    return getattr(request, "param", "sqlite")


def settings_for(url: str, folder: Path) -> Settings:
    return Settings.from_environ({"VMS_INSTANCE": str(folder), "DATABASE_URL": url, "DEMO": "0"})


def staff(app: Flask, utility: Utility) -> None:
    """Give the utility its groups, and a person in each of them."""
    password = generate_password_hash(PASSWORD, "pbkdf2:sha256:1")
    with app.app_context(), seen_by(SYSTEM):
        _sync_permissions()
        session = db.session()
        with atomic(session):
            regions = utility.regions
            factories.add_user(session, ADMIN, all_regions=True)
            factories.add_user(session, ENGINEER).region_id = regions["country"].id
            factories.add_user(session, NEWCOMER).region_id = regions["country"].id
            factories.add_user(session, NORTH_SUPERVISOR).region_id = regions["north"].id
            roles = {role.name: role for role in session.scalars(select(Role))}
            for user in session.scalars(select(OfficeUser)):
                user.password = password
                user.roles = [roles[GROUP_OF[user.username]]] if user.username in GROUP_OF else []
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def app_on(tmp_path_factory: pytest.TempPathFactory) -> AppOn:
    """Give the application on a database, made once: what it compiles, it compiles once."""
    from vmsapp import create_app  # noqa: PLC0415 - only when a test needs it

    folder, made = tmp_path_factory.mktemp("instance"), {}

    def give(url: str) -> Flask:
        if url not in made:
            made[url] = create_app(settings_for(url, folder))
        return made[url]

    return give


@pytest.fixture(scope="session")
def staffed(template_of, app_on: AppOn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The utility's SQLite file with its staff, to copy."""
    template, path = template_of("sqlite"), tmp_path_factory.mktemp("staffed") / "vms.sqlite"
    shutil.copyfile(str(make_url(template.url).database), path)
    staff(app_on(f"sqlite:///{path}"), template.utility)
    return path


@pytest.fixture(scope="session")
def staffed_postgres(template_of, new_postgres_database, app_on: AppOn) -> str:
    """The utility with its staff on PostgreSQL, to bring back after each test."""
    template = template_of("postgres")
    put_back(template.url)  # another room's test may have left its rows there
    url = new_postgres_database(make_url(template.url).database)
    staff(app_on(url), template.utility)
    keep(url)
    return url


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each test finds its own copy of the SQLite file."""
    return tmp_path_factory.mktemp("web") / "vms.sqlite"


@pytest.fixture
def database_url(backend: str, place: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a fresh copy of the utility and its staff; what is written is searched."""
    if backend == "sqlite":
        for old in place.parent.iterdir():
            old.unlink()
        shutil.copyfile(request.getfixturevalue("staffed"), place)
        url = f"sqlite:///{place}"
    else:
        url = request.getfixturevalue("staffed_postgres")
        put_back(url)
    yield url
    report(found_in_database(KNOWN, url))


@pytest.fixture(scope="session")
def engine_on() -> Callable[[str], Engine]:
    """Give the engine on a database, made once."""
    return cache(partial(create_engine, hide_parameters=True))


@pytest.fixture
def engine(engine_on: Callable[[str], Engine], database_url: str) -> Iterator[Engine]:
    """An engine on the fresh copy, beside the application's."""
    engine = engine_on(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def office(app_on: AppOn, database_url: str, registry: Registry) -> Iterator[Flask]:
    """The application on the fresh copy, with faults to plan."""
    app = app_on(database_url)
    app.extensions["vms_modules"] = registry
    app.extensions["appbuilder"].sm.limiter.reset()
    app.extensions["vms_notes"].forget()
    app.extensions["vms_watch"].forget()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def people(shop) -> dict[str, OfficeUser]:
    """Everybody who works at the utility, by name."""
    with shop.session() as session, seen_by(SYSTEM):
        users = session.scalars(select(OfficeUser).options(joinedload(OfficeUser.region)))
        return {user.username: user for user in users}


@pytest.fixture
def browse(office: Flask, people: dict[str, OfficeUser]) -> Browse:
    """Sit somebody down at a browser, signed in; nobody is anonymous."""

    def sit_down(name: str | None = None, language: str | None = None) -> Browser:
        return Browser(office, people[name].id if name else None, language)

    return sit_down


@pytest.fixture
def operator(browse: Browse) -> Browser:
    """The operator of Harbour Street, in the north."""
    return browse(OPERATOR)


@pytest.fixture
def supervisor(browse: Browse) -> Browser:
    """The supervisor of the whole country."""
    return browse(SUPERVISOR)


@pytest.fixture
def ports_open(office: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let mail be handed in on the port of a server of the tests."""

    def open_to(*ports: int) -> None:
        settings = office.extensions["vms_settings"]
        named = settings.model_copy(update={"mail_ports": ",".join(map(str, ports))})
        monkeypatch.setitem(office.extensions, "vms_settings", named)

    return open_to
