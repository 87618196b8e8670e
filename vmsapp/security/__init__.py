"""Who asks and what they may do: permissions, user groups, the framework's security manager."""

from vmsapp.security.asking import (
    NAME_LENGTH,
    TICKET,
    current_actor,
    current_session,
    sight_of,
)
from vmsapp.security.groups import ADMINISTRATORS, GROUPS, NOBODY, READY_MADE
from vmsapp.security.manager import OfficeSecurityManager
from vmsapp.security.permissions import CLOCK, COUNTER, SESSIONS, Permission

__all__ = [
    "ADMINISTRATORS",
    "CLOCK",
    "COUNTER",
    "GROUPS",
    "NAME_LENGTH",
    "NOBODY",
    "READY_MADE",
    "SESSIONS",
    "TICKET",
    "OfficeSecurityManager",
    "Permission",
    "current_actor",
    "current_session",
    "sight_of",
]
