"""Folding a text into lines of a width: at spaces, and within a word where it alone is too long."""

from collections.abc import Callable, Iterator

Measure = Callable[[str], float]
"""Tells how wide a text is."""


def lines_of(text: str, width: float, measure: Measure, most: int) -> list[str]:
    """Fold a text; what does not fit into ``most`` lines ends in dots.

    >>> lines_of("a bb ccc dddddd", 4, len, 9)
    ['a bb', 'ccc', 'dddd', 'dd']
    >>> lines_of("a bb ccc", 2, len, 2)
    ['a', 'b…']
    """
    if "\n" not in text and measure(text) <= width:
        return [text]
    lines = list(_folded(text, width, measure))
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and measure(f"{last}…") > width:
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]


def _folded(text: str, width: float, measure: Measure) -> Iterator[str]:
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if measure(longer) <= width:
                line = longer
                continue
            if line:
                yield line
            line = word
            while len(line) > 1 and measure(line) > width:
                fits = _fitting(line, width, measure)
                yield line[:fits]
                line = line[fits:]
        yield line


def _fitting(word: str, width: float, measure: Measure) -> int:
    """How many signs of a word fit; at least one, so that there is an end."""
    low, high = 1, len(word) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if measure(word[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low
