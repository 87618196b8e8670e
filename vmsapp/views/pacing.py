"""How long people at the counter wait, noted for the jobs that give way to them."""

import time

from flask import Flask, Response, current_app, g, request

from vmsapp.services.job_pace import Waits

COUNTED = "/counter/"
"""What people wait for with a customer before them; a long report is none of it."""


def init_app(app: Flask) -> None:
    """Time what the counter asks for."""
    app.extensions["vms_waits"] = Waits(app.extensions["vms_settings"].waits_folder)
    app.before_request_funcs.setdefault(None, []).insert(0, _begin)
    app.after_request(_end)


def _begin() -> None:
    g.asked_at = time.perf_counter()


def _end(response: Response) -> Response:
    if request.path.startswith(COUNTED) and "asked_at" in g:
        took_ms = (time.perf_counter() - g.asked_at) * 1000
        current_app.extensions["vms_waits"].note(took_ms)
    return response
