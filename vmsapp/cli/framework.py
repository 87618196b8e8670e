"""What the framework does on the command line: its own commands, and making the application.

Its own commands know nothing of our users, scopes and audit trail.
"""

import click
from flask.cli import FlaskGroup, run_command
from flask_appbuilder.cli import fab


def put_away() -> None:
    """Name them in no help, and refuse those that somebody knows by heart.

    Called as the application is made, which each of them does before it does anything.

    Raises:
        UsageError: It is made for one of them.
    """
    fab.hidden = True
    context = click.get_current_context(silent=True)
    if context is not None and any(each.command is fab for each in _upwards(context)):
        raise click.UsageError(
            "This command of the framework does nothing in VMS. The first administrator is made by"
            " “flask vms init”, further users under System → Users; “flask vms new-password” helps"
            " who has lost a password."
        )


def for_a_command() -> bool:
    """Tell whether the application is being made for a command, not to serve.

    Then it makes no file: the command may be none that makes an instance, or the folder may be
    the wrong one.
    """
    context = click.get_current_context(silent=True)
    if context is None or not isinstance(context.find_root().command, FlaskGroup):
        return False
    return all(each.command is not run_command for each in _upwards(context))


def _upwards(context: click.Context) -> list[click.Context]:
    found = [context]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found
