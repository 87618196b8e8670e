"""``flask vms campaigns``: what each command prints, does and refuses."""

import pytest

from tests.fleet import LEGACY
from vmsapp.models import AuditEvent, Meter
from vmsapp.services.campaigns.terms import Target

pytestmark = pytest.mark.ring

TO_2 = Target(krn=2)


@pytest.fixture
def backend():
    """SQLite: what differs between databases is tested with the services."""
    return "sqlite"


@pytest.fixture
def run(app, shop):
    runner = app.test_cli_runner()
    return lambda *words, **more: runner.invoke(args=["vms", "campaigns", *words], **more)


@pytest.fixture
def draft(fleet, shop):
    """A draft for three Legacy meters, one of which is retired."""
    ids = fleet.add(3, [LEGACY])
    fleet.set_meters(ids[:1], state="retired")
    numbers = [row.drn for row in shop.rows(Meter, Meter.id.in_(ids))]
    return fleet.draft(TO_2, numbers=numbers, name="Key 2\x1b[31m")


def figures(output):
    """The figures of ``show``, by their names."""
    lines = [line.rsplit(None, 1) for line in output.splitlines()[1:] if ":" not in line]
    return {name: int(number) for name, number in lines}


def test_without_campaigns_the_list_says_so(run):
    answer = run("list")
    assert (answer.exit_code, answer.output) == (0, "There are none.\n")


def test_the_list_has_the_newest_first_and_obeys_no_name(run, fleet, draft):
    second = fleet.draft(TO_2, name="Another")
    lines = run("list").output.splitlines()
    assert [line.split()[:2] for line in lines] == [[str(second), "draft"], [str(draft), "draft"]]
    assert lines[1].endswith("2026-12-31  Key 2\\x1b[31m")


def test_how_far_a_campaign_is_and_why_meters_were_left_out(run, fleet, draft):
    assert set(figures(run("show", str(draft)).output).values()) == {0}, "nothing is made of it"
    fleet.begin(draft)
    fleet.work(draft)
    answer = run("show", str(draft))
    assert answer.exit_code == 0
    assert answer.output.splitlines()[0].split()[:2] == [str(draft), "made"]
    found = figures(answer.output)
    assert {name: count for name, count in found.items() if count} == {
        "chosen": 2, "done": 3, "made": 2, "left out": 1, "open": 2,
    }  # fmt: skip
    assert answer.output.splitlines()[-1].split() == [
        "left", "out:", "1", "campaign_meter_retired"
    ]  # fmt: skip


def test_what_runs_is_paused_and_only_that(run, fleet, shop, draft):
    refused = run("pause", str(draft))
    assert refused.exit_code == 1
    assert "Error: This campaign is draft" in refused.output
    fleet.begin(draft)
    assert run("pause", str(draft)).output == "Paused.\n"
    assert fleet.campaign(draft).state == "paused"
    assert run("pause", str(draft)).exit_code == 1, "it stands already"
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "campaign.paused")
    assert (event.actor_id, event.details["why"]) == (None, "asked")


def test_to_stop_is_asked_first_and_is_for_good(run, fleet, shop, draft):
    assert run("stop", str(draft), "--yes").exit_code == 1, "a draft was never begun"
    fleet.begin(draft)
    unsure = run("stop", str(draft), input="n\n")
    assert unsure.exit_code == 1
    assert "It cannot go on afterwards. Stop it?" in unsure.output
    assert fleet.campaign(draft).state == "running"
    assert run("stop", str(draft), input="y\n").output.endswith("Stopped.\n")
    assert fleet.campaign(draft).state == "stopped"
    fleet.work(draft)
    assert fleet.changes(draft) == [], "the worker finds nothing to do"
    again = run("stop", str(draft), "--yes")
    assert again.exit_code == 1
    assert len(shop.rows(AuditEvent, AuditEvent.action == "campaign.stopped")) == 1


@pytest.mark.parametrize("words", [("show", "99"), ("pause", "99"), ("stop", "99", "--yes")])
def test_a_campaign_that_is_none_is_refused(run, shop, words):
    answer = run(*words)
    assert answer.exit_code == 1
    assert "Error: " in answer.output
    assert "Traceback" not in answer.output
    assert run(words[0], "x").exit_code == 2, "no number"
