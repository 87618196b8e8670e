"""``flask vms audit``: check the audit trail from the shell."""

import sys
from datetime import UTC, datetime

import click
from flask import current_app
from flask.cli import AppGroup

from vmsapp.clock import now_utc
from vmsapp.extensions import db
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.audit import heads
from vmsapp.services.audit.sealer import seal
from vmsapp.services.audit.verify import FAULTS, Verification, verify

audit = AppGroup("audit", help="Check the audit trail.")


@audit.command("verify")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]),
    help="Begin with what came after the last head signed by this day (UTC).",
)  # fmt: skip
def verify_command(since: datetime | None) -> None:
    """Make every hash again and check every signature; fails at the first break."""
    registry = current_app.extensions["vms_modules"]
    with seen_by(SYSTEM):
        found = verify(db.session(), registry, since.replace(tzinfo=UTC) if since else None)
    for line in report(found):
        click.echo(line)
    if found.fault:
        code, place = found.fault
        click.echo(f"BROKEN: {FAULTS[code] % {'place': place}}", err=True)
        sys.exit(1)
    if not found.confirmed:
        click.echo("NOT CONFIRMED: the security module does not answer.", err=True)
        sys.exit(2)


@audit.command("public-key")
def public_key_command() -> None:
    """Print the public key that checks signed heads, as the module itself gives it."""
    with seen_by(SYSTEM):
        for name, key in heads.public_keys(
            db.session(), current_app.extensions["vms_modules"]
        ).items():
            click.echo(f"{name} {key.hex()}")


@audit.command("seal")
def seal_command() -> None:
    """Chain what is not chained yet and have the head signed, once, now."""
    registry = current_app.extensions["vms_modules"]
    with seen_by(SYSTEM):
        count = seal(db.session())
        head = heads.sign(db.session(), registry)
    signed = f"signed up to place {head.place}" if head else "nothing new to sign"
    click.echo(f"{count} events sealed, {signed}.")


@audit.command("accept-restore")
@click.option("--reason", required=True, help="Why the trail begins anew.")
def accept_restore_command(reason: str) -> None:
    """Accept that an older database was restored, and sign the trail as it is now."""
    registry = current_app.extensions["vms_modules"]
    with seen_by(SYSTEM):
        head = heads.accept_restore(db.session(), registry, SYSTEM, reason)
    click.echo(f"Signed anew up to place {head.place}.")


def report(found: Verification) -> list[str]:
    """Say what a check found, a line each."""
    lines = [
        f"Events checked: {found.events} (places {found.first} to {found.last})",
        f"Signatures checked: {found.heads}",
    ]
    if found.signed_at:
        lines.append(f"Signed up to: place {found.signed}, {found.signed_at:%Y-%m-%d %H:%M} UTC")
    if found.restarts:
        lines.append(f"Begun anew after a restore: {found.restarts} times")
    age = (now_utc() - found.waiting_since).total_seconds() if found.waiting_since else 0
    oldest = f", the oldest for {age:.0f} s" if found.waiting else ""
    lines.append(f"Not sealed yet: {found.waiting}{oldest}")
    return lines
