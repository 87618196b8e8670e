"""Pages on the wire: compressed for browsers that take it.

What a page reflects of its address could, over many requests, let a listener who sees
only lengths guess at what else stands in it. Each answer therefore carries a random
number of idle bytes in the header of its compression, as other web frameworks do; the
session cookie is not sent along with requests that other sites make.
"""

import gzip
import io
import secrets
from typing import Final

from flask import Flask, Response, request

WORTH_IT: Final = 1024
"""Bytes below which an answer is sent as it is."""

LEVEL: Final = 5
MOST_IDLE: Final = 100
KINDS: Final = frozenset({"text/html", "application/json"})


def init_app(app: Flask) -> None:
    """Compress every page."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.direct_passthrough or response.mimetype not in KINDS:
        return response
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings.quality("gzip") or "Content-Encoding" in response.headers:
        return response
    body = response.get_data()
    if len(body) >= WORTH_IT:
        response.set_data(_gzip(body))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _gzip(body: bytes) -> bytes:
    """Compress, with a file name of random length that says nothing."""
    buffer = io.BytesIO()
    name = "x" * (1 + secrets.randbelow(MOST_IDLE))
    with gzip.GzipFile(name, "wb", LEVEL, buffer, mtime=0) as file:
        file.write(body)
    return buffer.getvalue()
