"""Handing mail in: to a server of our own that answers as it is told."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, TextIO
from unittest.mock import Mock

import pytest

from vmsapp.models import Setup
from vmsapp.sealing import SealBroken, unseal
from vmsapp.services.mail import (
    MailLoginRefused,
    MailNotSetUp,
    MailPasswordLost,
    MailPortRefused,
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

SERVING = "the tests' mail server"


@contextmanager
def smtp(answers: dict[str, str], hello: str = "220 here") -> Iterator[SimpleNamespace]:
    """A server that speaks SMTP (RFC 5321) with one client, and notes what it is told."""
    listening = socket.create_server(("127.0.0.1", 0))
    noted = SimpleNamespace(lines=[], port=listening.getsockname()[1])

    def say(talk: TextIO, text: str) -> None:
        if text:
            print(text, file=talk, end="\r\n", flush=True)

    def serve() -> None:
        client, _address = listening.accept()
        with client, client.makefile("rw", newline="\r\n", encoding="utf-8") as talk:
            say(talk, hello)
            in_text = False
            for line in talk:
                noted.lines.append(line.rstrip("\r\n"))
                word = line.split(" ", maxsplit=1)[0].strip().upper()
                if in_text and word != ".":
                    continue
                answer = answers.get(word, "250 ok")
                in_text = word == "DATA" and answer.startswith("354")
                say(talk, answer)
                if word == "QUIT":
                    return

    def serve_until_the_client_leaves() -> None:
        with suppress(OSError):  # it may leave whenever it likes, or never come
            serve()

    thread = threading.Thread(target=serve_until_the_client_leaves, name=SERVING, daemon=True)
    thread.start()
    try:
        yield noted
    finally:
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)  # nobody came: wait for nobody any longer
        listening.close()
        thread.join(timeout=10)


def hand_in(server: MailServer, subject: str = "Test", **options: Any) -> None:
    send(server, ["a@example.org"], subject, "Text", **{"ports": {server.port}} | options)


def plain(port: int, host: str = "127.0.0.1", **more: str) -> MailServer:
    return MailServer(host, port, "none", "vms@example.org", **more)


def test_a_message_is_handed_in_with_its_people_and_text():
    with smtp(GOOD) as server:
        send(plain(server.port), ["ada@example.org"], "Grüße", "Zoë waits.", ports={server.port})
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
        hand_in(plain(server.port))
    assert refused.value.params["reply"] == reply


def test_a_server_that_does_not_know_the_user_is_told_of():
    hello = "250-here\r\n250 AUTH PLAIN"
    answers = GOOD | {"EHLO": hello, "AUTH": "535 no"}
    with smtp(answers) as server, pytest.raises(MailLoginRefused) as refused:
        hand_in(plain(server.port, user="u", password=PASSWORD))
    assert PASSWORD not in f"{refused.value} {refused.value.params}"


def test_a_closed_port_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(MailUnreachable) as refused:
        hand_in(plain(port))
    assert refused.value.retry == "yes"
    assert str(port) in str(refused.value)


def test_a_server_without_encryption_is_no_server_for_who_wants_it():
    server_wanted = {"EHLO": "250 here", "STARTTLS": "502 what?"}
    with smtp(GOOD | server_wanted) as server, pytest.raises(MailUnreachable):
        hand_in(MailServer("127.0.0.1", server.port, "starttls", "a@example.org"))


@pytest.mark.parametrize(("hello", "told"), [("", MailUnreachable), ("220 here", MailSlow)])
def test_nobody_waits_longer_than_told_for_a_server_that_is_silent(hello, told):
    """One that greeted is a mail server; what never greeted is told as if nobody were there."""
    with smtp({"EHLO": ""}, hello) as server:
        begun = time.monotonic()
        with pytest.raises(told):
            hand_in(plain(server.port), patience=0.5)
        assert time.monotonic() - begun < 4


def test_the_whole_talk_has_one_time_limit():
    """Each answer comes within the limit, and all together do not."""

    class Slow(dict):
        def get(self, _word, _default=""):
            time.sleep(1)
            return "250 ok"

    with smtp(Slow()) as server:
        begun = time.monotonic()
        with pytest.raises(MailSlow) as refused:
            hand_in(plain(server.port), patience=2.5)
        assert time.monotonic() - begun < 4, "four answers were waited for"
    assert refused.value.retry == "reconcile"


def test_a_client_that_leaves_early_is_no_trouble_to_the_server():
    """It answers into the void, and its thread ends like any other."""
    gone = threading.Event()

    class Late(dict):
        def get(self, _word, _default=""):
            gone.wait(10)
            return "250 ok\r\n" * 50_000

    with smtp(Late()) as server:
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(b"EHLO me\r\n" * 3)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # with a reset, while lines of it are still to be answered
        gone.set()
    assert [thread.name for thread in threading.enumerate() if thread.name == SERVING] == []


# what is told to who would search a network with it


@pytest.fixture
def nobody(monkeypatch):
    """Fail, and say where, if anything is connected to or looked up."""

    def refuse(*where: object, **_options: object) -> None:
        raise AssertionError(where)

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.parametrize("port", [22, 80, 5432, 6379, 26])
def test_a_port_that_is_none_for_mail_is_refused_before_anything_is_tried(nobody, port):
    with pytest.raises(MailPortRefused) as refused:
        hand_in(plain(port), ports={25, 465, 587, 2525})
    assert "25, 465, 587, 2525" in str(refused.value)
    assert f"port {port} " in str(refused.value)
    assert refused.value.field == "mail_port"


NOT_THERE = [
    ConnectionRefusedError(111, "Connection refused"),  # the port is closed
    TimeoutError("timed out"),  # a firewall drops it
    OSError(113, "No route to host"),
    socket.gaierror(-2, "Name or service not known"),
    UnicodeError("label empty or too long"),
]


def test_why_nobody_answers_is_told_to_nobody(monkeypatch):
    def told(port: int) -> tuple[str, str, str]:
        with pytest.raises(MailUnreachable) as refused:
            hand_in(plain(port, "mail.example.org"), ports={25}, patience=0.5)
        return refused.value.code, str(refused.value), str(refused.value.params)

    sentences = set()
    for error in NOT_THERE:
        monkeypatch.setattr(socket, "create_connection", Mock(side_effect=error))
        sentences.add(told(25))
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: time.sleep(2))
    sentences.add(told(25))  # nothing comes back within the time
    assert len(sentences) == 1, sentences


@pytest.mark.parametrize("hello", ["SSH-2.0-OpenSSH_9.6", "", "-ERR unknown", "HTTP/1.1 400 no"])
def test_what_is_no_mail_server_is_told_like_nothing_at_all(hello):
    with smtp(GOOD, hello) as server, pytest.raises(MailUnreachable) as refused:
        hand_in(plain(server.port), patience=0.5)
    assert refused.value.params == {"host": "127.0.0.1", "port": str(server.port)}


def test_no_line_break_gets_into_the_head_of_a_message():
    with pytest.raises(ValueError, match="linefeed or carriage"):
        hand_in(plain(25), "Test\r\nBcc: b@example.org")


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
