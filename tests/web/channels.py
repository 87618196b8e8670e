"""A channel of the utility's own: an account without a password, and a bearer of it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from flask import Flask
from flask_appbuilder.security.sqla.models import PermissionView
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests import factories
from tests.factories import HARBOUR, TODAY, ZONE
from tests.shop import Shop
from vmsapp.models import BearerScope, OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.security.held import rows_of
from vmsapp.security.matrix import permissions_of
from vmsapp.services import bearers
from vmsapp.services.bearers import Wish

ROOT = "/api/v1"
KIOSK = "kiosk"
CELLS = ("Counter.sell", "TokenRecords.digits")
"""What a channel's user group permits; more than these no test gives it."""

KEY = "1-kiosk7sale000001"
"""Epoch 1 is that of the tests' installation (``factories.EPOCH``)."""


class Channel:
    """A program with its bearer; keeps no cookies."""

    def __init__(self, app: Flask, bearer: str | None) -> None:
        self.app = app
        self.bearer = bearer

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.ask("POST", path, json=body, **options)

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        shown = {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        headers = shown | options.pop("headers", {})
        client = self.app.test_client(use_cookies=False)
        where = path if path.startswith("/") and path.startswith(ROOT) else f"{ROOT}{path}"
        return client.open(where, method=method, headers=headers, buffered=True, **options)

    def quote(self, number: str, *, units: str = "50.0", **other: Any) -> TestResponse:
        return self.post("/quotes", wanted(number, units=units) | other)

    def sell(self, number: str, *, key: str = KEY, **wish: Any) -> TestResponse:
        """Ask for a price and buy at it; by default 50 units."""
        body = self.body(number, **wish)
        return self.post("/sales", body, headers={"Idempotency-Key": key})

    def body(self, number: str, **wish: Any) -> dict[str, Any]:
        body = wanted(number, **wish)
        quoted = self.post("/quotes", body)
        assert quoted.status_code == 200, quoted.text
        return body | {"figures": quoted.json["figures"]}


def wanted(number: str, *, units: str = "50.0", tender: int | None = None) -> dict[str, Any]:
    """A purchase as a program asks for it."""
    purchase: dict[str, Any] = {"by": "units", "units": {"value": units, "unit": "kWh"}}
    if tender is not None:
        amount = {"minor": tender, "currency": factories.CURRENCY, "exponent": 2}
        purchase = {"by": "amount", "amount": amount}
    return {"meter_number": number, "purchase": purchase}


def account(
    shop: Shop,
    name: str = KIOSK,
    *,
    point: str | None = HARBOUR,
    region: str = "north",
    cells: Iterable[str] = CELLS,
) -> int:
    """Add a program's account in a user group of its own; its id."""

    def add(session) -> int:
        held = rows_of(session, permissions_of(*cells))
        role = Role(name=f"Group of {name}")
        role.permissions = list(
            session.scalars(select(PermissionView).where(PermissionView.id.in_(held)))
        )
        session.add(role)
        user = factories.add_user(
            session, name, vending_point_id=point and shop.utility.points[point]
        )
        user.region_id = shop.utility.regions[region].id
        user.roles = [role]
        session.flush()
        return user.id

    return shop.change(add)


def bearer_for(
    shop: Shop, user_id: int, *scopes: BearerScope, days: int = 30
) -> bearers.MadeBearer:
    """Make a bearer, by default for all there is."""
    wish = Wish("Kiosk at the harbour", scopes or tuple(BearerScope), TODAY + timedelta(days=days))
    with shop.session() as session, seen_by(SYSTEM):
        return bearers.make(session, SYSTEM, user_id, wish, ZONE)


def user_named(shop: Shop, name: str) -> OfficeUser:
    return shop.rows(OfficeUser, OfficeUser.username == name)[0]
