"""Typing digits into the training meter, and noting what they changed."""

from collections.abc import Iterator
from typing import Final

from vmsapp.services.training.bench import Entry, Training
from vmsapp.sts.meter import Result, VirtualMeter

TYPED_MAX: Final = 24
"""Digits the keypad takes; a token has twenty."""

ELECTRICITY, MONEY = 0, 4


def enter(training: Training, digits: str) -> Entry:
    """Enter what was typed, digits alone, and remember the answer."""
    meter = training.meter
    before, key = _state(meter), meter.key.reveal()
    meter.shown = {}
    result = meter.enter(digits)
    if meter.key.reveal() != key:
        training.former_key = key
    entry = Entry(
        digits, int(result), result.standard_name,
        changes=tuple(_changes(before, _state(meter))),
        shown=tuple(_shown(meter)) if result is Result.ACCEPT else (),
    )  # fmt: skip
    training.note(entry)
    return entry


def _state(meter: VirtualMeter) -> dict[str, str]:
    """What a token may change, as texts."""
    return {
        "balance": f"{meter.registers[ELECTRICITY] / 10:.1f}",
        "money": f"{meter.registers[MONEY] / 10**5:.5f}",
        "power_limit": _number(meter.maximum_power_limit),
        "unbalance": _number(meter.phase_power_unbalance_limit),
        "tariff_rate": _number(meter.tariff_rate),
        "tampered": "yes" if meter.tampered else "no",
        "krn": str(meter.krn),
        "ti": f"{meter.ti:02d}",
    }


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _changes(before: dict[str, str], after: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, was in before.items():
        if after[name] != was:
            yield name, was, after[name]


def _shown(meter: VirtualMeter) -> Iterator[tuple[str, str]]:
    """Write what the display shows of each value; nothing where the meter has none."""
    written = {
        "registers": f"{meter.registers[ELECTRICITY] / 10:.1f}",
        "krn kt": f"{meter.krn} {meter.kt:d}",
        "ti": f"{meter.ti:02d}",
        "sgc": f"{meter.sgc:06d}",
        "tamper status": "1" if meter.tampered else "0",
    }
    for name, value in meter.shown.items():
        yield name, written.get(name, "" if value is None else str(value))
