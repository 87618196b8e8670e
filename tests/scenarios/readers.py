"""Who looks at which screen in which language: chosen so that every two meet somewhere.

To look at every screen as every group in every language takes hours (``make crawl``). A walk
looks at each once, and takes for it the group and the language that met least so far.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Final

from babel.messages.pofile import read_po

from config import LANGUAGES, ROOT

GROUPS: Final = {
    "admin": "Administrator", "supervisor": "Supervisor", "operator": "Operator",
    "engineer": "Engineer", "auditor": "Auditor",
}  # fmt: skip
"""Users of the demonstration, one of each ready-made group."""

RIGHT_TO_LEFT: Final = ("ar",)
LEFT_TO_RIGHT: Final = tuple(code for code in LANGUAGES if code not in RIGHT_TO_LEFT)


class Turns:
    """Deals languages and groups to the screens of a walk.

    Args:
        languages: Those of the walk.
    """

    def __init__(self, languages: tuple[str, ...]) -> None:
        self._languages = languages
        self._met: Counter[tuple[str, str]] = Counter()

    def of(self, *users: str) -> Iterator[tuple[str, str]]:
        """Give pairs of a user and a language, the ones that met least first."""
        pairs = [(user, language) for user in users for language in self._languages]
        order = sorted(pairs, key=lambda pair: (self._met[pair], self._language_met(pair[1])))
        refused: set[str] = set()
        for user, language in order:
            if user not in refused:
                refused.add(user)  # whoever asks on was not let in, in whichever language
                yield user, language

    def taken(self, user: str, language: str) -> None:
        """Note that they met."""
        self._met[user, language] += 1

    def _language_met(self, language: str) -> int:
        return sum(count for (_, known), count in self._met.items() if known == language)


@cache
def english_of(language: str) -> frozenset[str]:
    """The English of each text that reads otherwise in a language, for texts without holes."""
    path = ROOT / "translations" / language / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return frozenset()
    texts = read_po(BytesIO(path.read_bytes()), locale=language)
    return frozenset(
        text.id for text in texts
        if isinstance(text.id, str) and text.id and "%" not in text.id
        and str(text.string).casefold() != text.id.casefold()
    )  # fmt: skip


SAID: Final = """() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data, parentElement: holder } = walker.currentNode;
    const text = data.replace(/\\s+/g, ' ').trim();
    if (text && !holder.closest('script, style, code, kbd, .slip, [translate=no]')
      && holder.closest('[lang]') === document.documentElement) found.add(text);
  }
  for (const name of ['placeholder', 'title', 'aria-label', 'alt']) {
    for (const holder of document.querySelectorAll(`[${name}]`)) {
      if (!holder.closest('.slip') && holder.closest('[lang]') === document.documentElement) {
        found.add(holder.getAttribute(name));
      }
    }
  }
  return [...found];
}"""
"""What stands on a page in its own language: texts, and what is read of pictures and fields."""
