"""Worlds of both kinds of database, copied from one that was prepared once."""

import shutil

import pytest

from tests.conftest import keep, put_back
from tests.processes.books import FLOAT_MINOR
from tests.processes.nursery import Nursery
from tests.processes.world import World
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
    return prepare(World(instance, f"sqlite:///{instance / 'vms.sqlite'}", nursery))


@pytest.fixture(scope="session")
def prepared_postgres(tmp_path_factory, new_postgres_database, nursery):
    instance = tmp_path_factory.mktemp("prepared_postgres") / "instance"
    world = prepare(World(instance, new_postgres_database(), nursery))
    keep(world.url)
    return world


@pytest.fixture
def world(backend, request, tmp_path, nursery):
    """An instance for one test, and processes that end with it."""
    first = request.getfixturevalue(f"prepared_{backend}")
    instance = tmp_path / "instance"
    shutil.copytree(first.instance, instance)
    if backend == "postgres":
        put_back(first.url)
    url = first.url.replace(str(first.instance), str(instance))
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


def prepare(world):
    """Fill an instance, and let the operator's vending point sell from a float."""
    world.prepare()
    with world.session() as session, unscoped("preparing"), session.begin():
        operator = session.query(OfficeUser).filter_by(username="operator").one()
        session.merge(  # the demo may have opened it
            VendingPointAccount(
                vending_point_id=operator.vending_point_id,
                limited=True,
                balance_minor=FLOAT_MINOR,
                pending_minor=0,
                credit_limit_minor=0,
            )
        )
    return world
