"""A bare application: words and settings of the utility, no database."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from flask import Flask, g
from flask_babel import Babel

UTILITY = SimpleNamespace(time_zone="Africa/Nairobi", currency="USD", exponent=2, coin_minor=1)


@pytest.fixture
def bare() -> Flask:
    """The application."""
    app = Flask("bare")
    Babel(app, locale_selector=lambda: g.get("language", "en"))
    return app


@pytest.fixture
def page(bare: Flask) -> Iterator[None]:
    """A request of an English reader."""
    with bare.test_request_context("/things/list/?a=1&a=2&q=x%20y"):
        g.utility = UTILITY
        yield
