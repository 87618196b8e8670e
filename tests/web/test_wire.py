"""Pages on the wire: compressed for who takes it, and never twice the same length."""

import gzip

from tests.web.office import ADMIN

TAKES_GZIP = {"Accept-Encoding": "gzip, br"}


def test_a_page_is_compressed_for_who_takes_it_and_says_the_same(browse):
    browser = browse(ADMIN)
    plain = browser.get("/products/list/")
    packed = browser.get("/products/list/", headers=TAKES_GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data) / 2
    assert gzip.decompress(packed.data).count(b"<tr") == plain.data.count(b"<tr")
    assert int(packed.headers["Content-Length"]) == len(packed.data)
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]


def test_the_length_of_an_answer_tells_nothing_exact(browse):
    browser = browse(ADMIN)
    pages = [browser.get("/products/list/", headers=TAKES_GZIP) for _ in range(12)]
    names = {page.data[10 : page.data.index(b"\0", 10)] for page in pages}  # RFC 1952, 2.3
    assert len({len(name) for name in names}) > 3


def test_what_is_short_or_compressed_already_is_left_alone(browse):
    browser = browse(ADMIN)
    assert "Content-Encoding" not in browser.get("/_parts/progress", headers=TAKES_GZIP).headers
    page = browser.get("/products/list/", headers=TAKES_GZIP)
    style = gzip.decompress(page.data).decode().split('rel="stylesheet" href="')[1].split('"')[0]
    assert gzip.decompress(browser.get(style, headers=TAKES_GZIP).data)[:1] != b"\x1f"
