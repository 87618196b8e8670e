"""How long a campaign takes that gives every meter of a supply group another key.

PostgreSQL with fsync on, in a cluster of its own; meters hang at places, two tokens a meter,
everything stored, indexed and journalled. The yardstick is what the database takes to write the
very same rows once more, from one table into another with the same indexes and rules.

    python benchmarks/campaign.py           1,000,000 meters, module in this process, then behind
                                            its server
    python benchmarks/campaign.py --quick   20,000 meters
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psycopg
from flask import Flask
from sqlalchemy import select

from benchmarks import running, supply_group
from benchmarks.million import settle
from config import Settings
from vmsapp import create_app
from vmsapp.extensions import db
from vmsapp.hsm.keystore import Keystore, NewKey
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import Job, OfficeUser, SecurityModule
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.security import ADMINISTRATORS, actor_for
from vmsapp.services.approvals.asking import submit
from vmsapp.services.campaigns import beginning, drafting
from vmsapp.services.campaigns.terms import Selection, Target, Wish
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes
from vmsapp.tasks import background

MILLION = 1_000_000
GROUPS = {"soft": "990101", "tcp": "990102"}
AIM_S, TCP_TIMES = 20.0, 2.0


def main() -> None:
    """Set up, measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer meters")
    parser.add_argument("--meters", type=int, default=0)
    parser.add_argument("--measure", choices=GROUPS)
    asked = parser.parse_args()
    count = asked.meters or (20_000 if asked.quick else MILLION)
    if asked.measure:
        print(json.dumps(measure(asked.measure)))
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vms-campaign-")))
        folder.chmod(0o755)
        report(run(folder, count, stack), count)


def run(folder: Path, count: int, stack: ExitStack) -> dict[str, Any]:
    """Set everything up, and measure each way of asking the module, then the yardstick."""
    for place in ("database", "instance"):
        (folder / place).mkdir()
    database = running.Database(folder / "database", folder / "database.log")
    stack.callback(database.kill)
    database.make()
    environ = {
        "VMS_INSTANCE": str(folder / "instance"), "DEMO": "1", "VMS_LOG_LEVEL": "WARNING",
        "DATABASE_URL": database.url, "VMS_MODULE_PORT": str(running.free_port()),
    }  # fmt: skip
    running.initialised(environ | {"VMS_MODULE_SERVER": "1"})
    fill(environ | {"VMS_MODULE_SERVER": "0"}, count)
    found = {"soft": measured(environ | {"VMS_MODULE_SERVER": "0"}, "soft", database)}
    served = environ | {"VMS_MODULE_SERVER": "1"}
    module = running.module_server(served, folder / "module.log")
    stack.callback(module.kill)
    module.start()
    module.wait_ready()
    found["tcp"] = measured(served, "tcp", database, module)
    return found | {"yardstick": yardstick(database)}


def fill(environ: dict[str, str], count: int, first: int = 50_000_000) -> None:
    """Add keys that lead to one another, and meters at their places."""
    settings = Settings.from_environ(environ)
    passphrase = SecretBytes(settings.passphrase_path.read_bytes().strip())
    keystore = Keystore.open(settings.keystore_path, passphrase)
    for place, sgc in enumerate(GROUPS.values()):
        for krn in (1, 2):
            value = SecretBytes(bytes([1 + place, *range(krn, krn + 19)]))
            keystore.add(
                NewKey(KeyRef(sgc, krn, 2, "04"), BaseDate.Y2014, 255, f"Group {sgc}", demo=True,
                       value=value, changes_to=((sgc, 2),))
            )  # fmt: skip
    keystore.close()
    app = create_app(settings)
    with app.app_context(), seen_by(SYSTEM):
        _permit(app)
        module_id = db.session.scalars(select(SecurityModule.id)).one()
        copy_key_list(db.session(), app.extensions["vms_modules"], SYSTEM, module_id)
        supply_group.pour(db.session(), tuple(GROUPS.values()), count, first)
        settle()
        db.engine.dispose()


def _permit(app: Flask) -> None:
    """Let administrators make campaigns, whichever screens there are."""
    manager = app.appbuilder.sm  # type: ignore[attr-defined]
    role = manager.find_role(ADMINISTRATORS)
    manager.add_permission_role(role, manager.add_permission_view_menu(*beginning.MAY_MAKE))


def measured(
    environ: dict[str, str], way: str, database: running.Database, *others: running.Service
) -> dict[str, Any]:
    """Measure a campaign in a process of its own."""
    before = sum(one.spent() for one in (database, *others))
    child = subprocess.run(
        [sys.executable, __file__, "--measure", way], check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(running.ROOT), **environ},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    spent = sum(one.spent() for one in (database, *others)) - before
    found |= {"others_cpu_s": round(spent, 1)}
    print(way, found, file=sys.stderr, flush=True)
    return found


def measure(way: str) -> dict[str, Any]:
    """Preview, begin and make a campaign, as a worker does."""
    app = create_app(Settings.from_environ(dict(os.environ)))
    with app.app_context():
        session = db.session()
        with seen_by(SYSTEM):
            admin = session.scalars(
                select(OfficeUser.id).where(OfficeUser.username == "admin")
            ).one()
            actor = actor_for(session, admin)
            wish = Wish(
                name=f"Campaign {way}", reason="new keys", hand_out="next_sale",
                selection=Selection(sgcs=(GROUPS[way],)), target=Target(krn=2),
                due_on=date(2099, 12, 31),
            )  # fmt: skip
            campaign_id = drafting.draft(session, actor, wish).id
            began = time.monotonic()
            begin = beginning.begin_of(session, campaign_id)
            previewed = time.monotonic() - began
            submit(session, actor, beginning.START, begin, f"bench-{way}")
            job_id = session.scalars(select(Job.id).order_by(Job.id.desc()).limit(1)).one()
            session.commit()
        cpu, began = time.process_time(), time.monotonic()
        background.run.run(job_id)
        passed, cpu = time.monotonic() - began, time.process_time() - cpu
        with seen_by(SYSTEM):
            job = session.get_one(Job, job_id, populate_existing=True)
            assert job.state == "done", job.error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "meters": begin.meters, "preview_s": round(previewed, 2), "passed_s": round(passed, 1),
        "worker_cpu_s": round(cpu, 1), "peak_mb": round(peak),
    }  # fmt: skip


def yardstick(database: running.Database) -> dict[str, float]:
    """Write the rows of the first campaign once more, by the database alone."""
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        began = time.monotonic()
        (campaign,) = connection.execute("SELECT min(campaign_id) FROM key_change").fetchone() or ()
        for table, where in (
            ("key_change", "campaign_id = %s"),
            ("key_change_token",
             "key_change_id IN (SELECT id FROM key_change WHERE campaign_id = %s)"),
        ):  # fmt: skip
            connection.execute(f"CREATE TABLE again_{table} (LIKE {table} INCLUDING ALL)")
            connection.execute(
                f"INSERT INTO again_{table} SELECT * FROM {table} WHERE {where}",
                (campaign,),
            )
        return {"passed_s": round(time.monotonic() - began, 1)}


def report(found: dict[str, Any], count: int) -> None:
    """Print the table and the line."""
    for name, one in found.items():
        print(f"{name:10} " + "  ".join(f"{key} {value}" for key, value in one.items()))
    aim = AIM_S * count / MILLION
    soft, tcp = found["soft"]["passed_s"], found["tcp"]["passed_s"]
    found |= {
        "meters": count, "aim_s": aim, "load_average": round(os.getloadavg()[0], 1),
        "within": soft <= aim and tcp <= TCP_TIMES * soft,
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
