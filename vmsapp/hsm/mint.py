"""Making what a request asks for, or refusing it: policy, keys and tokens together.

Nothing is written here; ``engine`` does, in whose transaction the record of a meter's TIDs is
asked.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Final

from vmsapp.hsm import making, policy
from vmsapp.hsm.answers import IssuedToken, IssuedTokens, KeyInfo, Verified
from vmsapp.hsm.columns import ChangeColumns, SetColumns, SetRun
from vmsapp.hsm.errors import HsmUnavailable, KeystoreError, ModuleRefused
from vmsapp.hsm.key_source import Derive, InMemory, KeySource
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import (
    CreditRequest,
    DisplayRequest,
    EngineeringRequest,
    KeyChange,
    KeyChangeBatch,
    KeyChangeRequest,
    KeyRef,
    MeterConfig,
    Request,
    VerifyRequest,
)
from vmsapp.hsm.results import Transaction
from vmsapp.hsm.writing import form_of
from vmsapp.sts import ea07
from vmsapp.sts.codec import decode
from vmsapp.sts.errors import CrcError, KeyExpired, KeyRuleError, StsError
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.identifiers import TokenCarrier, kt
from vmsapp.sts.keys import DecoderKey
from vmsapp.sts.nmse import DisplayToken
from vmsapp.sts.rules import require_usable

FEW_ALIKE: Final = 16
"""Fewer sets that differ in their meters' numbers alone are made one at a time: both take as long
there; of 128 one at a time takes four times as long (a module in this process, EA 07)."""


class Mint:
    """Makes tokens of the keys of one source, by one policy."""

    def __init__(
        self, source: KeySource, table_set: str, limits: Limits, clock: Callable[[], datetime]
    ) -> None:
        self._source = source
        self._table_set = table_set
        self._limits = limits
        self._clock = clock

    def display(self, request: DisplayRequest) -> IssuedToken:
        """Make a class 1 token.

        Raises:
            ModuleRefused: ``parameters``.
        """
        digits = making.digits_of(making.token_of(request), None, self._table_set)
        return self._token(digits, TokenClass.TEST, request.subclass)

    def one(self, request: CreditRequest | EngineeringRequest, records: Transaction) -> IssuedToken:
        """Make a token that carries a TID.

        Raises:
            ModuleRefused: A definite no.
            HsmUnavailable: ``key_limit``, ``keystore`` or ``self_check``.
        """
        meter = request.meter
        self._check_tables(request.table_set)
        policy.check_meter(meter)
        token = making.token_of(request)
        with ExitStack() as stack:
            key, derive = self._opened(stack, meter.key)
            policy.check_key(meter, key, self._clock())
            policy.check_use(self._limits, request, meter, key)
            policy.check_ordinary(request.tid, key)
            used = records.used_tids(
                meter.meter_pan,
                meter.base_date.value,
                request.tid,
                window=self._limits.tid_window,
            )
            policy.check_tid(request.tid, used)
            if isinstance(request, CreditRequest) and key.limited:
                since = self._clock() - policy.DAY
                tokens, given = records.given_since(str(key.ref), since)
                policy.check_day(key, policy.tenths_of(request), tokens=tokens, given=given)
            decoder_key = stack.enter_context(_derived(derive, meter))
            digits = making.digits_of(token, decoder_key, self._table_set)
        amount = request.amount_field if isinstance(request, CreditRequest) else request.value
        return self._token(digits, token.token_class, request.subclass, request.tid, amount, key)

    def sets(
        self, request: KeyChangeRequest | KeyChangeBatch, rows: Sequence[KeyChange]
    ) -> Sequence[IssuedTokens]:
        """Make the sets of key change tokens.

        Args:
            request: Whose.
            rows: One change a meter.

        Raises:
            ModuleRefused: With the row that is refused, counted from 0.
            HsmUnavailable: ``keystore`` or ``self_check``.
        """
        self._check_tables(request.table_set)
        with ExitStack() as stack:
            opened = _Opened(stack, self._opened)
            if isinstance(rows, ChangeColumns):
                runs = [self._run(request, run.like, run.pans, opened) for run in rows.runs]
                made = [run for run in runs if run is not None]
                if len(made) == len(runs):
                    return SetColumns(made)
            found: dict[int, IssuedTokens] = {}
            for places in alike(rows):
                found |= self._many(request, rows, places, opened)
            rest = [place for place in range(len(rows)) if place not in found]
            found |= self._one_by_one(request, rows, rest, opened)
        return tuple(found[place] for place in range(len(rows)))

    def _many(
        self,
        request: KeyChangeRequest | KeyChangeBatch,
        rows: Sequence[KeyChange],
        places: Sequence[int],
        opened: "_Opened",
    ) -> dict[int, IssuedTokens]:
        """Make the sets of meters that differ in their numbers alone, by their places.

        Where one of them cannot be made, none is: one by one the refusal finds its row.
        """
        mine = [rows[place] for place in places]
        pans = [row.meter.meter_pan for row in mine]
        if pans != [row.new.meter_pan for row in mine]:
            return {}
        run = self._run(request, mine[0], pans, opened)
        return dict(zip(places, SetColumns([run]), strict=True)) if run else {}

    def _run(
        self,
        request: KeyChangeRequest | KeyChangeBatch,
        like: KeyChange,
        pans: Sequence[str],
        opened: "_Opened",
    ) -> SetRun | None:
        """Make the sets of meters that go the same way; None where one of them cannot be made."""
        if len(pans) < FEW_ALIKE:
            return None
        first = _with_pan(like, pans[0])
        try:
            (old, old_keys), (new, new_keys) = opened[first.meter.key], opened[first.new.key]
            if not (isinstance(old_keys, InMemory) and isinstance(new_keys, InMemory)):
                return None
            self._check_change(request, first, old, new)
            with (
                old_keys.many(first.meter.parameters(), pans) as before,
                new_keys.many(first.new.parameters(), pans) as after,
            ):
                made = making.digits_of_many(
                    before, after, self._table_set, three_tokens=first.three_tokens
                )
        except (ModuleRefused, StsError):
            return None
        likes = tuple(
            self._token("", TokenClass.MANAGEMENT, subclass, key=old) for subclass, _digits in made
        )
        return SetRun(likes, [digits for _subclass, digits in made])

    def _one_by_one(
        self,
        request: KeyChangeRequest | KeyChangeBatch,
        rows: Sequence[KeyChange],
        places: Sequence[int],
        opened: "_Opened",
    ) -> dict[int, IssuedTokens]:
        """Make sets by their places.

        Raises:
            ModuleRefused: With the row that is refused.
        """
        changes, sets, infos = [], [], []
        for place in places:
            row = rows[place]
            try:
                old, new = opened[row.meter.key], opened[row.new.key]
                self._check_change(request, row, old[0], new[0])
                old_key = opened.stack.enter_context(_derived(old[1], row.meter))
                new_key = opened.stack.enter_context(_derived(new[1], row.new))
                change = making.Change(row, old_key, new_key)
                sets.append(making.sections_of(change))
            except ModuleRefused as refusal:
                raise ModuleRefused(refusal.reason, row=place) from None
            changes.append(change)
            infos.append(old[0])
        made = making.digits_of_sets(changes, sets, self._table_set)
        return {
            place: tuple(
                self._token(digits, TokenClass.MANAGEMENT, section.subclass, key=key)
                for digits, section in zip(row_digits, sections, strict=True)
            )
            for place, row_digits, sections, key in zip(places, made, sets, infos, strict=True)
        }

    def verify(self, request: VerifyRequest) -> Verified:
        """Tell what digits say under a meter's key; nothing is written.

        Raises:
            ModuleRefused: ``key_not_found`` or ``parameters``.
        """
        policy.check_meter(request.meter)
        with ExitStack() as stack:
            try:
                key, derive = self._opened(stack, request.meter.key)
                tables = ea07.table_set(request.table_set)
                decoder_key = stack.enter_context(derive(request.meter.parameters()))
            except StsError:
                raise ModuleRefused("parameters") from None
            try:
                token = decode(request.digits, decoder_key, tables=tables)
            except CrcError:
                return Verified("not_of_this_meter")
            except StsError:
                return Verified("not_a_token")
        said = Verified(
            "valid",
            int(token.token_class),
            int(token.subclass),
            token.tid,
            getattr(token, "amount_field", getattr(token, "value", None)),
            token.control if isinstance(token, DisplayToken) else None,
        )
        try:
            carrier = TokenCarrier(request.meter.tct)
            require_usable(token, kt.validate(key.ref.kt), ken=key.ken, carrier=carrier)
        except KeyExpired:
            return replace(said, outcome="key_expired")
        except KeyRuleError:
            return replace(said, outcome="key_type")
        return said

    def _check_change(
        self, request: Request, change: KeyChange, old: KeyInfo, new: KeyInfo
    ) -> None:
        now = self._clock()
        for meter, key in ((change.meter, old), (change.new, new)):
            policy.check_meter(meter)
            policy.check_key(meter, key, now)
        policy.check_use(self._limits, request, change.meter, old)
        policy.check_change(change, old, new)
        policy.check_enterable(new, now)

    def _check_tables(self, table_set: str) -> None:
        if table_set != self._table_set:
            raise ModuleRefused("parameters")

    def _opened(self, stack: ExitStack, ref: KeyRef) -> tuple[KeyInfo, Derive]:
        try:
            return stack.enter_context(self._source.opened(ref))
        except KeyError:
            raise ModuleRefused("key_not_found") from None
        except KeystoreError as error:
            raise HsmUnavailable("keystore", sent=True) from error

    def _token(
        self,
        digits: str,
        token_class: int,
        subclass: int,
        tid: int | None = None,
        amount_field: int | None = None,
        key: KeyInfo | None = None,
    ) -> IssuedToken:
        return IssuedToken(
            digits=digits,
            token_class=int(token_class),
            subclass=subclass,
            tid=tid,
            amount_field=amount_field,
            kcv=key.kcv if key else "",
            module_id=self._source.module_id,
            table_set=self._table_set,
            demo=key.demo if key else False,
        )


def _with_pan(like: KeyChange, pan: str) -> KeyChange:
    meter, new = replace(like.meter, meter_pan=pan), replace(like.new, meter_pan=pan)
    return KeyChange(meter, new, like.three_tokens)


def _derived(derive: Derive, meter: MeterConfig) -> DecoderKey:
    try:
        return derive(meter.parameters())
    except StsError:
        raise ModuleRefused("parameters") from None


class _Opened(dict[KeyRef, tuple[KeyInfo, Derive]]):
    """The keys of a batch, each opened when it is first asked for, until the stack ends."""

    def __init__(
        self,
        stack: ExitStack,
        open_key: Callable[[ExitStack, KeyRef], tuple[KeyInfo, Derive]],
    ) -> None:
        self.stack = stack
        self._open = open_key

    def __missing__(self, ref: KeyRef) -> tuple[KeyInfo, Derive]:
        self[ref] = self._open(self.stack, ref)
        return self[ref]


def alike(rows: Sequence[KeyChange]) -> Iterator[list[int]]:
    """Find the rows that differ in their meters' numbers alone, where that is worth it."""
    forms: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        forms.setdefault((*form_of(row.meter), *form_of(row.new), row.three_tokens), []).append(
            place
        )
    return (places for places in forms.values() if len(places) >= FEW_ALIKE)
