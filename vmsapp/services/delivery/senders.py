"""What hands a message over: mail through the utility's server, text messages through a sender.

A sender of text messages is a class of anybody's, named in ``VMS_SMS_SENDER``; docs/sending.md
tells how one is written. What it raises decides what becomes of the message:

- ``Unavailable``: surely not taken; it is tried again after a while.
- ``Refused`` or ``InvalidInput``: surely not taken, and trying again is of no use.
- anything else, and no answer in time: it may have been taken; only a person tries again.
"""

import logging
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Final, Protocol, runtime_checkable

from config import Settings, SettingsError
from vmsapp.errors import N_, InvalidInput, Refused, Unavailable, Uncertain, VmsError
from vmsapp.models import Channel, Setup
from vmsapp.services import mail
from vmsapp.services.delivery.folder import FolderSender
from vmsapp.services.problems import Broken

PATIENCE: Final = 20.0
"""Seconds that a sender of text messages is waited for."""

MOST_ID: Final = 120
"""Characters that are kept of what a sender calls a message."""


log: Final = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What became of a message that a sender was asked to take, as the states call it."""

    TAKEN = "sent"
    NOT_NOW = "waiting"
    UNSURE = "unsure"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender said: why it was not taken, or what the sender calls it."""

    outcome: Outcome
    error: VmsError | None = None
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What a sender hands over.

    Attributes:
        to: One address: of mail, or a telephone number's digits, with ``+`` where it has one.
        text: What it says; of a text message all there is.
        reference: The same with every attempt of one delivery. A sender that tells its service
            keeps it from sending twice.
        subject, attached: Of mail alone.
    """

    to: str = field(repr=False)
    text: str = field(repr=False)
    reference: str
    subject: str = field(default="", repr=False)
    attached: Sequence[mail.Attachment] = ()


@runtime_checkable
class Sender(Protocol):
    """Hands messages over."""

    def send(self, message: Message) -> str:
        """Hand one message over.

        Returns:
            What the service calls it, or nothing.

        Raises:
            Unavailable, Refused, Exception: See the page's beginning.
        """
        ...


class SmsNotSetUp(Refused):
    """Nobody named a sender."""

    code = "sms_not_set_up"
    message = N_(
        "No sender of text messages is set up. Whoever runs this server can name one"
        " (VMS_SMS_SENDER)."
    )


class MailPutOff(Unavailable):
    """The server wants to be asked later: a reply between 400 and 499."""

    code = "mail_put_off"
    message = N_("The mail server %(host)s does not take the message now, code %(reply)s.")


class SenderSlow(Uncertain):
    """No answer in time."""

    code = "sender_slow"
    message = N_(
        "The sender did not answer within %(seconds)s seconds. The message may have left all the"
        " same."
    )


class SenderBroke(Uncertain):
    """It raised what it should not."""

    code = "sender_broke"
    message = N_("The sender stopped with a fault (%(fault)s). The message may have left.")


@dataclass(frozen=True, slots=True)
class MailSender:
    """Hands mail in at the utility's server."""

    server: mail.MailServer
    ports: Collection[int]

    def send(self, message: Message) -> str:
        """Hand one message in; what the server says for now is told apart from a no."""
        try:
            mail.send(
                self.server, [message.to], message.subject, message.text, ports=self.ports,
                attached=message.attached,
            )  # fmt: skip
        except mail.MailRefused as error:
            if 400 <= int(str(error.params["reply"])) < 500:
                raise MailPutOff(**error.params) from error
            raise
        return ""


@dataclass(frozen=True, slots=True)
class Patient:
    """Waits for a sender no longer than it may take, and names what goes wrong in it."""

    inner: Sender
    seconds: float = PATIENCE

    def send(self, message: Message) -> str:
        """Hand one message over in a thread that nobody waits for any longer."""
        outcome = queue.SimpleQueue[str | BaseException]()

        def talk() -> None:
            try:
                outcome.put(str(self.inner.send(message) or "")[:MOST_ID])
            except BaseException as error:  # noqa: BLE001 - carried over to who waits
                outcome.put(error)

        threading.Thread(target=talk, name="sender", daemon=True).start()
        try:
            found = outcome.get(timeout=self.seconds)
        except queue.Empty:
            raise SenderSlow(seconds=round(self.seconds)) from None
        if isinstance(found, str):
            return found
        if isinstance(found, Unavailable | Refused | InvalidInput | Uncertain):
            raise found
        # by its name alone: what it says may hold the text
        raise SenderBroke(fault=type(found).__name__) from None


@dataclass(frozen=True, slots=True)
class Senders:
    """The senders of this installation.

    Attributes:
        sms: Of text messages, if one is named.
        mail_key: Opens the password of the mail server.
        mail_ports: Those that may be talked to.
    """

    sms: Sender | None
    mail_key: bytes = field(repr=False)
    mail_ports: Collection[int]

    def of(self, channel: Channel, setup: Setup) -> Sender:
        """Give the sender of a way.

        Raises:
            SmsNotSetUp, MailNotSetUp, MailPasswordLost: There is none.
        """
        if channel == Channel.MAIL:
            return MailSender(mail.server_of(setup, self.mail_key), self.mail_ports)
        if self.sms is None:
            raise SmsNotSetUp
        return Patient(self.sms)

    def has(self, channel: Channel, setup: Setup) -> bool:
        """Tell whether a way is offered at all."""
        return bool(setup.mail_host) if channel == Channel.MAIL else self.sms is not None


def sms_sender(settings: Settings) -> Sender | None:
    """Make the sender of text messages that the settings name.

    Raises:
        SettingsError: There is no such class, or it cannot be made.
    """
    named = settings.sms_sender
    if not named:
        return None
    if named == "file":
        return FolderSender(settings.instance / "sms")
    where, _, what = named.partition(":")
    try:
        make: Callable[[str], Sender] = getattr(import_module(where), what)
        sender = make(settings.sms_secret or "")
    except Exception as error:  # noqa: BLE001 - it is anybody's code
        msg = f"VMS_SMS_SENDER: {named} cannot be used ({type(error).__name__})."
        raise SettingsError(msg) from None
    if not isinstance(sender, Sender):
        msg = f"VMS_SMS_SENDER: {named} makes nothing that sends: see docs/sending.md."
        raise SettingsError(msg)
    return sender


def hand_over(sender: Sender, message: Message, what: str) -> Answer:
    """Ask a sender, and read what it says by the rules above; ``what`` names it in the log."""
    try:
        return Answer(Outcome.TAKEN, message_id=sender.send(message))
    except Unavailable as error:
        return Answer(Outcome.NOT_NOW, error)
    except Uncertain as error:
        return Answer(Outcome.UNSURE, error)
    except VmsError as error:  # a rule said no
        return Answer(Outcome.FAILED, error)
    except Exception as error:  # noqa: BLE001 - what it says may hold digits: its name alone
        log.error("%s: the sender failed: %s", what, type(error).__name__)  # noqa: TRY400
        return Answer(Outcome.UNSURE, Broken())
