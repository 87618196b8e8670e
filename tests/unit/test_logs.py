"""The log: nobody writes a line of their own, neither by a message nor by an error's text."""

import logging
import re
import sys

import pytest

from vmsapp.logs import Lines

FORGED = "2026-01-02T03:04:05Z INFO vms: all is well"


def written(message: str, error: ValueError) -> list[str]:
    """What stands in the log, line by line as programs read it."""
    try:
        raise error
    except ValueError:
        about = sys.exc_info()
    record = logging.LogRecord("vms", logging.ERROR, "x.py", 1, message, (), about)
    return Lines().format(record).splitlines()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\x0b"])
def test_a_break_in_a_message_or_in_an_errors_text_begins_no_line_of_the_log(end):
    lines = written(f"refused a{end}{FORGED}", ValueError(f"odd value x{end}{FORGED}"))
    assert len([line for line in lines if re.match(r"\d{4}-\d\d-\d\dT", line)]) == 1
    assert lines[0].endswith(FORGED)
    assert all(line.startswith("    ") for line in lines[1:])
    assert any("odd value x" in line for line in lines[1:])


def test_marks_that_are_not_seen_are_written_out_in_a_traceback_too():
    assert "    ValueError: a\\x1b[2Jb" in written("x", ValueError("a\x1b[2Jb"))
