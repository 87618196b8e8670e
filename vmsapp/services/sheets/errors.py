"""Why a file cannot be read at all. Each is one sentence that says what to do."""

from typing import Final

from vmsapp.errors import N_, InvalidInput


class UnreadableFile(InvalidInput):
    """The file as a whole is not what an import takes."""

    code = "unreadable_file"
    message = N_(
        "The file is damaged. Open it in a spreadsheet program, save it anew and try again."
    )
    field = "file"


class EmptyFile(UnreadableFile):
    """No bytes."""

    code = "empty_file"
    message = N_("The file is empty.")


class FileTooLarge(UnreadableFile):
    """More bytes than allowed."""

    code = "file_too_large"
    message = N_(
        "The file has %(size)s MB; %(limit)s MB are allowed. Divide it into several files."
    )


class UnpacksTooLarge(UnreadableFile):
    """A compressed file that grows beyond what is allowed."""

    code = "unpacks_too_large"
    message = N_(
        "The file grows too large when it is unpacked; %(limit)s MB are allowed. "
        "Divide it into several files."
    )


class UnknownFileKind(UnreadableFile):
    """Neither an Excel workbook nor text."""

    code = "unknown_file_kind"
    message = N_(
        "This is neither an Excel workbook (.xlsx) nor a CSV file. Save it as one of them."
    )


class OtherSpreadsheet(UnreadableFile):
    """A spreadsheet of a kind that is not read."""

    code = "other_spreadsheet"
    message = N_("Files of the kind %(kind)s are not read. Save it as an Excel workbook (.xlsx).")


class ProtectedWorkbook(UnreadableFile):
    """Opens only with a password."""

    code = "protected_workbook"
    message = N_("The workbook is protected by a password. Remove the password and try again.")


class WrongExtension(UnreadableFile):
    """Its name says another kind than its content."""

    code = "wrong_extension"
    message = N_(
        "The file's name ends in %(extension)s, but its content is that of a %(kind)s file. "
        "Save it anew from a spreadsheet program."
    )


class ForbiddenXml(UnreadableFile):
    """XML with definitions of its own, which no spreadsheet program writes."""

    code = "forbidden_xml"
    message = N_(
        "The workbook holds definitions that no spreadsheet program writes. "
        "Open it in one, save it anew and try again."
    )


class NoSheet(UnreadableFile):
    """No sheet that can be seen."""

    code = "no_sheet"
    message = N_("The workbook has no visible sheet with cells.")


class NoHeadings(UnreadableFile):
    """Not one cell."""

    code = "no_headings"
    message = N_("The sheet is empty: it has no line of headings.")


class TooManyRows(UnreadableFile):
    """More rows than one import takes."""

    code = "too_many_rows"
    message = N_("The file has more than %(limit)s rows. Divide it into several files.")


class TooManyColumns(UnreadableFile):
    """Wider than allowed."""

    code = "too_many_columns"
    message = N_("The sheet has more than %(limit)s columns. Remove those that are not needed.")


class RowTooLong(UnreadableFile):
    """A row, or a cell of it, with more text than is allowed."""

    code = "row_too_long"
    message = N_("Row %(row)s holds more text than is allowed. Is a quotation mark not closed?")


class BrokenQuotes(UnreadableFile):
    """A CSV file whose quotation marks do not match."""

    code = "broken_quotes"
    message = N_("Row %(row)s: the quotation marks do not match.")


class UnknownEncoding(UnreadableFile):
    """Text in no encoding that is known here."""

    code = "unknown_encoding"
    message = N_("The text's encoding is not known. Save the file as CSV UTF-8.")


class TakesTooLong(UnreadableFile):
    """Its reader used up its time."""

    code = "takes_too_long"
    message = N_("Reading the file took too long and was stopped. Divide it into several files.")


class ReaderStopped(UnreadableFile):
    """Its reader died: memory used up, or a file made to harm it."""

    code = "reader_stopped"
    message = N_(
        "Reading the file was stopped: it needs more memory than is allowed, or it is damaged. "
        "Divide it into several files, or save it anew from a spreadsheet program."
    )


KINDS: Final = {
    kind.code: kind
    for kind in (
        UnreadableFile, EmptyFile, FileTooLarge, UnpacksTooLarge, UnknownFileKind, OtherSpreadsheet,
        ProtectedWorkbook, WrongExtension, ForbiddenXml, NoSheet, NoHeadings, TooManyRows,
        TooManyColumns, RowTooLong, BrokenQuotes, UnknownEncoding, TakesTooLong, ReaderStopped,
    )
}  # fmt: skip
"""The errors by code, as the process that reads names them."""
