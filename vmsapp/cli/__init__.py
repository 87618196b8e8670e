"""Commands for the shell.

``vms`` looks after an installation and needs one; ``sts`` works on tokens alone, and ``flask``
finds it by an entry point, without making the application.
"""

TYPE_CHECKING = False  # type checkers read it as True
if TYPE_CHECKING:
    from flask import Flask


def register(app: "Flask") -> None:
    """Add the commands to ``flask``."""
    from vmsapp.cli.sts import sts  # noqa: PLC0415 - ``sts`` is imported without the other
    from vmsapp.cli.vms import vms  # noqa: PLC0415

    app.cli.add_command(sts)
    app.cli.add_command(vms)
