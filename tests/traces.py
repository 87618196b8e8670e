"""Secrets that lie where none belongs: what they look like, and the search for them.

A secret is known by its value, and looked for as people and programs write one: a key as it is,
in hexadecimal with or without marks between, in base64, as a number or as Python writes bytes;
a token in one or in groups of four; a passphrase letter by letter.

From 8 bytes on a secret is looked for. Shorter ones are in everything, and so are 8 bytes none of
which is above 15, as are zeros, weak keys and counting from nothing, and bytes of one, two or three
kinds, as pictures and empty pages are full of; a random key is so once in 2**30. Of a key 8 bytes
are compared: by chance they are the same once in 2**64. One of ASCII bytes alone (one in 2**8 is)
is not found as it is, for it stands out from no text; written otherwise it is.
"""

import base64
import binascii
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy.engine import URL, make_url

HEAD_BYTES: Final = 8
"""How much of a key is compared, and the least that is looked for of any secret."""

COMMON: Final = 16
"""A key has a byte as great as this, or stands in too many places to be looked for."""

KINDS_OF_BYTES: Final = 4
"""And as many different ones."""

CONSTANTS: Final = frozenset(
    {b"\x89PNG\r\n\x1a\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"ROLLBACK"}
)
"""Eight bytes that stand in our own code: what pictures and old workbooks begin with, and what a
database is told. Hypothesis tries such constants, as keys too."""

VENDING_KEY, DECODER_KEY, OTHER_KEY = "a vending key", "a decoder key", "a key"
PASSPHRASE, TOKEN = "a passphrase", "a token"

DIGITS: Final = ("token", "digits")
HOLDERS: Final = (DIGITS[0], "key_change_token", "engineering_digits", "test_token")
"""Tables with such a column; all but the first came later."""
"""Where whole tokens belong."""

MAY_HOLD: Final = {
    "templates/*.cache": "compiled from templates of the product, and from nothing else",
    "passphrase*": "the keystore's passphrase is kept in it, for its owner alone",
    "*.psk": "the secret that a client shares with its module is kept in it",
    "credentials/keystore": "the passphrase, as systemd lends it to a module server",
    "record/secret": "what the record beside a Prism module is sealed with",
    "module/secret": "the same",
    "modules/*/secret": "the same",
    "secrets/*": "what a module asks for is kept in it until the module is removed",
    "secrets/aside/*": "the same, until the module is added",
    "tables/token.csv": "an export of everything has the tokens that consumers have",
    "tables/key_change_token.csv": "the same",
    "tables/engineering_digits.csv": "the same",
    "tables/test_token.csv": "the same",
    "keys.json": "keys in clear that a command is to seal, as the tests lay them down",
    "keys.csv": "the same",
    "key": "a key that a test hands to a command by way of a file",
    "dk": "the same",
}
"""Files whose contents may be secret, and why."""

SIDE_FILES: Final = ("-wal", "-shm", "-journal")
"""Beside a database, and part of it: read through it."""

WRAPPED: Final = 28
"""Length from which base64 may hold twenty digits: the body of a broker's message does."""

_TOKEN = re.compile(rb"[0-9](?=([0-9]{3}[^0-9A-Za-z]{0,4}(?:[0-9]{4}[^0-9A-Za-z]{0,4}){4}))")
_HEX = re.compile(rb"[0-9a-fA-F]{16,}|(?:[0-9a-fA-F]{2}[ :-]){7,}[0-9a-fA-F]{2}")
_BASE64 = re.compile(rb"[0-9A-Za-z_+/-]{11,}")
_NUMBER = re.compile(rb"[0-9]{15,39}")
_ODD = re.compile(rb"[\x80-\xff](?:[\x00-\x7f]{0,14}[\x80-\xff])*")
"""Bytes that are no text; the same key may begin or end in the 7 before and after."""
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|[\\'\"nrt])")
_MARKS = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_BLANK = re.compile(rb"\0{32,}")


class Secrets:
    """What is known to be secret, and which kind it is."""

    def __init__(self) -> None:
        self._heads: dict[bytes, str] = {}
        self._phrases: dict[bytes, str] = {}
        self._tokens: set[bytes] = set()

    def add(self, kind: str, value: bytes | bytearray) -> None:
        """Take note of a secret; one that is text is looked for as it is typed."""
        if kind == TOKEN:
            self._tokens.add(bytes(value))
            return
        head = bytes(value[:HEAD_BYTES])
        if len(head) < HEAD_BYTES or max(head) < COMMON or len(set(head)) < KINDS_OF_BYTES:
            return
        if head in CONSTANTS:
            return
        if value.isascii() and value.decode().isprintable():
            kind = PASSPHRASE if kind == OTHER_KEY else kind
            self._phrases.setdefault(bytes(value), kind)
        if kind != OTHER_KEY or head not in self._heads:
            self._heads[head] = kind

    def add_tokens(self, digits: Iterable[str]) -> None:
        """Take note of tokens."""
        for token in digits:
            self.add(TOKEN, token.encode())

    def found_in(self, content: bytes) -> set[str]:
        """Tell which kinds of secrets stand in a text or a file."""
        content = _BLANK.sub(bytes(16), content)
        kinds = self._read_in(content)
        for wrapped in _BASE64.findall(content):
            if len(wrapped) >= WRAPPED:
                for message in _of_base64(wrapped):
                    kinds |= self._read_in(message)
        return kinds

    def _read_in(self, content: bytes) -> set[str]:
        kinds = {kind for text, kind in self._phrases.items() if text in content}
        if any(token in self._tokens for token in _tokens_in(content)):
            kinds.add(TOKEN)
        for plain in _read(content):
            kinds.update(self._heads_in(plain))
        return kinds

    def _heads_in(self, plain: bytes) -> Iterator[str]:
        for at in range(len(plain) - HEAD_BYTES + 1):
            kind = self._heads.get(plain[at : at + HEAD_BYTES])
            if kind:
                yield kind


def _tokens_in(content: bytes) -> Iterator[bytes]:
    """Give twenty digits wherever they stand, in one or in fours."""
    for found in _TOKEN.finditer(content):
        yield found[0] + re.sub(rb"[^0-9]", b"", found[1])


def _odd(content: bytes) -> Iterator[bytes]:
    """Give the parts that are no text, with what may belong to them on both sides."""
    for found in _ODD.finditer(content):
        yield content[max(0, found.start() - HEAD_BYTES + 1) : found.end() + HEAD_BYTES - 1]


def _read(content: bytes) -> Iterator[bytes]:
    """Give every run of bytes that stands in a content, in whatever way it is written."""
    yield from _odd(content)
    for line in content.splitlines() if b"\\x" in content else ():
        if b"\\x" in line:
            once = _unescaped(line)
            yield from _odd(once)
            yield from _odd(_unescaped(once))
    for found in _HEX.findall(content):
        pairs = re.sub(rb"[^0-9a-fA-F]", b"", found)
        for start in (0, 1):
            yield bytes.fromhex(pairs[start : start + (len(pairs) - start) // 2 * 2].decode())
    for found in _BASE64.findall(content):
        yield from _of_base64(found)
    for found in _NUMBER.findall(content):
        yield from _of_number(int(found))


def _unescaped(line: bytes) -> bytes:
    """Undo what ``repr`` does to bytes; twice where that was written into another text."""
    return _ESCAPE.sub(_meant, line)


def _meant(escape: re.Match[bytes]) -> bytes:
    return _MARKS.get(escape[1]) or bytes.fromhex(escape[1][1:].decode())


def _of_base64(found: bytes) -> Iterator[bytes]:
    found = found.translate(bytes.maketrans(b"-_", b"+/"))
    whole = found[: len(found) // 4 * 4] if len(found) > 11 else found + b"A"
    try:
        yield base64.b64decode(whole)
    except binascii.Error:
        return


def _of_number(number: int) -> Iterator[bytes]:
    if number.bit_length() <= 64:
        yield number.to_bytes(8, "big")
    elif number.bit_length() <= 128:
        yield number.to_bytes(16, "big")


Row = tuple[object, ...]


class Books(NamedTuple):
    """What is in a database of the product: the tokens, and table by table all the rest."""

    digits: list[str]
    tables: list[tuple[str, list[Row]]]


def found_in_files(known: Secrets, folder: Path) -> list[str]:
    """Search every file below a folder, databases by their columns.

    Args:
        known: What to look for; the tokens in the databases are added.
        folder: Where; what ``MAY_HOLD`` names is left out.

    Returns:
        Which kind of secret lies where; none of them is shown.
    """
    paths = [path for path in sorted(folder.rglob("*")) if _is_searched(path)]
    books = {path: content for path in paths if (content := books_in(path))}
    for content in books.values():
        known.add_tokens(content.digits)
    finds, seen = [], set()
    for path in paths:
        name = path.relative_to(folder)
        if path in books:
            finds += [
                f"{kind} in {name}, table {table}"
                for table, rows in books[path].tables
                for kind in known.found_in(written(rows))
            ]
            continue
        content = path.read_bytes()
        if content not in seen:
            seen.add(content)
            finds += [f"{kind} in {name}" for kind in known.found_in(content)]
    return sorted(finds)


def _is_searched(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.name.endswith(SIDE_FILES):
        return False
    return not any(path.match(pattern) for pattern in MAY_HOLD)


def found_in_database(known: Secrets, url: str) -> list[str]:
    """Search every row of a database; the tokens in it are added to what is looked for.

    A row that was searched before holds nothing that was made since: it is searched once.
    """
    address = make_url(url)
    on_file = address.get_backend_name() == "sqlite"
    books = books_in(Path(str(address.database))) if on_file else _on_postgres(address)
    if books is None:
        return []
    known.add_tokens(books.digits)
    finds = []
    for table, rows in books.tables:
        new = set(rows) - _SEARCHED
        _SEARCHED.update(new)
        finds += [f"{kind} in the table {table}" for kind in known.found_in(written(new))]
    return sorted(finds)


_SEARCHED: Final[set[Row]] = set()


def written(rows: Iterable[Row]) -> bytes:
    """Write rows out, one a line."""
    return "\n".join(map(repr, rows)).encode()


def books_in(path: Path) -> Books | None:
    """Read a SQLite file; None for a file that is none, or has no column for tokens."""
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            return None
    with closing(sqlite3.connect(path)) as connection:
        if DIGITS[1] not in _columns(connection, DIGITS[0]):
            return None
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        names = [name for (name,) in found]
        digits = [
            row[0] for holder in set(names) & set(HOLDERS)
            for row in connection.execute(f"SELECT digits FROM {holder}")
        ]  # fmt: skip
        return Books(digits, [(name, _rows(connection, name)) for name in names])


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]


def _rows(connection: sqlite3.Connection, table: str) -> list[Row]:
    if table not in HOLDERS:
        return connection.execute(f'SELECT * FROM "{table}"').fetchall()
    others = [name for name in _columns(connection, table) if name != DIGITS[1]]
    return connection.execute(f"SELECT {', '.join(others)} FROM {table}").fetchall()


def _on_postgres(address: URL) -> Books | None:
    import psycopg  # noqa: PLC0415 - only where there is PostgreSQL

    plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        names = [row[0] for row in connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]  # fmt: skip
        if DIGITS[0] not in names:
            return None
        every = " UNION ALL ".join(f"SELECT '{name}', {_row_of(name)} FROM public.\"{name}\" t"
                                   for name in names)  # fmt: skip
        rows: dict[str, list[Row]] = {}
        for row in connection.execute(every):
            rows.setdefault(row[0], []).append(row)
        digits = [
            row[0] for holder in set(names) & set(HOLDERS)
            for row in connection.execute(f"SELECT digits FROM public.{holder}")
        ]  # fmt: skip
    return Books(digits, list(rows.items()))


def _row_of(table: str) -> str:
    """Give what reads a whole row of ``t`` as text, but for the column of tokens."""
    return f"(to_jsonb(t) - '{DIGITS[1]}')::text" if table in HOLDERS else "t::text"
