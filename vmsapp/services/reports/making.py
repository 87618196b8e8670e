"""Sales reports that no sums answer, and that read too many sales for somebody to wait for.

Who asks for one has it made by a job, that reads the records a day at a time and says how far it
is. What it found is kept with the job, and shown for an hour to whom it was made for, as long as
that person sees the same places.
"""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import NotAllowed
from vmsapp.extensions import atomic, begin_reading
from vmsapp.models import Job, JobState
from vmsapp.scope import Actor
from vmsapp.security import SALES_REPORT
from vmsapp.services import job_runs
from vmsapp.services.job_runs import Work
from vmsapp.services.reports.narrowing import names_of
from vmsapp.services.reports.question import Before, By, Key, Question, Report, Row, Sums
from vmsapp.services.reports.sales import Found, found_at_once, period_of, sales_report, totals_of
from vmsapp.services.reports.sources import from_records

MAKE: Final = "report.make"
"""What a job does."""

AT_ONCE: Final = 20_000
"""Sales and reversals that are read from the records while somebody waits: a second or two."""

KEPT: Final = timedelta(hours=1)
"""How long figures are shown that were made; then they are made anew."""

LOOKED_AT: Final = 50
"""The last jobs of a person, among which a report is looked for."""


def to_read(session: Session, question: Question) -> int:
    """Count the sales and reversals a report reads from the records; none where sums answer it.

    Raises:
        CrossingTooLong: It reaches over too many days.
    """
    count = 0
    for one in (question, period_of(question)):
        if from_records(one):
            # whatever the product: the sums that tell all else apart do not know it
            near = replace(one, by=By.YEAR, product_id=None)
            count += sum(sums.sold + sums.reversed for _, sums in found_at_once(session, near))
    return count


def ask(
    session: Session, actor: Actor, question: Question, *,
    locale: str, title: str, query: str, total: int,
) -> Job:  # fmt: skip
    """Write down that a report is to be made, in the caller's transaction.

    Args:
        session: In the actor's scope.
        actor: Who asks.
        question: What.
        locale: The asker's language.
        title: What the asker calls the report.
        query: The address it is asked at.
        total: Sales and reversals there are to read.
    """
    params = {"question": _kept_question(question), "sight": actor.sight.kept(),
              "report": "sales_report", "query": query}  # fmt: skip
    name = f"{title} {question.first} – {question.last}"
    return job_runs.ask(session, actor, MAKE, params, locale=locale, file_name=name, total=total)


def asked_for(session: Session, actor: Actor, question: Question) -> Job | None:
    """Find the last job that made, or is making, just this report for this person."""
    mine = select(Job).where(Job.kind == MAKE, Job.actor_id == actor.user_id)
    last = session.scalars(mine.order_by(Job.id.desc()).limit(LOOKED_AT))
    wanted, sight = _kept_question(question), actor.sight.kept()
    for job in last:
        if job.params["question"] == wanted and job.params["sight"] == sight:
            return job if job.made_at > now_utc() - KEPT else None
    return None


def make(session: Session, actor: Actor, work: Work) -> None:
    """Make a report, in the scope of who asked for it.

    Raises:
        NotAllowed: The asker may not see this report any more.
    """
    if not actor.may("can_show", SALES_REPORT):
        raise NotAllowed
    begin_reading(session)
    question, read = _question(work.params["question"]), 0

    def day_by_day(current: Session, asked: Question) -> Found:
        nonlocal read
        if not from_records(asked):
            yield from found_at_once(current, asked)
            return
        for day in _days(asked):
            for place, sums in found_at_once(current, replace(asked, first=day, last=day)):
                read += sums.sold + sums.reversed
                yield place, sums
            work.stop_if_asked(current)
            work.advance_alone(current, read)

    result = _kept_report(sales_report(session, question, day_by_day))
    with atomic(session, durable=True):
        work.advance(session, read, read)
        job_runs.note_result(session, work, result)


def made(session: Session, job: Job) -> Report | None:
    """Give the report that a job made; none where it did not come to an end."""
    if job.state != JobState.DONE or "rows" not in job.result:
        return None
    by, kept = By(job.params["question"]["by"]), job.result
    places = [(_key(key), kind, _sums(figures)) for key, kind, figures in kept["rows"]]
    names = names_of(session, by, {key for key, _kind, _figures in places})
    rows = [Row(key, names.get(key, ""), kind, sums) for key, kind, sums in places]
    first, last = map(date.fromisoformat, kept["before"]["days"])
    past = {kind: _sums(figures) for kind, figures in kept["before"]["totals"].items()}
    return Report(rows, totals_of((row.meter_type, row.sums) for row in rows),
                  Before(first, last, past))  # fmt: skip


def _days(question: Question) -> Iterator[date]:
    day = question.first
    while day <= question.last:
        yield day
        day += timedelta(days=1)


# what of it is kept with the job: texts and whole numbers


def _kept_question(question: Question) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in zip(Question.__slots__, astuple(question), strict=True)
    }


def _question(kept: Mapping[str, Any]) -> Question:
    days = {name: date.fromisoformat(kept[name]) for name in ("first", "last")}
    return Question(**{**kept, **days, "by": By(kept["by"])})


def _kept_report(report: Report) -> dict[str, Any]:
    return {
        "rows": [[_kept_key(row.key), row.meter_type, _kept_sums(row.sums)] for row in report.rows],
        "before": {
            "days": [report.before.first.isoformat(), report.before.last.isoformat()],
            "totals": {kind: _kept_sums(sums) for kind, sums in report.before.totals.items()},
        },
    }  # fmt: skip


def _kept_key(key: Key) -> str | int:
    return key.isoformat() if isinstance(key, date) else key


def _key(kept: str | int) -> Key:
    return date.fromisoformat(kept) if isinstance(kept, str) else kept


def _kept_sums(sums: Sums) -> list[int | str]:
    return [str(one) if isinstance(one, Decimal) else one for one in astuple(sums)]


def _sums(kept: list[int | str]) -> Sums:
    values: list[Any] = [Decimal(one) if isinstance(one, str) else one for one in kept]
    return Sums(*values)
