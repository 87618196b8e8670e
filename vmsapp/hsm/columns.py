"""Many changes, and the sets that answer them, as columns: a campaign has a million of them.

Rows that differ in their meters' numbers alone are a *run*: what they share stands once, beside
the column of what differs. Whoever reads a row gets it as ever; whoever knows runs makes no object
for a meter.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, groupby
from typing import Any, Final, Generic, TypeVar, overload

from vmsapp.hsm.answers import IssuedToken, IssuedTokens
from vmsapp.hsm.requests import KeyChange, MeterConfig

ALL: Final = slice(None)


@dataclass(frozen=True, slots=True)
class ChangeRun:
    """Changes of meters that go the same way.

    Attributes:
        like: Of one of them.
        pans: MeterPANs, 18 digits each.
    """

    like: KeyChange
    pans: Sequence[str]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.pans)

    def rows(self, some: slice = ALL) -> Iterator[KeyChange]:
        """Make them, or some."""
        like = self.like
        before, after = _all_but_pan(like.meter), _all_but_pan(like.new)
        return (
            KeyChange(MeterConfig(pan, *before), MeterConfig(pan, *after), like.three_tokens)
            for pan in self.pans[some]
        )


@dataclass(frozen=True, slots=True, repr=False)
class SetRun:
    """Sets whose tokens differ in digits alone.

    Attributes:
        likes: The tokens of one set, whose digits count not.
        digits: For each of these its digits, a set after the other.
    """

    likes: IssuedTokens
    digits: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        """Refuse what no sets can be read from; another process may have sent it."""
        if not self.digits or len(self.likes) != len(self.digits):
            msg = "a column for each token"
            raise ValueError(msg)
        if len(set(map(len, self.digits))) != 1:
            msg = "columns of one length"
            raise ValueError(msg)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.digits[0])

    def rows(self, some: slice = ALL) -> Iterator[IssuedTokens]:
        """Make them, or some."""
        columns = []
        for like, digits in zip(self.likes, self.digits, strict=True):
            _, *rest = (getattr(like, name) for name in IssuedToken.__slots__)
            columns.append([IssuedToken(each, *rest) for each in digits[some]])
        return zip(*columns, strict=True)


RowT = TypeVar("RowT")
RunT = TypeVar("RunT", ChangeRun, SetRun)


class _Columns(Sequence[RowT], Generic[RowT, RunT]):
    """Runs one after another, read as the rows they stand for."""

    __slots__ = ("_ends", "runs")

    def __init__(self, runs: Sequence[RunT]) -> None:
        self.runs: Sequence[RunT] = runs
        self._ends = list(accumulate(map(len, runs)))

    def __len__(self) -> int:
        """How many rows there are."""
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, place: int) -> RowT: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[RowT]: ...
    def __getitem__(self, place: int | slice) -> Any:
        """Make one row, or some."""
        if isinstance(place, slice):
            return tuple(self[each] for each in range(*place.indices(len(self))))
        at = range(len(self))[place]
        nth = bisect_right(self._ends, at)
        within = at - self._ends[nth] + len(self.runs[nth])
        return next(self.runs[nth].rows(slice(within, within + 1)))

    def __iter__(self) -> Iterator[Any]:
        """Make the rows one after another."""
        return chain.from_iterable(run.rows() for run in self.runs)

    def __eq__(self, other: object) -> bool:
        """Compare row by row, with rows however they are held."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Tell how many; digits are money."""
        return f"{type(self).__name__}({len(self)} rows)"


class ChangeColumns(_Columns[KeyChange, ChangeRun]):
    """Changes of many meters."""

    __slots__ = ()


class SetColumns(_Columns[IssuedTokens, SetRun]):
    """The sets of many meters."""

    __slots__ = ()

    @classmethod
    def of(cls, sets: Sequence[IssuedTokens]) -> "SetColumns":
        """Part sets into runs; those that are columns stay what they are."""
        if isinstance(sets, cls):
            return sets
        return cls([_set_run(list(run)) for _likes, run in groupby(sets, _without_digits)])


def _set_run(sets: Sequence[IssuedTokens]) -> SetRun:
    digits = [[token.digits for token in column] for column in zip(*sets, strict=True)]
    return SetRun(_without_digits(sets[0]), digits)


def _without_digits(tokens: IssuedTokens) -> IssuedTokens:
    return tuple(replace(token, digits="") for token in tokens)


def _all_but_pan(like: MeterConfig) -> tuple[Any, ...]:
    return like.key, like.ti, like.base_date, like.ken, like.ea, like.tct
