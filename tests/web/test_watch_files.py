"""Dashboard, alert rules and their book: they name what there is, and all of it is explained."""

import json
import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from config import ROOT
from vmsapp import metrics
from vmsapp.models import ModuleHealth
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import jobs
from vmsapp.services.security_modules.health import look_at_all
from vmsapp.watch import figures, parts

ALERTS = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
BOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = {
    **{rule["alert"]: [rule["expr"]] for rule in RULES},
    **{panel["title"]: [one["expr"] for one in panel["targets"]] for panel in PANELS},
}
BOOK = (ROOT / "docs" / "operations.md").read_text()
CHAPTER = BOOK.partition("\n## Watch it, and read the alerts\n")[2].partition("\n## ")[0]
PROMETHEUS_OWN = {"up"}
"""Figures that Prometheus makes itself, of who it scrapes."""
WORDS = {
    "abs", "absent", "and", "by", "histogram_quantile", "increase", "le", "max", "min", "on", "or",
    "rate", "sum",
}  # fmt: skip
"""What else stands in the queries, in the language of Prometheus."""


@pytest.fixture
def told(office, operator, utility, shop, monkeypatch) -> dict[str, set[str]]:
    """The names of all figures, each with its labels, once everything has happened that is told."""
    for room in (parts, figures):
        monkeypatch.setattr(room, "PATIENCE", 120.0)  # a busy machine is slow, not away
    operator.buy(utility)
    with shop.session() as session, seen_by(SYSTEM):
        look_at_all(session, shop.registry)
    shop.change(lambda session: session.query(ModuleHealth).update({"tokens_left": 812}))
    with shop.session() as session, seen_by(SYSTEM), jobs.recurring(session, "reconcile"):
        pass
    with metrics.task("reconcile.settle"):
        pass
    office.extensions["vms_watch"].forget()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(office.test_client().get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_figure_that_is_asked_for_is_told(told) -> None:
    assert len(RULES) > 15
    assert len(PANELS) > 15
    for where, queries in QUERIES.items():
        for query in queries:
            plain = re.sub(r'"[^"]*"|\[\w+\]', "", query)
            labels = set(re.findall(r"(\w+)\s*(?:=|!=|=~)", plain))
            labels |= {
                label.strip() for found in re.findall(r"by \(([^)]*)\)", plain)
                for label in found.split(",")
            }  # fmt: skip
            words = set(re.findall(r"[a-z_]\w*", plain)) - labels - WORDS
            assert words <= told.keys() | PROMETHEUS_OWN, f"{where}: {words - told.keys()}"
            own = {"job"} if words & PROMETHEUS_OWN else set()
            known = set().union(*(told[word] for word in words & told.keys())) | own
            assert labels <= known, f"{where}: {labels - known}"
            for opened, closed in ("()", "{}", "[]"):
                assert query.count(opened) == query.count(closed), where


def test_every_value_of_a_label_that_is_asked_for_can_come(told, office) -> None:
    text = office.test_client().get("/metrics").text
    later = {"failed", "unavailable", "timeout", "batch", "vms"}  # when something went wrong
    for where, queries in QUERIES.items():
        for query in queries:
            for label, value in re.findall(r'(\w+)=~?"([^"]+)"', query):
                for one in value.split("|"):
                    assert f'{label}="{one}"' in text or one in later, f"{where}: {label}={one}"


def test_figures_of_the_product_have_one_beginning_and_a_meaning(told, office) -> None:
    text = office.test_client().get("/metrics").text
    assert all(name.startswith("vms_") for name in told)
    helps = re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE)
    assert len(helps) > 20
    for name, meaning in helps:
        assert meaning.endswith("."), name
        assert meaning != "Multiprocess metric", name


def test_every_alert_has_its_chapter_and_every_chapter_its_alert() -> None:
    assert re.findall(r"^### (Vms\w+)$", CHAPTER, re.MULTILINE) == [r["alert"] for r in RULES]
    for rule in RULES:
        words = CHAPTER.partition(f"\n### {rule['alert']}\n")[2].partition("\n### ")[0]
        meaning, what = words.partition("**Do:**")[::2]
        assert len(meaning.split()) >= 8, rule["alert"]
        assert len(what.split()) >= 8, rule["alert"]


def test_every_alert_says_how_bad_it_is_and_what_it_is() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}


def test_panels_of_the_dashboard_ask_the_source_that_is_chosen_and_do_not_overlap() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert max(x for x, _ in cells) < 24
        assert not covered & cells, panel["title"]
        covered |= cells
    for panel in PANELS:
        assert panel["description"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${source}"}
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
