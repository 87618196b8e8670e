"""The door in front of all others: names each request, times it, and answers who watches.

Who asks *from this machine* is answered, and who brings the bearer. From this machine is: the
connection comes from a loopback address, nothing in the request says that it was passed on, and it
was meant for a loopback name. A proxy on this machine connects from a loopback address, too, but
says for whom; and a page in a browser here, of whatever site, has that site's name.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from vmsapp import logs, metrics
from vmsapp.watch.figures import Figures
from vmsapp.watch.parts import Parts, ready

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ALIVE: Final = "/healthz"
READY: Final = "/readyz"
METRICS: Final = "/metrics"

HEADER: Final = "X-Request-ID"
PASSED_ON: Final = frozenset({"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"})
PASSED_ON_BEGINS: Final = "HTTP_X_FORWARDED"
"""What a request holds that somebody passed on."""
BEARER: Final = "bearer "


class Door:
    """The product as servers see it.

    Args:
        app: The product.
        parts: What is asked for ``/readyz``.
        figures: What ``/metrics`` tells besides what was counted.
        token: The bearer; None where there is none.
    """

    def __init__(self, app: Flask, parts: Parts, figures: Figures, token: str | None) -> None:
        self._inner: WSGIApplication = app.wsgi_app
        self._files = f"{app.static_url_path}/"
        self._parts, self._figures = parts, figures
        self._token = token.encode() if token else None

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer, or have it answered."""
        number = logs.id_for(environ.get("HTTP_X_REQUEST_ID"))
        logs.begin_request(number)
        path = environ.get("PATH_INFO", "")
        if path in (ALIVE, READY, METRICS):
            answer = self._answer(path, environ)
            answer.headers[HEADER] = number
            answer.headers["Cache-Control"] = "no-store"
            answer.headers["X-Content-Type-Options"] = "nosniff"
            return answer(environ, start)
        return self._pass_in(environ, start, number)

    def forget(self) -> None:
        """Find out again how everything is."""
        self._parts.forget()
        self._figures.forget()

    def _pass_in(
        self, environ: "WSGIEnvironment", start: "StartResponse", number: str
    ) -> Iterable[bytes]:
        began, status = time.perf_counter(), "5xx"
        kind = "file" if environ.get("PATH_INFO", "").startswith(self._files) else "page"

        def begin(line: str, headers: list[tuple[str, str]], *error: Any) -> Any:  # noqa: ANN401
            nonlocal status
            status = f"{line[0]}xx"
            return start(line, [*headers, (HEADER, number)], *error)

        def done() -> None:
            metrics.web_answered(kind, status, time.perf_counter() - began)
            logs.begin_request("")

        try:
            answer = self._inner(environ, begin)
        except BaseException:
            done()
            raise
        if kind == "file":  # as it is: servers send files by a way of their own
            done()
            return answer
        return ClosingIterator(answer, done)

    def _answer(self, path: str, environ: "WSGIEnvironment") -> Response:
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return Response("read only\n", 405, {"Allow": "GET, HEAD"})
        if path == ALIVE:
            return Response("alive\n")
        if not self._may(environ):
            if self._token is None:
                return Response("from this machine only\n", 403)
            return Response("bearer needed\n", 401, {"WWW-Authenticate": "Bearer"})
        doors: Mapping[str, Callable[[], Response]] = {READY: self._readiness, METRICS: self._told}
        return doors[path]()

    def _may(self, environ: "WSGIEnvironment") -> bool:
        said = environ.get("HTTP_AUTHORIZATION", "")
        if self._token is not None and said[: len(BEARER)].lower() == BEARER:
            given = said[len(BEARER) :].strip().encode("utf-8", "replace")
            if secrets.compare_digest(given, self._token):
                return True
        return from_here(environ)

    def _readiness(self) -> Response:
        parts = self._parts.told()
        well = all(ready(parts).values())
        said = json.dumps({"ready": well, "parts": parts}, indent=2)
        return Response(f"{said}\n", 200 if well else 503, mimetype="application/json")

    def _told(self) -> Response:
        registry = CollectorRegistry()
        for collector in (*metrics.collectors(), self._figures):
            registry.register(collector)
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def from_here(environ: Mapping[str, Any]) -> bool:
    """Tell whether somebody on this machine asks, for himself.

    Args:
        environ: Of the request as the server got it, before any header is believed.
    """
    if any(name in PASSED_ON or name.startswith(PASSED_ON_BEGINS) for name in environ):
        return False
    return _loopback(environ.get("REMOTE_ADDR", "")) and _of_here(environ.get("HTTP_HOST", ""))


def _of_here(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _loopback(name)


def _loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return found.is_loopback
