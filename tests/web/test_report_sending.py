"""Reports sent on a schedule: to whom, what they may see then, once, and with no token in them."""

import csv
import io
import re
import threading
from datetime import UTC, datetime
from decimal import Decimal
from zipfile import ZipFile

import pypdfium2
import pytest
from sqlalchemy import select, update

from tests.factories import HARBOUR, MARKET, OPERATOR, SOUTH_OPERATOR, SOUTHERN, SUPERVISOR
from tests.shop import in_threads
from tests.web.importing import work
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR, fields, main_part, said
from vmsapp.errors import Unavailable
from vmsapp.extensions import db
from vmsapp.models import (
    AuditEvent,
    Job,
    OfficeUser,
    ReportRecipient,
    ReportSchedule,
    ReportSending,
    Sale,
    SavedReport,
    ScheduleState,
    SendingState,
    Token,
)
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.security import actor_for
from vmsapp.services.delivery.terms import STALE_AFTER
from vmsapp.services.reports import due, sending
from vmsapp.services.reports.sending import Order
from vmsapp.tasks import background
from vmsapp.tasks import reports as tasks
from vmsapp.views.reports import letters as report_letters
from vmsapp.views.reports.files import Table, guarded
from vmsapp.views.reports.reported import reports

SAVED, SCHEDULES = "/reports/saved/", "/reports/schedules/"
BY_POINT = "period=this_month&by=vending_point"
DUE = datetime(2026, 3, 18, 3, 0, tzinfo=UTC)
"""The next six o'clock in Nairobi, after noon of 17 March."""


class Busy(Unavailable):
    code = "busy"


class Post:
    """A mail server that notes what it is given, and answers as it is told."""

    def __init__(self) -> None:
        self.messages, self.errors = [], []

    def of(self, _channel, _setup):
        return self

    def send(self, message):
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(message)
        return ""

    def to(self, name):
        return [one for one in self.messages if one.to == f"{name}@test"]


@pytest.fixture
def post(monkeypatch):
    post = Post()
    monkeypatch.setattr(tasks, "senders", lambda: post)
    return post


@pytest.fixture
def told(monkeypatch):
    """Jobs that workers were told of."""
    jobs = []
    monkeypatch.setattr(background, "send", jobs.append)
    return jobs


@pytest.fixture
def worker(office, told, post):
    """Find what is due and do it, as often as something is told."""

    def run():
        with office.app_context():
            tasks.sweep.run()
            db.session.remove()
        while told:
            work(office, told.pop(0))

    return run


@pytest.fixture
def sold(shop):
    """5.00 at Harbour Street in the north, 6.00 at the market in the south."""
    return shop.sell(units="50"), shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR)


@pytest.fixture
def schedule(browse, shop, people, told):
    """Save a report and have it sent at six each day, to some people."""

    def plan(*readers, who=ADMIN, report="sales_report", query=BY_POINT, kind="csv",
             called="Points", **chosen):  # fmt: skip
        browser = browse(who)
        form = {"report": report, "query": query, "name": called}
        assert browser.post(SAVED + "save", form).status_code == 302
        saved = shop.rows(SavedReport)[-1]
        asked = {"every": "day", "hour": "6", "weekday": "0", "kind": kind} | chosen
        answer = browser.post(f"{SCHEDULES}plan/{saved.id}", asked)
        assert answer.status_code == 302, said(answer.text)
        row = shop.rows(ReportSchedule)[-1]
        for name in readers:
            added = browser.post(f"{SCHEDULES}recipients/{row.id}", {"person": people[name].id})
            assert added.status_code == 302, said(added.text)
        (mine,) = shop.rows(ReportRecipient, ReportRecipient.user_id == people[who].id,
                            ReportRecipient.schedule_id == row.id)  # fmt: skip
        browser.post(f"{SCHEDULES}recipients/{row.id}/remove/{mine.id}")
        return row.id

    return plan


def person(shop, name, **values):
    shop.change(
        lambda s: s.execute(update(OfficeUser).where(OfficeUser.username == name).values(**values))
    )


def lines(message):
    (file,) = message.attached
    return list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))


def points(message):
    return {row[0] for row in lines(message)[1:]}


def states(shop):
    return [(row.state, (row.problem or {}).get("code")) for row in shop.rows(ReportSending)]


@pytest.mark.usefixtures("sold")
def test_each_reader_gets_what_that_reader_sees(schedule, shop, post, worker):
    schedule(SUPERVISOR, NORTH_SUPERVISOR)
    worker()
    assert post.messages == []  # it is not six yet
    shop.clock.now = DUE
    worker()
    assert points(post.to(SUPERVISOR)[0]) == {HARBOUR, MARKET}
    assert points(post.to(NORTH_SUPERVISOR)[0]) == {HARBOUR}
    assert states(shop) == [("sent", None)] * 2
    worker()
    assert len(post.messages) == 2
    (row,) = shop.rows(ReportSchedule)
    assert (row.last_at, row.next_at) == (DUE, datetime(2026, 3, 19, 3, 0, tzinfo=UTC))
    assert shop.count(AuditEvent, AuditEvent.action == "report.sent") == 2


@pytest.mark.usefixtures("sold")
def test_of_every_report_the_north_gets_the_own_rows_alone(
    schedule, browse, office, shop, post, worker
):
    with office.app_context():
        routes = {name: view.route_base for name, view in reports().items()}
    asked = {"who": SUPERVISOR, "query": "period=this_year"}
    for name in routes:
        schedule(NORTH_SUPERVISOR, report=name, called=name, **asked)
    shop.clock.now = DUE
    worker()
    sent = [one.attached[0].content for one in post.to(NORTH_SUPERVISOR)]
    north = browse(NORTH_SUPERVISOR)
    taken = [north.post(f"{way}/export/csv?period=this_year").data for way in routes.values()]
    hidden = "•".encode() * 16  # a letter holds no whole token, even for who may see digits
    assert sorted(sent) == sorted(re.sub(rb"(\d{4} ){4}(?=\d{4})", hidden, one) for one in taken)
    assert len(set(sent)) == len(routes)
    southern = (MARKET, SOUTH_OPERATOR, shop.meter(SOUTHERN).drn)
    assert not [one for one in southern if one.encode() in b"".join(sent)]


@pytest.mark.usefixtures("sold")
def test_the_scope_is_that_of_the_moment_of_sending(schedule, shop, post, worker):
    schedule(NORTH_SUPERVISOR)
    person(shop, NORTH_SUPERVISOR, region_id=shop.utility.regions["south"].id)
    shop.clock.now = DUE
    worker()
    assert points(post.to(NORTH_SUPERVISOR)[0]) == {MARKET}


@pytest.mark.usefixtures("sold")
def test_who_is_suspended_gets_nothing_and_the_author_is_told(schedule, browse, shop, post, worker):
    number = schedule(NORTH_SUPERVISOR, SUPERVISOR)
    person(shop, NORTH_SUPERVISOR, active=False)
    shop.clock.now = DUE
    worker()
    assert post.to(NORTH_SUPERVISOR) == []
    assert len(post.to(SUPERVISOR)) == 1
    assert states(shop)[0] == ("failed", "report_recipient_suspended")
    page = browse(ADMIN).get(f"{SCHEDULES}show/{number}").text
    assert "This person is suspended, so nothing was sent." in page


@pytest.mark.usefixtures("sold")
def test_what_is_narrowed_to_somebody_elses_region_is_not_sent_wider(schedule, shop, post, worker):
    south = shop.utility.regions["south"].id
    schedule(NORTH_SUPERVISOR, SUPERVISOR, query=f"{BY_POINT}&region={south}")
    shop.clock.now = DUE
    worker()
    assert post.to(NORTH_SUPERVISOR) == []
    assert points(post.to(SUPERVISOR)[0]) == {MARKET}
    assert states(shop)[0] == ("failed", "report_narrowed_out_of_sight")


@pytest.mark.usefixtures("sold")
def test_who_may_not_export_the_report_any_more_gets_nothing(schedule, shop, post, worker):
    schedule(SUPERVISOR)

    def regroup(session):
        user = session.scalars(select(OfficeUser).where(OfficeUser.username == SUPERVISOR)).one()
        user.roles = [session.scalars(select(Role).where(Role.name == "Operator")).one()]

    shop.change(regroup)
    shop.clock.now = DUE
    worker()
    assert post.messages == []
    assert states(shop) == [("failed", "report_recipient_may_not")]


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize(("language", "subject", "heading"), [
    ("ar", "Points: تقرير المبيعات", "نقطة البيع"), ("zh", "Points：售卖报表", "售卖点"),
    ("fr", "Points\u00a0: Rapport des ventes", "Point de vente"),
])  # fmt: skip
def test_subject_and_headings_are_in_the_readers_language(
    schedule, shop, post, worker, language, subject, heading
):
    person(shop, SUPERVISOR, language=language)
    schedule(SUPERVISOR)
    shop.clock.now = DUE
    worker()
    (message,) = post.messages
    assert subject in message.subject
    assert lines(message)[0][0] == heading


def test_last_month_is_that_before_the_sending(schedule, shop, sold, post, worker):
    schedule(SUPERVISOR, query="period=last_month&by=vending_point", every="month", month_day="1")
    shop.clock.now = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
    worker()
    assert points(post.messages[0]) == {HARBOUR, MARKET}
    shop.clock.now = datetime(2026, 5, 1, 3, 0, tzinfo=UTC)
    worker()
    assert points(post.messages[1]) == set()


def digits_in(kind, content):
    """All that a file says, with nothing between its digits."""
    if kind == "pdf":
        pages = pypdfium2.PdfDocument(content)
        text = "".join(page.get_textpage().get_text_range() for page in pages)
    elif kind == "xlsx":
        book = ZipFile(io.BytesIO(content))
        text = "".join(book.read(name).decode() for name in book.namelist())
    else:
        text = content.decode("utf-8-sig")
    return re.sub(r"[\s\u200e\u00a0]", "", text)


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize("kind", ["csv", "xlsx", "pdf"])
def test_no_attachment_holds_a_whole_token(browse, schedule, shop, post, worker, kind):
    schedule(SUPERVISOR, report="sales_tokens", query="asked=yes", kind=kind)
    shop.change(lambda s: s.execute(update(Sale).values(shown_at=DUE)))
    shop.clock.now = DUE
    worker()
    assert len(post.messages) == 1  # the author took the own name off
    tokens = [row.digits for row in shop.rows(Token)]
    assert len(tokens) == 2
    whole = browse(ADMIN).post("/sales-tokens/export/csv").data
    found = digits_in(kind, post.messages[0].attached[0].content)
    for token in tokens:
        assert token in digits_in("csv", whole)  # on the page they may be read
        assert token not in found
        assert token[-4:] in found


def test_two_workers_write_one_sending(schedule, office, shop, post):
    schedule(SUPERVISOR)
    shop.clock.now = DUE
    with office.app_context(), seen_by(SYSTEM):
        session = db.session()
        (row,) = due._found(session, ReportSchedule.next_at <= DUE)
        assert due.claim(session, row, row.next_at, DUE, "Africa/Nairobi")
        assert not due.claim(session, row, DUE, DUE, "Africa/Nairobi")
        db.session.remove()
    assert len(shop.rows(ReportSending)) == 1


@BOTH
def test_workers_that_find_it_at_once_send_it_once(schedule, office, shop, post, told, backend):
    schedule(SUPERVISOR, NORTH_SUPERVISOR)
    shop.clock.now = DUE
    ready, failed = threading.Barrier(2), []

    def sweep():
        ready.wait()
        try:
            with office.app_context():
                tasks.sweep.run()
                db.session.remove()
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)

    in_threads(sweep, sweep)
    assert failed == []
    while told:
        work(office, told.pop(0))
    assert [len(post.to(name)) for name in (SUPERVISOR, NORTH_SUPERVISOR)] == [1, 1]
    assert len(shop.rows(ReportSending)) == 2


def test_one_killed_between_sending_and_writing_sends_nothing_twice(
    schedule, office, shop, post, worker, told, monkeypatch
):
    schedule(SUPERVISOR)
    shop.clock.now = DUE

    class Killed(BaseException):
        pass

    real, moves = sending.move, []

    def die(*args, **named):
        if args[4] == SendingState.SENT:
            moves.append(args)
            raise Killed
        return real(*args, **named)

    monkeypatch.setattr(sending, "move", die)
    with office.app_context():
        tasks.sweep.run()
        db.session.remove()
        with pytest.raises(Killed):
            background.run.run(told.pop())
        db.session.remove()
    assert len(moves) == len(post.messages) == 1
    monkeypatch.setattr(sending, "move", real)
    assert states(shop) == [("sending", None)]
    shop.clock.now = DUE + STALE_AFTER * 2
    worker()
    assert states(shop) == [("unsure", "report_no_answer")]
    shop.clock.now = DUE + STALE_AFTER * 10
    worker()
    assert len(post.messages) == 1


def test_what_the_server_does_not_take_now_is_tried_again(schedule, shop, post, worker):
    schedule(SUPERVISOR)
    post.errors = [Busy()]
    shop.clock.now = DUE
    worker()
    assert states(shop) == [("waiting", "busy")]
    worker()
    assert post.messages == []  # not before its pause is over
    shop.clock.forward(seconds=31)
    worker()
    assert states(shop) == [("sent", None)]
    assert [row.attempts for row in shop.rows(ReportSending)] == [2]


def test_after_ten_days_without_workers_one_is_sent_late(schedule, shop, post, worker):
    schedule(SUPERVISOR)
    shop.clock.now = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)
    worker()
    assert len(post.messages) == 1
    (row,) = shop.rows(ReportSchedule)
    assert row.next_at == datetime(2026, 3, 29, 3, 0, tzinfo=UTC)


def test_a_schedule_whose_author_may_have_none_stops(schedule, browse, shop, post, worker):
    number = schedule(NORTH_SUPERVISOR, who=SUPERVISOR)
    person(shop, SUPERVISOR, active=False)
    shop.clock.now = DUE
    worker()
    assert post.messages == []
    (row,) = shop.rows(ReportSchedule)
    assert (row.state, row.next_at) == (ScheduleState.STOPPED, None)
    page = browse(ADMIN).get(f"{SCHEDULES}show/{number}").text
    assert "It was stopped." in page


def test_paused_it_sends_nothing_and_resumed_what_comes_next(schedule, browse, shop, post, worker):
    number, admin = schedule(SUPERVISOR), browse(ADMIN)
    admin.post(f"{SCHEDULES}pause/{number}")
    shop.clock.now = DUE
    worker()
    assert post.messages == []
    browse(ADMIN).post(f"{SCHEDULES}resume/{number}")  # the other session has ended meanwhile
    worker()
    assert post.messages == []
    shop.clock.forward(days=1)
    worker()
    assert len(post.messages) == 1


def test_who_cancels_the_job_stops_what_it_was_to_send(schedule, browse, shop, post, worker, told):
    number, admin = schedule(SUPERVISOR), browse(ADMIN)
    admin.post(f"{SCHEDULES}send/{number}")
    admin.post(f"/jobs/cancel/{told.pop()}")
    worker()
    worker()
    assert post.messages == []
    assert states(shop) == [("failed", "report_sending_cancelled")]
    assert len(shop.rows(Job)) == 1


def test_an_author_without_a_region_has_them_sent_all_the_same(schedule, shop, post, worker):
    schedule(NORTH_SUPERVISOR, who=SUPERVISOR)
    person(shop, SUPERVISOR, region_id=None)
    shop.clock.now = DUE
    worker()
    assert len(post.messages) == 1


def test_it_is_sent_now_when_somebody_wants_it(schedule, browse, office, shop, post, told):
    number, admin = schedule(SUPERVISOR), browse(ADMIN)
    admin.post(f"{SCHEDULES}send/{number}")
    assert len(told) == 1
    job = work(office, told.pop())
    assert (job.state, job.kind) == ("done", "report.send")
    assert len(post.messages) == 1
    (row,) = shop.rows(ReportSchedule)
    assert row.next_at == DUE


def test_nobody_but_its_author_sends_it_now(schedule, browse, shop, told):
    number, admin = schedule(NORTH_SUPERVISOR, who=SUPERVISOR), browse(ADMIN)
    page = main_part(admin.get(f"{SCHEDULES}show/{number}").text)
    assert f"{SCHEDULES}send/{number}" not in page
    assert f"{SCHEDULES}pause/{number}" in page
    answer = admin.post(f"{SCHEDULES}send/{number}")
    assert answer.status_code == 403
    assert "Somebody else made this schedule." in main_part(answer.text)
    assert (shop.rows(ReportSending), told) == ([], [])
    assert f"{SCHEDULES}send/{number}" in browse(SUPERVISOR).get(f"{SCHEDULES}show/{number}").text


def test_a_second_press_sends_nothing_while_somebody_waits(schedule, browse, shop, post, worker):
    number, admin = schedule(SUPERVISOR), browse(ADMIN)
    for _ in range(2):  # the second time it was sent meanwhile
        assert admin.post(f"{SCHEDULES}send/{number}").status_code == 302
        shop.clock.forward(seconds=1)
        again = admin.post(f"{SCHEDULES}send/{number}")
        assert again.status_code == 409
        assert "It is being sent already." in main_part(again.text)
        worker()
    assert len(post.messages) == 2


def test_nobody_sends_more_by_hand_in_a_minute_than_anybody_needs(schedule, browse, shop, told):
    numbers = [schedule(SUPERVISOR, called=f"Points {n}") for n in range(6)]
    admin = browse(ADMIN)
    answers = [admin.post(f"{SCHEDULES}send/{number}") for number in numbers]
    assert [one.status_code for one in answers] == [302] * 5 + [409]
    assert "You can send 5 reports at once in a minute." in main_part(answers[-1].text)
    assert shop.count(ReportSending) == len(told) == 5


def deleted(shop):
    """Delete the saved reports, and leave the schedules to themselves."""
    now = shop.clock.now
    shop.change(lambda session: session.execute(update(SavedReport).values(deleted_at=now)))


def test_what_was_ended_does_not_come_back_once_its_report_is_deleted(schedule, browse, shop):
    number, admin = schedule(SUPERVISOR), browse(ADMIN)
    page = admin.post(f"{SCHEDULES}end/{number}", follow_redirects=True).text
    undo = fields(page, f"restore/{number}")
    shop.clock.forward(seconds=1)
    (saved,) = shop.rows(SavedReport)
    page = admin.post(f"{SAVED}delete/{saved.id}", follow_redirects=True).text
    answer = admin.post(f"{SCHEDULES}restore/{number}", undo)
    assert answer.status_code == 409
    assert "The saved report was deleted, so it is not sent any more." in main_part(answer.text)
    assert [row.deleted_at for row in shop.rows(ReportSchedule)] != [None]
    admin.post(f"{SAVED}restore/{saved.id}", fields(page, f"restore/{saved.id}"))
    assert admin.post(f"{SCHEDULES}restore/{number}", undo).status_code == 302


@pytest.mark.parametrize("deed", ["resume", "send"])
def test_a_schedule_of_a_deleted_report_neither_goes_on_nor_sends(
    schedule, browse, shop, told, deed
):
    number, admin = schedule(SUPERVISOR), browse(ADMIN)
    admin.post(f"{SCHEDULES}pause/{number}")
    deleted(shop)
    answer = admin.post(f"{SCHEDULES}{deed}/{number}")
    assert answer.status_code == 409
    assert "The saved report was deleted" in main_part(answer.text)
    assert [row.state for row in shop.rows(ReportSchedule)] == [ScheduleState.PAUSED]
    assert (shop.rows(ReportSending), told) == ([], [])


def test_the_sweep_stops_a_schedule_whose_report_was_deleted(schedule, browse, shop, post, worker):
    number = schedule(SUPERVISOR)
    deleted(shop)
    shop.clock.now = DUE
    worker()
    assert (post.messages, shop.rows(ReportSending)) == ([], [])
    (row,) = shop.rows(ReportSchedule)
    assert (row.state, row.next_at) == (ScheduleState.STOPPED, None)
    page = browse(ADMIN).get(f"{SCHEDULES}show/{number}").text
    assert "The saved report was deleted, so it is not sent any more." in main_part(page)


def test_what_waits_to_be_sent_is_not_once_its_report_is_deleted(
    schedule, browse, shop, post, worker
):
    number = schedule(SUPERVISOR)
    browse(ADMIN).post(f"{SCHEDULES}send/{number}")
    deleted(shop)
    worker()
    assert post.messages == []
    assert states(shop) == [("failed", "report_deleted")]


def test_a_job_is_asked_for_whatever_was_read_of_the_schedule_before(schedule, shop, post, people):
    number = schedule(SUPERVISOR)
    with shop.session() as session, seen_by(SYSTEM):
        author = actor_for(session, people[ADMIN].id)
        session.expunge_all()  # as in a request of somebody else than the author
        assert len(due.send_now(session, author, number)) == 1


def test_an_end_is_undone_by_another_too_and_resumed_by_its_author_alone(schedule, browse, shop):
    number, admin = schedule(NORTH_SUPERVISOR, who=SUPERVISOR), browse(ADMIN)
    page = admin.post(f"{SCHEDULES}end/{number}", follow_redirects=True).text
    admin.post(f"{SCHEDULES}restore/{number}", fields(page, f"restore/{number}"))
    assert [row.state for row in shop.rows(ReportSchedule)] == [ScheduleState.PAUSED]
    assert admin.post(f"{SCHEDULES}resume/{number}").status_code == 403
    assert browse(SUPERVISOR).post(f"{SCHEDULES}resume/{number}").status_code == 302


def test_ended_it_comes_back_by_a_press(schedule, browse, shop):
    number, admin = schedule(SUPERVISOR), browse(ADMIN)
    page = admin.post(f"{SCHEDULES}end/{number}", follow_redirects=True).text
    assert admin.get(f"{SCHEDULES}show/{number}").status_code == 404
    admin.post(f"{SCHEDULES}restore/{number}", fields(page, f"restore/{number}"))
    assert admin.get(f"{SCHEDULES}show/{number}").status_code == 200
    assert [row.state for row in shop.rows(ReportSchedule)] == [ScheduleState.PAUSED]


def test_schedules_are_a_deed_of_their_own_and_seen_by_their_author(schedule, browse, shop, people):
    number = schedule(NORTH_SUPERVISOR, who=SUPERVISOR)
    north = browse(NORTH_SUPERVISOR)
    assert north.get(f"{SCHEDULES}show/{number}").status_code == 404
    assert north.post(f"{SCHEDULES}pause/{number}").status_code == 404
    operator = browse(OPERATOR)
    form = {"report": "sales_report", "query": BY_POINT, "name": "Mine"}
    operator.post(SAVED + "save", form)
    saved = shop.rows(SavedReport)[-1]
    assert operator.post(f"{SCHEDULES}plan/{saved.id}", {}).status_code == 403
    assert browse(ADMIN).post(f"{SCHEDULES}recipients/{number}",
                              {"person": people[ADMIN].id}).status_code == 403  # fmt: skip
    assert browse(ADMIN).post(f"{SCHEDULES}pause/{number}").status_code == 302


def test_a_person_out_of_sight_cannot_be_added(schedule, browse, shop, people):
    number = schedule(who=NORTH_SUPERVISOR)
    north = browse(NORTH_SUPERVISOR)
    answer = north.post(f"{SCHEDULES}recipients/{number}", {"person": people[SOUTH_OPERATOR].id})
    assert answer.status_code == 422
    assert shop.count(ReportRecipient) == 0
    offered = north.get(f"{SCHEDULES}people?q=operator").get_json()
    assert [one["value"] for one in offered] == [people[OPERATOR].id]


def test_no_figure_is_in_the_job_or_on_the_disk(schedule, office, sold, shop, post, worker):
    schedule(SUPERVISOR)
    folder = office.extensions["vms_settings"].instance
    before = {path for path in folder.rglob("*") if path.is_file()}
    shop.clock.now = DUE
    worker()
    (job,) = shop.rows(Job)
    assert job.stored is None
    assert set(job.params) == {"title", "schedule_id"}
    after = {path for path in folder.rglob("*") if path.is_file()}
    assert not [path for path in after - before if "download" in str(path)]


@pytest.mark.usefixtures("sold")
def test_every_report_of_the_product_can_be_sent_as_every_kind_of_file(office, people):
    """Whoever declares a report gets this for it; what it shows is its own tests' affair."""
    with office.app_context():
        reader = actor_for(db.session(), people[ADMIN].id)
        known = list(reports())
        assert {"sales_report", "sales_tokens", "key_change_tokens", "inactive_consumers"} <= {
            *known
        }
        for report in known:
            for kind, begins in (("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK"), ("pdf", b"%PDF")):
                order = Order(
                    report=report, query="period=this_month", name="x", kind=kind, every="day",
                    reader=reader, language="ar", author="a", to="b@test",
                )  # fmt: skip
                with seen_by(reader):
                    letter = report_letters.letter(order, "r")
                (file,) = letter.message.attached
                assert file.content.startswith(begins), (report, kind)
        db.session.remove()


def test_what_looks_like_a_whole_token_is_hidden_whatever_a_report_does():
    whole = "12345678901234567890"
    rows = [
        ["1234 5678 9012 3456 7890", f"a {whole} b", whole + "1", "600727 0700 0000 0001 2"],
        [int(whole), None, Decimal("1.5"), "1234-5678-9012-3456-7890, 1111 2222 3333 4444 5555"],
    ]
    table = guarded(Table("t", [("Token", whole)], [], rows, [[whole]]))
    hidden = "•" * 16 + "7890"
    assert list(table.rows) == [
        [hidden, f"a {hidden} b", whole + "1", "600727 0700 0000 0001 2"],
        [hidden, None, Decimal("1.5"), f"{hidden}, {'•' * 16}5555"],
    ]
    assert table.totals == [[hidden]]
    assert table.asked == [("Token", hidden)]
