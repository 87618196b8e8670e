"""Doors without a person: ids in, a service called. Never a secret in a message."""

from typing import Any, Final

from celery import Celery, Task
from celery.schedules import crontab
from flask import Flask

from config import Settings
from vmsapp import logs, metrics
from vmsapp.tasks.files_broker import SCHEME

celery = Celery("vms")

NAMED: Final = "vmsapp.tasks."
"""What the names of tasks begin with."""

EXPIRY_SECONDS: Final = 300.0
"""How often requests that waited too long are written down as expired."""
SWEEP_SECONDS: Final = 15.0
"""How often jobs and deliveries are looked for whose message was lost or whose worker died."""
MERGE_SECONDS: Final = 10.0
"""How often what was sold is added to the sums that reports read."""
TIDY_MINUTE: Final = 37
"""Of every hour, when files are removed after their days."""
SIGN_MINUTE: Final = 7
"""Of every hour, when the head of the audit trail is signed."""

VERIFY_HOUR: Final = 2
VERIFY_MINUTE: Final = 20
"""UTC, when the whole trail is checked."""
JOURNAL_MINUTE: Final = 50
"""Of the same hour, when the modules' journals are compared with what was sold."""

PROOF_MINUTE: Final = 35
"""Of the same hour, when the ledger is proved."""

REVENUE_HOUR: Final = 3
REVENUE_MINUTE: Final = 5
"""UTC, when the rules of revenue protection are asked."""


def init_app(app: Flask, settings: Settings, *, make_folder: bool = True) -> None:
    """Set the one Celery object up for this installation.

    Args:
        app: The application.
        settings: Its settings.
        make_folder: Make the folder of the embedded broker, for whoever puts a message there.
    """

    class InContext(Task):
        """A task that runs inside the application, timed, with its id in the log."""

        def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            number, name = logs.id_for(self.request.id), str(self.name).removeprefix(NAMED)
            with app.app_context(), logs.about_request(number), metrics.task(name):
                return self.run(*args, **kwargs)

    celery.Task = InContext
    celery.conf.update(
        **_broker(settings, make_folder=make_folder),
        task_ignore_result=True,
        task_acks_late=True,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        timezone="UTC",
        include=[
            "vmsapp.tasks.approvals",
            "vmsapp.tasks.audit",
            "vmsapp.tasks.background",
            "vmsapp.tasks.deliveries",
            "vmsapp.tasks.journal",
            "vmsapp.tasks.modules",
            "vmsapp.tasks.proof",
            "vmsapp.tasks.reconcile",
            "vmsapp.tasks.roll_ups",
            "vmsapp.tasks.reports",
            "vmsapp.tasks.revenue",
        ],
        beat_schedule={
            "reconcile": {
                "task": "vmsapp.tasks.reconcile.settle",
                "schedule": float(settings.reconcile_seconds),
                "options": {"expires": settings.reconcile_seconds},
            },
            "approvals": {
                "task": "vmsapp.tasks.approvals.expire",
                "schedule": EXPIRY_SECONDS,
                "options": {"expires": EXPIRY_SECONDS},
            },
            "modules": {
                "task": "vmsapp.tasks.modules.look",
                "schedule": float(settings.module_seconds),
                "options": {"expires": settings.module_seconds},
            },
            "seal": {
                "task": "vmsapp.tasks.audit.seal",
                "schedule": float(settings.seal_seconds),
                "options": {"expires": settings.seal_seconds},
            },
            "sweep": {
                "task": "vmsapp.tasks.background.sweep",
                "schedule": SWEEP_SECONDS,
                "options": {"expires": SWEEP_SECONDS},
            },
            "deliveries": {
                "task": "vmsapp.tasks.deliveries.sweep",
                "schedule": SWEEP_SECONDS,
                "options": {"expires": SWEEP_SECONDS},
            },
            "roll-ups": {
                "task": "vmsapp.tasks.roll_ups.merge",
                "schedule": MERGE_SECONDS,
                "options": {"expires": MERGE_SECONDS},
            },
            "reports": {
                "task": "vmsapp.tasks.reports.sweep",
                "schedule": SWEEP_SECONDS,
                "options": {"expires": SWEEP_SECONDS},
            },
            "tidy": {
                "task": "vmsapp.tasks.background.tidy",
                "schedule": crontab(minute=TIDY_MINUTE),
            },
            # by the clock, so that a product that is often started again misses none
            "sign": {"task": "vmsapp.tasks.audit.sign", "schedule": crontab(minute=SIGN_MINUTE)},
            "verify": {
                "task": "vmsapp.tasks.audit.verify",
                "schedule": crontab(hour=VERIFY_HOUR, minute=VERIFY_MINUTE),
            },
            "journal": {
                "task": "vmsapp.tasks.journal.compare",
                "schedule": crontab(hour=VERIFY_HOUR, minute=JOURNAL_MINUTE),
            },
            "proof": {
                "task": "vmsapp.tasks.proof.run",
                "schedule": crontab(hour=VERIFY_HOUR, minute=PROOF_MINUTE),
            },
            "revenue": {
                "task": "vmsapp.tasks.revenue.run",
                "schedule": crontab(hour=REVENUE_HOUR, minute=REVENUE_MINUTE),
            },
        },
        beat_scheduler="celery.beat:Scheduler",  # in memory: nothing here is worth a file
    )
    app.extensions["celery"] = celery


def _broker(settings: Settings, *, make_folder: bool) -> dict[str, Any]:
    """Name the broker: a server where one is given, else files in the instance folder."""
    if settings.broker_url:
        return {"broker_url": settings.broker_url}
    folder = settings.instance / "broker"
    if make_folder:
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "broker_url": f"{SCHEME}://",
        "broker_transport_options": {
            "data_folder_in": str(folder),
            "data_folder_out": str(folder),
            "control_folder": str(folder),
            "store_processed": False,
            "polling_interval": 0.2,
        },
    }
