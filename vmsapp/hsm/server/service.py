"""The listener: takes connections, gives each a thread, and stops without breaking anything off."""

import logging
import socket
import ssl
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.server.desk import Client, Desk
from vmsapp.hsm.server.gate import Strikes
from vmsapp.hsm.server.identity import Identity
from vmsapp.hsm.server.session import House, Session, Times

STRANGERS_MAX: Final = 100
"""Connections that have not proved anything yet; the oldest makes room."""
CONNECTIONS_MAX: Final = 64
"""Connections of one client."""
BACKLOG: Final = 128
STOP_SECONDS: Final = 15.0

log = logging.getLogger("vms.module")


class ModuleServer:
    """A module behind TLS.

    Args:
        module: Whom the clients ask; whoever made it closes it.
        identity: Key and certificate.
        clients: Who may ask.
        host: Address to listen on.
        port: Port to listen on; 0 for any that is free.
        client_ca: PEM file with the authority of the clients' certificates; None without
            ``mtls``.
        times: How long it waits.
    """

    def __init__(
        self,
        module: SecurityModule,
        identity: Identity,
        clients: list[Client],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        client_ca: Path | None = None,
        times: Times = Times(),  # noqa: B008 - frozen
    ) -> None:
        self._house = House(
            tls=server_tls(identity, client_ca),
            fingerprint=identity.fingerprint,
            desk=Desk(module, clients),
            clients={client.id: client for client in clients},
            strikes=Strikes(),
            times=times,
            stopping=threading.Event(),
            may_join=self._may_join,
        )
        self._lock = threading.Lock()
        self._strangers: dict[Session, None] = {}
        self._guests: dict[Session, None] = {}
        self._threads: set[threading.Thread] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self._accepting = threading.Thread(target=self._accept, name="accept", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Begin to take connections."""
        self._accepting.start()

    def stop(self, *, seconds: float = STOP_SECONDS) -> bool:
        """Take no more, finish what is under way, hang up.

        Returns:
            False if something was still under way after so many seconds.
        """
        self._house.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        until = time.monotonic() + seconds
        with self._lock:
            sessions, threads = [*self._strangers, *self._guests], list(self._threads)
        for session in sessions:
            if session.idle:
                session.hang_up()
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _accept(self) -> None:
        while not self._house.stopping.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError as error:
                if self._house.stopping.is_set():
                    return
                log.warning("a connection could not be taken: %s", type(error).__name__)
                time.sleep(0.1)  # out of files: wait until some are given back
                continue
            self._begin(Session(self._house, connection, address[0]))

    def _begin(self, session: Session) -> None:
        thread = threading.Thread(target=self._run, args=(session,), name="session", daemon=True)
        with self._lock:
            oldest = next(iter(self._strangers)) if len(self._strangers) >= STRANGERS_MAX else None
            if oldest is not None:
                del self._strangers[oldest]
            self._strangers[session] = None
            self._threads.add(thread)
            thread.start()  # before anybody who stops the server can want to wait for it
        if oldest is not None:
            oldest.hang_up()

    def _run(self, session: Session) -> None:
        try:
            session.run()
        finally:
            with self._lock:
                self._strangers.pop(session, None)
                self._guests.pop(session, None)
                self._threads.discard(threading.current_thread())

    def _may_join(self, session: Session) -> bool:
        with self._lock:
            here = Counter(guest.client.id for guest in self._guests if guest.client)
            assert session.client is not None, "it has proved who it is"
            if here[session.client.id] >= CONNECTIONS_MAX:
                return False
            self._strangers.pop(session, None)
            self._guests[session] = None
            return True


def server_tls(identity: Identity, client_ca: Path | None) -> ssl.SSLContext:
    """Make the server's side of TLS 1.3, nothing older."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # every connection greets anew, and an idle one stays silent
    context.load_cert_chain(identity.certificate, identity.key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
