"""For those who keep the product: is it alive, is it ready, what does it do?

``door`` answers ``/healthz``, ``/readyz`` and ``/metrics`` before anything else of the product
sees the request: no session, no language, no limit, no sign-in. ``parts`` asks what a sale needs,
``figures`` tells what the database knows, ``probe`` asks so that nobody waits for long.
"""

from flask import Flask

from config import Settings
from vmsapp import metrics
from vmsapp.watch.door import Door
from vmsapp.watch.figures import Figures
from vmsapp.watch.parts import Parts


def init_app(app: Flask, settings: Settings) -> None:
    """Put the door in front of all others."""
    metrics.begin(settings.metrics_path)
    parts = Parts(app)
    door = Door(app, parts, Figures(app, parts), settings.metrics_token)
    app.extensions["vms_watch"] = door
    app.wsgi_app = door  # type: ignore[method-assign, assignment]
