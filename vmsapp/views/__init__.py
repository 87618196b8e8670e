"""HTML doors, one file a menu entry. ``register`` puts them all in their places."""

from flask import Flask
from flask_appbuilder import AppBuilder


def register(app: Flask, builder: AppBuilder) -> None:
    """Register every view and what all pages share."""
