"""How long jobs are going to take, by what the last ones like them took."""

from __future__ import annotations

from pathlib import Path

import pytest

from vml_jupyter.jobs import Estimates, JobDesk, Journal, Stage
from vml_jupyter.progress import Progress


def run(**seconds: float) -> list[Stage]:
    return [Stage(name=name, title=name, seconds=value) for name, value in seconds.items()]


def test_the_median_of_the_last_three_runs_is_told_in_the_order_of_the_newest(tmp_path: Path) -> None:
    estimates = Estimates(tmp_path / "cache" / "durations.json")
    assert estimates.of("restore 4.5.0.1") == {}
    for seconds in (100.0, 20.0, 30.0, 26.0):
        estimates.learn("restore 4.5.0.1", run(entry=0.1, ready=seconds))
    estimates.learn("restore 4.5.1.0", run(ready=5.0))
    assert estimates.of("restore 4.5.0.1") == {"entry": 0.1, "ready": 26.0}
    assert list(estimates.of("restore 4.5.0.1")) == ["entry", "ready"]
    estimates.learn("restore 4.5.0.1", run(warm=2.0, ready=3.0))
    assert list(estimates.of("restore 4.5.0.1")) == ["warm", "ready"], "what the newest run went through"


def test_it_is_bounded_and_survives_damage(tmp_path: Path) -> None:
    file = tmp_path / "durations.json"
    estimates = Estimates(file)
    for number in range(300):
        estimates.learn(f"snapshot {number}", run(take=1.0))
    assert estimates.of("snapshot 299")
    assert not estimates.of("snapshot 0"), "the oldest are forgotten"
    file.write_text("{broken")
    assert estimates.of("snapshot 299") == {}
    estimates.learn("snapshot 1", run(take=1.0))
    assert estimates.of("snapshot 1") == {"take": 1.0}


def test_a_job_is_told_what_to_expect_and_teaches_it_when_it_is_done(tmp_path: Path) -> None:
    desk = JobDesk(Journal(tmp_path / "jobs"), estimates=Estimates(tmp_path / "durations.json"))

    def work(progress: Progress) -> dict[str, object]:
        progress.stage("take", "Taking")
        return {}

    def fails(progress: Progress) -> dict[str, object]:
        progress.stage("other", "Another")
        raise OSError

    try:
        first = desk.submit("snapshot", "a", work, like="snapshot a")
        assert first.expected == {}
        ended = _ended(desk, first.id)
        assert list(desk.submit("snapshot", "a", work, like="snapshot a").expected) == ["take"]
        assert ended == "done"
        failed = desk.submit("snapshot", "b", fails, like="snapshot b")
        assert _ended(desk, failed.id) == "failed"
        assert desk.submit("snapshot", "b", work, like="snapshot b").expected == {}
    finally:
        desk.close()


@pytest.mark.parametrize("like", ["", "snapshot a"])
def test_nothing_is_remembered_without_a_file(like: str) -> None:
    estimates = Estimates()
    estimates.learn(like, run(take=1.0))
    assert estimates.of(like) == {}


def _ended(desk: JobDesk, job: str) -> str:
    import time

    deadline = time.monotonic() + 30
    while desk.get(job).active and time.monotonic() < deadline:
        time.sleep(0.01)
    return desk.get(job).state
