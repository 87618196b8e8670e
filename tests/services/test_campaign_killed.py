"""A worker killed with -9 twice half way through a campaign: nothing repeated, nothing lost."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import update

from config import ROOT
from tests.fleet import KINDS, LEGACY, Fleet
from tests.keyring import OTHER_SGC
from vmsapp.clock import now_utc
from vmsapp.models import CampaignChunk, Job, JournalFinding, KeyChange, Meter
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.campaigns.chunks import asked_of
from vmsapp.services.campaigns.making import _made
from vmsapp.services.campaigns.terms import Target
from vmsapp.services.security_modules.journal_check import compare
from vmsapp.sts.identifiers.krn import MAX as KRN_MAX

pytestmark = pytest.mark.ring

METERS = 1_000
CHUNK = 170
"""Six chunks, each with every kind of meter."""


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
    fleet = Fleet(shop)
    ids = fleet.add(METERS, [*KINDS, LEGACY | {"sgc": OTHER_SGC}])
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    three = fleet.draft(
        Target(sgc=OTHER_SGC, krn=1, three_tokens=True),
        numbers=[row.drn for row in shop.rows(Meter, Meter.id.in_(ids), Meter.sgc != OTHER_SGC)],
    )
    assert fleet.preview(three).meters == METERS // 4, "Legacy meters of the first group"
    fleet.begin(three, "three")
    fleet.work(three)
    draft = fleet.draft(Target(krn=2), numbers=numbers)
    seen = fleet.preview(draft)
    assert seen.meters == METERS // 2, "both STS6 kinds; the Legacy ones have a change or no way"
    fleet.begin(draft, "two and four")
    workers = Workers(fleet, database_url, ring_folder, tmp_path, draft)
    workers.killed("before", 2)
    asked = [row for row in shop.rows(CampaignChunk) if row.state == "asked"]
    assert asked, "killed between reserving and asking"
    workers.killed("after", 3)
    workers.to_the_end()

    assert fleet.campaign(draft).state == "made"
    changes = fleet.changes(draft) + fleet.changes(three)
    assert Counter(row.state for row in changes) == {"completed": METERS // 4 * 3}
    assert max(Counter(row.meter_id for row in changes).values()) == 1
    sets = fleet.sets(draft) | fleet.sets(three)
    assert Counter(map(len, sets.values())) == {
        2: METERS // 4, 3: METERS // 4, 4: METERS // 4
    }  # fmt: skip
    taken = fleet.enter_all(draft) | fleet.enter_all(three)
    assert sorted(taken) == sorted(row.meter_id for row in changes)
    assert {meter.krn for meter in taken.values()} <= set(range(1, KRN_MAX + 1))
    _no_set_was_made_twice(tmp_path / "results.sqlite", changes)
    _ten_again(shop, fleet)
    shop.at(now_utc() + timedelta(minutes=10))
    with shop.session() as session, seen_by(SYSTEM):
        compare(session, shop.registry, SYSTEM, shop.utility.module_id)
    assert shop.count(JournalFinding) == 0


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
