"""HTML doors, one file a menu entry. ``register`` puts them all in their places."""

from flask import Flask
from flask_appbuilder import AppBuilder

from vmsapp.i18n import _l
from vmsapp.views import base, words
from vmsapp.views.clock import Clock
from vmsapp.views.counter import Counter
from vmsapp.views.start import Start

__all__ = ["Start", "register"]


def register(app: Flask, builder: AppBuilder) -> None:
    """Register every view and what all pages share."""
    base.init_app(app)
    words.init_app(app)
    builder.add_view(
        Counter, "Vending counter", label=_l("Counter"), icon="fa-shopping-cart",
        category="Vending", category_label=_l("Vending"), category_icon="fa-bolt",
    )  # fmt: skip
    builder.add_link(
        "Open sales", href="/counter/open", label=_l("Sales being settled"),
        icon="fa-hourglass-half", category="Vending", category_label=_l("Vending"),
    )  # fmt: skip
    builder.add_view(
        Clock, "System clock", label=_l("Clock"), icon="fa-clock-o",
        category="System", category_label=_l("System"), category_icon="fa-cogs",
    )  # fmt: skip
