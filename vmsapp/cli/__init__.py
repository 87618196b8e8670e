"""Commands for the shell.

``vms`` looks after an installation and needs one; ``sts`` works on tokens alone. ``flask`` finds
``sts`` by an entry point, without making the application, and an application never loads it.
"""

TYPE_CHECKING = False  # type checkers read it as True
if TYPE_CHECKING:
    from flask import Flask


def register(app: "Flask") -> None:
    """Add the commands to ``flask``."""
    from vmsapp.cli.framework import put_away  # noqa: PLC0415 - ``sts`` is imported without it
    from vmsapp.cli.vms import vms  # noqa: PLC0415

    put_away()
    app.cli.add_command(vms)


def for_a_command() -> bool:
    """Tell whether the application is being made for a command, not to serve."""
    from vmsapp.cli import framework  # noqa: PLC0415 - ``sts`` is imported without it

    return framework.for_a_command()
