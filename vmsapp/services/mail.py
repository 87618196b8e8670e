"""Mail: one message to a few people, through the utility's own server.

Sending never takes longer than ``PATIENCE``, whatever the server or the name service
does: the talk is held in a thread that nobody waits for any longer.

Who names the server must not learn by it what else is in the network: only a few ports are
talked to, and a port that is closed, one that is silent and a name that nobody knows are
told in the same sentence.

The server's password is sealed under a key made of the instance's secret key, and bound
to server, encryption and user. Who changes where it is sent must know it.
"""

import queue
import smtplib
import ssl
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final, Literal

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, Refused, Unavailable, Uncertain
from vmsapp.models import Setup
from vmsapp.sealing import SealBroken, expand, seal, unseal

PATIENCE: Final = 10.0
"""Seconds that a page waits for a mail server, all in all."""

Security = Literal["none", "starttls", "tls"]


class MailNotSetUp(Refused):
    """No mail server has been entered."""

    code = "mail_not_set_up"
    message = N_("No mail server is set up yet.")


class MailPasswordLost(Refused):
    """The sealed password does not open: another secret key, or another server."""

    code = "mail_password_lost"
    message = N_(
        "The kept mail password cannot be read any more, because this instance has another"
        " secret key now. Type it again."
    )


class MailUnreachable(Unavailable):
    """No mail server answers there in the way that was set up; nothing was handed in.

    Why not is not told: see above.
    """

    code = "mail_unreachable"
    message = N_(
        "The mail server %(host)s cannot be reached on port %(port)s with this encryption."
        " Check server, port and encryption."
    )


class MailPortRefused(InvalidInput):
    """Mail is not handed in on this port; nothing was tried."""

    code = "mail_port_refused"
    message = N_(
        "Mail can only be handed in on the ports %(ports)s, and port %(port)s is none of them."
        " If your mail server needs another, whoever runs this server can allow it"
        " (VMS_MAIL_PORTS)."
    )
    field = "mail_port"


class MailTooOften(Refused):
    """More test mails in a minute than anybody needs."""

    code = "mail_too_often"
    message = N_("Only %(count)s test mails can be sent in a minute. Wait a minute and try again.")


class MailLoginRefused(Refused):
    """The server knows no such user, or another password."""

    code = "mail_login_refused"
    message = N_("The mail server %(host)s does not take this user and password.")


class MailRefused(Refused):
    """The server talks to us, and does not take the message."""

    code = "mail_refused"
    message = N_("The mail server %(host)s refused the message, code %(reply)s.")


class MailSlow(Uncertain):
    """The server answers too slowly to be waited for; the message may still leave."""

    code = "mail_slow"
    message = N_(
        "The mail server %(host)s did not answer within %(seconds)s seconds."
        " The message may have been sent all the same."
    )


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    security: Security
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along, with its media type."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


def mail_key(secret: str) -> bytes:
    """Make the key that seals the mail password of the instance's secret key."""
    return expand(secret.encode(), "mail password")


def sealed_password(key: bytes, setup: Setup, password: str) -> bytes:
    """Seal a password for the server that ``setup`` names."""
    return seal(key, password.encode(), aad=_bound_to(setup))


def server_of(setup: Setup, key: bytes) -> MailServer:
    """Read the mail server out of the settings.

    Raises:
        MailNotSetUp: There is none.
        MailPasswordLost: Its password does not open.
    """
    if not setup.mail_host:
        raise MailNotSetUp
    password = ""
    if setup.mail_password is not None:
        try:
            password = unseal(key, setup.mail_password, aad=_bound_to(setup)).decode()
        except SealBroken as error:
            raise MailPasswordLost from error
    security: Security = setup.mail_security  # type: ignore[assignment]
    return MailServer(
        setup.mail_host, setup.mail_port, security, setup.mail_sender, setup.mail_user, password
    )


def check_port(port: int, ports: Collection[int]) -> None:
    """Refuse a port on which mail is not handed in.

    Raises:
        MailPortRefused: It is none of ``ports``.
    """
    if port not in ports:
        raise MailPortRefused(port=str(port), ports=", ".join(map(str, sorted(ports))))


def send(
    server: MailServer,
    to: Sequence[str],
    subject: str,
    text: str,
    *,
    ports: Collection[int],
    attached: Sequence[Attachment] = (),
    patience: float = PATIENCE,
) -> None:
    """Hand a message in, with no transaction open.

    Args:
        server: Where to, and as whom.
        to: Who shall read it.
        subject: Its subject, without line breaks.
        text: The message.
        ports: Those that may be talked to.
        attached: Files that go along.
        patience: Seconds to wait, all in all.

    Raises:
        MailPortRefused: Surely not sent; nobody was asked.
        MailUnreachable: Surely not sent.
        MailLoginRefused: Surely not sent.
        MailRefused: Surely not sent.
        MailSlow: Not known to be sent.
    """
    check_port(server.port, ports)
    message = _message(server, to, subject, text)
    for file in attached:
        maintype, _, subtype = file.media_type.partition("/")
        message.add_attachment(file.content, maintype=maintype, subtype=subtype, filename=file.name)
    outcome = queue.SimpleQueue[Exception | None]()
    greeted = threading.Event()

    def talk() -> None:
        try:
            _hand_in(server, message, patience, greeted)
        except Exception as error:  # noqa: BLE001 - carried over to who waits
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=talk, name="mail", daemon=True).start()
    try:
        error = outcome.get(timeout=patience)
    except queue.Empty:
        if not greeted.is_set():
            raise _unreachable(server) from None
        raise MailSlow(host=server.host, seconds=round(patience)) from None
    if error is not None:
        raise _named(server, error) from error


def _message(server: MailServer, to: Sequence[str], subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = server.sender, ", ".join(to), subject
    message["Date"] = formatdate(now_utc().timestamp())
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2] or None)
    message.set_content(text)
    return message


def _hand_in(
    server: MailServer, message: EmailMessage, patience: float, greeted: threading.Event
) -> None:
    trust = ssl.create_default_context()
    talk: smtplib.SMTP
    if server.security == "tls":
        talk = smtplib.SMTP_SSL(server.host, server.port, timeout=patience, context=trust)
    else:
        talk = smtplib.SMTP(server.host, server.port, timeout=patience)
    greeted.set()
    with talk:
        if server.security == "starttls":
            talk.starttls(context=trust)
        if server.user:
            talk.login(server.user, server.password)
        talk.send_message(message)


def _named(server: MailServer, error: Exception) -> Refused | Unavailable | Uncertain:
    """Name what the library or the network says."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return MailLoginRefused(host=server.host)
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            reply = next(iter(refused.values()))[0]
            return MailRefused(host=server.host, reply=reply)
        case smtplib.SMTPResponseException(smtp_code=reply) if reply > 0:
            return MailRefused(host=server.host, reply=reply)
        case _:
            return _unreachable(server)


def _unreachable(server: MailServer) -> MailUnreachable:
    return MailUnreachable(host=server.host, port=str(server.port))


def _bound_to(setup: Setup) -> bytes:
    where = (setup.mail_host, str(setup.mail_port), setup.mail_security, setup.mail_user)
    return "\n".join(("mail", *where)).encode()
