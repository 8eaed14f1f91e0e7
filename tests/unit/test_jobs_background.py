"""Work beside a program that has no desk: it looks again, does one thing, and leaves no thread."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

from polling import eventually

from vml_jupyter.errors import NotFound
from vml_jupyter.jobs import Job, Task, Ticker
from vml_jupyter.progress import Progress


def test_it_looks_again_and_when_woken() -> None:
    looks = threading.Semaphore(0)
    waits = iter([0.0, 0.0, 3600.0, 3600.0])

    def look() -> float:
        looks.release()
        return next(waits)

    ticker = Ticker(look)
    for _ in range(3):
        assert looks.acquire(timeout=10)
    ticker.wake()
    assert looks.acquire(timeout=10)
    ticker.close()
    assert not any(thread.name == "vml-ticker" for thread in threading.enumerate())
    assert not looks.acquire(blocking=False)


def test_it_can_be_closed_by_its_own_look() -> None:
    closed: list[Ticker] = []
    ready = threading.Event()

    def look() -> float:
        ready.wait(10)
        closed[0].close()
        return 0.0

    closed.append(Ticker(look))
    ready.set()
    eventually(lambda: not any(thread.name == "vml-ticker" for thread in threading.enumerate()))


def ended(work: Callable[[Progress], object]) -> tuple[Task, list[Job]]:
    told: list[Job] = []
    task = Task("A task", work, told.append)
    task.start()
    eventually(lambda: bool(told) and not told[-1].active)
    return task, told


def test_a_task_tells_how_it_goes() -> None:
    def work(progress: Progress) -> str:
        progress.stage("one", "The first")
        progress.advance(3, 3, "files")
        progress.note("a note")
        return "the value"

    task, told = ended(work)
    assert task.value == "the value"
    assert told[0].state == "running"
    assert (told[-1].state, told[-1].notes) == ("done", ("a note",))
    assert [(stage.title, stage.done) for stage in told[-1].stages] == [("The first", 3)]


def test_a_task_that_fails_says_why() -> None:
    def work(progress: Progress) -> None:
        raise NotFound("there is none", "Look elsewhere.")

    error = ended(work)[1][-1].error
    assert error is not None
    assert (error.code, error.message, error.hint) == ("not-found", "there is none", "Look elsewhere.")


def test_a_task_is_cancelled_where_it_reports() -> None:
    begun = threading.Event()
    told: list[Job] = []

    def work(progress: Progress) -> None:
        begun.set()
        while True:
            progress.advance(0)

    task = Task("For ever", work, told.append)
    task.start()
    assert begun.wait(10)
    task.close()
    assert told[-1].state == "cancelled"


def test_nothing_goes_on_when_the_program_ends() -> None:
    code = (
        "import threading, time\n"
        "from vml_jupyter.jobs import Task, Ticker\n"
        "begun = threading.Event()\n"
        "def work(progress):\n"
        "    try:\n"
        "        while True:\n"
        "            begun.set(); progress.advance(0); time.sleep(0.01)\n"
        "    finally:\n"
        "        print('undone', flush=True)\n"
        "ticker = Ticker(lambda: 3600.0)\n"
        "task = Task('For ever', work, lambda job: None)\n"
        "task.start()\n"
        "begun.wait()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("undone\n", "", 0)
