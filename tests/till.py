"""A drawer as tests use it: open a shift, move cash, count, close; each deed has its session."""

from sqlalchemy import select

from tests.factories import HARBOUR, OPERATOR, SUPERVISOR
from vmsapp.models import CashReason, Setup, Shift
from vmsapp.scope import Actor, seen_by, unscoped
from vmsapp.security import SHIFTS, sight_of
from vmsapp.services.shifts import closing, opening
from vmsapp.services.shifts.closing import Count
from vmsapp.services.shifts.figures import figures
from vmsapp.services.shifts.opening import CashMove


class Till:
    """What people do with shifts, each deed with a session of its own."""

    def __init__(self, shop):
        self.shop = shop
        self.keys = 0

    def actor(self, name):
        user = self.shop.utility.users[name]
        deeds = {"can_close_others", "can_figures"} if name == SUPERVISOR else set()
        held = frozenset((deed, SHIFTS) for deed in deeds)
        return Actor(user.id, user.username, sight_of(user), held)

    def do(self, by, deed, *args):
        actor = self.actor(by)
        with self.shop.session() as session, seen_by(actor):
            return deed(session, actor, *args)

    def key(self):
        self.keys += 1
        return f"key-{self.keys}"

    def open(self, float_minor=2000, by=OPERATOR, point=HARBOUR, key=None):
        point_id = self.shop.utility.points[point]
        return self.do(by, opening.open_shift, point_id, float_minor, key or self.key())

    def move(self, shift, amount, *, out=True, reason="bank", note="", by=OPERATOR, key=None):
        move = CashMove(shift.id, amount, out, CashReason(reason), note)
        return self.do(by, opening.move_cash, move, key or self.key())

    def count(self, shift, total, pieces=None, by=OPERATOR):
        counted = None if total is None else Count(total, pieces)
        return self.do(by, closing.count, shift.id, counted)

    def finish(self, shift, note="", by=OPERATOR):
        return self.do(by, closing.finish, shift.id, note)

    def figures(self, shift):
        with self.shop.session() as session, unscoped("the test looks"):
            return figures(session, session.get_one(Shift, shift.id))

    def again(self, shift):
        return self.shop.rows(Shift, Shift.id == shift.id)[0]

    def setup(self, **values):
        def change(session):
            for name, value in values.items():
                setattr(session.scalars(select(Setup)).one(), name, value)

        self.shop.change(change)
