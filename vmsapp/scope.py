"""Who may see which rows: one hook below every view, service and task.

A user belongs to a region, and sees it with all below it; an operator besides belongs
to one vending point. Models say how they are scoped by a mixin; a session hook adds
the criterion to every ORM select, update and delete, and a flush check guards inserts.
Nobody set means nothing seen: what runs without a person says why with ``unscoped``.

Core SQL on tables is outside the hook and states its scope itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    String,
    and_,
    bindparam,
    event,
    false,
    func,
)
from sqlalchemy.orm import (
    InstrumentedAttribute,
    LoaderCriteriaOption,
    ORMExecuteState,
    Session,
)
from sqlalchemy.orm.interfaces import CriteriaOption
from sqlalchemy.sql.visitors import InternalTraversal

from vmsapp.errors import NotFound

Path = ColumnElement[str] | InstrumentedAttribute[str]
"""A column of paths."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What an actor may see.

    Attributes:
        everything: Administrators and auditors.
        region_path: Path of the region whose subtree is seen, ``None`` for none.
        vending_point_id: Set for an operator: sales of this point alone.
        user_id: Whose own jobs and imports are seen.
    """

    everything: bool = False
    region_path: str | None = None
    vending_point_id: int | None = None
    user_id: int | None = None

    def kept(self) -> list[Any]:
        """It, as it is kept with what was made under it: who sees other places has other rows."""
        return [self.everything, self.region_path, self.vending_point_id]


NOTHING = Sight()
EVERYTHING = Sight(everything=True)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: the person, or the product itself with ``user_id`` ``None``."""

    user_id: int | None
    name: str
    sight: Sight
    permissions: frozenset[tuple[str, str]] = frozenset()
    address: str | None = None

    def may(self, permission: str, view: str) -> bool:
        """Tell whether the user group permits this deed."""
        return (permission, view) in self.permissions


SYSTEM = Actor(user_id=None, name="system", sight=EVERYTHING)
"""The product itself: reconciliation, seeding, commands on the server."""

_sight: ContextVar[Sight] = ContextVar("sight", default=NOTHING)


def current_sight() -> Sight:
    """Tell what may be seen here; nothing unless somebody was named."""
    return _sight.get()


@contextmanager
def seen_by(actor: Actor) -> Iterator[None]:
    """Take on an actor's scope inside the block."""
    token = _sight.set(actor.sight)
    try:
        yield
    finally:
        _sight.reset(token)


@contextmanager
def unscoped(reason: str) -> Iterator[None]:
    """Leave the scope inside the block; ``reason`` is for whoever reads the code."""
    assert reason, "leaving the scope needs a reason"
    token = _sight.set(EVERYTHING)
    try:
        yield
    finally:
        _sight.reset(token)


def take_on(sight: Sight) -> None:
    """Set the scope of this thread until the next call: a web request's beginning and end."""
    _sight.set(sight)


def below(path: Path, region: Path | str | None) -> ColumnElement[bool]:
    """State which paths are a region's own or lie below it; below no region lies nothing.

    A path ends in a dot, and a slash is the sign after it: the paths of a subtree are one
    range, which the index on paths serves on every database. ``LIKE`` it would not.
    """
    if isinstance(region, str) and region:
        return and_(path >= region, path < f"{region[:-1]}/")
    if region is None or isinstance(region, str):
        return false()
    return and_(path >= region, path < func.rtrim(region, ".", type_=String()) + "/")


class OutOfScope(NotFound):
    """A row outside the asker's scope was about to be written: the same as not found."""

    code = "not_found"


class ScopedMixin:
    """A model whose rows not everybody sees."""

    scoped: ClassVar[list[type["ScopedMixin"]]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:  # noqa: ANN401 - the mapper's own
        super().__init_subclass__(**kwargs)
        if {"__tablename__", "__table__"} & cls.__dict__.keys():
            ScopedMixin.scoped.append(cls)

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """State which rows ``sight`` covers; ``sight.everything`` never comes here."""
        raise NotImplementedError

    def inside(self, session: Session, sight: Sight) -> bool:
        """Tell whether the row, as it would be written, lies within ``sight``."""
        raise NotImplementedError


class _Within(CriteriaOption):
    """The criteria of all scoped models, as one option.

    Each statement's key for the cache of compiled statements names every option and what it
    consists of. With one option a model that took longer than most statements; this one is
    named by its kind, and its values are read when the statement runs.
    """

    __slots__ = ("_parts", "kind")
    _traverse_internals = [("kind", InternalTraversal.dp_string)]  # noqa: RUF012 - the library's

    def __init__(self, kind: str, parts: tuple[LoaderCriteriaOption, ...]) -> None:
        self.kind = kind
        self._parts = parts

    def process_compile_state(self, compile_state: Any) -> None:  # noqa: ANN401 - the library's
        """Add the criteria to a statement that is compiled."""
        for part in self._parts:
            part.process_compile_state(compile_state)

    def process_compile_state_replaced_entities(
        self,
        compile_state: Any,  # noqa: ANN401 - the library's
        mapper_entities: Any,  # noqa: ANN401 - the library's
    ) -> None:
        """Do the same where its columns were replaced."""
        self.process_compile_state(compile_state)

    def get_global_criteria(self, attributes: dict[Any, Any]) -> None:
        """Add the criteria to an update or a delete."""
        for part in self._parts:
            part.get_global_criteria(attributes)


def _read_late(name: str, type_: Any) -> Any:  # noqa: ANN401 - stands where a value does
    """Stand for a value of the sight under which a statement runs."""
    return bindparam(f"sight_{name}", callable_=lambda: getattr(_sight.get(), name), type_=type_)


@cache
def _within(*, region: bool, point: bool, user: bool) -> _Within:
    """Make the criteria of a kind of sight: by which of its values something is seen."""
    symbolic = Sight(
        region_path=_read_late("region_path", String()) if region else None,
        vending_point_id=_read_late("vending_point_id", BigInteger()) if point else None,
        user_id=_read_late("user_id", BigInteger()) if user else None,
    )
    parts = tuple(
        LoaderCriteriaOption(
            model,
            model.visible_to(symbolic) if region or point else false(),
            include_aliases=True,
        )
        for model in ScopedMixin.scoped
    )
    return _Within(f"within {region} {point} {user}", parts)


_ALL: Final = _Within("everything", ())
"""For who sees everything: a statement is never run as it was made, but always with an option.

One that was run keeps its key for the cache; who narrows it at that very moment might copy the
key with it, and with that the compiled statement that narrows nothing.
"""


def _criteria(sight: Sight) -> _Within:
    if sight.everything:
        return _ALL
    return _within(
        region=bool(sight.region_path),
        point=sight.vending_point_id is not None,
        user=sight.user_id is not None,
    )


_narrowed: Final[WeakKeyDictionary[Executable, dict[str, Executable]]] = WeakKeyDictionary()
"""Statements with the criteria added, by kind of sight, for as long as the statement is kept.

One made once and run often keeps its key for the cache of compiled statements with it; to find
that anew for each run takes longer than to add the criteria.
"""


def _narrow(statement: Executable, criteria: _Within) -> Executable:
    by_kind = _narrowed.setdefault(statement, {})
    narrowed = by_kind.get(criteria.kind)
    if narrowed is None:
        narrowed = by_kind[criteria.kind] = statement.options(criteria)
    return narrowed


def narrowed(statement: Executable) -> Executable:
    """Add the criteria of who asks to a statement that is run past the session."""
    return _narrow(statement, _criteria(_sight.get()))


@event.listens_for(Session, "do_orm_execute")
def _add_scope(state: ORMExecuteState) -> None:
    sight = _sight.get()
    if state.is_column_load:
        return
    if state.is_select or state.is_update or state.is_delete:
        state.statement = _narrow(state.statement, _criteria(sight))


@event.listens_for(Session, "before_flush")
def _guard_writes(session: Session, _context: object, _instances: object) -> None:
    if _sight.get().everything:
        return
    dirty = (row for row in session.dirty if session.is_modified(row))
    changed = [*session.new, *dirty, *session.deleted]
    for row in changed:
        guard(session, row)


def guard(session: Session, row: object) -> None:
    """Refuse to write a row outside the scope: for whoever writes past the session.

    Raises:
        OutOfScope: It is.
    """
    sight = _sight.get()
    if sight.everything or not isinstance(row, ScopedMixin):
        return
    with session.no_autoflush:
        inside = row.inside(session, sight)
    if not inside:
        raise OutOfScope
