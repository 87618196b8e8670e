"""Loading a key file, as the second person's machinery sees it.

Neither the passphrase nor the file is ever stored, so a second person cannot do the deed for
who asked: what is approved is that this very file, known by its SHA-256, may be loaded into
this module by who asked for it, within a day. They then send it again with its passphrase.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, NotFound
from vmsapp.models import ApprovalRequest, ApprovalState, SecurityModule, VendingKey
from vmsapp.scope import Actor
from vmsapp.security import MODULES, Permission
from vmsapp.services import audit
from vmsapp.services.approvals.deed import Deed, Line, Place, Sentence
from vmsapp.services.security_modules.health import meters_under

IMPORT: Final[Permission] = ("can_import", MODULES)
REPLACE: Final[Permission] = ("can_replace_keys", MODULES)
COUNTS_FOR: Final = timedelta(hours=24)
"""How long after the approval the file may be loaded."""
SHOWN_KEYS: Final = 20
AFTERWARDS: Final = Line(N_("After approval"), Sentence(N_(
    "Nothing is loaded yet: whoever asked sends the same file once more with its passphrase,"
    " within a day."
)))  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file that is to be loaded.

    Attributes:
        module_id: Into which module.
        digest: SHA-256 of the file, 64 hex digits.
        file_id: What the file calls itself.
        keys: Names and check values of its keys, as it says.
    """

    module_id: int
    digest: str
    file_id: str
    keys: str


@dataclass(frozen=True, slots=True)
class ReplacingFile(KeyFile):
    """A key file whose keys take the place of others.

    Attributes:
        replaced: The keys that go, with their check values as they are now.
        replacing: The keys of the same names that come.
        key_ids: Ids of the rows of those that go, for who wants to know which meters they have.
    """

    replaced: str = ""
    replacing: str = ""
    key_ids: str = ""


def allowed(session: Session, actor: Actor, deed: Deed[Any], params: KeyFile) -> bool:
    """Tell whether a second person has approved this of this person within the last day."""
    _, digest = deed.freeze(params)
    return (
        session.scalar(
            select(ApprovalRequest.id)
            .where(
                ApprovalRequest.hash == digest,
                ApprovalRequest.asked_by_id == actor.user_id,
                ApprovalRequest.state == ApprovalState.APPROVED,
                ApprovalRequest.decided_at > now_utc() - COUNTS_FOR,
            )
            .limit(1)
        )
        is not None
    )


def _check(session: Session, _actor: Actor, params: KeyFile) -> None:
    if session.get(SecurityModule, params.module_id) is None:
        raise NotFound


def _allow(session: Session, actor: Actor, params: KeyFile, _key: str) -> None:
    audit.record(
        session, actor, "key.import_allowed", "security_module", params.module_id,
        file_id=params.file_id, sha256=params.digest, keys=params.keys,
    )  # fmt: skip


def _describe(session: Session, params: KeyFile) -> Sequence[Line]:
    return (*_file(session, params), AFTERWARDS)


def _file(session: Session, params: KeyFile) -> Sequence[Line]:
    module = session.get(SecurityModule, params.module_id)
    return (
        Line(N_("Security module"), module.name if module else str(params.module_id)),
        Line(N_("Key file"), params.file_id),
        Line(N_("SHA-256 of the file"), params.digest),
        Line(N_("Keys"), params.keys),
    )


def _describe_replacing(session: Session, params: ReplacingFile) -> Sequence[Line]:
    ids = [int(each) for each in params.key_ids.split()]
    rows = session.scalars(select(VendingKey).where(VendingKey.id.in_(ids))).all()
    struck = sum(meters_under(session, rows).values())
    return (
        *_file(session, params),
        Line(N_("Keys that go"), params.replaced),
        Line(N_("Keys that come in their place"), params.replacing),
        Line(N_("Meters in use under the keys that go"), struck, passing=True),
        AFTERWARDS,
    )


KEY_IMPORT = Deed(
    action="key.import",
    label=N_("Allow a key file to be loaded"),
    params=KeyFile,
    permission=IMPORT,
    place=lambda _session, _params: Place(),
    amount_minor=None,
    describe=_describe,
    check=_check,
    run=_allow,
)
"""A rule says whether it asks for a second person."""

KEY_REPLACE = Deed(
    action="key.replace",
    label=N_("Allow a key file to replace keys"),
    params=ReplacingFile,
    permission=REPLACE,
    place=lambda _session, _params: Place(),
    amount_minor=None,
    describe=_describe_replacing,
    check=_check,
    run=_allow,
    asks=lambda _session, _params: True,
)
"""Always asks: meters under the key that goes take no token of the one that comes."""
