"""The utility's own settings, dated, and what identifies this installation."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Minor, Moment, Name, Text, Units, UtcDateTime


class Logo(Model):
    """A picture for receipts, kept under the digest of its bytes; receipts of old keep theirs."""

    __tablename__ = "logo"
    __table_args__ = (
        CheckConstraint(
            "media_type IN ('image/png', 'image/jpeg', 'image/gif')", name="ck_logo_media_type"
        ),
    )

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(20))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Setup(Model):
    """The utility as it is from ``effective_at`` on; the newest such row counts.

    A row once in force stays as it is; see ``vmsapp.services.setup_changes``.

    Attributes:
        time_zone: IANA name; it cannot change after the first sale.
        currency: ISO 4217 code; ``exponent`` its decimals; ``coin_minor`` the smallest
            payable coin in minor units. Code and decimals stay after the first sale, too.
        currency_symbol: Written in place of the code, such as KSh; empty is the code.
        settlement: ``down``, ``up`` or ``nearest``.
        shifts_used: Sales need an open shift, which lasts ``shift_hours`` at most and ends with
            a count if ``cash_counted``; a difference above ``shift_tolerance_minor`` needs a
            reason.
        smallest_minor: Of a purchase in money, as are ``largest_minor`` and, in units,
            ``smallest_units`` and ``largest_units``; ``None`` is no limit.
        reversal_hours: For how long after it was sold an issued sale may be taken back; zero
            is never.
        free_units_a_month: Most units given without money to one meter in a month;
            ``free_value_a_month`` and ``free_tokens_a_day`` are of a vending point. ``None`` is
            no limit.
        quick_amounts: Offered at the counter, as decimals with a space between.
        mail_security: ``none``, ``starttls`` or ``tls``.
        mail_password: Sealed; bound to the server and the user it was typed for.
    """

    __tablename__ = "setup"
    __table_args__ = (
        CheckConstraint("exponent BETWEEN 0 AND 4", name="ck_setup_exponent"),
        CheckConstraint("coin_minor >= 1", name="ck_setup_coin"),
        CheckConstraint("settlement IN ('down', 'up', 'nearest')", name="ck_setup_settlement"),
        CheckConstraint("receipt_copies BETWEEN 1 AND 5", name="ck_setup_receipt_copies"),
        CheckConstraint("shift_hours BETWEEN 1 AND 48", name="ck_setup_shift_hours"),
        CheckConstraint(
            "smallest_minor > 0 AND largest_minor >= coalesce(smallest_minor, 1)",
            name="ck_setup_limits_minor",
        ),
        CheckConstraint(
            "smallest_units > 0 AND largest_units >= coalesce(smallest_units, 1)",
            name="ck_setup_limits_units",
        ),
        CheckConstraint("tokens_a_day > 0", name="ck_setup_tokens_a_day"),
        CheckConstraint("free_units_a_month > 0", name="ck_setup_free_units"),
        CheckConstraint("free_value_a_month > 0", name="ck_setup_free_value"),
        CheckConstraint("free_tokens_a_day > 0", name="ck_setup_free_tokens"),
        CheckConstraint("mail_port BETWEEN 1 AND 65535", name="ck_setup_mail_port"),
        CheckConstraint(
            "mail_security IN ('none', 'starttls', 'tls')", name="ck_setup_mail_security"
        ),
    )

    id: Mapped[Id]
    effective_at: Mapped[Moment] = mapped_column(unique=True)
    utility_name: Mapped[Name]
    utility_address: Mapped[Text] = mapped_column(default="")
    tax_number: Mapped[str] = mapped_column(String(60), default="")
    time_zone: Mapped[str] = mapped_column(String(60))
    currency: Mapped[str] = mapped_column(String(3))
    exponent: Mapped[int]
    coin_minor: Mapped[int] = mapped_column(default=1)
    currency_symbol: Mapped[str] = mapped_column(String(8), default="", server_default="")
    settlement: Mapped[str] = mapped_column(String(8), default="down")
    logo: Mapped[str | None] = mapped_column(String(64), ForeignKey("logo.digest"))
    receipt_header: Mapped[Text] = mapped_column(default="")
    receipt_footer: Mapped[Text] = mapped_column(default="")
    receipt_copies: Mapped[int] = mapped_column(default=1)
    shifts_used: Mapped[bool] = mapped_column(default=False)
    shift_hours: Mapped[int] = mapped_column(default=12)
    cash_counted: Mapped[bool] = mapped_column(default=True)
    shift_tolerance_minor: Mapped[Minor] = mapped_column(default=0, server_default="0")
    smallest_minor: Mapped[Minor | None]
    largest_minor: Mapped[Minor | None]
    smallest_units: Mapped[Units | None]
    largest_units: Mapped[Units | None]
    tokens_a_day: Mapped[int | None]
    reversal_hours: Mapped[int] = mapped_column(default=24, server_default="24")
    free_units_a_month: Mapped[Units | None]
    free_value_a_month: Mapped[Minor | None]
    free_tokens_a_day: Mapped[int | None]
    quick_amounts: Mapped[Text] = mapped_column(default="", server_default="")
    mail_host: Mapped[Name] = mapped_column(default="")
    mail_port: Mapped[int] = mapped_column(default=587)
    mail_security: Mapped[str] = mapped_column(String(8), default="starttls")
    mail_user: Mapped[Name] = mapped_column(default="")
    mail_sender: Mapped[Name] = mapped_column(default="")
    mail_password: Mapped[bytes | None] = mapped_column(LargeBinary)


class Installation(Model):
    """One row: which installation this is, and which of its lives.

    ``epoch`` goes up with every restore; a form made before it is refused after it.

    Attributes:
        receipt_series: Of receipts numbered from now on; each restore begins a new one.
        standstill_since: Since when nothing is sold, because a restore was made or noticed;
            ``flask vms after-restore`` ends it.
        standstill_why: How that was found out, of ``services.restore.standstill.WHYS``.
        begun_anew_at: When epoch and series were last raised. Not before ``standstill_since``,
            it was done for this restore.
        tids_from: No meter's token identifiers begin before it: whatever was spent in a lost
            interval lies before.
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="ck_installation_single"),)

    id: Mapped[Id]
    instance_id: Mapped[str] = mapped_column(String(32))
    epoch: Mapped[int] = mapped_column(default=1)
    receipt_series: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[Moment]
    standstill_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    standstill_why: Mapped[str | None] = mapped_column(String(20))
    begun_anew_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    tids_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
