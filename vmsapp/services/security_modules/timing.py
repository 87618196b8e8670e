"""How long a module takes to answer what it is asked for, and what it says."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vmsapp import metrics
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused


@contextmanager
def timed(module_id: int, call: str) -> Iterator[None]:
    """Count a request to a module, whatever becomes of it.

    Args:
        module_id: Id of its row.
        call: ``credit``, ``key_change``, ``engineering``, or ``batch`` of many key changes.
    """
    began, outcome = time.perf_counter(), "answered"
    try:
        yield
    except ModuleRefused:
        outcome = "refused"
        raise
    except HsmUnavailable:
        outcome = "unavailable"
        raise
    except HsmTimeout:
        outcome = "timeout"
        raise
    finally:
        metrics.module_answered(module_id, call, outcome, time.perf_counter() - began)
