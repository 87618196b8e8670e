"""What the accessibility engine does not see: what is read out, when, and where errors lead.

WCAG 2.2: 1.3.1 Info and Relationships, 1.4.1 Use of Color, 2.3.3 Animation from Interactions,
3.3.1 Error Identification, 4.1.3 Status Messages.
"""

import re
from pathlib import Path

import vmsapp
from config import ROOT
from tests.factories import LEGACY_11
from tests.web.office import ADMIN, main_part
from vmsapp.models import Token

TEMPLATES = Path(vmsapp.__file__).parent / "templates"
STYLES = "\n".join(path.read_text() for path in (ROOT / "assets/styles").glob("*.scss"))

BESIDE_THE_FIELD = {
    "counter/_search.html": "one field, which takes the focus again for the next scan",
    "counter/_refusal.html": "answers while an amount is typed, and the focus stays there",
    "engineering/find.html": "one field, which takes the focus again for the next scan",
    "tariffs/_rows.html": "rows of the form of a plan, whose page has the summary",
}
"""Templates that say what is wrong beside a field and have no summary, and why."""


def test_a_token_is_read_out_digit_by_digit_in_groups_of_four(operator, shop):
    sale = shop.sell()
    (digits,) = (row.digits for row in shop.rows(Token))
    page = main_part(operator.get(f"/counter/sale/{sale.id}").text)
    groups = [digits[start : start + 4] for start in range(0, 20, 4)]
    shown = re.search(r'<span aria-hidden="true" class="token-digits"[^>]*>([^<]*)<', page)
    said = re.search(r'<span class="visually-hidden spoken" dir="ltr">([^<]*)<', page)
    assert shown
    assert said
    assert shown[1] == " ".join(groups)
    assert said[1] == ", ".join(" ".join(group) for group in groups)


def test_a_price_is_said_when_the_typing_has_ended_not_with_each_sign(operator, utility):
    path = f"/counter/meter/{utility.meters[LEGACY_11]}"
    page = main_part(operator.get(path, follow_redirects=True).text)
    quote = re.search(r'<div id="quote"[^>]*>', page)
    assert quote
    assert "aria-live" not in quote[0]
    assert re.search(r'<p [^>]*role="status" id="quote-said" data-quote-said></p>', page)
    part = operator.get(f"{path}/quote", query_string={"mode": "quantity", "value": "50"}).text
    said = re.search(r"<p hidden data-said>(.*?)</p>", part)
    assert said
    assert "50.0 kWh" in said[1]
    assert "To pay" in said[1]


def test_progress_is_seen_at_once_and_said_now_and_then(browse):
    page = main_part(browse(ADMIN).get("/_parts/").text)
    line = re.search(r'<div class="progress-line".*?</div>', page, re.DOTALL)
    assert line
    assert "aria-live" not in line[0]
    assert 'role="status" data-progress-said></p>' in line[0]


def test_every_form_says_what_is_wrong_at_its_top_and_leads_there():
    told = {
        str(path.relative_to(TEMPLATES)): path.read_text() for path in TEMPLATES.rglob("*.html")
    }
    drawn = {
        name
        for name, text in told.items()
        if "field-error" in text or re.search(r"\bfield\(", text)
    }
    summed = {
        name for name, text in told.items()
        if re.search(r'errors\(|refused\(|form_card\(|id="errors"', text)
    }  # fmt: skip
    own = {name for name in drawn if "<form" in told[name] or "field-error" in told[name]}
    assert sorted(own - summed) == sorted(BESIDE_THE_FIELD)


def test_a_refused_look_up_leads_to_its_field(browse):
    answer = browse(ADMIN).post("/token-desk/look", {"digits": "12"})
    page = main_part(answer.text)
    summary = re.search(r'<div [^>]*role="alert"[^>]*id="errors">.*?</div></div>', page, re.DOTALL)
    assert answer.status_code == 422
    assert summary
    assert '<a href="#digits">' in summary[0]
    assert 'tabindex="-1"' in summary[0]
    assert page.count('role="alert"') == 1
    assert "autofocus" not in page


def test_a_refused_sign_in_says_so_at_the_top_of_its_form(browse):
    page = browse(None).post("/login/", {"username": "", "password": ""}).text
    assert page.index('id="errors"') < page.index('name="login"')
    assert '<a href="#username">' in page


def test_kinds_in_a_chart_differ_by_pattern_too():
    script = (ROOT / "assets/scripts/charts.js").read_text()
    for kind in (2, 3, 4):
        assert re.search(rf"^  {kind}: {{ symbol: ", script, re.MULTILINE)
        assert f".legend > .legend-{kind}::before {{ background-image:" in STYLES


def test_nothing_moves_for_who_asked_for_that():
    assert re.search(
        r"prefers-reduced-motion: reduce\) {\s*\*, ::before, ::after "
        r"{ animation: none !important; transition: none !important; }", STYLES,
    )  # fmt: skip


def test_a_refused_sign_in_says_so_once(browse):
    assert (
        browse(None).post("/login/", {"username": "", "password": ""}).text.count('id="errors"')
        == 1
    )
