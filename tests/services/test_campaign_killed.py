"""A worker killed with -9 twice half way through a campaign: nothing repeated, nothing lost."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from config import ROOT
from tests.fleet import KINDS, LEGACY, Fleet
from tests.keyring import BECOME_STS6, OTHER_SGC, make_ring, meter_in_the_field
from vmsapp.clock import now_utc
from vmsapp.hsm.requests import CreditRequest, KeyRef, MeterConfig
from vmsapp.models import CampaignChunk, Job, JournalFinding, KeyChange, Meter, Product
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.campaigns.chunks import asked_of
from vmsapp.services.campaigns.making import _made
from vmsapp.services.campaigns.terms import Target
from vmsapp.services.security_modules.journal_check import compare
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.meter import Result
from vmsapp.sts.tid import tid_from_datetime

pytestmark = pytest.mark.ring

TYPES = ("electricity", "water", "gas", "time")
SERVICES = [(one, "units") for one in TYPES] + [(one, "currency") for one in TYPES[:2]]
METERS = 42 * 4 * len(SERVICES)
"""1,008 meters, as many of each kind."""
THREE = 60
"""More of them, that are told their supply group."""
CHUNK = 170
"""Six chunks, each with every kind of meter."""


@pytest.fixture(scope="session")
def ring_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ring")


@pytest.fixture(scope="session")
def ring(ring_folder):
    store = make_ring(ring_folder, BECOME_STS6)
    yield store
    store.close()


class Workers:
    """Workers at one campaign, each in a process of its own."""

    def __init__(self, fleet, url, ring_folder, folder, campaign_id):
        self.fleet, self.campaign_id = fleet, campaign_id
        user = fleet.shop.utility.users[fleet.by].id
        self.job_id = fleet.campaign(campaign_id).job_id
        self.told = [url, str(ring_folder / "ring.json"), str(folder / "results.sqlite"),
                     str(self.job_id), str(user), str(CHUNK)]  # fmt: skip

    def start(self, where: str, nth: int) -> subprocess.Popen[str]:
        self.fleet.shop.change(lambda session: session.execute(
            update(Job).where(Job.id == self.job_id)
            .values(heartbeat_at=now_utc() - timedelta(days=1))
        ))  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "tests.processes.campaigner", *self.told, where, str(nth)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def killed(self, where: str, nth: int) -> None:
        worker = self.start(where, nth)
        assert worker.stdout
        assert worker.stdout.readline() == "here\n"
        worker.send_signal(signal.SIGKILL)
        worker.stdout.read()
        worker.stdout.close()
        assert worker.wait() == -signal.SIGKILL

    def to_the_end(self) -> None:
        output, _ = self.start("nowhere", 0).communicate(timeout=300)
        assert output == "end\n"


@pytest.mark.processes
def test_a_campaign_whose_worker_is_killed_twice_takes_every_meter_once(
    shop, database_url, ring_folder, tmp_path
):
    """Legacy (some become STS6) and STS6, short and long keys, of all services, units and money."""
    fleet = Fleet(shop)
    fixed = _product(shop)
    fleet.keys.let_become_sts6()
    shop.change(lambda session: session.execute(
        update(Product).where(Product.id == fixed).values(can_become_sts6=False)
    ))  # fmt: skip
    kinds = [
        kind | {"meter_type": meter_type, "credit_mode": mode}
        for kind in (*KINDS, LEGACY | {"product_id": fixed})
        for meter_type, mode in SERVICES
    ]
    ids = fleet.add(METERS, kinds)
    told = fleet.add(THREE, [LEGACY | {"ti": "05"}])
    three = fleet.draft(Target(sgc=OTHER_SGC, krn=1, three_tokens=True), numbers=_drns(shop, told))
    fleet.begin(three, "three")
    fleet.work(three)
    draft = fleet.draft(Target(krn=2, sts6=True), numbers=_drns(shop, ids))
    seen = fleet.preview(draft)
    assert (seen.meters, seen.conflicts) == (METERS, ())
    fleet.begin(draft, "two and four")
    workers = Workers(fleet, database_url, ring_folder, tmp_path, draft)
    workers.killed("before", 2)
    asked = [row for row in shop.rows(CampaignChunk) if row.state == "asked"]
    assert asked, "killed between reserving and asking"
    workers.killed("after", 3)
    workers.to_the_end()

    assert fleet.campaign(draft).state == "made"
    changes = fleet.changes(draft) + fleet.changes(three)
    assert Counter(row.state for row in changes) == {"completed": METERS + THREE}
    assert sorted(row.meter_id for row in changes) == sorted(ids + told), "each of them once"
    sets = fleet.sets(draft) | fleet.sets(three)
    assert Counter(map(len, sets.values())) == {2: METERS // 4 * 3, 3: THREE, 4: METERS // 4}
    assert Counter((row.old_dkga, row.new_dkga, row.ea) for row in fleet.changes(draft)) == {
        ("02", "04", 7): METERS // 4, ("02", "02", 7): METERS // 4, ("04", "04", 7): METERS // 4,
        ("04", "04", 11): METERS // 4,
    }  # fmt: skip
    taken = fleet.enter_all(draft, turned=True) | fleet.enter_all(three, turned=True)
    _all_have_their_new_key(shop, taken, changes)
    first = [row for row in changes if row.meter_id in ids[: len(kinds)]]
    _each_kind_takes_a_credit_under_it(shop, taken, first)
    _no_set_was_made_twice(tmp_path / "results.sqlite", changes)
    _ten_again(shop, fleet)
    shop.at(now_utc() + timedelta(minutes=10))
    with shop.session() as session, seen_by(SYSTEM):
        compare(session, shop.registry, SYSTEM, shop.utility.module_id)
    findings = shop.rows(JournalFinding)
    assert len(findings) == len(kinds), "the credits that were made past the books, and no set"


def _product(shop):
    """A product whose Legacy meters stay what they are: its id."""

    def add(session):
        product = Product(model="M-fixed", name="Meter", meter_type="electricity",
                          manufacturer="Makers", manufacturer_code="0700")  # fmt: skip
        session.add(product)
        session.flush()
        return product.id

    return shop.change(add)


def _drns(shop, ids):
    return [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]


def _all_have_their_new_key(shop, taken, changes):
    """What is in each virtual meter now is what the new key makes of its number, and no other."""
    rows = {row.id: row for row in shop.rows(Meter)}
    assert len(taken) == len(changes)
    for change in changes:
        row = rows[change.meter_id]
        wanted = meter_in_the_field(SimpleNamespace(
            meter_pan=row.meter_pan, drn=row.drn, ea=row.ea, kt=change.new_kt, sgc=change.new_sgc,
            krn=change.new_krn, ti=change.new_ti, base_date=change.new_base_date,
            algorithm="legacy" if change.new_dkga == "02" else "sts6",
        ))  # fmt: skip
        meter = taken[change.meter_id]
        assert meter.key.reveal() == wanted.key.reveal(), row.drn
        assert (meter.krn, meter.ti) == (change.new_krn, int(change.new_ti))


def _each_kind_takes_a_credit_under_it(shop, taken, changes):
    """One meter of each kind: a token for its service, in units or in money."""
    rows = {row.id: row for row in shop.rows(Meter)}
    kinds = {(change.old_dkga, change.new_dkga, change.ea) for change in changes}
    assert len(kinds) == len(KINDS) + 1
    module = shop.registry.module(shop.utility.module_id)
    services = set()
    for nth, change in enumerate(changes):
        row = rows[change.meter_id]
        service = TYPES.index(row.meter_type) + (4 if row.credit_mode == "currency" else 0)
        key = KeyRef(change.new_sgc, change.new_krn, change.new_kt, change.new_dkga)
        config = MeterConfig(row.meter_pan, key, change.new_ti, BaseDate(change.new_base_date),
                             change.new_ken, row.ea, row.tct)  # fmt: skip
        now = now_utc()
        token = module.issue_credit(CreditRequest(
            f"S-{nth}", config, service, 123, tid_from_datetime(now, config.base_date), 0,
            "production", now,
        ))  # fmt: skip
        assert taken[row.id].enter(token.digits) is Result.ACCEPT, (row.meter_type, change.new_dkga)
        services.add(service)
    assert services == {0, 1, 2, 3, 4, 5}


def _no_set_was_made_twice(record, changes):
    """The module's own record has each meter once, under the chunk that the change names."""
    with sqlite3.connect(record) as connection:
        rows = connection.execute("SELECT request_id, row, meter_pan FROM batch_row").fetchall()
    assert {f"{request}.{row}": pan for request, row, pan in rows} == {
        change.request_id: change.meter_pan for change in changes
    }


def _ten_again(shop, fleet):
    """Whoever asks again for ten sets is given the same digits."""
    chunk = shop.rows(CampaignChunk, CampaignChunk.meters >= 10)[0]
    with shop.session() as session, seen_by(SYSTEM):
        asked = asked_of(session, chunk)
    again = _made(shop.registry.module(shop.utility.module_id), asked)
    sets = fleet.sets(chunk.campaign_id)
    for meter_id, tokens in list(zip(asked.meter_ids, again, strict=True))[:10]:
        assert [token.digits for token in tokens] == sets[meter_id]
    assert shop.count(KeyChange, KeyChange.chunk_id == chunk.id) == chunk.meters
