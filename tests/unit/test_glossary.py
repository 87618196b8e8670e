"""The words of the glossary: a text that does not use them is found."""

import importlib.util
from pathlib import Path

import pytest

from config import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
TRANSLATED = sorted(set(LANGUAGES) - {"en"})

GENERAL = """
| term | in texts | meaning | source |
|---|---|---|---|
| meter | meter | What counts. | here |
| utility | utility, utilities | Who supplies. | here |
| user group | user group | Users. | here |
| group | group | Some. | here |
| sale back | take sale … back | Undone. | here |
| counter | | Where one sells. | here |

| text | term | why |
|---|---|---|
| `Set the meter of a song` | meter | of verse |
"""
OWN = """
| term | in this language | stems | not | note |
|---|---|---|---|---|
| meter | medidor | medidor | contador, cuenta … vueltas | |
| utility | empresa | empresa | | |
| user group | grupo de usuarios | grupo de usuario, -kundi … watu | | |
| group | grupo | conjunto | | |
| sale back | anular | anul | | |
| counter | caja | | | |

| text | term | why |
|---|---|---|
| `By utility` | utility | said otherwise |
"""


@pytest.fixture(scope="module")
def words():
    """What the check is made of."""
    path = ROOT / "translations" / "glossary.py"
    spec = importlib.util.spec_from_file_location("glossary", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(words):
    """A glossary of five terms that are looked for."""
    return words.Glossary(GENERAL, OWN)


@pytest.mark.parametrize(("text", "said"), [
    ("Meters", "Medidores"),
    ("The METER’s number", "El número del medidor"),
    ("Two utilities", "Dos empresas"),
    ("Your user groups", "Sus grupos de usuarios"),
    ("Your user group", "Makundi haya ya watu"),
    ("Take sale %(id)s back", "Anular la venta %(id)s"),
    ("Perimeter of %(meter)s", "Contorno de %(meter)s"),
    ("At the counter", "En otra parte"),
    ("Set the meter of a song", "Elija el compás"),
    ("By utility", "Por quien suministra"),
])  # fmt: skip
def test_a_text_that_uses_the_words_is_left_alone(small, text, said):
    assert list(small.faults(text, [said])) == []


@pytest.mark.parametrize(("text", "said", "fault"), [
    ("Meters", "Aparatos", "without the word for 'meter'"),
    ("Meters", "Aparatos de %(medidor)s", "without the word for 'meter'"),
    ("Meters", "Submedidores", "without the word for 'meter'"),
    ("Two utilities", "Dos entes", "without the word for 'utility'"),
    ("User group", "Conjunto", "without the word for 'user group'"),
    ("User group", "Kundi la hao wengine wote kabisa watu", "without the word for 'user group'"),
    ("Take sale %(id)s back", "Devolver %(id)s", "without the word for 'sale back'"),
    ("Meters", "Medidor o contador", "another word for 'meter'"),
    ("Meters", "Medidor que cuenta las vueltas", "another word for 'meter'"),
])  # fmt: skip
def test_a_text_that_does_not_is_found(small, text, said, fault):
    assert list(small.faults(text, [said])) == [f"{fault}: {text!r}: {said!r}"]


def test_each_form_of_a_text_is_looked_at(small):
    faults = list(small.faults("%(num)s meters", ["Un medidor", "%(num)s aparatos"]))
    assert faults == ["without the word for 'meter': '%(num)s meters': '%(num)s aparatos'"]


def test_an_exception_counts_for_its_text_alone(small):
    assert list(small.faults("Set the meter", ["Elija el compás"]))


def test_signs_that_make_no_other_word_are_passed_over(words):
    assert words.Stems(["l’entreprise"]).within("L'ENTREPRISE")
    assert words.Stems(["عكست"], in_one_piece=True).within("وعُكِست")
    assert not words.Stems(["عكست"]).within("وعُكِست")
    assert words.Stems(["充值码"], in_one_piece=True).within("复制充值码")


def test_the_glossary_says_what_it_lacks_and_what_nobody_needs(words):
    fewer = OWN.replace("| utility | empresa | empresa |", "| utility | empresa | |")
    assert words.Glossary(GENERAL, fewer).gaps(["By utility"]) == [
        "no stems in the glossary: 'utility'",
        "in the glossary, and no text: 'Set the meter of a song'",
    ]


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_language_names_every_term(words, code):
    folder = ROOT / "docs" / "glossary"
    terms = [row["term"] for row in words.rows((folder / "README.md").read_text(), "meaning")]
    named = list(words.rows((folder / f"{code}.md").read_text(), "in this language"))
    assert len(set(terms)) == len(terms) >= 100
    assert [row["term"] for row in named] == terms
    assert all(row["in this language"] for row in named)


@pytest.mark.parametrize("code", TRANSLATED)
def test_the_terms_of_every_language_are_looked_for(words, code):
    shipped = words.glossary(code)
    for text in ("Meter", "Consumers", "Token", "Tariff", "Vending point", "Shifts", "Receipt"):
        assert len(list(shipped.faults(text, ["…"]))) == 1
