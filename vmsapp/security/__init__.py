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
from vmsapp.security.manager import EPOCH, OfficeSecurityManager
from vmsapp.security.permissions import (
    ADMINISTRATORS,
    CLOCK,
    COUNTER,
    GROUPS,
    SECOND_FACTOR,
    SESSIONS,
    Permission,
)

__all__ = [
    "ADMINISTRATORS",
    "CLOCK",
    "COUNTER",
    "EPOCH",
    "GROUPS",
    "NAME_LENGTH",
    "SECOND_FACTOR",
    "SESSIONS",
    "TICKET",
    "NotActing",
    "OfficeSecurityManager",
    "Permission",
    "actor_for",
    "current_actor",
    "current_session",
    "sight_of",
]
