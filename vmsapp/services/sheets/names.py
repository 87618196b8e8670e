"""Names in cells: headings, and one of several; compared as people write them."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from vmsapp.services.sheets.cleaners import Value, plain
from vmsapp.services.sheets.faults import CellFault, shown

_SEVERAL: Final = object()
_SUGGESTIONS: Final = 200
"""Unknown names for which a known one is looked for: looking is slow."""
_NEAR: Final = 0.6
_REMEMBERED: Final = 50_000
"""Names kept at most, ways of writing them included."""


def loose_key(text: str) -> str:
    """Write a name without capitals, spaces, accents and signs.

    >>> loose_key("Numéro de  Téléphone :") == loose_key("numero_de_telephone")
    True
    """
    if text.isascii():
        return "".join(sign for sign in text.lower() if sign.isalnum())
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if sign.isalnum() and sign != "ـ")


def strict_key(text: str) -> str:
    """Write a name without regard to capitals and spaces."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


class Choice:
    """One of several things, each of which may have several names.

    A name is looked for to the letter, then without regard to capitals, then without its
    accents and signs. A name of several things is refused, unless one of them has a code too.

    Args:
        named: Names and codes, and the thing of each; a name may come twice.
        several: Code of the sentence that refuses a name of several things.
    """

    def __init__(
        self, named: Iterable[tuple[str, object]], several: str = "ambiguous_choice"
    ) -> None:
        self._several = several
        self._exact: dict[str, object] = {}
        self._strict: dict[str, object] = {}
        self._loose: dict[str, object] = {}
        self._shown: dict[str, str] = {}
        for name, thing in named:
            _add(self._exact, name, thing)
            _add(self._strict, strict_key(name), thing)
            _add(self._loose, loose_key(name), thing)
            self._shown.setdefault(loose_key(name), name)
        self._near: dict[str, str | None] = {}

    def __call__(self, value: Value) -> object:
        """Give the thing."""
        if isinstance(value, bool):
            name = str(value).lower()
        else:
            name = f"{value:.15g}" if isinstance(value, float) else str(value)
        found = self._exact.get(name)
        if found is None:
            key = loose_key(name)
            found = self._strict.get(strict_key(name), self._loose.get(key) if key else None)
            if found is not None and len(self._exact) < _REMEMBERED:
                self._exact[name] = found  # as it is written; it comes again in other rows
        if found is _SEVERAL:
            raise CellFault(self._several, shown=shown(value))
        if found is None:
            near = self._nearest(loose_key(plain(name)))
            code = "unknown_choice_near" if near else "unknown_choice"
            raise CellFault(code, shown=shown(value), **({"near": near} if near else {}))
        return found

    def _nearest(self, key: str) -> str | None:
        if key not in self._near:
            if len(self._near) >= _SUGGESTIONS:
                return None
            near = get_close_matches(key, self._shown, 1, _NEAR)
            self._near[key] = self._shown[near[0]] if near else None
        return self._near[key]


def _add(names: dict[str, object], key: str, thing: object) -> None:
    if key and names.setdefault(key, thing) != thing:
        names[key] = _SEVERAL


Words = Mapping[str, Mapping[str, str]]
"""Texts in each of the product's languages: by text, then by language."""


def in_any_language(options: Mapping[str, object], words: Words) -> Iterator[tuple[str, object]]:
    """Name things by their texts in every language: for ``Choice``."""
    for text, thing in options.items():
        yield text, thing
        for spoken in words.get(text, {}).values():
            yield spoken, thing
