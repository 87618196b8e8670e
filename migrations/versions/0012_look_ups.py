"""Searching fields have a permission of their own, apart from the screens of regions and products.

Groups that held the screens' permissions for the sake of the searches alone, without their
entry in the menu, keep the searches and lose the screens.

Revision: 0012
Follows: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCREENS = {"Regions": "Regions list", "Products": "Products list"}
SEEING = ("can_list", "can_show")

permissions = sa.table("ab_permission", sa.column("id"), sa.column("name"))
screens = sa.table("ab_view_menu", sa.column("id"), sa.column("name"))
pairs = sa.table(
    "ab_permission_view", sa.column("id"), sa.column("permission_id"), sa.column("view_menu_id")
)
held = sa.table(
    "ab_permission_view_role", sa.column("id"), sa.column("permission_view_id"), sa.column("role_id")
)


def upgrade() -> None:
    for screen, menu in SCREENS.items():
        seeing = _holders(screen, *SEEING)
        if seeing:
            _give(screen, "can_look_up", seeing)
        _take(screen, SEEING, seeing - _holders(menu, "menu_access"))


def downgrade() -> None:
    for screen in SCREENS:
        searching = _holders(screen, "can_look_up")
        for deed in SEEING if searching else ():
            _give(screen, deed, searching - _holders(screen, deed))
        _take(screen, ("can_look_up",), searching)
        op.execute(pairs.delete().where(pairs.c.id.in_(_pairs(screen, "can_look_up"))))


def _pairs(screen: str, *deeds: str) -> list[int]:
    found = (
        sa.select(pairs.c.id)
        .join_from(pairs, permissions, permissions.c.id == pairs.c.permission_id)
        .join(screens, screens.c.id == pairs.c.view_menu_id)
        .where(screens.c.name == screen, permissions.c.name.in_(deeds))
    )
    return list(op.get_bind().scalars(found))


def _holders(screen: str, *deeds: str) -> set[int]:
    roles = sa.select(held.c.role_id).where(held.c.permission_view_id.in_(_pairs(screen, *deeds)))
    return set(op.get_bind().scalars(roles))


def _give(screen: str, deed: str, roles: set[int]) -> None:
    bind = op.get_bind()
    if not _pairs(screen, deed):
        name = sa.select(permissions.c.id).where(permissions.c.name == deed)
        if bind.scalar(name) is None:
            op.execute(permissions.insert().values(name=deed))
        place = bind.scalar(sa.select(screens.c.id).where(screens.c.name == screen))
        op.execute(pairs.insert().values(permission_id=bind.scalar(name), view_menu_id=place))
    (pair,) = _pairs(screen, deed)
    for role in sorted(roles):
        op.execute(held.insert().values(permission_view_id=pair, role_id=role))


def _take(screen: str, deeds: tuple[str, ...], roles: set[int]) -> None:
    op.execute(
        held.delete().where(
            held.c.permission_view_id.in_(_pairs(screen, *deeds)), held.c.role_id.in_(roles)
        )
    )
