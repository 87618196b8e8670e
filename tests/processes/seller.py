"""The other side of these tests: processes of the product that do what they are told.

Run as a module this is a nursery. It loads the product once and then, for each line it
reads, forks a process that makes its own application, opens its own files and takes
commands. A fork costs little where a start costs more than a second; nothing is shared
but the code. Commands and answers are lines of JSON in two named pipes; when the pipe of
the commands ends, so does the process.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session, configure_mappers

from tests.processes.faults import BadLine
from tests.processes.stops import stop_at
from vmsapp import cli, create_app, i18n, models, tasks, views
from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import db
from vmsapp.models import (
    Meter,
    MeterInstallation,
    OfficeUser,
    Region,
    SaleState,
    ServicePoint,
    Token,
)
from vmsapp.scope import SYSTEM, Actor, Sight, seen_by, unscoped
from vmsapp.services import vending
from vmsapp.services.security_modules import open_module
from vmsapp.services.vending import Purchase, SaleRequest
from vmsapp.services.vending.errors import Busy, QuoteChanged, SaleUnderway
from vmsapp.services.vending.issue import credit_request
from vmsapp.services.vending.reconcile import Patience, reconcile
from vmsapp.services.vending.settle import read, seal

LOADED = (cli, i18n, models, psycopg, tasks, views)
"""What a process imports as it goes, loaded before the first fork."""

PERSEVERANCE_S = 180.0
"""How long a seller tries again what was refused for a moment only."""

Answer = dict[str, Any]


class Seller:
    """One process of the product. Each public method is a command."""

    def __init__(self, app: Flask, faults: list[str]) -> None:
        self._registry = app.extensions["vms_modules"]
        self._lines: list[BadLine] = []
        if faults:
            self._registry._wrap = lambda module: self._between(module, faults)

    def quote(self, **order: Any) -> Answer:
        """Price an order, as the screen does before the form is sent."""
        with seen_by(self._actor(order["username"])):
            return {"quote": self._figures(self._purchase(order))}

    def sell(self, **order: Any) -> Answer:
        """Send the form, with the quote it carries or a new one; try again when told to."""
        deadline = time.monotonic() + PERSEVERANCE_S
        with seen_by(self._actor(order["username"])):
            while True:
                try:
                    return self._send(order)
                except (QuoteChanged, SaleUnderway, Busy) as passing:
                    final = isinstance(passing, QuoteChanged) and "quote" in order
                    if final or time.monotonic() > deadline:
                        return {"refused": passing.code}
                except VmsError as refusal:
                    return {"refused": refusal.code}

    def run(self, orders: list[dict[str, Any]]) -> Answer:
        """Send one form after the other, those with ``twice`` again as soon as answered."""
        return {"sold": [sold for order in orders for sold in self._once_or_twice(**order)]}

    def reconcile(self, *, cancel_after: float = 600.0) -> Answer:
        """Settle what is pending, however young, once."""
        patience = Patience(timedelta(0), timedelta(seconds=cancel_after))
        with seen_by(SYSTEM):
            return reconcile(self._session, self._registry, patience)

    def seal(self, sale_id: int) -> Answer:
        """Give the money back for a sale in doubt."""
        with seen_by(SYSTEM):
            return {"state": seal(self._session, SYSTEM, sale_id).state}

    def spend_elsewhere(self, sale_id: int, request_id: str) -> Answer:
        """Use up a sale's token identifier at its module, under an id of no sale."""
        with seen_by(SYSTEM):
            sale = read(self._session, sale_id)
            module = open_module(self._session, self._registry, sale.module_id)
            request = replace(credit_request(sale), request_id=request_id)
        return {"tid": module.issue_credit(request).tid}

    def ask_module(self, sale_id: int) -> Answer:
        """Put a sale's request to its module, and ask for its result besides."""
        with seen_by(SYSTEM):
            sale = read(self._session, sale_id)
            module = open_module(self._session, self._registry, sale.module_id)
            request = credit_request(sale)
        return {
            "issued": asdict(module.issue_credit(request)),
            "fetched": asdict(module.fetch_result(request.request_id)[0]),
        }

    def deliver(self) -> Answer:
        """Wait until every request that was held back has reached the module."""
        return {"delivered": sum(line.deliver() for line in self._lines)}

    @property
    def _session(self) -> Session:
        return db.session()

    def _between(self, module: Any, faults: list[str]) -> BadLine:
        self._lines.append(BadLine(module, faults))
        return self._lines[-1]

    def _actor(self, username: str) -> Actor:
        with unscoped("sign-in"):
            found = self._session.execute(
                select(OfficeUser, Region.path)
                .join(Region, Region.id == OfficeUser.region_id)
                .where(OfficeUser.username == username)
            ).one()
        sight = Sight(region_path=found.path, vending_point_id=found.OfficeUser.vending_point_id)
        return Actor(found.OfficeUser.id, username, sight)

    def _purchase(self, order: dict[str, Any]) -> Purchase:
        if "tender_minor" in order:
            return Purchase(order["meter_id"], "amount", tender_minor=order["tender_minor"])
        return Purchase(order["meter_id"], "quantity", units=Decimal(order["units"]))

    def _figures(self, purchase: Purchase) -> Answer:
        meter, point = self._session.execute(
            select(Meter, ServicePoint)
            .join(MeterInstallation, MeterInstallation.meter_id == Meter.id)
            .join(ServicePoint, ServicePoint.id == MeterInstallation.service_point_id)
            .where(Meter.id == purchase.meter_id)
        ).one()
        return dict(vending.quote(self._session, meter, point, purchase, now_utc()).quote.figures())

    def _once_or_twice(self, *, twice: bool, **order: Any) -> Iterator[Answer]:
        first = self.sell(**order)
        yield first
        if twice and "quote" in first:
            yield self.sell(**order | {"quote": first["quote"]})

    def _send(self, order: dict[str, Any]) -> Answer:
        """Send the form; the answer is what the person at the counter gets to see."""
        purchase = self._purchase(order)
        shown = order.get("quote") or self._figures(purchase)
        request = SaleRequest(
            order["vending_point_id"], order["key"], purchase, shown, repeat_confirmed=True
        )
        actor = self._actor(order["username"])
        sale = vending.sell(self._session, self._registry, actor, request)
        answer = {"key": request.key, "quote": shown, "sale_id": sale.id, "state": sale.state}
        if sale.state == SaleState.ISSUED:
            token = self._session.scalars(select(Token).where(Token.sale_id == sale.id)).one()
            answer["digits"] = token.digits
        return answer


def serve(commands: str, answers: str, stops: list[str], faults: list[str]) -> None:
    """Take commands until there are no more."""
    with open(commands) as reading, open(answers, "w", buffering=1) as writing:  # noqa: PTH123

        def say(answer: Answer) -> None:
            writing.write(json.dumps(answer) + "\n")

        def halt(name: str) -> None:
            say({"at": name})
            if not reading.readline():
                os._exit(0)  # nobody is left to go on for

        for name in stops:
            stop_at(name, halt)
        app = create_app()
        seller = Seller(app, faults)
        say({"ready": os.getpid()})
        for line in iter(reading.readline, ""):
            command = json.loads(line)
            with app.app_context():
                say(getattr(seller, command.pop("do"))(**command))


def nursery() -> None:
    """Fork a process for each line read; the line says with what."""
    configure_mappers()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in iter(sys.stdin.readline, ""):
        birth = json.loads(line)
        pid = os.fork()
        if pid:
            print(pid, flush=True)  # noqa: T201
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(birth["log"], os.O_WRONLY | os.O_CREAT)
        os.dup2(log, sys.stdout.fileno())
        os.dup2(log, sys.stderr.fileno())
        os.environ.update(birth["env"])
        status = 1
        try:
            serve(birth["commands"], birth["answers"], birth["stops"], birth["faults"])
            status = 0
        except BaseException:  # noqa: BLE001 - the end of a process, told to its log
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)


if __name__ == "__main__":
    nursery()
