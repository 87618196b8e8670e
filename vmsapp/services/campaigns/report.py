"""The report of a campaign: every meter with its state, without digits, as an Excel file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_
from vmsapp.extensions import atomic, begin_reading
from vmsapp.models import (
    Campaign,
    CampaignMeter,
    CampaignNotice,
    CampaignRefusal,
    ChangeState,
    Job,
    KeyChange,
    Meter,
    NoticeState,
    Region,
)
from vmsapp.scope import Actor
from vmsapp.services import job_runs, stored_files
from vmsapp.services.campaigns.places import first_credit
from vmsapp.services.campaigns.rows import locked, note, read
from vmsapp.services.campaigns.terms import REPORT, ReportRow
from vmsapp.services.job_runs import Work
from vmsapp.services.setup import zone_at
from vmsapp.services.sheets import Look, write_xlsx
from vmsapp.sts import identifiers

PAGE: Final = 2_000
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LEFT_OUT: Final = "left_out"
UNKNOWN: Final = "unknown"

HEADINGS: Final = (
    N_("Meter number"), N_("Region"), N_("State"), N_("Old key"), N_("New key"), N_("Made at"),
    N_("Handed out"), N_("Closed at"), N_("Overdue"), N_("Why not"),
)  # fmt: skip
STATES: Final[Mapping[str, str]] = {
    ChangeState.RESERVED: N_("being made"),
    ChangeState.COMPLETED: N_("not confirmed yet"),
    ChangeState.CONFIRMED: N_("confirmed"),
    ChangeState.WITHDRAWN: N_("key change withdrawn"),
    ChangeState.FAILED: N_("not made"),
    ChangeState.REFUSED: N_("refused by the meter"),
    LEFT_OUT: N_("left out"),
    UNKNOWN: N_("no such meter"),
}


def ask_report(session: Session, actor: Actor, campaign_id: int, *, locale: str) -> Job:
    """Ask for the job that writes the report; the door sends its message afterwards.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        job = job_runs.ask(
            session, actor, REPORT, {"campaign_id": campaign.id}, locale=locale,
            file_name=f"campaign-{campaign.id}.xlsx", total=campaign.meters,
        )  # fmt: skip
        note(session, actor, "report_asked", campaign.id, job=job.id)
        return job


def write_report(session: Session, settings: Settings, work: Work, say: Callable[..., str]) -> None:
    """Write the report as a file to be fetched.

    Args:
        session: In the asker's scope.
        settings: Of the installation.
        work: The job.
        say: Puts a message id and its values into the asker's language.
    """
    campaign_id = int(work.params["campaign_id"])
    begin_reading(session)
    count = 0

    def lines() -> Iterator[Sequence[str]]:
        nonlocal count
        for row in report_rows(session, campaign_id):
            count += 1
            if count % PAGE == 0:
                work.stop_if_asked(session)
                work.advance_alone(session, count)
            yield _line(row, say)

    with stored_files.making(settings) as (stored, file):
        write_xlsx(file, say(N_("Campaign")), [say(one) for one in HEADINGS], lines(), Look())
        with atomic(session, durable=True):
            work.advance(session, count, count)
            job_runs.note_file(session, work, stored, {"rows": count, "mime": XLSX})


def report_rows(session: Session, campaign_id: int) -> Iterator[ReportRow]:
    """Tell of every meter what became of it: changes, then those left out, then unknown numbers.

    Args:
        session: In the asker's scope; meters out of sight are left out.
        campaign_id: Which.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
    """
    campaign = read(session, campaign_id)
    now = now_utc()
    late = business_day(now, zone_at(session, now)) > campaign.due_on
    yield from _changes(session, campaign, late=late)
    yield from _left_out(session, campaign)
    unknown = select(CampaignMeter.number, CampaignMeter.fault).where(
        CampaignMeter.campaign_id == campaign.id, CampaignMeter.fault.is_not(None)
    )
    for number, fault in session.execute(unknown.order_by(CampaignMeter.place)).all():
        yield ReportRow(number, "", UNKNOWN, why={"code": fault})


def _changes(session: Session, campaign: Campaign, *, late: bool) -> Iterator[ReportRow]:
    after = 0
    while True:
        found = session.execute(
            select(KeyChange, Meter.drn, Region.name, CampaignNotice, first_credit())
            .join(Meter, Meter.id == KeyChange.meter_id)
            .join(Region, Region.id == Meter.region_id)
            .outerjoin(CampaignNotice, CampaignNotice.key_change_id == KeyChange.id)
            .where(KeyChange.campaign_id == campaign.id, KeyChange.id > after)
            .order_by(KeyChange.id).limit(PAGE)
        ).all()  # fmt: skip
        if not found:
            return
        after = found[-1][0].id
        for change, drn, region, notice, credit in found:
            yield _of_change(change, drn, region, notice, credit, late=late)
        session.expunge_all()


def _of_change(
    change: KeyChange, drn: str, region: str, notice: CampaignNotice | None,
    credit: datetime | None, *, late: bool,
) -> ReportRow:  # fmt: skip
    why = {"code": change.failure} if change.failure else None
    if why is None and notice is not None and notice.problem:
        why = dict(notice.problem)
    sent = notice.state_at if notice and notice.state == NoticeState.SENT else None
    handed = min((at for at in (sent, credit) if at is not None), default=None)
    return ReportRow(
        identifiers.drn.format(drn), region, change.state, _key(change, "old"),
        _key(change, "new"), _moment(change.completed_at), _moment(handed),
        _moment(change.closed_at), late and change.state == ChangeState.COMPLETED, why,
    )  # fmt: skip


def _left_out(session: Session, campaign: Campaign) -> Iterator[ReportRow]:
    after = 0
    while True:
        found = session.execute(
            select(CampaignRefusal.meter_id, CampaignRefusal.outcome, Meter.drn, Region.name)
            .join(Meter, Meter.id == CampaignRefusal.meter_id)
            .join(Region, Region.id == Meter.region_id)
            .where(CampaignRefusal.campaign_id == campaign.id)
            .where(CampaignRefusal.round == campaign.round, CampaignRefusal.meter_id > after)
            .order_by(CampaignRefusal.meter_id).limit(PAGE)
        ).all()  # fmt: skip
        if not found:
            return
        after = found[-1][0]
        for _meter_id, outcome, drn, region in found:
            yield ReportRow(identifiers.drn.format(drn), region, LEFT_OUT, why=outcome)


def _line(row: ReportRow, say: Callable[..., str]) -> list[str]:
    why: Mapping[str, Any] = row.why or {}
    said = say(why["message"], **why.get("params", {})) if "message" in why else why.get("code", "")
    return [
        row.meter, row.region, say(STATES[row.state]), row.old_key, row.new_key, row.made_at,
        row.handed_out, row.closed_at, say(N_("yes")) if row.overdue else "", said,
    ]  # fmt: skip


def _key(change: KeyChange, which: str) -> str:
    sgc, krn, ti = (getattr(change, f"{which}_{name}") for name in ("sgc", "krn", "ti"))
    return f"{sgc} KRN {krn} TI {ti} BDT {getattr(change, f'{which}_base_date')}"


def _moment(at: datetime | date | None) -> str:
    return at.isoformat(sep=" ", timespec="minutes") if isinstance(at, datetime) else ""
