"""Receipts on their way: never twice by themselves, only where they may go, and told as it was."""

import json
import logging
import stat
import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.factories import LEGACY_11, OPERATOR, SOUTH_OPERATOR, SUPERVISOR
from tests.shop import in_threads
from vmsapp.errors import NotAllowed, NotFound, Refused, Unavailable, Uncertain
from vmsapp.models import (
    DELIVERY_MOVES,
    AuditEvent,
    Channel,
    Consumer,
    Delivery,
    DeliveryState,
    MeterInstallation,
    ReceiptPrint,
    Sale,
    SaleState,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import receipts
from vmsapp.services.delivery import addresses, asking, sending, sweep
from vmsapp.services.delivery.addresses import (
    AddressTooFresh,
    ConfirmedByItsWriter,
    NoAddress,
    NoPhone,
    NothingToConfirm,
    PhoneNotSendable,
    PhoneTooFresh,
)
from vmsapp.services.delivery.asking import BeingSent, NotToBeRetried, Wish
from vmsapp.services.delivery.folder import FolderClosed, FolderSender
from vmsapp.services.delivery.senders import (
    MailSender,
    Message,
    Patient,
    SenderBroke,
    Senders,
    SenderSlow,
    SmsNotSetUp,
)
from vmsapp.services.delivery.terms import PAUSES, STALE_AFTER, UNCLAIMED_AFTER
from vmsapp.services.mail import MailNotSetUp, MailRefused, mail_key
from vmsapp.services.prints import PrintedMeanwhile
from vmsapp.services.registration import consumers, personal_data
from vmsapp.services.registration.drafts import ConsumerDraft

PHONE = "+254 20 123-456"
DIALLED = "+25420123456"


class NotNow(Unavailable):
    code = "not_now"
    message = "Not now."


class Never(Refused):
    code = "never"
    message = "Never."


class Perhaps(Uncertain):
    code = "perhaps"
    message = "Perhaps."


class Fake:
    """A sender that notes what it is given, and answers what is planned."""

    def __init__(self):
        self.taken, self.plan, self.at_the_door = [], [], lambda: None

    def send(self, message):
        self.at_the_door()
        answer = self.plan.pop(0) if self.plan else "id-1"
        if isinstance(answer, BaseException):
            raise answer
        self.taken.append(message)
        return answer


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def senders(fake):
    return Senders(fake, mail_key("x" * 48), frozenset({25}))


def write(_session, receipt, row, to):
    return Message(to=to, text=" ".join(receipt.tokens), reference=row.reference)


@pytest.fixture
def sale(shop):
    change_buyer(shop, phone=PHONE, email="ada@example.org")
    return shop.sell()


def change_buyer(shop, **values):
    shop.change(lambda session: session.execute(
        update(Consumer).where(Consumer.number == "C0001").values(**values)
    ))  # fmt: skip


def buyer(shop):
    return shop.rows(Consumer, Consumer.number == "C0001")[0]


def ask(shop, senders, sale, nth=1, *, by=OPERATOR, channel=Channel.SMS, may_reprint=True):
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        receipt = receipts.receipt(session, actor, sale.id)
        wish = Wish(channel, "en", nth, may_reprint)
        return asking.ask(session, actor, senders, receipt, wish).id


def again(shop, senders, sale, delivery_id, *, by=OPERATOR, may_reprint=True):
    actor = shop.actor(by)
    with shop.session() as session, seen_by(actor):
        receipt = receipts.receipt(session, actor, sale.id)
        asking.retry(session, actor, senders, receipt, delivery_id, may_reprint=may_reprint)


def work(shop, senders, delivery_id, writer=write):
    with shop.session() as session, seen_by(SYSTEM):
        return sending.deliver(session, senders, writer, delivery_id)


def swept(shop):
    with shop.session() as session, seen_by(SYSTEM):
        return sweep.sweep(session)


def state(shop, delivery_id):
    row = shop.rows(Delivery, Delivery.id == delivery_id)[0]
    return row.state, row.attempts, row.problem and row.problem["code"]


def prints(shop):
    return [(row.nth, row.kind) for row in shop.rows(ReceiptPrint)]


def actions(shop, *names):
    return [e.details for e in shop.rows(AuditEvent, AuditEvent.action.in_(names))]


def test_a_receipt_goes_once_to_the_recorded_number_and_is_counted_and_told(
    shop, senders, fake, sale
):
    number = ask(shop, senders, sale)
    assert (state(shop, number), prints(shop)) == (("waiting", 0, None), [(1, "sms")])
    assert work(shop, senders, number)
    (message,) = fake.taken
    assert (message.to, message.text) == (DIALLED, shop.digits(sale))
    (row,) = shop.rows(Delivery)
    assert (row.state, row.attempts, row.message_id, row.nth) == ("sent", 1, "id-1", 1)
    assert (row.to_masked, row.sale_id) == ("•••456", sale.id)
    assert actions(shop, "receipt.sent") == [{"copy": 0, "kind": "sms"}]
    assert not work(shop, senders, number)
    assert len(fake.taken) == 1


def test_neither_digits_nor_address_stand_in_the_row_or_a_repr(shop, senders, sale):
    ask(shop, senders, sale)
    (row,) = shop.rows(Delivery)
    written = repr([getattr(row, column.key) for column in Delivery.__table__.columns])
    message = Message(to=DIALLED, text=shop.digits(sale), reference="r")
    for text in (written, repr(message)):
        assert shop.digits(sale) not in text
        assert DIALLED not in text
        assert PHONE not in text


def test_every_move_is_in_the_table_and_what_was_sent_moves_no_more():
    assert DELIVERY_MOVES[DeliveryState.SENT] == set()
    assert set(DELIVERY_MOVES) == set(DeliveryState)
    assert DeliveryState.SENDING not in DELIVERY_MOVES[DeliveryState.UNSURE]


def test_two_workers_send_it_once(shop, senders, fake, sale):
    number = ask(shop, senders, sale)
    both = threading.Barrier(2, timeout=20)

    def slow(session, receipt, row, to):
        message = write(session, receipt, row, to)
        both.wait()  # both have read it as waiting
        return message

    def one():
        return work(shop, senders, number, slow)

    assert sorted(in_threads(one, one)) == [False, True]
    assert len(fake.taken) == 1
    assert state(shop, number) == ("sent", 1, None)


def test_the_mark_is_written_before_the_sender_is_asked(shop, senders, fake, sale):
    number, seen = ask(shop, senders, sale), []
    fake.at_the_door = lambda: seen.append(state(shop, number))
    work(shop, senders, number)
    assert seen == [("sending", 1, None)]


def dies(*_args):
    raise SystemExit


def test_a_worker_that_dies_while_the_sender_is_asked_leaves_it_unsure_for_a_person(
    shop, senders, fake, sale, monkeypatch
):
    number = ask(shop, senders, sale)
    with monkeypatch.context() as patched:
        patched.setattr(sending, "_hand_over", dies)
        with pytest.raises(SystemExit):
            work(shop, senders, number)
    assert state(shop, number) == ("sending", 1, None)
    shop.clock.now += STALE_AFTER
    assert swept(shop) == []
    assert state(shop, number) == ("sending", 1, None)
    shop.clock.forward(seconds=1)
    assert swept(shop) == []
    assert state(shop, number) == ("unsure", 1, "delivery_no_answer")
    assert not work(shop, senders, number)
    assert fake.taken == []
    assert prints(shop) == [(1, "sms")]  # it may have left
    again(shop, senders, sale, number)
    work(shop, senders, number)
    assert len(fake.taken) == 1
    assert prints(shop) == [(1, "sms"), (2, "sms")]


def test_an_answer_that_comes_after_the_sweep_still_counts(shop, senders, fake, sale):
    number = ask(shop, senders, sale)

    def late():
        shop.clock.now += STALE_AFTER + timedelta(seconds=1)
        swept(shop)

    fake.at_the_door = late
    work(shop, senders, number)
    assert state(shop, number) == ("sent", 1, None)


def test_an_old_attempts_answer_is_not_taken_for_the_new_ones(shop, senders, fake, sale):
    number = ask(shop, senders, sale)

    def a_person_sends_it_again_meanwhile():
        fake.at_the_door = lambda: None
        shop.clock.now += STALE_AFTER + timedelta(seconds=1)
        swept(shop)
        again(shop, senders, sale, number)

    fake.at_the_door = a_person_sends_it_again_meanwhile
    work(shop, senders, number)
    assert state(shop, number) == ("waiting", 0, None)


def test_what_surely_was_not_taken_is_tried_with_growing_pauses_and_then_given_up(
    shop, senders, fake, sale
):
    number = ask(shop, senders, sale)
    fake.plan = [NotNow() for _ in range(10)]
    for tried, pause in enumerate(PAUSES, 1):
        work(shop, senders, number)
        assert state(shop, number) == ("waiting", tried, "not_now")
        shop.clock.now += pause - timedelta(seconds=1)
        assert not work(shop, senders, number)
        assert swept(shop) == []
        shop.clock.forward(seconds=1)
        assert swept(shop) == [number]
    work(shop, senders, number)
    assert state(shop, number) == ("given_up", len(PAUSES) + 1, "not_now")
    assert len(fake.plan) == 10 - len(PAUSES) - 1
    assert list(PAUSES) == sorted(PAUSES)
    assert (prints(shop), actions(shop, "receipt.not_sent")) == (
        [], [{"copy": 0, "outcome": "not_now"}],
    )  # fmt: skip


@pytest.mark.parametrize(("answer", "ends", "counted"), [
    (Never(), ("failed", 1, "never"), []),
    (Perhaps(), ("unsure", 1, "perhaps"), [(1, "sms")]),
    (ValueError("any"), ("unsure", 1, "sender_broke"), [(1, "sms")]),
])  # fmt: skip
def test_a_no_ends_it_and_what_is_uncertain_is_not_tried_again(
    shop, senders, fake, sale, answer, ends, counted
):
    number = ask(shop, senders, sale)
    fake.plan = [answer]
    work(shop, senders, number)
    assert (state(shop, number), prints(shop)) == (ends, counted)
    shop.clock.forward(hours=2)
    assert swept(shop) == []
    assert fake.taken == []


def test_a_lost_message_is_sent_again_by_the_sweep_and_not_each_time(shop, senders, sale):
    number = ask(shop, senders, sale)
    assert swept(shop) == []  # the door has just told the workers
    shop.clock.now += UNCLAIMED_AFTER + timedelta(seconds=1)
    assert swept(shop) == [number]
    assert swept(shop) == []


def test_what_waited_a_day_is_given_up(shop, senders, fake, sale):
    number = ask(shop, senders, sale)
    shop.clock.forward(hours=24, seconds=1)
    assert swept(shop) == []
    assert state(shop, number) == ("given_up", 0, "delivery_given_up")
    assert fake.taken == []


@pytest.mark.parametrize("moved", ["before the worker", "between reading and sending"])
def test_a_sale_taken_back_meanwhile_is_not_sent(shop, senders, fake, sale, moved):
    number = ask(shop, senders, sale)

    def reverse():
        shop.change(lambda s: s.execute(
            update(Sale).where(Sale.id == sale.id).values(state=SaleState.REVERSED)
        ))  # fmt: skip

    def late(session, receipt, row, to):
        message = write(session, receipt, row, to)
        session.rollback()
        reverse()
        return message

    if moved == "before the worker":
        reverse()
        work(shop, senders, number)
    else:
        assert not work(shop, senders, number, late)
        work(shop, senders, number)
    assert state(shop, number) == ("failed", 0, "delivery_taken_back")
    assert fake.taken == []


def test_who_asks_twice_is_told_it_is_on_its_way(shop, senders, sale):
    ask(shop, senders, sale)
    with pytest.raises(BeingSent):
        ask(shop, senders, sale, 2)
    with pytest.raises(PrintedMeanwhile):
        ask(shop, senders, sale, 1)
    assert prints(shop) == [(1, "sms")]


def test_of_two_who_ask_at_once_one_has_it(shop, senders, sale):
    def one():
        try:
            ask(shop, senders, sale)
        except (PrintedMeanwhile, BeingSent):
            return "no"
        return "yes"

    assert sorted(in_threads(one, one)) == ["no", "yes"]
    assert len(shop.rows(Delivery)) == 1


def test_a_sale_without_a_token_is_not_asked_for(shop, senders, sale):
    shop.change(lambda s: s.execute(update(Sale).values(state=SaleState.REVERSED)))
    with pytest.raises(sending.TakenBack):
        ask(shop, senders, sale)
    assert shop.rows(Delivery) == []


def test_sending_marks_the_sale_as_shown(shop, senders, fake, sale):
    number = ask(shop, senders, sale)
    shop.change(lambda s: s.execute(update(Sale).values(shown_at=None)))
    work(shop, senders, number)
    assert shop.rows(Sale)[0].shown_at == shop.clock.now
    assert len(fake.taken) == 1


def test_only_few_are_sent_at_once_so_that_sales_are_settled_beside_them(shop, senders, fake):
    change_buyer(shop, phone=PHONE)
    numbers = []
    for units in ("10", "20", "30"):
        shop.clock.forward(minutes=5)
        numbers.append(ask(shop, senders, shop.sell(units=units)))
    shop.change(lambda s: s.execute(
        update(Delivery).where(Delivery.id.in_(numbers[:2]))
        .values(state="sending", state_at=shop.clock.now, attempts=1)
    ))  # fmt: skip
    assert not work(shop, senders, numbers[2])
    assert state(shop, numbers[2]) == ("waiting", 0, None)
    shop.change(lambda s: s.execute(
        update(Delivery).where(Delivery.id == numbers[0]).values(state="sent")
    ))  # fmt: skip
    assert work(shop, senders, numbers[2])
    assert len(fake.taken) == 1


# once more, by a person


def test_a_person_sends_a_failed_one_again_under_another_reference(shop, senders, fake, sale):
    number = ask(shop, senders, sale)
    fake.plan = [Never()]
    work(shop, senders, number)
    first = shop.rows(Delivery)[0].reference
    again(shop, senders, sale, number, by=SUPERVISOR)
    (row,) = shop.rows(Delivery)
    assert (row.state, row.attempts, row.nth, row.problem) == ("waiting", 0, 1, None)
    assert row.asked_by_id == shop.actor(SUPERVISOR).user_id
    assert row.reference != first
    work(shop, senders, number)
    assert state(shop, number) == ("sent", 1, None)
    assert prints(shop) == [(1, "sms")]  # the one that surely was not sent counts no more


def test_what_was_sent_or_is_under_way_is_not_sent_again(shop, senders, fake, sale):
    number = ask(shop, senders, sale)
    with pytest.raises(NotToBeRetried):
        again(shop, senders, sale, number)
    work(shop, senders, number)
    with pytest.raises(NotToBeRetried):
        again(shop, senders, sale, number)
    assert (len(fake.taken), prints(shop)) == (1, [(1, "sms")])


def test_who_may_make_no_copies_sends_none(shop, senders, fake, sale):
    number = ask(shop, senders, sale, may_reprint=False)
    fake.plan = [Perhaps()]
    work(shop, senders, number)
    with pytest.raises(NotAllowed):
        again(shop, senders, sale, number, may_reprint=False)
    assert state(shop, number) == ("unsure", 1, "perhaps")


def test_another_regions_delivery_is_an_unknown_one(shop, senders, sale):
    number = ask(shop, senders, sale)
    stranger = shop.actor(SOUTH_OPERATOR)
    with shop.session() as session, seen_by(stranger):
        assert asking.deliveries_of(session, sale.id) == []
        with pytest.raises(NotFound):
            asking.delivery_of(session, sale.id, number)
        with pytest.raises(NotFound):
            receipts.receipt(session, stranger, sale.id)
    other = shop.sell(LEGACY_11, units="7")
    with shop.session() as session, seen_by(shop.actor()), pytest.raises(NotFound):
        asking.delivery_of(session, other.id, number)


# where it may go


@pytest.mark.parametrize(("values", "channel", "error"), [
    ({"phone": ""}, Channel.SMS, NoPhone),
    ({"phone": "+254 20 123456, 654321"}, Channel.SMS, PhoneNotSendable),
    ({"phone": "1234"}, Channel.SMS, PhoneNotSendable),
    ({"phone": "1234567890123456"}, Channel.SMS, PhoneNotSendable),
    ({"email": ""}, Channel.MAIL, NoAddress),
    ({}, Channel.MAIL, MailNotSetUp),
])  # fmt: skip
def test_what_cannot_be_sent_is_refused_and_counts_nothing(
    shop, senders, sale, values, channel, error
):
    if values:
        change_buyer(shop, **values)
    with pytest.raises(error):
        ask(shop, senders, sale, channel=channel)
    assert (shop.rows(Delivery), prints(shop)) == ([], [])


def test_without_a_sender_nothing_is_asked_for(shop, senders, sale):
    with pytest.raises(SmsNotSetUp):
        ask(shop, Senders(None, senders.mail_key, ()), sale)
    assert prints(shop) == []


def draft(shop, **changes):
    row = buyer(shop)
    names = ("number", "name", "region_id", "address", "gender", "id_number", "email", "phone",
             "language")  # fmt: skip
    return ConsumerDraft(**{name: getattr(row, name) for name in names} | changes)


@pytest.mark.parametrize(("change", "channel", "error"), [
    ({"phone": "+254 20 999 999"}, Channel.SMS, PhoneTooFresh),
    ({"email": "eve@example.org"}, Channel.MAIL, AddressTooFresh),
])  # fmt: skip
def test_a_changed_address_counts_after_a_day(shop, do, senders, sale, change, channel, error):
    row = buyer(shop)
    do(consumers.change, {row.id: draft(shop, **change)})
    shop.clock.forward(hours=23, minutes=59)
    assert addresses.fresh(buyer(shop), channel, shop.clock.now) is not None
    with pytest.raises(error) as caught:
        ask(shop, senders, sale, channel=channel)
    shop.clock.forward(minutes=1)
    assert caught.value.params == {"until": shop.clock.now}
    other = Channel.MAIL if channel == Channel.SMS else Channel.SMS
    assert addresses.fresh(buyer(shop), other, shop.clock.now) is None
    assert addresses.address_of(buyer(shop), channel, shop.clock.now)


def test_another_field_leaves_the_address_as_it_was(shop, do, senders, sale):
    row = buyer(shop)
    do(consumers.change, {row.id: draft(shop, name="Ada Otieno")})
    ask(shop, senders, sale)


def test_somebody_elses_word_lets_it_count_at_once_and_stays_on_record(shop, do, senders, sale):
    row = buyer(shop)
    do(consumers.change, {row.id: draft(shop, phone="0711 000 222")})
    with pytest.raises(ConfirmedByItsWriter):
        do(addresses.confirm, row.id, Channel.SMS)
    with pytest.raises(NothingToConfirm):
        do(addresses.confirm, row.id, Channel.MAIL, by=SUPERVISOR)
    with pytest.raises(NotFound):
        do(addresses.confirm, row.id, Channel.SMS, by=SOUTH_OPERATOR)
    do(addresses.confirm, row.id, Channel.SMS, by=SUPERVISOR)
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "consumer.address_confirmed")
    assert (event.actor_name, event.details) == (
        SUPERVISOR, {"number": "C0001", "address": "phone"}
    )  # fmt: skip
    ask(shop, senders, sale)
    with pytest.raises(NothingToConfirm):
        do(addresses.confirm, row.id, Channel.SMS, by=SUPERVISOR)
    do(consumers.change, {row.id: draft(shop, phone="0711 000 333")})
    assert addresses.fresh(buyer(shop), Channel.SMS, shop.clock.now) is not None


def test_who_is_new_waits_too(shop, do):
    (key,) = do(consumers.add, [draft(shop, number="N1", phone="0711 000 222")])
    (row,) = shop.rows(Consumer, Consumer.id == key)
    found = addresses.fresh(row, Channel.SMS, shop.clock.now)
    assert (found.until, found.by_id) == (
        shop.clock.now + timedelta(hours=24), shop.actor().user_id
    )  # fmt: skip
    assert addresses.fresh(row, Channel.MAIL, shop.clock.now) is None  # there is none


def test_an_address_changed_while_it_waits_is_not_sent_to(shop, do, senders, fake, sale):
    number = ask(shop, senders, sale)
    do(consumers.change, {buyer(shop).id: draft(shop, phone="0711 000 222")})
    work(shop, senders, number)
    assert state(shop, number) == ("failed", 0, "phone_too_fresh")
    assert (fake.taken, prints(shop)) == ([], [])


def test_who_is_anonymised_is_not_sent_to_and_leaves_no_address(
    shop, do, senders, fake, sale, settings
):
    number = ask(shop, senders, sale)
    row = buyer(shop)
    shop.change(lambda s: s.execute(update(Consumer).values(phone_changed_at=shop.clock.now)))
    shop.change(lambda s: s.execute(update(MeterInstallation).values(removed_at=shop.clock.now)))
    do(personal_data.anonymise, settings, row.id, reason="asked", number="C0001", by=SUPERVISOR)
    (kept,) = shop.rows(Delivery)
    assert kept.to_masked == ""
    assert buyer(shop).phone_changed_at is None
    work(shop, senders, number)
    assert state(shop, number) == ("failed", 0, "no_phone")
    assert fake.taken == []


# senders


def test_a_sender_is_not_waited_for_for_ever():
    asked, done = threading.Event(), threading.Event()

    class Silent:
        def send(self, _message):
            asked.set()
            done.wait(20)
            return ""

    with pytest.raises(SenderSlow):
        Patient(Silent(), 0.05).send(Message("1", "2", "3"))
    assert asked.is_set()
    done.set()


def test_what_breaks_in_a_sender_is_named_without_its_words(caplog):
    class Breaks:
        def send(self, message):
            raise RuntimeError(message.text)

    with caplog.at_level(logging.DEBUG), pytest.raises(SenderBroke) as caught:
        Patient(Breaks()).send(Message("1", "secret words", "3"))
    assert caught.value.params == {"fault": "RuntimeError"}
    assert "secret words" not in caplog.text + str(caught.value)


def test_a_senders_id_is_cut_to_what_is_kept():
    class Wordy:
        def send(self, _message):
            return "x" * 500

    assert Patient(Wordy()).send(Message("1", "2", "3")) == "x" * 120


def test_the_folder_holds_each_message_for_its_owner_alone(tmp_path):
    folder = tmp_path / "sms"
    sender = FolderSender(folder)
    assert sender.send(Message(DIALLED, "Hello", "abc")) == "file-abc"
    sender.send(Message(DIALLED, "Hello", "abc"))
    (file,) = folder.iterdir()
    assert json.loads(file.read_text()) == {"to": DIALLED, "text": "Hello"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_to_has_taken_nothing(tmp_path):
    (tmp_path / "sms").write_text("no folder")
    with pytest.raises(FolderClosed):
        FolderSender(tmp_path / "sms").send(Message("1", "2", "3"))


@pytest.mark.parametrize(("reply", "family"), [(451, Unavailable), (550, Refused)])
def test_mail_that_is_put_off_is_told_from_mail_that_is_refused(monkeypatch, reply, family):
    def refused(*_args, **_named):
        raise MailRefused(host="mail.example.org", reply=reply)

    monkeypatch.setattr("vmsapp.services.mail.send", refused)
    with pytest.raises(family):
        MailSender(None, ()).send(Message("ada@example.org", "2", "3"))
