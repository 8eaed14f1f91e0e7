"""The desk and its journal: what happens to a job, whoever listens, however the server ends."""

from __future__ import annotations

import errno
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vml_jupyter.errors import Cancelled, MachineNotReady, NotFound
from vml_jupyter.jobs import Job, JobDesk, Journal
from vml_jupyter.progress import Progress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "jobs"


@pytest.fixture
def desk(folder: Path) -> Iterator[JobDesk]:
    desk = JobDesk(Journal(folder), workers=1)
    yield desk
    desk.close()


def left_in(folder: Path, history: int = 100) -> list[Job]:
    """What the next server finds."""
    with closing(Journal(folder, history)) as journal:
        return journal.jobs()


def ended(desk: JobDesk, job: Job) -> Job:
    return until(lambda: None if desk.get(job.id).active else desk.get(job.id))


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        threading.Event().wait(0.005)
    raise AssertionError("it did not happen within 10 s")


class Held:
    """Work that reports until it is let go."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go = threading.Event()

    def __call__(self, progress: Progress) -> dict[str, Any]:
        progress.stage("hold", "Holding")
        self.started.set()
        while not self.go.wait(0.005):
            progress.advance(1)
        return {}


def test_work_that_succeeds_leaves_its_stages_and_result(desk: JobDesk) -> None:
    def work(progress: Progress) -> dict[str, Any]:
        progress.stage("survey", "Looking")
        progress.note("two links lead nowhere")
        progress.stage("take", "Writing")
        progress.advance(3, 10, "files")
        progress.advance(10, 10, "files")
        return {"entry": "abc"}

    job = desk.submit("snapshot", "Higgs fit", work, subject="fits/higgs.ipynb")
    assert job.state == "queued"
    done = ended(desk, job)
    assert (done.state, done.result, done.error) == ("done", {"entry": "abc"}, None)
    assert done.notes == ("two links lead nowhere",)
    assert [(stage.name, stage.title, stage.done, stage.total, stage.unit) for stage in done.stages] == [
        ("survey", "Looking", 0, None, ""),
        ("take", "Writing", 10, 10, "files"),
    ]
    assert done.created <= done.finished


def test_an_error_is_kept_in_its_own_words(desk: JobDesk) -> None:
    def work(progress: Progress) -> dict[str, Any]:
        raise MachineNotReady("It never answered", "Give it more time", console="panic")

    failed = ended(desk, desk.submit("restore", "Higgs fit", work))
    assert failed.state == "failed"
    assert msgspec.to_builtins(failed.error) == {
        "code": "machine-not-ready",
        "message": "It never answered",
        "hint": "Give it more time",
        "console": "panic",
        "choices": (),
    }


def test_an_error_nobody_expected_ends_the_job_only(desk: JobDesk) -> None:
    failed = ended(desk, desk.submit("restore", "x", lambda progress: {}["gone"]))
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("unexpected", "KeyError: 'gone'")
    assert ended(desk, desk.submit("restore", "x", lambda progress: {})).state == "done"


def test_a_running_job_ends_where_it_next_reports(desk: JobDesk) -> None:
    held = Held()
    job = desk.submit("restore", "x", held)
    held.started.wait(10)
    assert desk.cancel(job.id).state == "running"
    assert ended(desk, job).state == "cancelled"


def test_work_may_undo_what_it_did_when_cancelled(desk: JobDesk) -> None:
    undone = threading.Event()
    held = Held()

    def work(progress: Progress) -> dict[str, Any]:
        try:
            return held(progress)
        except Cancelled:
            undone.set()
            raise

    job = desk.submit("restore", "x", work)
    held.started.wait(10)
    desk.cancel(job.id)
    assert ended(desk, job).state == "cancelled"
    assert undone.is_set()


def test_a_waiting_job_is_cancelled_at_once(desk: JobDesk) -> None:
    held = Held()
    first = desk.submit("restore", "first", held)
    held.started.wait(10)
    waiting = desk.submit("restore", "second", lambda progress: {"ran": True})
    assert desk.cancel(waiting.id).state == "cancelled"
    held.go.set()
    assert ended(desk, first).state == "done"
    assert desk.get(waiting.id).result is None


def test_a_finished_job_is_dropped_from_the_list(desk: JobDesk) -> None:
    job = ended(desk, desk.submit("stop", "x", lambda progress: {}))
    desk.cancel(job.id)
    assert desk.jobs() == []
    with pytest.raises(NotFound):
        desk.get(job.id)


def test_listeners_hear_every_state_and_stage_but_not_every_step(desk: JobDesk) -> None:
    heard: list[Job] = []
    end = desk.listen(heard.append)

    def work(progress: Progress) -> dict[str, Any]:
        for name in ("one", "two"):
            progress.stage(name, name)
            for step in range(5000):
                progress.advance(step, 10_000)
        return {}

    ended(desk, desk.submit("restore", "x", work))
    until(lambda: heard and heard[-1].state == "done")
    end()
    assert [job.state for job in heard if not job.stages] == ["queued", "running"]
    assert {stage.name for job in heard for stage in job.stages} == {"one", "two"}
    assert len(heard) < 50
    ended(desk, desk.submit("restore", "unheard", lambda progress: {}))
    assert heard[-1].title == "x"


def test_a_full_disk_does_not_hide_how_a_job_ended(folder: Path) -> None:
    class Full(Journal):
        def write(self, job: Job) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    desk = JobDesk(Full(folder), workers=1)
    assert ended(desk, desk.submit("snapshot", "x", lambda progress: {"entry": "e"})).result == {"entry": "e"}
    desk.close()


def test_history_is_bounded(folder: Path) -> None:
    desk = JobDesk(Journal(folder, history=3), workers=1, history=3)
    for number in range(12):
        ended(desk, desk.submit("stop", str(number), lambda progress: {}))
    assert [job.title for job in desk.jobs()] == ["11", "10", "9"]
    desk.close()
    assert [job.title for job in left_in(folder, history=3)] == ["9", "10", "11"]


def test_the_journal_is_for_the_user_only(desk: JobDesk, folder: Path) -> None:
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_next_server_shows_what_was_finished_and_what_was_interrupted(folder: Path) -> None:
    journal = Journal(folder)
    done = Job(id="1", kind="snapshot", title="done", state="done", created="2026-01-01T00:00:00Z")
    running = Job(id="2", kind="restore", title="running", state="running", created="2026-01-02T00:00:00Z")
    journal.write(msgspec.structs.replace(done, state="running"))
    journal.write(done)
    journal.write(running)
    journal.close()  # as a crash does: the lock goes with the process, the file stays

    after = left_in(folder)
    assert [(job.id, job.state) for job in after] == [("1", "done"), ("2", "failed")]
    assert after[1].error is not None
    assert after[1].error.code == "interrupted"


def test_a_line_cut_by_a_crash_costs_that_line_only(folder: Path) -> None:
    journal = Journal(folder)
    journal.write(Job(id="1", kind="snapshot", title="kept", state="done"))
    journal.close()
    (file,) = folder.iterdir()
    with file.open("ab") as end:
        end.write(b'{"id": "2", "ki')
    assert [job.id for job in left_in(folder)] == ["1"]


def test_servers_that_live_do_not_touch_each_others_jobs(folder: Path) -> None:
    first = Journal(folder)
    first.write(Job(id="1", kind="restore", title="mine", state="running"))
    second = Journal(folder)
    assert second.jobs() == []
    assert len(list(folder.iterdir())) == 2
    first.close()
    second.close()
    assert [job.id for job in left_in(folder)] == ["1"]
    assert len(list(folder.iterdir())) == 1


def test_the_journal_does_not_grow_without_end(folder: Path) -> None:
    with closing(Journal(folder, history=5)) as journal:
        for number in range(500):
            journal.write(Job(id=str(number), kind="stop", title="", state="done"))
        (file,) = folder.iterdir()
        assert len(file.read_bytes().splitlines()) <= 41
    assert [job.id for job in left_in(folder, history=5)] == ["495", "496", "497", "498", "499"]
