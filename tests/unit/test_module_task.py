"""When the worker asks the security modules how they are."""

from celery.signals import worker_ready

from vmsapp.tasks import modules


def test_a_worker_that_begins_asks_them_at_once(monkeypatch):
    asked = []
    monkeypatch.setattr(modules.look, "delay", lambda: asked.append("look"))
    worker_ready.send(sender=None)
    assert asked == ["look"]
