"""Which module serves a meter, and which of its keys."""

from sqlalchemy import BindParameter, Select, bindparam, select
from sqlalchemy.orm import Session, joinedload

from vmsapp.errors import N_, Refused
from vmsapp.models import Algorithm, SecurityModule, SmAlgorithm, VendingKey
from vmsapp.statements import made_once


class NoModule(Refused):
    """No security module serves the meter's algorithm."""

    code = "no_module"
    message = N_(
        "No security module serves %(algorithm)s meters. Ask an administrator to assign one."
    )

    def __init__(self, *, algorithm: str) -> None:
        super().__init__(algorithm=algorithm)


class MeterWithoutKey(Refused):
    """The module holds no key for the meter's supply group."""

    code = "meter_without_key"
    message = N_(
        "There is no vending key for supply group %(sgc)s, revision %(krn)s."
        " Ask an administrator to load it."
    )

    def __init__(self, *, sgc: str, krn: int) -> None:
        super().__init__(sgc=sgc, krn=krn)


def module_for(session: Session, algorithm: str) -> SecurityModule:
    """Fetch the one module that serves an algorithm.

    Raises:
        NoModule: None does.
    """
    row = session.scalars(
        select(SmAlgorithm)
        .where(SmAlgorithm.algorithm == algorithm)
        .options(joinedload(SmAlgorithm.module))
    ).first()
    if row is None:
        raise NoModule(algorithm=algorithm)
    return row.module


def module_and_key(
    session: Session, algorithm: Algorithm, *, sgc: str, krn: int, kt: int
) -> tuple[SecurityModule, VendingKey]:
    """Fetch in one statement the module that serves an algorithm and its key of that name.

    Raises:
        NoModule: None serves it.
        MeterWithoutKey: It holds no such key.
    """
    named = {"algorithm": algorithm, "dkga": algorithm.dkga, "sgc": sgc, "krn": krn, "kt": kt}
    row = session.execute(_serving(), named).first()
    if row is None:
        raise NoModule(algorithm=algorithm)
    module, found = row
    if found is None:
        raise MeterWithoutKey(sgc=sgc, krn=krn)
    return module, found


@made_once
def _serving() -> Select[SecurityModule, VendingKey]:
    key = VendingKey
    sgc: BindParameter[str] = bindparam("sgc")
    krn: BindParameter[int] = bindparam("krn")
    kt: BindParameter[int] = bindparam("kt")
    dkga: BindParameter[str] = bindparam("dkga")
    algorithm: BindParameter[str] = bindparam("algorithm")
    return (
        select(SecurityModule, key)
        .join(SmAlgorithm, SmAlgorithm.module_id == SecurityModule.id)
        .outerjoin(
            key,
            (key.module_id == SecurityModule.id) & (key.sgc == sgc) & (key.krn == krn)
            & (key.kt == kt) & (key.dkga == dkga),
        )
        .where(SmAlgorithm.algorithm == algorithm)
    )  # fmt: skip


def key_for(
    session: Session, module_id: int, *, sgc: str, krn: int, kt: int, dkga: str
) -> VendingKey:
    """Fetch the public side of the key a meter's tokens are made with.

    Raises:
        MeterWithoutKey: The module holds none of that name.
    """
    row = session.scalars(
        select(VendingKey).where(
            VendingKey.module_id == module_id,
            VendingKey.sgc == sgc,
            VendingKey.krn == krn,
            VendingKey.kt == kt,
            VendingKey.dkga == dkga,
        )
    ).first()
    if row is None:
        raise MeterWithoutKey(sgc=sgc, krn=krn)
    return row
