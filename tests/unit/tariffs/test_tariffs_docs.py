"""The numbers of docs/tariffs.md are what the engine says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "tariffs.md"


def test_every_number_of_the_page_is_what_the_engine_says():
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted >= 15
    assert result.failed == 0
