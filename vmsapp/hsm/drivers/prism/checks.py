"""What the driver refuses before the service is asked: the same policy as our own modules'.

The keys are those an administrator entered; one that was not entered is not used, whatever the
service may hold.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vmsapp.hsm import policy
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.drivers.prism.orders import Issuing, Order, order
from vmsapp.hsm.drivers.prism.replies import Keys
from vmsapp.hsm.errors import ModuleRefused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import DisplayRequest, KeyChangeRequest, KeyRef, MeterConfig
from vmsapp.sts import identifiers, rules
from vmsapp.sts.errors import KeyExpired, KeyRuleError, StsError
from vmsapp.sts.identifiers import EncryptionAlgorithm

_KCV: Final = re.compile(r"[0-9A-Fa-f]{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checks:
    """The rules of one module.

    Attributes:
        table_set: The STA tables its tokens are made with.
        limits: What it makes at all, and how much.
    """

    table_set: str
    limits: Limits

    def ordered(self, request: Issuing, keys: Keys, now: datetime) -> tuple[Order, KeyInfo | None]:
        """Check a request by itself and give the call for it, with the key it is made under.

        Raises:
            ModuleRefused: A definite no.
        """
        match request:
            case DisplayRequest():
                return order(request), None
            case KeyChangeRequest():
                key = self._check_change(request, keys, now)
            case _:
                self.meter(request.meter, request.table_set)
                key = _known(keys, request.meter.key)
                policy.check_key(request.meter, key, now)
                policy.check_use(self.limits, request, request.meter, key)
                policy.check_ordinary(request.tid, key)
        try:
            return order(request), key
        except StsError:
            raise ModuleRefused("parameters") from None

    def _check_change(self, request: KeyChangeRequest, keys: Keys, now: datetime) -> KeyInfo:
        change = request.change
        for meter in (change.meter, change.new):
            self.meter(meter, request.table_set)
            policy.check_key(meter, _known(keys, meter.key), now)
        old, new = keys[change.meter.key], keys[change.new.key]
        policy.check_use(self.limits, request, change.meter, old)
        policy.check_change(change, old, new)
        policy.check_enterable(new, now)
        try:
            before, after = change.meter.parameters(), change.new.parameters()
            rules.require_change(before, after)
            rules.require_forward(before, after)
            if change.three_tokens and before.ea is EncryptionAlgorithm.MISTY1:
                raise ModuleRefused("parameters")
        except KeyExpired:
            raise ModuleRefused("key_expired") from None
        except KeyRuleError:
            raise ModuleRefused("change_not_allowed") from None
        except StsError:
            raise ModuleRefused("parameters") from None
        if before.base_date is not after.base_date and old.kcv == new.kcv:
            # One key under two base dates: the meter would take its spent tokens once more.
            raise ModuleRefused("change_not_allowed")
        return old

    def meter(self, meter: MeterConfig, table_set: str) -> None:
        """Check what can be said of a meter without its key.

        Raises:
            ModuleRefused: ``parameters``.
        """
        policy.check_meter(meter)
        try:
            meter.parameters()
        except StsError:
            raise ModuleRefused("parameters") from None
        if table_set != self.table_set:
            raise ModuleRefused("parameters")


def check_entered(key: KeyInfo) -> None:
    """Check the public side of a key that somebody enters.

    Raises:
        ModuleRefused: ``parameters``.
    """
    ref = key.ref
    try:
        identifiers.sgc.validate(ref.sgc)
        identifiers.krn.validate(ref.krn)
        identifiers.kt.validate(ref.kt)
        identifiers.dkga.validate(ref.dkga)
        identifiers.ken.validate(key.ken)
    except StsError:
        raise ModuleRefused("parameters") from None
    if not _KCV.fullmatch(key.kcv):
        raise ModuleRefused("parameters")


def _known(keys: Keys, ref: KeyRef) -> KeyInfo:
    try:
        return keys[ref]
    except KeyError:
        raise ModuleRefused("key_not_found") from None
