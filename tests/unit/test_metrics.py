"""Figures of many processes: added up, never falling, and never in the way of what they count."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, values

from config import ROOT
from vmsapp import metrics

BEGIN = "import sys; from pathlib import Path; from vmsapp import metrics; \
metrics.begin(Path(sys.argv[1]));"
ISSUED = ("vms_sales_total", {"state": "issued"})


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where this process and those it starts count, for one test."""
    before, kind = metrics._now.folder, values.ValueClass
    metrics.begin(tmp_path / "metrics")
    yield tmp_path / "metrics"
    metrics._now.folder, metrics._now.measures = before, None
    values.ValueClass = kind
    os.environ.pop(metrics.FOLDER, None)


def told(name: str, labels: dict[str, str] | None = None) -> float | None:
    registry = CollectorRegistry()
    for collector in metrics.collectors():
        registry.register(collector)
    return registry.get_sample_value(name, labels or {})


def process(folder: Path, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"{BEGIN} {code}", str(folder)], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def run(folder: Path, code: str) -> str:
    started = process(folder, code)
    said, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    return said


COUNT_AND_WAIT = "metrics.count_sale('issued'); print('counted', flush=True); sys.stdin.read()"


def test_what_several_processes_count_at_once_is_added_up(folder) -> None:
    metrics.count_sale("issued")
    started = [process(folder, COUNT_AND_WAIT) for _ in range(3)]
    for each in started:
        assert each.stdout
        assert each.stdout.readline() == "counted\n"
    assert told(*ISSUED) == 4
    assert len(list(folder.glob("counter_*.db"))) == 4
    for each in started:
        each.communicate(timeout=60)
    assert told(*ISSUED) == 4, "what is counted outlives who counted it"


def test_times_of_several_processes_are_added_up_class_by_class(folder) -> None:
    metrics.web_answered("page", "2xx", 0.03)
    run(folder, "metrics.web_answered('page', '2xx', 0.3)")
    labels = {"kind": "page", "status": "2xx"}
    assert told("vms_web_seconds_bucket", {**labels, "le": "0.05"}) == 1
    assert told("vms_web_seconds_bucket", {**labels, "le": "0.5"}) == 2
    assert told("vms_web_seconds_count", labels) == 2
    assert told("vms_web_seconds_sum", labels) == pytest.approx(0.33)


def test_processes_that_come_and_go_leave_no_more_files_than_there_were_at_once(folder) -> None:
    for _ in range(5):
        run(folder, "metrics.count_sale('issued')")
    assert told(*ISSUED) == 5
    assert len(list(folder.glob("counter_*.db"))) == 1, "there was one at a time"


def test_a_killed_process_leaves_its_figures_to_the_next(folder) -> None:
    killed = process(folder, COUNT_AND_WAIT)
    assert killed.stdout
    killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    run(folder, "metrics.count_sale('issued')")
    assert told(*ISSUED) == 2
    assert [lock.name for lock in folder.glob("*.lock")] == ["0.lock"], "it took the same place"


def test_a_forked_process_counts_in_a_place_of_its_own(folder) -> None:
    run(folder, """
import os
metrics.count_sale('issued')
if os.fork() == 0:
    metrics.count_sale('issued')
    os._exit(0)
os.wait()
metrics.count_sale('issued')
""")  # fmt: skip
    assert told(*ISSUED) == 3
    assert (folder / "counter_1.db").exists()


def test_a_file_has_no_holes_that_a_full_disk_could_not_fill(folder) -> None:
    metrics.count_sale("issued")
    for kind, size in metrics.SIZES.items():
        (file,) = folder.glob(f"{kind}_*.db")
        about = file.stat()
        assert about.st_size == size
        assert about.st_blocks * 512 >= size


def test_all_that_a_large_installation_tells_fits_the_files(folder) -> None:
    for number in range(4):
        for call in ("credit", "key_change", "engineering", "batch"):
            for outcome in ("answered", "refused", "unavailable", "timeout"):
                metrics.module_answered(number, call, outcome, 0.1)
    for kind in metrics.KINDS:
        for status in metrics.STATUSES:
            metrics.web_answered(kind, status, 0.1)
    for number in range(20):
        for fails in (False, True):
            with (
                pytest.raises(LookupError) if fails else metrics.task("x"),
                metrics.task(f"background.task{number}"),
            ):
                if fails:
                    raise LookupError
    (file,) = folder.glob("histogram_*.db")
    assert file.stat().st_size == metrics.SIZES["histogram"], "it had to grow"


@pytest.mark.parametrize("spoil", [
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(b"\xff\x00\x00\x00" + bytes(20)),
    lambda file: file.write_bytes(b"\x40\x00\x00\x00" + bytes(4) + b"\xff\xff\x00\x00" + bytes(99)),
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_begun_anew(folder, spoil: Callable[[Path], object]) -> None:
    run(folder, "metrics.count_sale('issued')")
    spoil(folder / "counter_0.db")
    metrics.count_sale("issued")
    assert told(*ISSUED) == 1


def test_a_file_of_an_earlier_release_is_made_as_large_as_it_should_be(folder) -> None:
    run(folder, "metrics.count_sale('issued')")
    file = folder / "counter_0.db"
    file.write_bytes(file.read_bytes()[:8192])
    metrics.count_sale("issued")
    assert told(*ISSUED) == 2
    assert file.stat().st_size == metrics.SIZES["counter"]


def test_where_there_is_no_folder_to_be_had_a_process_counts_for_itself(folder, caplog) -> None:
    folder.write_text("a file stands here")
    metrics.count_sale("issued")
    assert told(*ISSUED) == 1
    assert "figures are not shared" in caplog.text
    folder.unlink()


def test_where_all_places_are_taken_a_process_counts_for_itself(folder, monkeypatch) -> None:
    monkeypatch.setattr(metrics, "PLACES", 0)
    metrics.count_sale("issued")
    assert told(*ISSUED) == 1
    assert list(folder.glob("*.db")) == []


def test_states_and_phases_are_told_before_the_first_sale(folder) -> None:
    for state in ("pending", "issued", "failed", "reversed"):  # docs/sale-states.md
        assert told("vms_sales_total", {"state": state}) == 0
    for phase in ("reserve", "module", "complete"):  # docs/decisions/0002
        assert told("vms_sale_phase_seconds_count", {"phase": phase}) == 0


def test_a_phase_that_breaks_off_is_not_timed(folder) -> None:
    with pytest.raises(LookupError), metrics.phase("reserve"):
        raise LookupError
    assert told("vms_sale_phase_seconds_count", {"phase": "reserve"}) == 0


def test_a_task_that_fails_is_counted_as_such(folder) -> None:
    with pytest.raises(LookupError), metrics.task("audit.seal"):
        raise LookupError
    with metrics.task("audit.seal"):
        pass
    for outcome in ("done", "failed"):
        labels = {"task": "audit.seal", "outcome": outcome}
        assert told("vms_task_seconds_count", labels) == 1


def test_what_goes_wrong_with_a_figure_does_not_reach_what_it_is_about(folder, monkeypatch) -> None:
    metrics.count_sale("issued")

    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(metrics._now.measures.sales, "labels", fails)
    metrics.count_sale("issued")
    monkeypatch.undo()
    assert told(*ISSUED) == 1
