"""Rows of a chunk are written together, and those with faults are left out."""

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from vmsapp.services.imports.kinds import Done, Wanted
from vmsapp.services.registration.faults import Fault, FaultyRows


def without_faulty(
    session: Session,
    wanted: Sequence[Wanted],
    places: Sequence[int],
    deed: Callable[[list[Wanted]], Sequence[Done]],
) -> tuple[dict[int, Done], list[tuple[int, Fault]]]:
    """Do a deed to as many rows as have no faults, in the caller's transaction.

    Args:
        session: In the actor's scope.
        wanted: The rows of a chunk.
        places: Of those it is done to.
        deed: Does it to rows, all of them or none, and tells what became of each; the rows of
            the faults it raises are counted among those it was given.

    Returns:
        What became of each row by its place, and the faults with the places of their rows.
    """
    left, faults = list(places), list[tuple[int, Fault]]()
    while left:
        try:
            with session.begin_nested():
                done = deed([wanted[place] for place in left])
        except FaultyRows as error:
            faults += [(left[one.row], one) for one in error.faults]
            wrong = {place for place, _ in faults}
            left = [place for place in left if place not in wrong]
        else:
            return dict(zip(left, done, strict=True)), faults
    return {}, faults
