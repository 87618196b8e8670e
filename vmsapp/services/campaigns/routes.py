"""From which key to which: the plan of each kind of meter, made by the rules of a key change.

A kind is planned on one of its meters, by the same function that plans the change of one meter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.models import Algorithm, Meter, Product, VendingKey
from vmsapp.services.campaigns.choosing import KIND
from vmsapp.services.campaigns.errors import NewKeyNotThere, NewKeyOpen
from vmsapp.services.campaigns.terms import Kind, Target
from vmsapp.services.key_changes.planning import LONG_KEY_EA, Plan, Wish, plan, present_key
from vmsapp.services.rows import among

KEPT_FOR: Final = timedelta(seconds=30)
"""How long a plan is used again: keys come and go, and their time begins and ends."""


@dataclass
class Routes:
    """The plans of all kinds met so far, and the refusals of those that have none."""

    target: Target
    reason: str
    _known: dict[Kind, Plan | VmsError] = field(default_factory=dict)
    _since: datetime = field(default_factory=now_utc)

    def of(self, session: Session, kind: Kind, meter_id: int) -> Plan | VmsError:
        """Tell the way of a kind.

        Args:
            session: In the campaign's scope.
            kind: Which.
            meter_id: Any meter of this kind.
        """
        if kind not in self._known:
            meter = session.scalars(select(Meter).where(Meter.id == meter_id)).one()
            self._known[kind] = self._plan(session, kind, meter)
        return self._known[kind]

    def renew(self, session: Session, ids: Sequence[int]) -> None:
        """Plan the kinds of these meters where what is known is too old.

        Done before they are locked: a plan takes some ten questions.
        """
        if self._known and now_utc() - self._since <= KEPT_FOR:
            return
        self._known, self._since = {}, now_utc()
        with_product = select(Meter, *KIND).join(Product, Product.id == Meter.product_id)
        firsts = (
            with_product.with_only_columns(func.min(Meter.id))
            .where(among(session, Meter.id, ids)).group_by(*KIND)
        )  # fmt: skip
        for meter, *columns in session.execute(with_product.where(Meter.id.in_(firsts))).all():
            kind = Kind._make(columns)
            self._known[kind] = self._plan(session, kind, meter)

    def _plan(self, session: Session, kind: Kind, meter: Meter) -> Plan | VmsError:
        session.expunge(meter)
        try:
            return plan(session, meter, self._wish(session, kind, meter))
        except VmsError as error:
            return error

    def _wish(self, session: Session, kind: Kind, meter: Meter) -> Wish:
        target = self.target
        becomes = target.sts6 and kind.can_become_sts6 and kind.ea != LONG_KEY_EA
        algorithm = Algorithm.STS6 if becomes else Algorithm(kind.algorithm)
        sgc = target.sgc or kind.sgc
        return Wish(
            meter_id=meter.id, sgc=sgc, kt=kind.kt, dkga=algorithm.dkga,
            krn=self._krn(session, kind, meter, sgc, algorithm.dkga),
            ti=target.ti or kind.ti, reason=self.reason,
            three_tokens=target.three_tokens and kind.ea != LONG_KEY_EA,
        )  # fmt: skip

    def _krn(self, session: Session, kind: Kind, meter: Meter, sgc: str, dkga: str) -> int:
        """Find the revision that is meant: where only the base date is said, by that.

        Raises:
            NewKeyNotThere, NewKeyOpen: None is, or several are.
        """
        target, krn = self.target, self.target.krn
        if target.base_date is None:
            return kind.krn if krn is None else krn
        module_id = present_key(session, meter).module_id
        named = [
            VendingKey.module_id == module_id, VendingKey.sgc == sgc, VendingKey.kt == kind.kt,
            VendingKey.dkga == dkga, VendingKey.base_date == target.base_date,
        ]  # fmt: skip
        if krn is not None:
            named.append(VendingKey.krn == krn)
        found = session.scalars(select(VendingKey.krn).where(*named)).all()
        if not found:
            raise NewKeyNotThere(sgc=sgc)
        if len(found) > 1:
            raise NewKeyOpen(sgc=sgc)
        return found[0]
