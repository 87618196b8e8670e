"""What no browser sends: odd texts, ids, queries, headers, bodies, and places to be led to."""

import hashlib
import json

ELSEWHERE = "elsewhere.example"
"""A host that is not ours; no answer may lead there."""

MARK = "<odd-mark>"
INJECTED = "X-Odd"
"""What may stand in no page as it is, and a header that no answer may have."""

ODD_TEXTS = [
    "", "0", "-1", "1e3", "٣", str(2**31), str(2**63), str(2**64), "9" * 4000, "NaN",
    f'">{MARK}', "{{7*7}}%(x)s{0}", "' OR 1=1 --", "%", "\\", "../../../etc/passwd",
    "a\x00b", f"a\r\n{INJECTED}: 1", "\u202egnp.exe", "\ufeff\ufffe", "\U0001f50c" * 40,
    f"//{ELSEWHERE}/", f"http://{ELSEWHERE}/", f"/\\{ELSEWHERE}",
    f"javascript:alert('{ELSEWHERE}')", "__class__", "2026-02-30", "[" * 2000, "\udc80",
]  # fmt: skip
RAW_QUERIES = ["%FF%FE=%ED%A0%80", "&&&===", "?", "q=%u1234", "q[]=1&q[x]=2", "_method=DELETE",
               "", "%", "q=%&size=%2&sort=%zz", "q=1&q=2&q=&q", "q=1;size=2", "q=%C0%AF%F5",
               "q=1&" * 2000, "_method=POST&X-HTTP-Method-Override=DELETE",
               "_external=1&endpoint=x&_scheme=javascript&_anchor=x&self=1&values=1"]  # fmt: skip
ODD_IDS = ["0", "-1", "+1", "1.0", "1e3", "x", "%00", "1%00", "%31", "٣", "1%0d%0a", "%20",
           "..", "%2e%2e%2f", "1;x", str(2**31), str(2**63 - 1), str(2**63), str(2**64),
           "9" * 4000, "999999999"]  # fmt: skip
ODD_HEADERS: list[tuple[tuple[str, str], ...]] = [
    (("Host", ELSEWHERE),),
    (("Host", f"{ELSEWHERE}/x?y"),),
    (("Host", f"a@{ELSEWHERE}:x"),),
    (("Host", f"localhost\r\n{INJECTED}: 1"),),
    (("Host", "[::1"),),
    (("X-Forwarded-Host", ELSEWHERE), ("X-Forwarded-Proto", "javascript"),
     ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Prefix", f"//{ELSEWHERE}"),
     ("Forwarded", f"for=6.6.6.6;host={ELSEWHERE}"), ("X-Original-URL", "/users/list/"),
     ("X-Rewrite-URL", "/users/list/"), ("X-Real-IP", "6.6.6.6")),
    (("Referer", f"http://{ELSEWHERE}/x"), ("Origin", f"http://{ELSEWHERE}")),
    (("Referer", "http://[::1"), ("Origin", "null")),
    (("Referer", f"http://localhost//{ELSEWHERE}/"),),
    (("Referer", f"a\r\n{INJECTED}: 1"), ("User-Agent", f"a\r\n{INJECTED}: 1"),
     ("Accept-Language", f"a\r\n{INJECTED}: 1")),
    (("User-Agent", f"{MARK}\xff" + "x" * 4000), ("Accept-Language", "x;q=é, *;q=9" * 90)),
    (("Cookie", "vms=%00; vms=x.y.z; =; a=b=c"), ("Authorization", "Bearer x.y.z")),
    (("Authorization", "Basic !!!"), ("Range", "bytes=-9,x"), ("If-Modified-Since", "now"),
     ("If-None-Match", '"'), ("Accept", "x/y"), ("Accept-Encoding", "gzip;q=x, *;q=")),
    (("X-HTTP-Method-Override", "DELETE"), ("X-HTTP-Method", "PUT")),
]  # fmt: skip
DEEP = "[" * 20_000
BODIES: list[tuple[str, bytes]] = [
    ("application/x-www-form-urlencoded", b"mode=quantity&value=5"),
    ("application/x-www-form-urlencoded", b"%FF=%00&&==&a=\xff"),
    ("application/json", json.dumps({"name": "x", "csrf_token": "x"}).encode()),
    ("application/json", DEEP.encode()),
    ("application/json", b'{"a":1,"a":NaN,"username":{"$gt":""}}'),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name="),
    ("multipart/form-data", b"--"),
    ("text/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    ("text/plain;charset=utf-7", b"csrf_token=x"),
    ("", b"x"),
]
NO_FORM: list[bytes] = [
    b"", b"[]", b"[[1], {}]", b"1", b"-0.0", b"1e999", b"9" * 5000, b"NaN", b'"x"', b"null",
    b"true", b"{}", b"{", b"\xff\xfe", b'"\\ud800"', DEEP.encode(),
    '{"username": "a"}'.encode("utf-16"),
    b'{"a":' * 20_000, b'{"username": [], "password": {"$ne": 1}}',
    b'{"username": 1, "password": 1e400}',
    b'{"username": "\\u0000", "password": "\\udc80"}', b'{"__proto__": {}, "constructor": 1}',
    b'{"username": "a", "username": ["b"], "password": "c", "refresh": "yes"}',
    b'{"username": "a", "password": "b", "code": 123456, "provider": null}',
]  # fmt: skip
"""JSON that is no form, and what is no JSON."""
KINDS_OF_JSON = ["application/json", "application/json; charset=utf-16", "application/vnd.api+json",
                 "text/plain", "text/json; charset=x", "multipart/form-data; boundary=x",
                 "application/x-www-form-urlencoded", "*/*", ""]  # fmt: skip
BEARERS = ["", "Bearer", "Bearer ", "Bearer a b", "Bearer \xff", "bearer e30.e30.", "Basic Og==",
           "Bearer sst_" + "x" * 40, "Bearer " + "a." * 4000]  # fmt: skip
LEADS = ["next", "return", "return_to", "returnUrl", "url", "redirect", "redirect_uri", "continue",
         "back", "to", "referer", "query"]  # fmt: skip
"""Names under which many products take where to go next."""
TARGETS = [f"//{ELSEWHERE}", f"///{ELSEWHERE}", f"/\\{ELSEWHERE}", f"\\\\{ELSEWHERE}",
           f"https:{ELSEWHERE}", f"https:///{ELSEWHERE}", f"http://localhost@{ELSEWHERE}/",
           f"http://localhost.{ELSEWHERE}/", f"/%5c{ELSEWHERE}", f"\t//{ELSEWHERE}",
           f"/\t/{ELSEWHERE}", f"javascript://localhost/%0aalert('{ELSEWHERE}')",
           f"/x\r\nLocation: //{ELSEWHERE}", f"/x\r\n{INJECTED}: 1",
           f"/\u2028//{ELSEWHERE}", f"/.//{ELSEWHERE}", "data:text/html,x"]  # fmt: skip
LONG = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(140))
"""Fits into no cookie, not even compressed."""
NEVER_ROUTED = ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "ODD"]
TOO_LARGE = b"a=" + b"x" * (1024 * 1024)
