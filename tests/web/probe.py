"""Knocks at every door of the product the way no browser does, and judges every answer.

The doors are read from the product itself: every route, the names its lists are narrowed
by, the fields of its forms, and whatever else its screens read of an address or a form.
A new screen is knocked at without a line here.

``test_probe`` knocks on a copy of the database and compares it before and after. By hand,
against a product that runs (the password is read from standard input):

    python -m tests.web.probe http://127.0.0.1:8080 operator

Nothing that is sent there may change anything, so it may be a product in use; it does
sign in, and out again.
"""

import ast
import getpass
import http.client
import re
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from flask import Flask
from flask_wtf import FlaskForm
from werkzeug.exceptions import HTTPException
from wtforms.fields.core import UnboundField

from tests.web.oddities import (
    BEARERS,
    BODIES,
    DEEP,
    ELSEWHERE,
    INJECTED,
    KINDS_OF_JSON,
    LEADS,
    LONG,
    MARK,
    NEVER_ROUTED,
    NO_FORM,
    ODD_HEADERS,
    ODD_IDS,
    ODD_TEXTS,
    RAW_QUERIES,
    TARGETS,
    TOO_LARGE,
)
from vmsapp.views.lists.pages import OfficeListView

ROOT = Path(__file__).resolve().parents[2]
VIEWS = ROOT / "vmsapp" / "views"

TELLTALES = re.compile(
    r"Traceback \(most|werkzeug|sqlalchemy\.|psycopg|sqlite3\.|jinja2\.|File &#34;/|File \"/|"
    + re.escape(str(ROOT)),
    re.IGNORECASE,
)
"""What a page says of our inside only by mistake."""

WANTED: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": ("default-src 'none'", "object-src 'none'", "base-uri 'none'",
                                "frame-ancestors 'none'"),
    "X-Content-Type-Options": ("nosniff",),
    "Referrer-Policy": ("same-origin",),
    "Cross-Origin-Opener-Policy": ("same-origin",),
    "Cross-Origin-Resource-Policy": ("same-origin",),
    "Permissions-Policy": ("camera=()",),
}  # fmt: skip
"""Headers of every answer, with what must stand in each."""

FILE_NAME = re.compile(
    r"(?:inline|attachment); filename=[\w.-]+(?:; filename\*=UTF-8''(?:[\w.~-]|%[0-9A-F]{2})+)?",
    re.ASCII,
)
"""How a file is called: by the product, never by what was sent."""

UNWANTED = ("Server", "X-Powered-By", "Access-Control-Allow-Origin", "X-Debug", INJECTED)


@dataclass(frozen=True, kw_only=True)
class Knock:
    """A request."""

    method: str = "GET"
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    kind: str = ""
    """The body's content type."""

    def __str__(self) -> str:
        body = f" {self.kind} {self.body[:80]!r}" if self.body is not None else ""
        headers = f" {self.headers!r}"[:200] if self.headers else ""
        return f"{self.method} {self.path[:200]}{headers}{body}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


Door = Callable[[Knock], Answer]
"""Sends a request as somebody."""


# what every answer must be


def faults(knock: Knock, answer: Answer) -> Iterator[str]:
    """Say what is wrong with an answer, whatever was asked."""
    if answer.status >= 500:
        yield f"answers {answer.status}"
    yield from _headers(answer)
    yield from _led_away(answer)
    yield from _kept(knock, answer)
    called = answer.header("Content-Disposition")
    if called and not FILE_NAME.fullmatch(called):
        yield f"calls a file {called[:100]}"
    if not _is_file(knock):
        yield from _written(answer)


def _headers(answer: Answer) -> Iterator[str]:
    """Every answer carries what guards it, and says what it is."""
    for name, parts in WANTED.items():
        for part in parts:
            if part not in answer.header(name):
                yield f"has no {name} with {part}"
    for name in UNWANTED:
        if answer.header(name):
            yield f"has a header {name}: {answer.header(name)}"
    if any(mark in value for _, value in answer.headers for mark in "\r\n\0"):
        yield "has a line break in a header"
    kind = answer.header("Content-Type")
    if answer.body and not kind:
        yield "does not say what it is"
    if kind.startswith("text/") and "charset=utf-8" not in kind.lower():
        yield f"does not say how it is written: {kind}"
    if answer.status == 405 and not answer.header("Allow"):
        yield "does not say what is allowed"


def _written(answer: Answer) -> Iterator[str]:
    """A page tells nothing of our inside, and shows what was typed as it was typed."""
    if found := TELLTALES.search(answer.text):
        yield f"tells of our inside: {found[0]}"
    if MARK in answer.text and answer.header("Content-Type").startswith("text/html"):
        yield "writes what was typed as markup"


def _led_away(answer: Answer) -> Iterator[str]:
    """An answer leads nowhere but into the house."""
    if to := answer.header("Location"):
        parts = urlsplit(to)
        if parts.scheme or parts.netloc or not re.match(r"/(?![/\\])", to):
            yield f"leads away: {to[:100]}"
    if answer.header("Content-Type").startswith("text/html"):
        for to in re.findall(r'\s(?:href|src|action|formaction)="([^"]*)"', answer.text):
            if not re.match(r"/(?![/\\])|[#?]|data:image/|\Z", to):
                yield f"has a link that leads away: {to[:100]}"


def _kept(knock: Knock, answer: Answer) -> Iterator[str]:
    """Nobody keeps a page; cookies stay with this host and out of scripts."""
    if not _is_file(knock) and "no-store" not in answer.header("Cache-Control"):
        yield "may be kept by browsers"
    for name, value in answer.headers:
        if name.lower() != "set-cookie":
            continue
        flags = {flag.strip() for flag in value.split(";")[1:]}
        if not {"HttpOnly", "SameSite=Lax"} <= flags or "Domain" in value:
            yield f"sets a cookie with {sorted(flags)}"
        if answer.header("Strict-Transport-Security") and "Secure" not in flags:
            yield "sets a cookie for plain HTTP"


def _is_file(knock: Knock) -> bool:
    return knock.path.startswith("/static/")


# the doors, and the names they know


@dataclass(frozen=True)
class Route:
    """A route of the product."""

    rule: str
    methods: frozenset[str]

    def address(self, value: str = "1") -> str:
        """An address of the route; of a few words allowed, the first."""
        rule = re.sub(r"<any\(['\"]?([\w-]+)[^>]*>", r"\1", self.rule)
        return re.sub(r"<[^>]*>", value, rule)

    @property
    def has_value(self) -> bool:
        return "<" in self.rule


@dataclass
class Plan:
    """Every route, and every name that some screen reads."""

    routes: list[Route]
    names: list[str]
    turn: int = field(default=0, repr=False)

    @classmethod
    def of(cls, app: Flask) -> "Plan":
        """Read both from the product."""
        rules: dict[str, set[str]] = {}
        for rule in app.url_map.iter_rules():
            rules.setdefault(rule.rule, set()).update(rule.methods or ())
        routes = [Route(rule, frozenset(methods)) for rule, methods in sorted(rules.items())]
        return cls(routes, sorted(names_of(app)))

    def taking(self, method: str) -> list[Route]:
        """The routes that take a method, files apart."""
        return [
            one for one in self.routes
            if method in one.methods and not one.rule.startswith("/static/")
        ]  # fmt: skip

    def dealt(self, count: int) -> Iterator[list[tuple[str, str]]]:
        """Give every name an odd value, another one each time; over all calls every pair."""
        for _ in range(count):
            self.turn += 1
            size = len(ODD_TEXTS)
            yield [(n, ODD_TEXTS[(i * 7 + self.turn) % size]) for i, n in enumerate(self.names)]


def names_of(app: Flask) -> set[str]:
    """Names that lists, forms and screens read of addresses and bodies."""
    names = {"csrf_token", "_l_", "after", "before", "last", "size"}
    for view in app.extensions["appbuilder"].baseviews:
        if isinstance(view, OfficeListView):
            names.update(name for one in view.filters for name in one.parameters)
    for form in _below(FlaskForm):
        names.update(n for n in dir(form) if isinstance(getattr(form, n, None), UnboundField))
    for path in VIEWS.rglob("*.py"):
        names.update(_read_in(ast.parse(path.read_text())))
    return names


def _below(cls: type) -> Iterator[type]:
    for sub in cls.__subclasses__():
        if sub.__module__.startswith("vmsapp."):
            yield sub
        yield from _below(sub)


def _read_in(tree: ast.AST) -> Iterator[str]:
    """Words a module gets of ``args``, ``form``, ``files``, ``values`` or ``arguments``."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr=where) | ast.Name(id=where)),
                args=[ast.Constant(value=str(name)), *_],
            ) if where in {"args", "form", "files", "values", "arguments"}:
                yield name


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    return urlencode(list(pairs), errors="surrogatepass")


# the knocks


def one_in(share: int, knocks: Iterable[Knock]) -> Iterator[Knock]:
    """Every ``share``-th of them; of no divisor of how many there are a door, each kind gets its
    turn."""
    return islice(knocks, 0, None, share)


def odd_ids(plan: Plan) -> Iterator[Knock]:
    """Odd numbers and words in place of ids."""
    for route in [*plan.taking("GET"), Route("/nowhere/<x>", frozenset())]:
        for odd in ODD_IDS if route.has_value else ():
            yield Knock(path=route.address(odd))


def odd_addresses() -> Iterator[Knock]:
    """Addresses of nothing, and such as lead out of where files lie."""
    for odd in ["/%00", "//", f"//{ELSEWHERE}/", f"/%5c{ELSEWHERE}", "/..", "/%2e%2e/", "/%ff", "*",
                "/x" * 900, "/counter", f"/counter%0d%0a{INJECTED}:1", "/static", "/static/ui/",
                "/static/../config.py", "/static/%2e%2e/%2e%2e/config.py", "/static/ui/..%2f..",
                "/static/ui/manifest.json%00", "/static/appbuilder/", "/.git/config", "/.env",
                "/static//etc/passwd", f"/static/{'x' * 2000}"]:  # fmt: skip
        yield Knock(path=odd if odd.startswith("/") else f"/{odd}")


def odd_queries(plan: Plan, each: int) -> Iterator[Knock]:
    """``each`` odd queries for every page: all names at once, once and repeated."""
    for route in plan.taking("GET"):
        for number, pairs in enumerate(plan.dealt(each)):
            sent = [(n, v) for n, v in pairs if "\0" not in v]  # one NUL refuses them all
            if number % 3 == 2:
                sent += [(n, v[::-1]) for n, v in sent]
            yield Knock(path=f"{route.address()}?{encoded(sent)}")
        yield Knock(path=f"{route.address()}?{RAW_QUERIES[plan.turn % len(RAW_QUERIES)]}")
        yield Knock(path=f"{route.address()}?{quote(plan.names[plan.turn % 9])}=%00")
        yield Knock(path=f"{route.address()}?long={LONG}")


def odd_headers(plan: Plan, each: int) -> Iterator[Knock]:
    """``each`` sets of odd headers for every page, and all for a few."""
    for turn, route in enumerate(plan.taking("GET")):
        for step in range(each):
            odd = ODD_HEADERS[(turn * each + step) % len(ODD_HEADERS)]
            yield Knock(path=route.address(), headers=odd)
    for path in ("/", "/login/", "/lang/fr", "/counter", "/nowhere", "/static/none.css"):
        for odd in ODD_HEADERS:
            yield Knock(path=path, headers=odd)
            yield Knock(path=f"{path}?next=//{ELSEWHERE}/&next=http://{ELSEWHERE}", headers=odd)


def led_away(plan: Plan, foreign_token: str) -> Iterator[Knock]:
    """Everything that may name where to go next, at every door that leads on."""
    doors = ["/", "/login/", "/login/second", "/login/code", "/logout/", "/lang/fr", "/counter"]
    for turn, target in enumerate(TARGETS):
        pairs = [(name, target) for name in LEADS]
        for path in doors:
            yield Knock(path=f"{path}?{encoded(pairs)}", headers=(("Referer", target),))
        route = plan.taking("GET")[turn * 7 % len(plan.taking("GET"))]
        yield Knock(path=f"{route.address()}?{encoded(pairs)}", headers=(("Host", ELSEWHERE),))
        body = encoded([*pairs, ("csrf_token", foreign_token)]).encode()
        for path in ("/login/", "/logout/", "/sales/columns"):
            yield Knock(
                method="POST", path=f"{path}?{encoded(pairs)}", body=body, kind=BODIES[0][0]
            )


def odd_programs(plan: Plan) -> Iterator[Knock]:
    """What is no form of a program, of every kind, and bearers that are none."""
    for route in plan.taking("POST"):
        if not route.rule.startswith("/api/"):
            continue
        for turn, body in enumerate(NO_FORM):
            for kind in (KINDS_OF_JSON[0], KINDS_OF_JSON[turn % len(KINDS_OF_JSON)]):
                yield Knock(method="POST", path=route.address(), body=body, kind=kind)
        for bearer in BEARERS:
            yield Knock(method="POST", path=route.address(), body=b"{}", kind=KINDS_OF_JSON[0],
                        headers=(("Authorization", bearer), ("X-Api-Key", bearer)))  # fmt: skip


def other_methods(plan: Plan) -> Iterator[Knock]:
    """Methods that no door takes, and reading where only a form is taken."""
    for turn, route in enumerate(plan.routes):
        yield Knock(method=NEVER_ROUTED[turn % len(NEVER_ROUTED)], path=route.address())
        yield Knock(method="TRACE", path=route.address(), headers=(("X-Told-Back", MARK),))
        yield Knock(method="OPTIONS", path=route.address())
        yield Knock(method="HEAD", path=route.address())
        if "GET" not in route.methods:
            yield Knock(path=route.address())
    for method in NEVER_ROUTED:
        for path in ("/", "/login/", "/nowhere", "/static/none.css", "/api/v1/security/login"):
            yield Knock(method=method, path=path)


def forged_posts(plan: Plan, foreign_token: str, each: int) -> Iterator[Knock]:
    """Forms without this session's token, and bodies that are no forms."""
    for turn, route in enumerate(plan.taking("POST")):
        path = route.address()
        stolen = encoded([("csrf_token", foreign_token), ("value", "5")]).encode()
        yield Knock(method="POST", path=path, body=stolen, kind=BODIES[0][0])
        yield Knock(method="POST", path=f"{path}?csrf_token={foreign_token}", body=b"", kind="",
                    headers=(("X-CSRFToken", foreign_token),))  # fmt: skip
        for step in range(each):
            kind, body = BODIES[(turn * each + step) % len(BODIES)]
            yield Knock(method="POST", path=path, body=body, kind=kind)
        if turn % 8 == 0:
            yield Knock(method="POST", path=path, body=TOO_LARGE, kind=BODIES[0][0])


def odd_forms(plan: Plan, token: str, each: int) -> Iterator[Knock]:
    """Forms with the right token and odd values; these may change what they may change."""
    for route in plan.taking("POST"):
        addresses = [route.address()]
        if "string" in route.rule:
            addresses += [route.address(quote(odd)) for odd in ("..", MARK, "__init__", "a\r\nb")]
        if "kind" in route.rule:
            addresses += [route.address(kind) for kind in ("csv", "xlsx")]
        for path in addresses:
            for pairs in islice(plan.dealt(each), each):
                sent = [(n, v) for n, v in pairs if n != "csrf_token" and "\0" not in v]
                body = encoded([("csrf_token", token), *sent]).encode()
                yield Knock(method="POST", path=path, body=body, kind=BODIES[0][0])
        yield Knock(method="POST", path=route.address(), body=_files(plan, token), kind=MULTIPART)
        for body in (
            b'[["a"]]',
            b'"x"',
            b'{"username": {"a": 1}, "name": [1, null]}',
            DEEP.encode(),
        ):
            yield Knock(method="POST", path=route.address(), body=body, kind="application/json",
                        headers=(("X-CSRFToken", token),))  # fmt: skip


MULTIPART = "multipart/form-data; boundary=odd"


def _files(plan: Plan, token: str) -> bytes:
    """A form in which every field is a file of an odd name."""
    parts = [f'--odd\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n']
    parts += [
        f'--odd\r\nContent-Disposition: form-data; name="{name}"; filename="../%00{MARK}.png"\r\n'
        f"Content-Type: text/html\r\n\r\n{MARK}\r\n"
        for name in plan.names if name != "csrf_token"
    ]  # fmt: skip
    return ("".join(parts) + "--odd--\r\n").encode()


def refusals_of(knock: Knock, answer: Answer) -> Iterator[str]:
    """What else must be so where a request must not be done: it was not."""
    if knock.method == "POST" and not knock.path.startswith("/api/"):
        if answer.status not in {400, 413}:
            yield f"answers {answer.status} to a form without its token"
    elif knock.method == "POST" and answer.status < 400:
        yield f"answers {answer.status} to nobody's word"
    if knock.method == "TRACE" and MARK in answer.text:
        yield "tells back what was asked"
    if knock.method == "HEAD" and answer.body:
        yield "has a body where only the head was asked for"
    if knock.method not in {"GET", "HEAD", "OPTIONS", "POST"} and answer.status < 300:
        yield f"answers {answer.status} to {knock.method}"


def words_to_programs(knock: Knock, answer: Answer) -> Iterator[str]:
    """A program that is not understood is told so in JSON, and never that it was our mistake."""
    if not 400 <= answer.status < 500:
        yield f"answers {answer.status} to what is no form"
    if answer.header("Content-Type") not in {"application/json", "application/problem+json"}:
        yield f"answers a program in {answer.header('Content-Type')}"


Judge = Callable[[Knock, Answer], Iterator[str]]


def knocked(door: Door, knocks: Iterable[Knock], *judges: Judge) -> tuple[int, Counter[str]]:
    """Send them all.

    Returns:
        How many there were; and what was wrong, each with one request that shows it.
    """
    count, wrong, shown = 0, Counter[str](), dict[str, str]()
    for knock in knocks:
        answer = door(knock)
        count += 1
        for judge in (faults, *judges):
            for fault in judge(knock, answer):
                wrong[fault] += 1
                shown.setdefault(fault, str(knock))
    return count, Counter({f"{shown[fault]}: {fault}": n for fault, n in wrong.items()})


# somebody's doors


def inside(app: Flask, client: Any | None = None) -> Door:
    """Knock at an application in this process."""
    client = client or app.test_client()

    def send(knock: Knock) -> Answer:
        own = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in knock.headers}
        try:
            answer = client.open(
                knock.path, method=knock.method, data=knock.body, buffered=True,
                content_type=knock.kind or None, environ_overrides=own,
            )  # fmt: skip
        except HTTPException as error:  # would be the server's to answer
            raise AssertionError(str(knock)) from error
        return Answer(status=answer.status_code, headers=list(answer.headers), body=answer.data)

    return send


class Outside:
    """Somebody at a product that runs somewhere, with the cookies it gives."""

    def __init__(self, address: str) -> None:
        self._at = urlsplit(address)
        self._cookies: dict[str, str] = {}

    def __call__(self, knock: Knock) -> Answer:
        headers = dict(knock.headers)
        headers.setdefault("Host", self._at.netloc)
        if self._cookies:
            own = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            headers.setdefault("Cookie", own)
        if knock.kind:
            headers["Content-Type"] = knock.kind
        talk = self._connect()
        try:
            path = re.sub(r"[^!-~]", lambda mark: quote(mark[0]), knock.path)
            talk.putrequest(knock.method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                talk.putheader(name, re.sub(r"[\r\n]", " ", value).encode("utf-8"))
            talk.putheader("Content-Length", str(len(knock.body or b"")))
            talk.endheaders(knock.body)
            got = talk.getresponse()
            answer = Answer(status=got.status, headers=got.getheaders(), body=got.read())
        finally:
            talk.close()
        for name, value in answer.headers:
            if name.lower() == "set-cookie" and not knock.headers:
                self._cookies.update({k: m.value for k, m in SimpleCookie(value).items()})
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        host, port = str(self._at.hostname), self._at.port
        if self._at.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=30, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=30)

    def token(self, path: str = "/login/") -> str:
        """The token that forms of this session carry."""
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self(Knock(path=path)).text)
        assert found, f"no form on {path}"
        return found[1]

    def submit(self, path: str, **values: str) -> Answer:
        """Send a form as a browser does."""
        body = urlencode({"csrf_token": self.token(path)} | values).encode()
        return self(Knock(method="POST", path=path, body=body, kind=BODIES[0][0]))

    def sign_in(self, user: str, password: str) -> None:
        """Sign in, or stop."""
        answer = self.submit("/login/", username=user, password=password)
        if answer.status != 302 or "/login" in answer.header("Location"):
            sys.exit(f"{user} was not let in ({answer.status}).")


def plan_of_this_version() -> Plan:
    """Read the routes from an application of its own."""
    from config import Settings  # noqa: PLC0415 - by hand alone
    from vmsapp import create_app  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        return Plan.of(create_app(Settings.from_environ({"VMS_INSTANCE": folder, "DEMO": "0"})))


def main(address: str, user: str) -> int:
    """Knock at a product that runs, as a stranger and as somebody; print what is wrong."""
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    plan, stranger, known = plan_of_this_version(), Outside(address), Outside(address)
    known.sign_in(user, password)
    total, wrong = 0, Counter[str]()
    for door in (stranger, known):
        foreign = Outside(address).token()
        for knocks, judges in (
            (odd_ids(plan), ()),
            (odd_addresses(), ()),
            (odd_queries(plan, 2), ()),
            (odd_headers(plan, 1), ()),
            (other_methods(plan), (refusals_of,)),
            (forged_posts(plan, foreign, 2), (refusals_of,)),
            (led_away(plan, foreign), ()),
        ):
            count, found = knocked(door, knocks, *judges)
            total, wrong = total + count, wrong + found
    known.submit("/logout/")
    for fault, times in wrong.most_common():
        print(f"{times:5} x {fault}")  # noqa: T201 - the answer of a command
    print(f"{total} requests, {len(wrong)} kinds of fault.")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]) if len(sys.argv) == 3 else __doc__)
