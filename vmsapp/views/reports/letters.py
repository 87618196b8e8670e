"""Reports as they are sent: the file, made as its reader may see it now, and the words of the mail.

The address that was kept is read again, in the reader's name and language, so that "last month" is
the month before the sending. The reader counts as one who sees no digits of tokens, and what looks
like a whole token is hidden once more. The file is never on the disk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Final

from flask import Flask, current_app, g
from flask import session as cookie
from flask_babel import gettext

from vmsapp.errors import NotFound
from vmsapp.extensions import begin_reading
from vmsapp.i18n import _
from vmsapp.scope import Actor
from vmsapp.services.delivery import Message
from vmsapp.services.mail import Attachment
from vmsapp.services.reports.sending import Letter, Order
from vmsapp.services.reports.sendings import RecipientMayNot, ReportTooLarge
from vmsapp.services.sheets import Cell
from vmsapp.views.base import session, utility_name
from vmsapp.views.lists.exports import KINDS, kind_words
from vmsapp.views.reports.files import guarded, write_file
from vmsapp.views.reports.reported import Reported, reports
from vmsapp.views.reports.schedule_words import EVERY

ROWS: Final = {"pdf": 5_000, "csv": 50_000, "xlsx": 50_000}
"""Rows of an attached file at most."""
MOST_MB: Final = 10
"""Of an attached file; mail servers take few that are larger."""

DIGITS: Final = "can_digits"
"""The deed of seeing whole tokens, on whichever screen."""


def init_app(app: Flask) -> None:
    """Leave the writer where the worker finds it."""
    app.extensions["vms_report_letters"] = letter


def letter(order: Order, reference: str) -> Letter:
    """Write a report for one reader.

    Raises:
        NotFound: There is no such report any more.
        RecipientMayNot: The reader may not open it or not take it away.
        NarrowedOutOfSight: It is narrowed to what the reader does not see.
        ReportTooLarge: No mail server would take it.
    """
    app: Flask = current_app.extensions["appbuilder"].app
    view = reports().get(order.report)
    if view is None:
        raise NotFound
    if not view.opened_by(order.reader):
        raise RecipientMayNot
    address = view.background_address()
    # a context of its own: nothing that was read for one reader may be there for the next
    with app.app_context(), app.test_request_context(address, query_string=order.query):
        g.actor = without_digits(order.reader)
        if order.language in app.config["LANGUAGES"]:
            cookie["locale"] = order.language
        begin_reading(session())
        view.check_sight()
        content, rows = _file(view, order.kind)
        return Letter(_message(view, order, reference, content), rows)


def without_digits(reader: Actor) -> Actor:
    """The same reader, who may not see whole tokens: a mail is read by others, too."""
    kept = {(deed, screen) for deed, screen in reader.permissions if deed != DIGITS}
    return replace(reader, permissions=frozenset(kept))


def _file(view: Reported, kind: str) -> tuple[bytes, int]:
    table = guarded(view.report_table(ROWS[kind]))
    counted = _Counted(iter(table.rows))
    buffer = BytesIO()
    write_file(buffer, kind, replace(table, rows=counted))
    content = buffer.getvalue()
    if len(content) > MOST_MB << 20:
        raise ReportTooLarge(size=MOST_MB)
    return content, counted.count


class _Counted:
    """Counts the rows of a table as they are written."""

    def __init__(self, rows: Iterator[Sequence[Cell]]) -> None:
        self._rows, self.count = rows, 0

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        for row in self._rows:
            self.count += 1
            yield row


def _message(view: Reported, order: Order, reference: str, content: bytes) -> Message:
    words = {"name": order.name, "report": view.report_title(), "utility": utility_name()}
    text = "\n\n".join([
        _("“%(name)s” is attached: %(report)s of %(utility)s, as %(kind)s.",
          kind=kind_words()[order.kind], **words),
        _("It shows what you may see in the system now."),
        _("%(author)s has it sent to you (%(every)s). If you do not need it any more, ask"
          " %(author)s to take you off.", author=order.author, every=gettext(EVERY[order.every])),
    ])  # fmt: skip
    file = Attachment(f"{view.report.replace('_', '-')}.{order.kind}", KINDS[order.kind], content)
    return Message(
        to=order.to, subject=str(_("%(name)s: %(report)s, %(utility)s", **words)), text=text,
        reference=reference, attached=[file],
    )  # fmt: skip
