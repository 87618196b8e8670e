"""What the counter's people waited is noted for the jobs that give way to them."""

import pytest

from tests.web.office import ADMIN
from vmsapp.services import job_runs
from vmsapp.services.job_pace import Waits, counter_now


@pytest.fixture
def noted(office, tmp_path):
    """The milliseconds that were noted from now on."""
    seen = []

    class Seen(Waits):
        def note(self, took_ms):
            seen.append(took_ms)

    before = office.extensions["vms_waits"]
    office.extensions["vms_waits"] = Seen(tmp_path)
    yield seen
    office.extensions["vms_waits"] = before


def test_what_the_counter_asks_for_is_noted_and_nothing_else(browse, noted):
    browser = browse(ADMIN)
    browser.get("/products/list/")
    assert noted == []
    browser.get("/counter/")
    assert len(noted) == 1
    assert noted[0] > 0


def test_web_and_worker_mean_the_same_folder(office):
    folder = office.extensions["vms_settings"].waits_folder
    assert folder.parent == office.extensions["vms_settings"].instance
    waits = office.extensions["vms_waits"]
    waits._seen.clear()
    for _ in range(30):
        waits._due = 0.0
        waits.note(900.0)
    assert counter_now(folder).busy
    for file in folder.iterdir():
        file.unlink()
    waits._seen.clear()


def test_a_job_gives_way_between_two_chunks(shop):
    asked = []
    work = job_runs.Work(1, 1, "x", 1, "en", {}, 0, None, lambda: asked.append("way"))
    with shop.session() as session:
        work.stop_if_asked(session)
    assert asked == ["way"]
