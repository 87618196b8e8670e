"""Handing mail in: to a server of our own that answers as it is told."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from vmsapp.models import Setup
from vmsapp.sealing import SealBroken, unseal
from vmsapp.services.mail import (
    MailLoginRefused,
    MailNotSetUp,
    MailPasswordLost,
    MailRefused,
    MailServer,
    MailSlow,
    MailUnreachable,
    mail_key,
    sealed_password,
    send,
    server_of,
)

KEY = mail_key("x" * 48)
PASSWORD = "Open-Sesame-7"
GOOD = {"EHLO": "250 here", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on",
        "QUIT": "221 bye", ".": "250 taken"}  # fmt: skip


@contextmanager
def smtp(answers: dict[str, str], hello: str = "220 here") -> Iterator[SimpleNamespace]:
    """A server that speaks SMTP (RFC 5321) with one client, and notes what it is told."""
    listening = socket.create_server(("127.0.0.1", 0))
    noted = SimpleNamespace(lines=[], port=listening.getsockname()[1])

    def serve() -> None:
        client, _address = listening.accept()
        with client, client.makefile("rw", newline="\r\n", encoding="utf-8") as talk:
            if hello:
                print(hello, file=talk, end="\r\n", flush=True)
            in_text = False
            for line in talk:
                noted.lines.append(line.rstrip("\r\n"))
                word = line.split(" ", maxsplit=1)[0].strip().upper()
                if in_text and word != ".":
                    continue
                in_text = word == "DATA" and answers.get(word, "").startswith("354")
                print(answers.get(word, "250 ok"), file=talk, end="\r\n", flush=True)
                if word == "QUIT":
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield noted
    finally:
        listening.close()
        thread.join(timeout=5)


def plain(port: int, host: str = "127.0.0.1", **more: str) -> MailServer:
    return MailServer(host, port, "none", "vms@example.org", **more)


def test_a_message_is_handed_in_with_its_people_and_text():
    with smtp(GOOD) as server:
        send(plain(server.port), ["ada@example.org"], "Grüße", "Zoë waits.")
    told = "\n".join(server.lines)
    assert "mail FROM:<vms@example.org>" in told
    assert "rcpt TO:<ada@example.org>" in told
    assert "From: vms@example.org" in told
    assert "To: ada@example.org" in told
    assert "Subject: =?utf-8?" in told
    assert "Message-ID: <" in told
    assert "Date: " in told


@pytest.mark.parametrize(("changed", "reply"), [
    ({"MAIL": "550 no such sender"}, 550), ({"RCPT": "550 no such user"}, 550),
    ({".": "554 looks like spam"}, 554), ({"DATA": "451 later"}, 451),
])  # fmt: skip
def test_a_refusal_is_told_with_its_code(changed, reply):
    with smtp(GOOD | changed) as server, pytest.raises(MailRefused) as refused:
        send(plain(server.port), ["ada@example.org"], "Test", "Text")
    assert refused.value.params["reply"] == reply


def test_a_server_that_does_not_know_the_user_is_told_of():
    hello = "250-here\r\n250 AUTH PLAIN"
    answers = GOOD | {"EHLO": hello, "AUTH": "535 no"}
    with smtp(answers) as server, pytest.raises(MailLoginRefused) as refused:
        send(plain(server.port, user="u", password=PASSWORD), ["a@example.org"], "Test", "Text")
    assert PASSWORD not in f"{refused.value} {refused.value.params}"


def test_a_closed_port_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(MailUnreachable) as refused:
        send(plain(port), ["a@example.org"], "Test", "Text")
    assert refused.value.retry == "yes"
    assert str(port) in str(refused.value)


def test_a_server_without_encryption_is_no_server_for_who_wants_it():
    server_wanted = {"EHLO": "250 here", "STARTTLS": "502 what?"}
    with smtp(GOOD | server_wanted) as server, pytest.raises(MailUnreachable):
        send(MailServer("127.0.0.1", server.port, "starttls", "a@example.org"),
             ["a@example.org"], "Test", "Text")  # fmt: skip


@pytest.mark.parametrize("hello", ["", "220 here"])
def test_nobody_waits_longer_than_told_for_a_server_that_is_silent(hello):
    with smtp({}, hello="") as server:
        begun = time.monotonic()
        with pytest.raises((MailSlow, MailUnreachable)):
            send(plain(server.port), ["a@example.org"], "Test", "Text", patience=0.3)
        assert time.monotonic() - begun < 3


def test_the_whole_talk_has_one_time_limit():
    """Each answer comes within the limit, and all together do not."""

    class Slow(dict):
        def get(self, _word, _default=""):
            time.sleep(0.25)
            return "250 ok"

    with smtp(Slow()) as server:
        begun = time.monotonic()
        with pytest.raises(MailSlow) as refused:
            send(plain(server.port), ["a@example.org"], "Test", "Text", patience=0.5)
        assert time.monotonic() - begun < 2
    assert refused.value.retry == "reconcile"


def test_no_line_break_gets_into_the_head_of_a_message():
    with pytest.raises(ValueError, match="linefeed or carriage"):
        send(plain(25), ["a@example.org"], "Test\r\nBcc: b@example.org", "Text")


# the password


def setup(**values: object) -> Setup:
    named = {"mail_host": "mail.example.org", "mail_port": 587, "mail_security": "starttls",
             "mail_user": "vms", "mail_sender": "vms@example.org"}  # fmt: skip
    return Setup(**named | values)


def kept(**values: object) -> Setup:
    row = setup(**values)
    row.mail_password = sealed_password(KEY, row, PASSWORD)
    return row


def test_the_password_opens_for_the_server_it_was_typed_for():
    server = server_of(kept(), KEY)
    assert (server.host, server.port, server.user, server.password) == (
        "mail.example.org", 587, "vms", PASSWORD,
    )  # fmt: skip
    assert PASSWORD not in repr(server)


def test_the_password_is_not_stored_as_it_was_typed():
    row = kept()
    assert PASSWORD.encode() not in row.mail_password
    with pytest.raises(SealBroken):
        unseal(KEY, row.mail_password, aad=b"")


@pytest.mark.parametrize("changed", [{"mail_host": "evil.example.org"}, {"mail_port": 25},
                                     {"mail_security": "none"}, {"mail_user": "root"}])  # fmt: skip
def test_the_password_opens_for_no_other_server(changed):
    row = kept()
    for name, value in changed.items():
        setattr(row, name, value)
    with pytest.raises(MailPasswordLost):
        server_of(row, KEY)


def test_the_password_opens_under_no_other_secret_key():
    with pytest.raises(MailPasswordLost):
        server_of(kept(), mail_key("y" * 48))


def test_without_a_server_there_is_no_mail():
    with pytest.raises(MailNotSetUp):
        server_of(setup(mail_host=""), KEY)
    assert server_of(setup(mail_user=""), KEY).password == ""
