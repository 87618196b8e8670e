"""The built styles, scripts, icons and font: their addresses, and answering for them.

``make assets`` puts them into ``static/ui``, each under a name that holds a hash of its
content, with ``manifest.json`` from plain to hashed names. A hashed name never means
other bytes, so browsers keep what they got for a year; pages ask for ``asset('ui.css')``.
"""

import json
import re
from functools import partial
from pathlib import Path
from typing import Final
from wsgiref.headers import Headers

from flask import Flask, current_app, url_for
from markupsafe import Markup
from whitenoise import WhiteNoise

from vmsapp.views.base import HEADERS, HTTPS_ALONE

FOLDER: Final = "ui"
HASHED: Final = r"\.[0-9a-f]{8}\.\w+$"
SHAPE: Final = re.compile(r'<symbol id="i-([\w-]+)".*?</symbol>', re.DOTALL)
POLICY: Final = "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
"""What a file may do that is opened by itself: nothing."""


class AssetNotBuilt(LookupError):
    """A page asks for a file that is not among the built ones."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No asset is called {name!r}: run make assets and start again.")


class BuiltFiles(WhiteNoise):
    """Answers for the built files, compressed to who takes that; all else goes on inward."""

    FOREVER = 365 * 24 * 60 * 60


def init_app(app: Flask) -> None:
    """Tell templates where the built files are, and answer for them before anything else does."""
    assert app.static_folder
    folder = Path(app.static_folder) / FOLDER
    manifest: dict[str, str] = json.loads((folder / "manifest.json").read_text())
    app.extensions["vms_assets"] = manifest
    sprite = (folder / manifest["icons.svg"]).read_text()
    app.extensions["vms_shapes"] = {found[1]: found[0] for found in SHAPE.finditer(sprite)}
    app.jinja_env.globals["asset"] = asset
    app.wsgi_app = BuiltFiles(  # type: ignore[method-assign]
        app.wsgi_app,
        root=folder,
        prefix=f"{app.static_url_path}/{FOLDER}",
        immutable_file_test=HASHED,
        allow_all_origins=False,
        add_headers_function=partial(_add_headers, secure=app.config["SESSION_COOKIE_SECURE"]),
    )


def asset(name: str) -> str:
    """The address of a built file.

    Raises:
        AssetNotBuilt: There is none of that name.
    """
    manifest: dict[str, str] = current_app.extensions["vms_assets"]
    if name not in manifest:
        raise AssetNotBuilt(name)
    return url_for("static", filename=f"{FOLDER}/{manifest[name]}")


def shape(icon: str) -> Markup:
    """What an icon is drawn with, to stand in a page itself.

    Raises:
        AssetNotBuilt: There is none of that name.
    """
    shapes: dict[str, str] = current_app.extensions["vms_shapes"]
    if icon not in shapes:
        raise AssetNotBuilt(icon)
    return Markup(shapes[icon])  # noqa: S704 - a built file's own


def _add_headers(headers: Headers, _path: str, _url: str, *, secure: bool) -> None:
    for name, value in HEADERS.items():
        headers[name] = value
    headers["Content-Security-Policy"] = POLICY
    if secure:
        headers["Strict-Transport-Security"] = HTTPS_ALONE
