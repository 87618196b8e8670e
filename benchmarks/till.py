"""An operator's browser, as far as the server sees it: signs in, fills forms in, follows links.

One connection is kept open, as a browser keeps it. Whatever goes wrong on the line is an
``OSError`` or an ``HTTPException``: nobody knows then what became of the request.
"""

import html
import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

LOST = (OSError, http.client.HTTPException)
"""The line broke: the request may have been heard, or not."""

HIDDEN = re.compile(r'<input [^>]*type="hidden"[^>]*>')
NAMED = re.compile(r'name="([^"]*)"')
WORTH = re.compile(r'value="([^"]*)"')
DIGITS = re.compile(r'class="token-digits"[^>]*>([0-9 ]+)<')
LINK = re.compile(r'href="/counter/sale/(\d+)"')


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    location: str
    text: str

    @property
    def fields(self) -> dict[str, str]:
        """The hidden fields of its forms."""
        found = {}
        for field in HIDDEN.findall(self.text):
            name, value = NAMED.search(field), WORTH.search(field)
            if name and value:
                found[name[1]] = html.unescape(value[1])
        return found

    @property
    def digits(self) -> list[str]:
        """The tokens it hands out."""
        return [found.replace(" ", "") for found in DIGITS.findall(self.text)]


@dataclass(frozen=True)
class Door:
    """Where the product answers on this machine.

    Attributes:
        port: Of the proxy.
        name: By which it is asked for.
        certificate: The one it must show.
    """

    port: int
    name: str
    certificate: Path


class _Secured(http.client.HTTPSConnection):
    """A line over TLS to a name that nobody looks up: the server is on this machine."""

    def __init__(self, door: Door, timeout_s: float) -> None:
        self._trust = ssl.create_default_context(cafile=str(door.certificate))
        super().__init__(door.name, door.port, timeout=timeout_s, context=self._trust)

    def connect(self) -> None:
        """Connect, and see that the certificate is the right one."""
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._trust.wrap_socket(plain, server_hostname=self.host)


class Browser:
    """Keeps a connection and cookies.

    Args:
        where: A port of this machine, or the door of a proxy.
    """

    def __init__(self, where: int | Door, timeout_s: float = 60.0) -> None:
        self._where, self._timeout_s = where, timeout_s
        self._line: http.client.HTTPConnection
        self._said: dict[str, str] = {}
        if isinstance(where, Door):
            self._line = _Secured(where, timeout_s)
            self._said["Referer"] = f"https://{where.name}/"  # else a form is refused over TLS
        else:
            self._line = http.client.HTTPConnection("127.0.0.1", where, timeout=timeout_s)
        self.cookies: dict[str, str] = {}

    def sign_in(self, username: str, password: str) -> None:
        """Sign in as a person would."""
        page = self.get("/login/")
        typed = {"csrf_token": page.fields["csrf_token"], "username": username,
                 "password": password}  # fmt: skip
        answer = self.post("/login/", typed)
        assert answer.status == 302, f"{username} cannot sign in: {answer.status}"

    def twin(self) -> "Browser":
        """The same person's second window, on a line of its own."""
        other = Browser(self._where, self._timeout_s)
        other.cookies = self.cookies
        return other

    def close(self) -> None:
        """Hang up; the next request dials again."""
        self._line.close()

    def get(self, path: str, **query: str) -> Answer:
        """Ask for a page; once more, as browsers do, where a line that rested was hung up."""
        rested = self._line.sock is not None
        address = f"{path}?{urlencode(query)}" if query else path
        try:
            self.send("GET", address)
            return self.receive()
        except ConnectionError:
            if not rested:
                raise
            self.send("GET", address)
            return self.receive()

    def post(self, path: str, form: dict[str, str]) -> Answer:
        """Send a form."""
        self.send("POST", path, form)
        return self.receive()

    def send(self, method: str, path: str, form: dict[str, str] | None = None) -> None:
        """Send a request; its answer is read later."""
        cookies = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        headers = {"Cookie": cookies, **self._said}
        body = None
        if form is not None:
            body, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        try:
            self._line.request(method, path, body, headers)
        except LOST:
            self._line.close()
            raise

    def receive(self) -> Answer:
        """Read the answer to what was sent."""
        try:
            answer = self._line.getresponse()
            text = answer.read().decode()
        except LOST:
            self._line.close()
            raise
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return Answer(answer.status, answer.headers.get("Location", ""), text)

    def state_of(self, sale_id: int) -> str | None:
        """The state of a sale, as a page that waits for it asks."""
        answer = self.get(f"/counter/sale/{sale_id}/state")
        if answer.status != 200:
            raise http.client.BadStatusLine(str(answer.status))
        said: Any = json.loads(answer.text)
        return None if said["state"] is None else str(said["state"])


def sale_in(location: str) -> int:
    """The number of the sale an answer leads to."""
    found = re.search(r"/counter/sale/(\d+)$", location)
    assert found, location
    return int(found[1])
