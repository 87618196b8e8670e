"""Many meters of mixed kinds, as campaigns find them, and campaigns that take them further."""

from collections.abc import Sequence
from datetime import date
from itertools import permutations
from typing import Any

from sqlalchemy import func, select, update

from tests.factories import LEGACY_SGC, STS6_SGC, SUPERVISOR, TODAY, drn_of
from tests.keyring import KeyShop, meter_in_the_field
from tests.services.pair import permitted
from tests.shop import LOOK, Shop
from vmsapp.models import (
    Campaign,
    ChangeState,
    Job,
    KeyChange,
    KeyChangeToken,
    Meter,
    OfficeUser,
    Product,
    Region,
    Tariff,
)
from vmsapp.scope import seen_by, unscoped
from vmsapp.services import job_runs
from vmsapp.services.approvals.asking import submit
from vmsapp.services.campaigns import beginning, drafting, making, preview, progress, steering
from vmsapp.services.campaigns.terms import Preview, Progress, Selection, Target, Wish
from vmsapp.services.rows import insert_rows
from vmsapp.sts import identifiers
from vmsapp.sts.meter import Result

LEGACY: dict[str, Any] = {"algorithm": "legacy", "sgc": LEGACY_SGC, "ea": 7}
STS6: dict[str, Any] = {"algorithm": "sts6", "sgc": STS6_SGC, "ea": 7}
LONG: dict[str, Any] = STS6 | {"ea": 11}
KINDS = (LEGACY, STS6, LONG)
FIRST_SERIAL = 70_000_000


class Fleet:
    """A shop whose meters are taken to other keys by campaigns."""

    def __init__(self, shop: Shop, by: str = SUPERVISOR) -> None:
        self.shop, self.by = shop, by
        self.keys = KeyShop(shop, by)
        shop.change(self._permit)

    def _permit(self, session) -> None:
        person = session.get_one(OfficeUser, self.shop.utility.users[self.by].id)
        person.roles = [permitted(session, "Campaigners", beginning.MAY_MAKE)]

    def add(self, count: int, kinds: Sequence[dict[str, Any]] = KINDS, **same: Any) -> list[int]:
        """Add meters of these kinds in turn, with tariff indices of their own."""

        def add(session) -> list[int]:
            product = session.scalars(select(Product).order_by(Product.id)).first()
            north = session.scalars(select(Region).where(Region.name == "North")).one()
            there = session.scalar(select(func.count()).select_from(Meter)) or 0
            rows = []
            for n in range(count):
                drn = drn_of(product.manufacturer_code, FIRST_SERIAL + there + n)
                plain = {
                    "drn": drn, "meter_pan": identifiers.meter_pan.of_drn(drn),
                    "meter_type": "electricity", "product_id": product.id, "region_id": north.id,
                    "tariff_id": session.scalar(select(func.min(Tariff.id))),
                    "krn": 1, "kt": 2, "ti": f"{n % 3:02}", "base_date": "14", "tct": 2,
                    "state": "active",
                }  # fmt: skip
                rows.append(plain | kinds[n % len(kinds)] | same)
            return list(insert_rows(session, Meter, rows))

        return self.shop.change(add)

    def draft(self, target: Target, by: str = "", **wish: Any) -> int:
        """Draft a campaign: its id."""
        plain = {
            "name": "New keys", "reason": "the old ones are worn out", "target": target,
            "selection": Selection(), "hand_out": "next_sale",
            "due_on": date(TODAY.year, 12, 31),
        }  # fmt: skip
        wanted = Wish(**plain | wish)
        return self.shop.do(drafting.draft, wanted, by=by or self.by).id

    def preview(self, campaign_id: int, by: str = "") -> Preview:
        """Look at a draft."""
        return self.shop.do(
            lambda session, _actor: preview.preview(session, campaign_id), by=by or self.by
        )

    def shown(self, campaign_id: int) -> beginning.Begin:
        """What a page shows before a campaign is begun."""
        return self.shop.do(
            lambda session, _actor: beginning.begin_of(session, campaign_id), by=self.by
        )

    def submit(self, shown: beginning.Begin, key: str = "begin-1", by: str = "") -> Any:
        """Begin what was shown: the request that waits, if it asks a second person."""
        return self.shop.do(
            lambda session, actor: submit(session, actor, beginning.START, shown, key),
            by=by or self.by,
        )

    def begin(self, campaign_id: int, key: str = "begin-1", by: str = "") -> Any:
        """Begin a campaign as it stands."""
        return self.submit(self.shown(campaign_id), key, by)

    def again(self, campaign_id: int, key: str = "again-1") -> Any:
        """Go once more through what was left out or failed."""
        shown = self.shop.do(
            lambda session, _actor: beginning.begin_of(session, campaign_id, again=True),
            by=self.by,
        )
        return self.submit(shown, key)

    def work(self, campaign_id: int, by: str = "") -> Job:
        """Run the job of a campaign as a worker does; as it stands afterwards."""
        job_id = self.campaign(campaign_id).job_id
        actor = self.shop.actor(by or self.by)
        with self.shop.session() as session, job_runs.running(session, job_id) as work:
            if work is not None:
                with seen_by(actor):
                    making.make(session, self.shop.registry, actor, work, table_set="production")
        return self.job(campaign_id)

    def run(self, target: Target, **wish: Any) -> int:
        """Draft, begin and make a campaign: its id."""
        campaign_id = self.draft(target, **wish)
        assert self.begin(campaign_id, f"begin-{campaign_id}") is None
        self.work(campaign_id)
        return campaign_id

    def steer(self, deed: str, campaign_id: int, **options: Any) -> Campaign:
        """Pause, let go on, stop."""
        return self.shop.do(getattr(steering, deed), campaign_id, by=self.by, **options)

    def progress(self, campaign_id: int) -> Progress:
        """Count how far it is."""
        return self.shop.do(
            lambda session, _actor: progress.progress(session, campaign_id), by=self.by
        )

    def campaign(self, campaign_id: int) -> Campaign:
        """A campaign's row."""
        return self.shop.rows(Campaign, Campaign.id == campaign_id)[0]

    def job(self, campaign_id: int) -> Job:
        """Its job's row."""
        return self.shop.rows(Job, Job.id == self.campaign(campaign_id).job_id)[0]

    def changes(self, campaign_id: int) -> list[KeyChange]:
        """Its key changes."""
        return self.shop.rows(KeyChange, KeyChange.campaign_id == campaign_id)

    def sets(self, campaign_id: int) -> dict[int, list[str]]:
        """Digits by meter, in the order they are entered."""
        with self.shop.session() as session, unscoped(LOOK):
            rows = session.execute(
                select(KeyChange.meter_id, KeyChangeToken.digits)
                .join(KeyChangeToken, KeyChangeToken.key_change_id == KeyChange.id)
                .where(KeyChange.campaign_id == campaign_id)
                .where(KeyChange.state == ChangeState.COMPLETED)
                .order_by(KeyChange.id, KeyChangeToken.number)
            ).all()
        found: dict[int, list[str]] = {}
        for meter_id, digits in rows:
            found.setdefault(meter_id, []).append(digits)
        return found

    def enter_all(self, campaign_id: int, *, turned: bool = False) -> dict[int, Any]:
        """Enter every set at its meter, and give the meters that took the last token of one.

        Args:
            campaign_id: Whose sets.
            turned: Each meter in another order, all orders there are by turns.
        """
        rows = {row.id: row for row in self.shop.rows(Meter)}
        meters = {}
        for nth, (meter_id, digits) in enumerate(self.sets(campaign_id).items()):
            meter = meter_in_the_field(rows[meter_id])
            orders = list(permutations(digits)) if turned else [digits]
            if [meter.enter(each) for each in orders[nth % len(orders)]][-1] is Result.ACCEPT:
                meters[meter_id] = meter
        return meters

    def set_meters(self, meter_ids: Sequence[int], **values: Any) -> None:
        """Change meters' rows behind the product's back."""
        self.shop.change(
            lambda session: session.execute(
                update(Meter).where(Meter.id.in_(meter_ids)).values(**values)
            )
        )
