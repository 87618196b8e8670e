"""The framework's own commands, which know nothing of our users, scopes and audit trail."""

import click
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


def _upwards(context: click.Context) -> list[click.Context]:
    found = [context]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found
