"""Two people who may ask and approve, and the deeds they do: what these tests share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask_appbuilder.security.sqla.models import Permission as FrameworkPermission
from flask_appbuilder.security.sqla.models import PermissionView, ViewMenu
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from tests import factories
from tests.factories import HARBOUR, TODAY
from tests.shop import Shop
from vmsapp.models import ApprovalRequest, ApprovalRule, AuditEvent, OfficeUser
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.security import COUNTER, SECOND_PERSON, Permission, sight_of
from vmsapp.services.approvals import asking, deciding
from vmsapp.services.approvals.requests import DECIDE
from vmsapp.services.campaigns.beginning import MAY_MAKE as MAY_CAMPAIGN
from vmsapp.services.debts import MAY_ENTER
from vmsapp.services.engineering.making import MAY_MAKE
from vmsapp.services.float_terms import TERMS
from vmsapp.services.floats import MOVE, PAY_IN, Movement
from vmsapp.services.free_tokens.deed import MAY_GIVE
from vmsapp.services.vending.reversal import MAY_REVERSE

MAKER, CHECKER, THIRD = "maker", "checker", "third"
ALL = (
    MOVE, TERMS, DECIDE, MAY_REVERSE, MAY_ENTER, MAY_GIVE, MAY_MAKE, MAY_CAMPAIGN,
    ("can_give_back", COUNTER), ("can_change", SECOND_PERSON),
)  # fmt: skip


@dataclass
class Pair:
    """A shop whose maker asks and whose checker approves."""

    shop: Shop
    group_id: int
    ids: dict[str, int]

    def actor(self, name: str) -> Actor:
        with self.shop.session() as session, seen_by(SYSTEM):
            user = session.scalars(
                select(OfficeUser)
                .where(OfficeUser.id == self.ids[name])
                .options(joinedload(OfficeUser.region))
            ).one()
            return Actor(user.id, user.username, sight_of(user))

    def do(self, name: str, deed: Callable[..., Any], *args: Any) -> Any:
        """Call a use case as somebody, with a session of its own."""
        actor = self.actor(name)
        with self.shop.session() as session, seen_by(actor):
            return deed(session, actor, *args)

    def rule(self, deed: Any, from_amount_minor: int | None = None) -> None:
        """Ask for a second person."""
        rule = ApprovalRule(action=deed.action, active=True, from_amount_minor=from_amount_minor)
        self.shop.change(lambda session: session.merge(rule))

    def ask(self, deed: Any = PAY_IN, key: str = "k1", by: str = MAKER, **values: Any) -> Any:
        params = values.pop("params", None) or self.movement(**values)
        return self.do(by, asking.submit, deed, params, key)

    def movement(self, amount_minor: int = 5000, point: str = HARBOUR, **values: Any) -> Movement:
        plain = {"reference": "SLIP 7", "paid_on": TODAY}
        return Movement(self.shop.utility.points[point], amount_minor, **(plain | values))

    def approve(self, request: ApprovalRequest, by: str = CHECKER, shown: str = "") -> Any:
        return self.do(by, deciding.approve, request.id, shown or request.hash)

    def again(self, request: ApprovalRequest) -> ApprovalRequest:
        return self.shop.rows(ApprovalRequest, ApprovalRequest.id == request.id)[0]

    def happened(
        self, action: str, by: str | None, subject: str, subject_id: object,
        details: dict[str, Any] | None = None, **ago: int,
    ) -> None:  # fmt: skip
        """Write an event into the trail, as if it had happened some time ago."""
        event = AuditEvent(
            at=self.shop.clock.now - timedelta(**ago), actor_id=by and self.ids[by],
            actor_name=by or SYSTEM.name, action=action, subject=subject,
            subject_id=str(subject_id), details=details or {},
        )  # fmt: skip
        self.shop.change(lambda session: session.add(event))

    def trail(self, beginning: str = "") -> list[str]:
        """What the audit trail says happened, in order."""
        return [
            one.action for one in self.shop.rows(AuditEvent) if one.action.startswith(beginning)
        ]


def named(session: Session, model: Any, name: str) -> Any:
    """Find a row by its name, or make it."""
    return session.scalars(select(model).where(model.name == name)).first() or model(name=name)


def permitted(session: Session, name: str, *permissions: Permission) -> Role:
    """Make a group that holds permissions."""
    group = Role(name=name)
    session.add(group)
    for deed, screen in permissions:
        known = (
            select(PermissionView)
            .join(FrameworkPermission, FrameworkPermission.id == PermissionView.permission_id)
            .join(ViewMenu, ViewMenu.id == PermissionView.view_menu_id)
            .where(FrameworkPermission.name == deed, ViewMenu.name == screen)
        )
        held = session.scalars(known).first() or PermissionView(
            permission=named(session, FrameworkPermission, deed),
            view_menu=named(session, ViewMenu, screen),
        )
        group.permissions.append(held)
        session.flush()
    return group


def make_pair(shop: Shop) -> Pair:
    """Add the two, and a third who may the same, all over the country."""

    def add(session: Session) -> tuple[int, dict[str, int]]:
        group = permitted(session, "Both", *ALL)
        ids = {}
        for name in (MAKER, CHECKER, THIRD):
            user = factories.add_user(session, name, region=shop.utility.regions["country"])
            user.roles = [group]
            session.flush()
            ids[name] = user.id
        return group.id, ids

    group_id, ids = shop.change(add)
    return Pair(shop, group_id, ids)
