"""Refusals over the wire: a code of a family and its case, and back.

What a later release says in a family known here stays in that family; a family unknown
here leaves open what was done, which is always safe to believe.

>>> code_of(ModuleRefused("tid_spent", highest_tid=7)).code
'refused.tid_spent'
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vmsapp.errors import VmsError
from vmsapp.hsm.errors import (
    HeadBehind,
    HsmTimeout,
    HsmUnavailable,
    KeyFileRefused,
    KeystoreError,
    ModuleRefused,
    NotSupported,
    RequestReused,
)

_CASE: Final = re.compile(r"[a-z0-9_]{1,40}")
_SECONDS_MAX: Final = 86_400.0


_Values = dict[str, str | int | None]


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that is none.

    Attributes:
        code: Family and case: ``refused.key_expired``.
        values: What the case carries; whole numbers, texts, or None.
    """

    code: str
    values: dict[str, str | int | None]


def code_of(error: Exception) -> Fault:
    """Write a refusal down; whatever is not one of ours leaves the outcome open."""
    for kind, write in _CODES.items():
        if isinstance(error, kind):
            return write(error)
    return Fault("open.", {})


def error_of(fault: Fault) -> VmsError | KeyError:
    """Make the refusal again, as whoever asked the module itself would have got it."""
    family, _, case = fault.code.partition(".")
    make = _FAMILIES.get(family)
    if make is None or not _CASE.fullmatch(case):
        return HsmTimeout()
    return make(case, fault.values)


def _refused(case: str, values: _Values) -> VmsError:
    return ModuleRefused(
        case, highest_tid=_number(values, "highest_tid"), row=_number(values, "row")
    )


def _unavailable(case: str, values: _Values) -> VmsError:
    why = case if case in HsmUnavailable.WHYS else "protocol"
    # Only a plain 0 says that nothing was put to the module.
    sent = not (why == case and type(values.get("sent")) is int and values["sent"] == 0)
    return HsmUnavailable(why, sent=sent, wait_seconds=_seconds(values.get("wait")))


def _rule(case: str, values: _Values) -> VmsError:
    if case == RequestReused.code:
        return RequestReused(request_id=str(values.get("request_id")))
    if case == HeadBehind.code:
        return HeadBehind(place=_number(values, "place") or 0)
    if case == NotSupported.code:
        return NotSupported()
    return HsmTimeout()


def _file(case: str, values: _Values) -> VmsError:
    named = {name: value for name, value in values.items() if _CASE.fullmatch(name)}
    for ours in ("self", "why"):
        named.pop(ours, None)
    refusal = KeyFileRefused(case, **named)
    try:
        str(refusal)
    except KeyError:  # its sentence has holes here that the other side knows nothing of
        return KeyFileRefused("unknown", **named)
    return refusal


def _of_refused(error: Any) -> Fault:  # noqa: ANN401 - each its own kind
    values: _Values = {"highest_tid": error.highest_tid, "row": error.row}
    return Fault(f"refused.{error.reason}", values)


def _of_unavailable(error: Any) -> Fault:  # noqa: ANN401 - as above
    wait = None if error.wait_seconds is None else repr(float(error.wait_seconds))
    return Fault(f"unavailable.{error.why}", {"sent": int(error.sent), "wait": wait})


def _of_rule(error: Any) -> Fault:  # noqa: ANN401 - as above
    return Fault(f"rule.{error.code}", _sendable(error.params))


_CODES: Final[dict[type[Exception], Callable[[Any], Fault]]] = {
    ModuleRefused: _of_refused,
    HsmUnavailable: _of_unavailable,
    RequestReused: _of_rule,
    HeadBehind: _of_rule,
    NotSupported: _of_rule,
    KeyFileRefused: lambda error: Fault(f"file.{error.why}", _sendable(error.params)),
    KeystoreError: lambda error: Fault(f"keystore.{error.why}", {}),
    KeyError: lambda _: Fault("key.none", {}),
}
_FAMILIES: Final[dict[str, Callable[[str, _Values], VmsError | KeyError]]] = {
    "refused": _refused,
    "unavailable": _unavailable,
    "rule": _rule,
    "file": _file,
    "keystore": lambda case, _: KeystoreError(case),
    "key": lambda _case, _values: KeyError("no key of this name"),
}


def _sendable(params: dict[str, object]) -> _Values:
    return {
        name: value if isinstance(value, str | int) else str(value)
        for name, value in params.items()
    }


def _number(values: _Values, name: str) -> int | None:
    value = values.get(name)
    return value if type(value) is int else None


def _seconds(text: object) -> float | None:
    try:
        value = float(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value <= _SECONDS_MAX else None
