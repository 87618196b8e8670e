"""Who asks and what they may do: permissions, user groups, the framework's security manager."""

from vmsapp.security.asking import (
    NAME_LENGTH,
    TICKET,
    NotActing,
    actor_for,
    current_actor,
    current_session,
    sight_of,
)
from vmsapp.security.groups import ADMINISTRATORS, GROUPS, NOBODY, READY_MADE
from vmsapp.security.manager import EPOCH, OfficeSecurityManager
from vmsapp.security.permissions import (
    APPROVALS,
    CLOCK,
    COUNTER,
    FIRST_STEPS,
    FLOATS,
    LICENCE,
    SECOND_FACTOR,
    SECOND_PERSON,
    SESSIONS,
    SETUP,
    Permission,
)

__all__ = [
    "ADMINISTRATORS",
    "APPROVALS",
    "CLOCK",
    "COUNTER",
    "EPOCH",
    "FIRST_STEPS",
    "FLOATS",
    "GROUPS",
    "LICENCE",
    "NAME_LENGTH",
    "NOBODY",
    "READY_MADE",
    "SECOND_FACTOR",
    "SECOND_PERSON",
    "SESSIONS",
    "SETUP",
    "TICKET",
    "NotActing",
    "OfficeSecurityManager",
    "Permission",
    "actor_for",
    "current_actor",
    "current_session",
    "sight_of",
]
