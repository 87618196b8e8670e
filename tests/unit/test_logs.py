"""The log: nobody writes a line of their own, neither by a message nor by an error's text."""

import json
import logging
import re
import sys

import pytest

from vmsapp.logs import Json, Lines, about_request, about_sale, id_for

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


def as_json(message, *args, error=None):
    about = None
    if error is not None:
        try:
            raise error
        except ValueError:
            about = sys.exc_info()
    record = logging.LogRecord("vms.x", logging.WARNING, "x.py", 1, message, args, about)
    record.created = 1767323045.25
    return Json().format(record)


def test_a_message_as_json_says_when_what_and_about_what():
    with about_request("5f2c9a1b03d7"), about_sale(7):
        line = as_json("sale %s: %s", 7, "issued")
    assert json.loads(line) == {
        "time": "2026-01-02T03:04:05.250Z", "level": "WARNING", "logger": "vms.x",
        "message": "sale 7: issued", "request_id": "5f2c9a1b03d7", "sale_id": 7,
    }  # fmt: skip


def test_what_a_message_is_not_about_it_does_not_name():
    with about_request("5f2c9a1b03d7"):
        with about_sale(7):
            pass
        assert set(json.loads(as_json("x"))) == {
            "time", "level", "logger", "message", "request_id",
        }  # fmt: skip
    assert set(json.loads(as_json("x"))) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\x0b", "\x1b[2J", '"}\n{"'])
def test_a_break_in_a_message_or_an_error_begins_no_line_of_json(end):
    line = as_json(f"refused a{end}b", error=ValueError(f"odd{end}value"))
    assert line.isprintable()
    assert line.isascii()
    assert len(line.splitlines()) == 1
    said = json.loads(line)
    assert said["message"] == f"refused a{end}b"
    assert "Traceback" in said["error"]
    assert f"odd{end}value" in said["error"]


@pytest.mark.parametrize("given", [
    None, "", "short", "a b c d e f g", "x" * 65, "-begins-with-a-dash", "new\nline-in-it",
    "56493153725450313471", "5649.3153.7254.5031.3471", "sale-56493153725450313471",
])  # fmt: skip
def test_what_is_no_number_of_a_request_is_replaced(given):
    made = {id_for(given) for _ in range(3)}
    assert len(made) == 3
    assert given not in made
    for number in made:
        assert re.fullmatch(r"[0-9a-f]{12}", number)


def test_a_number_that_came_along_is_kept():
    for given in ("5f2c9a1b03d7", "A" * 64, "4f0c2b9e-7d1a-4c55-9a6e-2f3b8d1c0e7a", "job.17_x"):
        assert id_for(given) == given
