"""A deed that may ask for a second person: what it must tell of itself.

Its parameters are a frozen dataclass of whole numbers, texts, yes or no, and days. Those of a
deed that overwrites what is there hold what was there, too: what was written since by somebody
else, such as a key change that was confirmed, must not be undone by it unseen. They
are written as canonical JSON, whose SHA-256 is what an approver approves:

>>> @dataclass(frozen=True)
... class Lend:
...     book: int
...     until: date
>>> canonical("book.lend", Lend(7, date(2026, 3, 17)))
'{"action":"book.lend","params":{"book":7,"until":"2026-03-17"}}'
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, get_type_hints

from sqlalchemy.orm import Session

from vmsapp.errors import N_, Conflict, Refused, VmsError
from vmsapp.hsm.registry import Registry
from vmsapp.models import ApprovalRequest
from vmsapp.scope import Actor
from vmsapp.security import Permission

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Params = TypeVar("Params", bound=DataclassInstance)
else:
    Params = TypeVar("Params")

READERS: Final[dict[type, Callable[[Any], Any]]] = {date: date.fromisoformat}
"""How values are read that JSON has no kind for."""


class RequestAltered(Refused):
    """What is stored is not what was asked for."""

    code = "request_altered"
    message = N_("This request was altered after it was made. Nothing was done.")


class ChangedSinceAsked(Conflict):
    """What it would overwrite is no longer what it was when it was asked for."""

    code = "changed_since_asked"
    message = N_(
        "This was changed by somebody else meanwhile, so nothing was written. Look at what it says"
        " now; if it should still be otherwise, open the form anew and ask for that."
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what a deed will do.

    Attributes:
        label: Message id of what it is about.
        after: The value it will have, or the fact there is.
        before: The value it has now; ``None`` where there is nothing to compare.
        passing: It hangs on how things are now: told only while the request waits.
    """

    label: str
    after: object
    before: object | None = None
    passing: bool = False


@dataclass(frozen=True, slots=True)
class DeedName:
    """The name of an action, for a line about it."""

    action: str


@dataclass(frozen=True, slots=True)
class SaleNumber:
    """A sale, for a line that leads to it."""

    sale_id: int


@dataclass(frozen=True, slots=True)
class Drawer:
    """A shift from whose drawer money is paid, for a line that leads to it."""

    shift_id: int
    operator: str
    point: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A message id, for a line that says something."""

    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the subject of a deed lies: at a vending point, in a region, or everywhere."""

    vending_point_id: int | None = None
    region_id: int | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What a deed may need besides the database.

    Attributes:
        registry: The security modules.
        grace_days: Days for which tokens are made after the licence's last.
    """

    registry: Registry
    grace_days: int


def _never(_session: Session, _params: object, _key: str) -> bool:
    return False


@dataclass(frozen=True)
class Deed(Generic[Params]):
    """A deed, as the second person's machinery sees it.

    Attributes:
        action: Stable code.
        label: Message id of its name.
        params: Class of its parameters.
        permission: Asked of who asks for it and of who approves it.
        place: Where its subject lies.
        amount_minor: Gives the amount a rule compares, or ``None`` where this one has none; itself
            ``None`` where no amount tells how grave such a deed is.
        describe: The lines of what it will do, with the present values.
        check: Refuses what cannot be done; takes the locks the deed needs.
        run: Does it, in the caller's transaction; the key makes it happen once.
        done: Whether it was done already under that key; refuses the key of another deed.
        asks: Decides instead of the rule whether a second person is needed.
        alone: What a user did of the same at the same place since a moment, without a second
            person; ``None`` where parts do not add up to a whole.
        refused: Keeps, in the caller's transaction, that an approved request could not be done.
        ready: Refuses while what follows could not be done just now, before anybody approves;
            outside any transaction.
        whole: Message id of when its subject is the whole utility, which only who sees all
            regions can approve; empty where it never is.
        follows: What is still to be done once the approval is committed, outside any
            transaction, such as asking a security module; gives what came of it.
    """

    action: str
    label: str
    params: type[Params]
    permission: Permission
    place: Callable[[Session, Params], Place]
    amount_minor: Callable[[Params], int | None] | None
    describe: Callable[[Session, Params], Sequence[Line]]
    check: Callable[[Session, Actor, Params], None]
    run: Callable[[Session, Actor, Params, str], None]
    done: Callable[[Session, Params, str], bool] = _never
    asks: Callable[[Session, Params], bool] | None = None
    alone: Callable[[Session, int, Params, datetime], int] | None = None
    refused: Callable[[Session, Actor, Params, VmsError], None] | None = None
    ready: Callable[[Session, Means, Params], None] | None = None
    follows: Callable[[Session, Means, Actor, ApprovalRequest], object] | None = None
    whole: str = ""

    def amount_of(self, params: Params) -> int | None:
        """Tell the amount a rule compares."""
        return None if self.amount_minor is None else self.amount_minor(params)

    def freeze(self, params: Params) -> tuple[dict[str, Any], str]:
        """Write parameters as they are stored, with their hash."""
        text = canonical(self.action, params)
        return json.loads(text)["params"], hashlib.sha256(text.encode()).hexdigest()

    def thaw(self, stored: dict[str, Any], digest: str) -> Params:
        """Read stored parameters.

        Raises:
            RequestAltered: Their hash is another.
        """
        hints = get_type_hints(self.params)
        try:
            params = self.params(
                **{name: READERS.get(hints[name], _same)(value) for name, value in stored.items()}
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RequestAltered from error
        if self.freeze(params)[1] != digest:
            raise RequestAltered
        return params


def canonical(action: str, params: "DataclassInstance") -> str:
    """Write an action and its parameters as the one JSON text there is for them.

    What a parameter is by default is not written: one that is added later with a default
    leaves the text, and the hash, of what was asked for before as they were.
    """
    plain = {field.name: field.default for field in fields(params)}
    told = {name: value for name, value in asdict(params).items() if value != plain[name]}
    body = {"action": action, "params": told}
    return json.dumps(
        body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=date.isoformat
    )


def _same(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return value
