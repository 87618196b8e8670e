"""What a page says in one language alone is found: words of templates, colons of any text."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def literals():
    """The check, which stands beside the catalogues and in no package."""
    path = ROOT / "translations" / "literals.py"
    spec = importlib.util.spec_from_file_location("literals", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("source", [
    "<p>{{ label }}: {{ value }}</p>",
    "<p>{{ label }}:<b>{{ value }}</b></p>",
    "<p><b>{{ label }}</b>: {{ value }}</p>",
    "<p><b>{{ label }}:</b> {{ value }}</p>",
    "<p>{{ label }} : {{ value }}</p>",
    "<p>{{ label }}:&nbsp;{{ value }}</p>",
    "<p>{{ label }}{% if value %}: {{ value }}{% endif %}</p>",
    "<img alt=\"{{ label }}: {{ _('QR code') }}\">",
    "<p>{{ label }}：{{ value }}</p>",
])  # fmt: skip
def test_a_colon_glued_to_what_a_template_puts_in_is_found(literals, source):
    assert literals.colons("<p>one line before</p>\n" + source) == [2]


@pytest.mark.parametrize("source", [
    "{{ labelled(label, value) }}", "{{ _('%(a)s: %(b)s', a=a, b=b) }}",
    "<a href=\"{{ scheme }}://{{ host }}:{{ port }}/\">", "{{ hour }}:{{ minute }}",
    '<input name="part:{{ key }}">', "<p>{{ value }}</p><p>: </p>",
])  # fmt: skip
def test_other_colons_of_a_template_are_left_alone(literals, source):
    assert literals.colons(source) == []


@pytest.mark.parametrize("source", [
    "f'{label}: {value}'", "f'{label} : {value}'", "f'{label}：{value}'", "label + ': ' + value",
    "': '.join((label, value))", "say(f'“{label}”', f'{rule}: {value}')", "f'“{label}”: {value}'",
])  # fmt: skip
def test_a_colon_of_code_is_found(literals, source):
    assert literals.colons_of_code(f"import this\n{source}\n") == [2]


@pytest.mark.parametrize("source", [
    "f'{host}:{port}'", "f'{path}: was not there'", "'Label: ' + value", "':'.join(parts)",
    "log.info('%s: %s', label, value)", "{'Label': value}", "labelled(label, value)",
])  # fmt: skip
def test_colons_of_code_that_nobody_reads_are_left_alone(literals, source):
    assert literals.colons_of_code(source) == []


def test_a_percent_sign_that_is_the_same_in_all_languages_is_found(literals):
    texts = ["Tax %(rate)s %%", "%(rate)d%% of it", "%(rate)s\u00a0%%", "Tax (%%)", "%(rate)s"]
    assert [said.partition(": ")[2] for said in literals.percents(texts)] == [
        repr(text) for text in texts[:3]
    ]


def test_quotes_around_what_is_put_in_are_found(literals):
    assert literals.quotes("<p>\n“{{ name }}”</p>") == [1, 2]
    assert literals.quotes('<b title="«{{ name }}»">{{ name }}</b>') == [1, 1]
    assert literals.quotes("{{ _('“%(name)s” is gone.', name=name) }}") == []
    assert literals.quotes_of_code("import this\nf'“{name}”: {text}'") == [2]
    assert literals.quotes_of_code("_('“%(name)s” is gone.', name=f'{name} {number}')") == []


def test_where_it_stands_is_said(literals, tmp_path):
    for name, text in (("templates/a/b.html", "\n{{ a }}: {{ b }}"),
                       ("views/c.py", "f'“{a}”: {b}'"), ("cli/d.py", "f'{a}: {b}'")):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    told = "a colon of one language; use labelled()"
    assert list(literals.glued(tmp_path)) == [
        f"templates/a/b.html:2: {told}",
        f"views/c.py:1: {told}",
        "views/c.py:1: quotes of one language; put them into _()",
    ]


def test_a_word_outside_of_the_catalogue_is_found(literals):
    page = "<p>{{ _('Meter') }}</p>\n<p title=\"Meter\"><code>make</code> {{ word }}</p>"
    assert literals.literals(page) == [(2, "Meter")]
