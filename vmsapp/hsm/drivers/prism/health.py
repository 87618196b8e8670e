"""How the service says it is: its status records, read without trusting a word of them.

A record is a map of names to text. The names are those seen in real records; a value that is
not what it should be is as good as none.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vmsapp.hsm.drivers.prism.codes import printable
from vmsapp.hsm.drivers.prism.replies import module_name

DRIFT_MAX: Final = timedelta(seconds=300)
INHIBIT_WARNING: Final = timedelta(days=30)
SALES_WINDOW: Final = timedelta(days=10)
ALERTS_MAX: Final = 20

_WHOLE: Final = re.compile(r"-?[0-9]{1,12}", re.ASCII)
_DECIMAL: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_SERIAL_LINE: Final = re.compile(r"\b(COM[0-9]+|tty[A-Za-z]+[0-9]*)\b.*\b[0-9]{3,6},[neo],", re.I)
_WRITTEN: Final = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
    "%Y%m%dT%H%M%S",
    "%Y%m%d%H%M%S",
    "%Y%m%d",
)


@dataclass(frozen=True, slots=True)
class Health:
    """What the nodes of a service say together: of each figure the worst.

    Attributes:
        module_id: The first node's module.
        firmware: Its version.
        per_second: Tokens a second, of all nodes.
        serial: A module hangs on a serial line.
        tokens_left: Before the licence must be filled up.
        inhibited_from: The first day on which a module makes none any more.
        drift: Of the module's clock against the right time.
        alerts: Codes the service gives itself.
    """

    module_id: str
    firmware: str
    per_second: float | None
    serial: bool
    tokens_left: int | None
    inhibited_from: datetime | None
    drift: timedelta | None
    alerts: tuple[str, ...]

    @property
    def at_once(self) -> int:
        """How many requests it works on at a time."""
        return 1 if self.serial or self.per_second is None else max(1, int(self.per_second))

    def warnings(self, now: datetime, sold_lately: int) -> tuple[str, ...]:
        """Tell what somebody should see to.

        Args:
            now: Aware.
            sold_lately: Tokens asked for within the last ten days.
        """
        own = {
            "tokens_left": self.tokens_left is not None and self.tokens_left <= sold_lately,
            "inhibit_date": self.inhibited_from is not None
            and self.inhibited_from - now < INHIBIT_WARNING,
            "clock_drift": self.drift is not None and abs(self.drift) > DRIFT_MAX,
        }
        return (*(code for code, holds in own.items() if holds), *self.alerts)


def read(nodes: list[Any]) -> Health:
    """Read status records.

    Args:
        nodes: One for each node; none is no mistake.
    """
    infos = [node.info for node in nodes]
    first = infos[0] if infos else {}
    rates = list(_numbers(infos, "smpd.Tps"))
    drifts = list(_numbers(infos, "smqd.ex.RtcDriftSeconds"))
    left = list(_numbers(infos, "TxCounter"))
    dates = [_moment(info.get("smcq.ex.InhibitVendDateUtc", "")) for info in infos]
    codes = [printable(alert.eCode) for node in nodes for alert in node.alerts]
    return Health(
        module_id=module_name(first.get("smqi.IdSm") or first.get("ModuleId") or ""),
        firmware=module_name(first.get("smpd.FwVer") or first.get("FirmwareId") or ""),
        per_second=sum(rates) if rates else None,
        serial=any(_is_serial(info) for info in infos),
        tokens_left=int(min(left)) if left else None,
        inhibited_from=min((date for date in dates if date), default=None),
        drift=timedelta(seconds=max(drifts, key=abs)) if drifts else None,
        alerts=tuple(dict.fromkeys(codes))[:ALERTS_MAX],
    )


def _numbers(infos: Iterable[dict[str, str]], name: str) -> Iterable[float]:
    for info in infos:
        if _DECIMAL.fullmatch(info.get(name, "")) or _WHOLE.fullmatch(info.get(name, "")):
            yield float(info[name])


def _is_serial(info: dict[str, str]) -> bool:
    return any(
        name.startswith("port.") and _SERIAL_LINE.search(value) for name, value in info.items()
    )


def _moment(text: str) -> datetime | None:
    """Read a UTC time in any of the ways such records write one."""
    bare = text.strip().removesuffix("Z").split(".")[0]
    for form in _WRITTEN:
        try:
            return datetime.strptime(bare, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
