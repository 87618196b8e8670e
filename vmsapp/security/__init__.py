"""Who asks and what they may do: permissions, user groups, the framework's security manager."""

from vmsapp.security.asking import (
    NAME_LENGTH,
    TICKET,
    current_actor,
    current_session,
    sight_of,
)
from vmsapp.security.manager import OfficeSecurityManager
from vmsapp.security.permissions import (
    CLOCK,
    COUNTER,
    FIRST_STEPS,
    GROUPS,
    SESSIONS,
    SETUP,
    Permission,
)

__all__ = [
    "CLOCK",
    "COUNTER",
    "FIRST_STEPS",
    "GROUPS",
    "NAME_LENGTH",
    "SESSIONS",
    "SETUP",
    "TICKET",
    "OfficeSecurityManager",
    "Permission",
    "current_actor",
    "current_session",
    "sight_of",
]
