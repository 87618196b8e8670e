"""Who asks and what they may do: permissions, user groups, the framework's security manager."""

from vmsapp.security.asking import (
    NAME_LENGTH,
    TICKET,
    current_actor,
    current_session,
    sight_of,
)
from vmsapp.security.manager import OfficeSecurityManager
from vmsapp.security.permissions import CLOCK, COUNTER, GROUPS, LICENCE, SESSIONS, Permission

__all__ = [
    "CLOCK",
    "COUNTER",
    "GROUPS",
    "LICENCE",
    "NAME_LENGTH",
    "SESSIONS",
    "TICKET",
    "OfficeSecurityManager",
    "Permission",
    "current_actor",
    "current_session",
    "sight_of",
]
