"""JSON of one spelling."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from vmsapp.hsm.canonical import canonical, moment_of, moment_text, read_exactly


def test_what_is_written_is_read():
    value = {"b": [1, {"ä": "\n"}], "a": None, "c": -5, "d": True}
    raw = canonical(value) + b"\n"
    assert raw == b'{"a":null,"b":[1,{"\\u00e4":"\\n"}],"c":-5,"d":true}\n'
    assert read_exactly(raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"{} \n", b" {}\n", b"{}\n\n", b"{}\r\n", b"[]\n", b"1\n", b"null\n", b"{}x\n",
        b'{"b":1,"a":1}\n', b'{"a":1,"a":1}\n', b'{"a": 1}\n', b'{"a":1.5}\n', b'{"a":1e5}\n',
        b'{"a":1.0}\n', b'{"a":NaN}\n', b'{"a":Infinity}\n', b'{"a":-Infinity}\n', b'{"a":-0}\n',
        b'{"a":01}\n', b'{"a":"\xc3\xa4"}\n', b'{"a":"\\u00E4"}\n', b'{"a":"\\/"}\n',
        b'{"a":' + b"9" * 21 + b"}\n", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}\n", b"\xff\n",
        '{"a":1}\n'.encode("utf-16"), b"\xef\xbb\xbf{}\n",
    ],
)  # fmt: skip
def test_another_spelling_is_refused(raw):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of JSON's or ours
        read_exactly(raw)


def test_a_moment_has_one_spelling():
    moment = datetime(2026, 11, 27, 8, 0, 5, tzinfo=UTC)
    assert moment_text(moment) == "2026-11-27T08:00:05Z"
    assert moment_text(moment.astimezone(timezone(timedelta(hours=3)))) == "2026-11-27T08:00:05Z"
    assert moment_of("2026-11-27T08:00:05Z") == moment


@pytest.mark.parametrize(
    "text",
    ["2026-11-27T8:00:05Z", "2026-11-27t08:00:05Z", "2026-11-27T08:00:05z", "2026-11-27 08:00:05Z",
     "2026-11-27T08:00:05+00:00", "2026-11-27T08:00:60Z", "2026-02-29T08:00:00Z", "",
     "٢٠٢٦-11-27T08:00:05Z", "2026-11-27T08:00:05Z "],
)  # fmt: skip
def test_another_spelling_of_a_moment_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whichever of strptime's or ours
        moment_of(text)
