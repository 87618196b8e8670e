"""What stands in the way of a backup, or of its restore."""

from vmsapp.errors import N_, Conflict, InvalidInput, Unavailable


class BackupPlaceTaken(Conflict):
    """A backup is made into a folder of its own."""

    code = "backup_place_taken"
    message = N_("%(place)s is not empty. Name a folder that is not there yet.")

    def __init__(self, *, place: object) -> None:
        super().__init__(place=place)


class RestorePlaceTaken(Conflict):
    """A restore never writes over anything."""

    code = "restore_place_taken"
    message = N_(
        "%(what)s is there already. Restore into an empty place: nothing is ever written over."
    )

    def __init__(self, *, what: object) -> None:
        super().__init__(what=what)


class NoBackup(InvalidInput):
    """There is no manifest, or it is not one of ours."""

    code = "no_backup"
    message = N_("%(place)s is no whole backup: its manifest is missing or cannot be read.")

    def __init__(self, *, place: object) -> None:
        super().__init__(place=place)


class BackupDamaged(InvalidInput):
    """A file is not what was written."""

    code = "backup_damaged"
    message = N_("%(name)s is missing from the backup, or is not what was written. Use another.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class BackupOfAnother(InvalidInput):
    """The backup is of the other kind of database."""

    code = "backup_of_another"
    message = N_("The backup is of %(kind)s. Set DATABASE_URL to an empty database of that kind.")

    def __init__(self, *, kind: str) -> None:
        super().__init__(kind=kind)


class BackupOfNewer(InvalidInput):
    """This release does not know the schema."""

    code = "backup_of_newer"
    message = N_(
        "The backup’s schema %(revision)s is not known here. Restore it with the release that"
        " made it, or a later one."
    )

    def __init__(self, *, revision: str) -> None:
        super().__init__(revision=revision)


class ToolMissing(Unavailable):
    """PostgreSQL's client tools are not installed."""

    code = "tool_missing"
    message = N_(
        "%(tool)s was not found. Install PostgreSQL’s client tools, of the server’s version or a"
        " later one, or say with --tools in which folder they are."
    )

    def __init__(self, *, tool: str) -> None:
        super().__init__(tool=tool)


class ToolFailed(Unavailable):
    """A client tool ended with an error; its own words are in the log."""

    code = "tool_failed"
    message = N_("%(tool)s ended with an error: %(said)s")

    def __init__(self, *, tool: str, said: str) -> None:
        super().__init__(tool=tool, said=said)
