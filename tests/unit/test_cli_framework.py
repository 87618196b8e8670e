"""The framework's own commands: in no help, and refused with the way that works."""

import click
import pytest
from flask_appbuilder.cli import fab

from vmsapp.cli.framework import put_away


def test_they_are_in_no_help():
    put_away()
    assert fab.hidden


@pytest.mark.parametrize("name", ["create-admin", "reset-password"])
def test_one_of_them_is_refused_with_the_way_that_works(name):
    outer = click.Context(click.Group("flask"))
    group = click.Context(fab, parent=outer, info_name="fab")
    command = click.Context(fab.commands[name], parent=group, info_name=name)
    with command, pytest.raises(click.UsageError) as refused:
        put_away()
    assert "flask vms init" in refused.value.message
    assert "flask vms new-password" in refused.value.message


def test_our_own_are_let_through():
    with click.Context(click.Command("init"), parent=click.Context(click.Group("vms"))):
        put_away()
