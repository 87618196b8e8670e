"""``flask vms``: commands that look after an installation."""

import itertools
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from alembic.runtime.migration import MigrationContext
from flask import current_app
from flask.cli import AppGroup, ScriptInfo
from flask_appbuilder.security.sqla.models import PermissionView
from flask_migrate import upgrade
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from config import Settings
from vmsapp.cli.audit import audit
from vmsapp.cli.campaigns import campaigns
from vmsapp.cli.export import export_command
from vmsapp.cli.files import sentence
from vmsapp.cli.journal import journal, with_record
from vmsapp.cli.restores import commands as restores
from vmsapp.cli.roll_ups import roll_ups
from vmsapp.cli.terminal import printable
from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.extensions import atomic, db
from vmsapp.models import OfficeUser, Setup
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.security import ADMINISTRATORS, GROUPS, NOBODY
from vmsapp.services import clock, demo, instance, ledger, second_factor
from vmsapp.services.approvals import rules
from vmsapp.services.backup import databases
from vmsapp.services.licence import changes
from vmsapp.services.licence.file import MOST_BYTES
from vmsapp.services.restore import standstill
from vmsapp.services.security_modules.journal_check import compare_all
from vmsapp.services.settling import settle_everything
from vmsapp.services.setup import zone_at
from vmsapp.services.users import Account, add_user, named, new_password

WITHOUT_INSTANCE: Final = frozenset({"init", "restore", "journal"})
"""Commands that make an instance, or need none."""


class SpokenGroup(AppGroup):
    """Commands whose refusals are a sentence, not a traceback, and that know their instance."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except VmsError as error:
            raise click.ClickException(sentence(error)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; one that needs an instance is refused where there is none."""
        name, command, rest = super().resolve_command(ctx, args)
        helped = "--help" in rest or (isinstance(command, click.Group) and not rest)
        if name not in WITHOUT_INSTANCE and not helped and not ctx.resilient_parsing:
            with ctx.ensure_object(ScriptInfo).load_app().app_context():
                demand_instance()
        return name, command, rest


vms = SpokenGroup("vms", help="Look after this installation.")
vms.add_command(audit)
vms.add_command(campaigns)
vms.add_command(export_command)
vms.add_command(roll_ups)
for restoring in restores:
    vms.add_command(restoring)


def _own_record() -> Path:
    """Tell where the embedded module of this instance has its record."""
    app = click.get_current_context().ensure_object(ScriptInfo).load_app()
    settings: Settings = app.extensions["vms_settings"]
    return settings.results_path


journal_here = AppGroup(
    "journal",
    help="Check what security modules issued; without RECORD the embedded module of this instance.",
    commands={name: with_record(each, _own_record) for name, each in journal.commands.items()},
)
vms.add_command(journal_here)

INIT_LOCK = 0x564D53
"""Advisory lock that keeps two machines from preparing one database at once."""


@vms.command("init")
def init_command() -> None:
    """Bring the database up to date and fill an empty instance."""
    settings: Settings = current_app.extensions["vms_settings"]
    before = None if databases.is_absent(settings.database) else _schema()
    accounts = initialise()
    now = _schema()
    click.echo(
        f"Schema {now}, as before." if now == before else f"Schema {before or 'none'} -> {now}."
    )
    hand_out(accounts, settings)


def _schema() -> str | None:
    """Read which revision the schema has; none where the product has no table yet."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@vms.command("reconcile")
def reconcile_command() -> None:
    """Settle sales, key changes and other tokens whose outcome is open, once, now."""
    modules = current_app.extensions["vms_modules"]
    with seen_by(SYSTEM):
        standstill.check_modules(db.session(), modules)
        counts = settle_everything(db.session(), modules)
    click.echo(", ".join(f"{n} {state}" for state, n in counts.items()) or "Nothing is pending.")


@vms.command("accept-clock")
@click.option("--reason", required=True, help="Why the clock was wrong.")
@click.option("--meter", help="Accept one meter's token identifiers instead, by its number.")
def accept_clock_command(reason: str, meter: str | None) -> None:
    """Accept that the clock had been wrong, so that selling can go on."""
    with seen_by(SYSTEM):
        if meter is None:
            clock.accept_newest_sale(db.session(), SYSTEM, reason)
        else:
            clock.accept_meter(db.session(), SYSTEM, meter, reason)
    click.echo("Accepted.")


@vms.command("install-licence")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def install_licence_command(file: Path) -> None:
    """Install a licence file."""
    with seen_by(SYSTEM):
        rules = _licence_rules(db.session())
        made = changes.install(db.session(), SYSTEM, _licence_in(file), rules)
    click.echo(f"Installed for {made.holder}: {made.meter_limit} meters until {made.valid_until}.")


@vms.command("new-password")
@click.argument("username")
def new_password_command(username: str) -> None:
    """Give a user a new random password, for one who lost it."""
    settings: Settings = current_app.extensions["vms_settings"]
    with seen_by(SYSTEM):
        account = new_password(
            db.session(), SYSTEM, username=username, hash_password=generate_password_hash
        )
    hand_out([account], settings)


@vms.command("reset-second-factor")
@click.argument("username", metavar="NAME")
def reset_second_factor_command(username: str) -> None:
    """Take the second factor and the recovery codes away from NAME, who lost both.

    After a new secret key they count no more, and nobody who has one can sign in.
    """
    with seen_by(SYSTEM):
        user = named(db.session(), username)
        had = user.totp_secret is not None
        if had:
            second_factor.switch_off(db.session(), SYSTEM, user.id)
    if not had:
        click.echo(f"{printable(username)} has no second factor.")
        return
    click.echo(
        f"The second factor of {printable(username)} is off, its recovery codes count no more, and"
        " its owner is signed out everywhere. The password alone signs in until a new one is set"
        " up."
    )


@vms.command("second-person-off")
@click.confirmation_option(prompt="From now on one person alone may do everything. Go on?")
def second_person_off_command() -> None:
    """Ask for no second person any more, where nobody is left who could approve it."""
    with seen_by(SYSTEM):
        count = rules.switch_all_off(db.session(), SYSTEM)
    click.echo(f"Rules switched off: {count}.")


@journal_here.command("compare")
def compare_command() -> None:
    """Compare every module's journal with what was sold; fails when something new disagrees."""
    demand_instance()
    with seen_by(SYSTEM):
        counts = compare_all(db.session(), current_app.extensions["vms_modules"])
    said = {-1: "did not answer", 0: "nothing new disagrees"}
    for name, count in counts.items():
        click.echo(f"{name}: {said.get(count, f'{count} new findings')}")
    if any(counts.values()):
        sys.exit(1)


@vms.command("prove")
def prove_command() -> None:
    """Prove that the ledger balances."""
    with seen_by(SYSTEM):
        total = ledger.trial_balance(db.session())
    click.echo(f"The ledger adds up to {total}.")
    if total:
        sys.exit(1)


def demand_instance() -> None:
    """Refuse where there is no instance, before anything is made of what is not there.

    Raises:
        ClickException: There is none.
    """
    settings: Settings = current_app.extensions["vms_settings"]
    with seen_by(SYSTEM):
        made = instance.is_made(db.session(), settings)
        db.session.remove()
    if made:
        return
    if settings.database_url is None:
        where, name = str(settings.instance.resolve()), "VMS_INSTANCE"
    else:
        url = make_url(settings.database_url)
        where, name = f"the database {url.render_as_string()}", "DATABASE_URL"
    raise click.ClickException(
        f"There is no instance in {where} yet; if it lies elsewhere, export {name}."
    )


def initialise() -> list[Account]:
    """Do everything an instance needs before it serves; does nothing twice.

    Returns:
        The accounts made, with their passwords; empty on a known instance.
    """
    settings: Settings = current_app.extensions["vms_settings"]
    session = db.session()
    with _alone(settings), seen_by(SYSTEM):
        instance.signing_key(settings, make=True)
        upgrade()
        _sync_permissions()
        instance.prepare(session, settings)
        accounts = _first_administrator(session, settings)
        if settings.demo_wanted and session.scalars(select(Setup.id)).first() is None:
            accounts += demo.seed(
                session, current_app.extensions["vms_modules"], settings, generate_password_hash
            )
        _take_up_licence(session, settings.licence_path)
    return accounts


def _take_up_licence(session: Session, file: Path) -> None:
    """Install the licence that lies in its place, if it is new; a faulty one stops no start."""
    try:
        if file.exists():
            changes.take_up(session, SYSTEM, _licence_in(file), _licence_rules(session))
    except (VmsError, OSError) as error:
        click.echo(f"The licence in {file} was not installed. {error}", err=True)


def _licence_in(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MOST_BYTES + 1)


def _licence_rules(session: Session) -> changes.Rules:
    settings: Settings = current_app.extensions["vms_settings"]
    zone = zone_at(session, now_utc())
    return changes.Rules(settings.licence_key, zone, settings.licence_grace_days)


def hand_out(accounts: list[Account], settings: Settings) -> None:
    """Show new passwords once: on a terminal, else in a file for its owner alone."""
    if not accounts:
        return
    lines = "\n".join(f"  {a.username:<14}{a.password}   ({a.group})" for a in accounts)
    if sys.stdout.isatty():
        print(f"\nPasswords, shown this once:\n{lines}\n", flush=True)
        return
    path = settings.instance / f"passwords-{secrets.token_hex(4)}.txt"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(f"{lines}\n")
    print(f"Passwords are in {path}; read it, then delete it.", flush=True)


def _sync_permissions() -> None:
    """Write permissions of screens that are new, and give them to the ready-made groups.

    A permission that was known before is left as it is: an administrator may have taken
    it from a group.
    """
    builder: Any = current_app.extensions["appbuilder"]
    _ready_made(ADMINISTRATORS)
    builder.sm.find_role(NOBODY) or builder.sm.add_role(NOBODY)
    known = {
        (held.permission.name, held.view_menu.name)
        for held in db.session.scalars(select(PermissionView))
    }
    builder.add_permissions(update_perms=True)
    for name, permissions in GROUPS.items():
        role, new = _ready_made(name)
        wanted = permissions if new else permissions - known
        for deed, screen in sorted(wanted):
            builder.sm.add_permission_role(role, builder.sm.add_permission_view_menu(deed, screen))


def _ready_made(name: str) -> tuple[Any, bool]:
    """Find a ready-made group, whatever it is called by now; tell whether it had to be made.

    One that an update brings leaves its name to a group of the utility's own.
    """
    session = db.session()
    role = session.scalars(select(Role).where(Role.ready_made == name)).first()
    if role is not None:
        return role, False
    taken = set(session.scalars(select(Role.name)))
    with atomic(session):
        others = (f"{name} {number}" for number in itertools.count(2))
        free = next(one for one in itertools.chain([name], others) if one not in taken)
        role = Role(name=free, ready_made=name)
        session.add(role)
    return role, True


def _first_administrator(session: Any, settings: Settings) -> list[Account]:
    """Make who lets everybody else in; outside the demo with a password to be changed."""
    if session.scalar(select(func.count()).select_from(OfficeUser)):
        return []
    with atomic(session):
        return [
            add_user(
                session, SYSTEM, username="admin", first_name="First", last_name="Administrator",
                group="Administrator", hash_password=generate_password_hash, all_regions=True,
                must_change=not settings.demo_wanted,
            )
        ]  # fmt: skip


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep two starts from preparing one instance at the same time."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:n)"), {"n": INIT_LOCK})
            yield
            connection.execute(text("SELECT pg_advisory_unlock(:n)"), {"n": INIT_LOCK})
        return
    import fcntl  # noqa: PLC0415 - not on every system

    settings.instance.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.instance / "init.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
