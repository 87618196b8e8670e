"""Worlds of both kinds of database, copied from one that was prepared once."""

import shutil

import pytest
from sqlalchemy.engine import make_url

from tests.processes.books import FLOAT_MINOR
from tests.processes.world import Nursery, World
from vmsapp.models import OfficeUser, VendingPointAccount
from vmsapp.scope import unscoped
from vmsapp.services.vending import new_key


@pytest.fixture(scope="session")
def nursery():
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory, nursery):
    instance = tmp_path_factory.mktemp("prepared_sqlite") / "instance"
    return _prepared(World(instance, f"sqlite:///{instance / 'vms.sqlite'}", nursery))


@pytest.fixture(scope="session")
def prepared_postgres(tmp_path_factory, new_postgres_database, nursery):
    instance = tmp_path_factory.mktemp("prepared_postgres") / "instance"
    return _prepared(World(instance, new_postgres_database(), nursery))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def world(request, tmp_path, nursery):
    """An instance for one test, and processes that end with it."""
    first = request.getfixturevalue(f"prepared_{request.param}")
    instance = tmp_path / "instance"
    shutil.copytree(first.instance, instance)
    if request.param == "sqlite":
        url = f"sqlite:///{instance / 'vms.sqlite'}"
    else:
        clone = request.getfixturevalue("new_postgres_database")
        url = clone(make_url(first.url).database)
    world = World(instance, url, nursery)
    yield world
    world.close()


@pytest.fixture
def form(world):
    """A form as the screen makes it, with its key and the price it showed."""
    order = {
        "username": "operator",
        "vending_point_id": world.points()["operator"],
        "meter_id": world.meters()[0],
        "units": "120.5",  # into the second step of the tariff: price, tax and fee all count
        "key": new_key(1),
    }
    return order | world.process().ask("quote", **order)


def _prepared(world):
    """Fill an instance, and let the operator's vending point sell from a float."""
    world.prepare()
    with world.session() as session, unscoped("preparing"), session.begin():
        operator = session.query(OfficeUser).filter_by(username="operator").one()
        session.add(
            VendingPointAccount(
                vending_point_id=operator.vending_point_id,
                limited=True,
                balance_minor=FLOAT_MINOR,
                pending_minor=0,
                credit_limit_minor=0,
            )
        )
    return world
