"""The built files: found by their plain names, kept for a year, small."""

import gzip
import json
import re
from pathlib import Path

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import vmsapp
from vmsapp.views import assets
from vmsapp.views.assets import AssetNotBuilt
from vmsapp.views.base import HEADERS

PACKAGE = Path(vmsapp.__file__).parent
BUILT = PACKAGE / "static" / "ui"
ASSETS = PACKAGE.parent / "assets"
PLAIN_NAMES = {
    "charts.js", "icons.svg", "inter.cyrillic.woff2", "inter.woff2", "licences.txt", "lookup.js",
    "mark.svg", "ui.css", "ui.js", "ui.rtl.css",
}  # fmt: skip
A_YEAR = 31_536_000
KIB = 1024


@pytest.fixture
def app() -> Flask:
    app = Flask("vmsapp")
    assets.init_app(app)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def get(client: FlaskClient, path: str, accept: str = "") -> TestResponse:
    """Ask for a file and read it to its end, which closes it."""
    return client.get(path, headers={"Accept-Encoding": accept}, buffered=True)


def manifest() -> dict[str, str]:
    return json.loads((BUILT / "manifest.json").read_text())


def address(name: str) -> str:
    return f"/static/ui/{manifest()[name]}"


def compressed_size(name: str) -> int:
    return len(gzip.compress((BUILT / manifest()[name]).read_bytes(), 9))


def test_a_page_finds_every_built_file_by_its_plain_name(app: Flask, client: FlaskClient) -> None:
    assert set(manifest()) == PLAIN_NAMES
    for name in PLAIN_NAMES:
        with app.test_request_context():
            found = render_template_string("{{ asset(name) }}", name=name)
        assert found == address(name)
        assert get(client, found).data == (BUILT / manifest()[name]).read_bytes()


def test_every_built_file_is_named_in_the_manifest() -> None:
    named = set(manifest().values())
    there = {path.name.removesuffix(".gz") for path in BUILT.iterdir()} - {"manifest.json"}
    assert there == named
    assert all(re.fullmatch(r"[a-z.]+\.[0-9a-f]{8}\.[a-z0-9]+", name) for name in named)


def test_asking_for_a_file_that_is_not_built_says_what_to_run(app: Flask) -> None:
    with (
        app.test_request_context(),
        pytest.raises(AssetNotBuilt, match=r"'ui\.less': run make assets"),
    ):
        render_template_string("{{ asset('ui.less') }}")


def test_an_address_follows_where_the_product_is_mounted(app: Flask) -> None:
    with app.test_request_context(environ_overrides={"SCRIPT_NAME": "/vms"}):
        assert render_template_string("{{ asset('ui.css') }}") == f"/vms{address('ui.css')}"


def test_a_hashed_file_is_kept_for_a_year_without_asking_again(client: FlaskClient) -> None:
    kept = get(client, address("ui.js")).cache_control
    assert (kept.max_age, kept.public, kept.immutable) == (A_YEAR, True, True)


def test_the_manifest_is_not_kept_like_that(client: FlaskClient) -> None:
    assert not get(client, "/static/ui/manifest.json").cache_control.immutable


@pytest.mark.parametrize("name", ["ui.css", "ui.js", "charts.js", "icons.svg"])
def test_a_file_comes_compressed_to_who_takes_that(client: FlaskClient, name: str) -> None:
    answer = get(client, address(name), "br, gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(answer.data) == (BUILT / manifest()[name]).read_bytes()


def test_a_file_comes_plain_to_who_does_not(client: FlaskClient) -> None:
    answer = get(client, address("ui.css"))
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.mimetype == "text/css"


def test_the_font_is_compressed_already_and_comes_as_it_is(client: FlaskClient) -> None:
    answer = get(client, address("inter.woff2"), "gzip")
    assert "Content-Encoding" not in answer.headers
    assert answer.data[:4] == b"wOF2"


def test_a_file_has_the_headers_that_every_page_has(client: FlaskClient) -> None:
    headers = get(client, address("icons.svg")).headers
    assert {name: headers[name] for name in HEADERS} == dict(HEADERS)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Access-Control-Allow-Origin" not in headers
    assert "Strict-Transport-Security" not in headers


def test_where_cookies_ask_for_https_files_do_too() -> None:
    app = Flask("vmsapp")
    app.config["SESSION_COOKIE_SECURE"] = True
    assets.init_app(app)
    headers = get(app.test_client(), address("ui.css")).headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("path", ["ui.css", "ui.00000000.css", "../vms", "..%2f..%2fcli.py", ""])
def test_nothing_else_is_found_there(client: FlaskClient, path: str) -> None:
    assert get(client, f"/static/ui/{path}").status_code == 404


def test_what_is_not_a_built_file_goes_to_the_product(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/here", view_func=lambda: "the product")
    assert get(client, "/here").text == "the product"


def test_the_styles_name_each_font_by_its_hashed_name() -> None:
    for name in ("ui.css", "ui.rtl.css"):
        styles = (BUILT / manifest()[name]).read_text()
        for font in ("inter.woff2", "inter.cyrillic.woff2"):
            assert f"url({manifest()[font]})" in styles


def test_what_every_page_loads_stays_within_90_kib() -> None:
    every_page = ("ui.css", "ui.js", "icons.svg", "inter.woff2")
    assert sum(map(compressed_size, every_page)) <= 90 * KIB


def test_what_charts_need_stays_within_200_kib() -> None:
    assert compressed_size("charts.js") <= 200 * KIB


def test_no_script_makes_code_out_of_text() -> None:
    for name in ("ui.js", "lookup.js", "charts.js"):
        script = (BUILT / manifest()[name]).read_text()
        assert not re.search(r"\beval\(|new Function\b", script), name


def test_who_wrote_the_shipped_parts_and_their_terms_are_shipped_too() -> None:
    terms = (BUILT / manifest()["licences.txt"]).read_text()
    headings = set(re.findall(r"^(\S+) [\d.]+ \([\w.-]+\)$", terms, re.MULTILINE))
    needed = json.loads((ASSETS / "package.json").read_text())["dependencies"]
    assert set(needed) <= headings


def test_the_lock_file_holds_checksums_and_no_addresses() -> None:
    lock = (ASSETS / "package-lock.json").read_text()
    assert lock.count('"integrity": "sha512-') > 30
    assert "://" not in lock
