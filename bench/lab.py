"""JupyterLab with ten thousand entries, and a server that captures and restores meanwhile: ``make bench-lab``.

    first rows     the Logbook panel is opened -> its first rows are drawn, in a page that has just loaded (most of N)
    typing         a letter in the search box -> the next picture (most of some thirty letters)
    compare        an entry's changes are asked for -> the changed cell of a notebook of 16 MB with pictures is drawn
    main thread    tasks over 100 ms in which a function of ours ran, all the while (see ``lab_tasks``)
    server         GET /api/status every 20 ms, p99: idle, and while an area is captured and a machine restored

``--entries N``, ``--mb N`` and ``--pages N`` set the sizes (10,000, 880 and 3). The exit status is 1 where a limit is
missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from lab_server import CHROMIUM, Lab, chromium, running_lab
from playwright.sync_api import Browser, Page, sync_playwright

from bench.areas import area_a
from bench.lab_pictures import pictures
from bench.lab_tasks import Task, tasks_of_ours
from bench.listing import fill
from bench.restore import bench_settings, cleared
from bench.restore_areas import RELEASE
from bench.restore_ways import environ_of
from bench.table import machine
from vml_jupyter.flows import settings as user
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served

_AREA_A_MB = 950
_EVERY_S = 0.02
_IDLE_S = 15.0
_LATEST_S = 600.0
ROWS_MS, TYPING_MS, COMPARE_MS, TASK_MS, STATUS_MS = 300.0, 100.0, 2000.0, 100.0, 50.0

# From the command that shows the panel until the frame after the first row was drawn.
_FIRST_ROWS = """
() => new Promise((resolve, reject) => {
  const begun = performance.now();
  void window.jupyterapp.commands.execute('vml:show-logbook');
  const look = () => {
    const row = document.querySelector("[data-testid='vml-entry']");
    if (row && row.getBoundingClientRect().height > 0) {
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
    } else if (performance.now() - begun > 60000) {
      reject(new Error('no rows'));
    } else {
      requestAnimationFrame(look);
    }
  };
  look();
})
"""
# From the command until the frame after the pictures of the changed cell were drawn.
_COMPARE = """
entry => new Promise((resolve, reject) => {
  const begun = performance.now();
  void window.jupyterapp.commands.execute('vml:open-entry', { entry, tab: 'changes' });
  const look = () => {
    const pictures = [...document.querySelectorAll("[data-testid='vml-cell-change'] img")];
    if (pictures.length > 0 && pictures.every(one => one.complete && one.naturalWidth > 0)) {
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
    } else if (performance.now() - begun > 60000) {
      reject(new Error('no changed cell'));
    } else {
      requestAnimationFrame(look);
    }
  };
  look();
})
"""
# The browser's own word on how long it took from an event to the next picture.
_HEAR_EVENTS = """
() => {
  window.vmlHeard = [];
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) {
      if (one.name === 'input' || one.name === 'keydown') {
        window.vmlHeard.push(one.duration);
      }
    }
  }).observe({ type: 'event', durationThreshold: 16 });
}
"""


@dataclass
class Found:
    """What was measured; milliseconds."""

    rows: list[float] = field(default_factory=list)
    typing: list[float] = field(default_factory=list)
    compare: list[float] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    work: dict[str, float] = field(default_factory=dict)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--entries", type=int, default=10_000)
    arguments.add_argument("--mb", type=int, default=880)
    arguments.add_argument("--pages", type=int, default=3)
    arguments.add_argument("--cache", type=Path, help="where the working area is kept for the next run")
    asked = arguments.parse_args()
    found = Found()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vml-bench-")))
        root = (asked.cache or scratch / "root").absolute()
        root.mkdir(parents=True, exist_ok=True)
        area = area_a(root, asked.mb / _AREA_A_MB).path
        url = stack.enter_context(served(mini.build(user.load().data, SILENT)))
        settings = bench_settings(scratch, url)
        stack.callback(cleared, settings)
        fill(settings, scratch, asked.entries)
        entry = pictures(settings, scratch)
        options = ("--LabApp.expose_app_in_browser=True",)
        lab = stack.enter_context(running_lab(root, environ_of(settings, warm=False), "/", *options))
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=CHROMIUM, chromium_sandbox=os.geteuid() != 0
        )
        stack.callback(browser.close)
        for number in range(asked.pages):
            look(browser, lab, entry, asked.entries, scratch / f"trace-{number}.json", found)
        work(browser, lab, area.name, scratch / "trace-work.json", found)
    return report(found, asked)


def look(browser: Browser, lab: Lab, entry: str, least: int, trace: Path, found: Found) -> None:
    """Open the panel in a new page, scroll, search, and compare an entry."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        tracing(browser, page, trace)
        load(page, lab, trace.stem)
        page.evaluate(_HEAR_EVENTS)
        found.rows.append(page.evaluate(_FIRST_ROWS))
        rows = page.locator(".vml-Rows").first
        page.wait_for_function(
            "least => document.querySelector(\"[data-testid='vml-entry']\")?.closest('li').ariaSetSize >= least",
            arg=least,
            timeout=60_000,
        )
        for _ in range(40):
            rows.evaluate("box => box.scrollBy(0, 5000)")
            page.wait_for_timeout(30)
        for words in ("muon jet", "calibration", "tracker ve"):
            page.get_by_test_id("vml-search").fill("")
            page.get_by_test_id("vml-search").press_sequentially(words, delay=60)
        found.compare.append(page.evaluate(_COMPARE, entry))
        page.wait_for_timeout(500)
        found.typing += page.evaluate("window.vmlHeard")
        browser.stop_tracing()
    found.tasks += tasks_of_ours(trace, TASK_MS)


def load(page: Page, lab: Lab, workspace: str) -> None:
    """Load JupyterLab with a workspace of its own, in which the panel is closed."""
    page.goto(lab.page(f"lab/workspaces/{workspace}"))
    page.locator(".jp-SideBar [data-id='vml-logbook']").wait_for(timeout=60_000)


def work(browser: Browser, lab: Lab, area: str, trace: Path, found: Found) -> None:
    """Capture an area and restore a machine while a page is open, and ask for the server's status all the while."""
    with requests.Session() as session, browser.new_context() as context:
        session.headers["Authorization"] = f"token {lab.token}"
        page = context.new_page()
        load(page, lab, trace.stem)
        page.evaluate(_FIRST_ROWS)
        page.wait_for_timeout(5000)
        found.idle = sampled(lab, threading.Event(), _IDLE_S)
        tracing(browser, page, trace)
        entry = session.get(f"{lab.url}vml/api/entries?limit=1", timeout=60).json()["entries"][0]["id"]
        asked = [
            ("snapshots", {"path": area, "title": "captured meanwhile"}),
            (f"entries/{entry}/restore", {"release": RELEASE}),
        ]
        jobs = {}
        for path, body in asked:
            answer = session.post(f"{lab.url}vml/api/{path}", json=body, timeout=60)
            answer.raise_for_status()
            jobs[answer.json()["job"]["id"]] = path.partition("/")[0]
        over = threading.Event()
        sampling = threading.Thread(target=lambda: found.busy.extend(sampled(lab, over, _LATEST_S)))
        sampling.start()
        try:
            found.work = awaited(page, session, lab, jobs)
        finally:
            over.set()
            sampling.join()
        browser.stop_tracing()
    found.tasks += tasks_of_ours(trace, TASK_MS)


def tracing(browser: Browser, page: Page, trace: Path) -> None:
    categories = ["toplevel", "devtools.timeline", "v8", "disabled-by-default-v8.cpu_profiler"]
    browser.start_tracing(page=page, path=trace, categories=categories)


def sampled(lab: Lab, over: threading.Event, seconds: float) -> list[float]:
    """Ask for the status again and again; return how many milliseconds each answer took."""
    found = []
    with requests.Session() as session:
        session.headers["Authorization"] = f"token {lab.token}"
        until = time.monotonic() + seconds
        while time.monotonic() < until and not over.wait(_EVERY_S):
            begun = time.perf_counter()
            session.get(f"{lab.url}api/status", timeout=60).raise_for_status()
            found.append(1000 * (time.perf_counter() - begun))
    return found


def awaited(page: Page, session: requests.Session, lab: Lab, jobs: dict[str, str]) -> dict[str, float]:
    """Wait until the jobs have ended well; return how many seconds each took."""
    begun, ended = time.monotonic(), dict[str, float]()
    while len(ended) < len(jobs):
        page.wait_for_timeout(500)
        known: list[dict[str, Any]] = session.get(f"{lab.url}vml/api/jobs", timeout=60).json()["jobs"]
        for job in known:
            if job["id"] in jobs and job["state"] == "done":
                ended.setdefault(jobs[job["id"]], time.monotonic() - begun)
            assert job["state"] in ("queued", "running", "done"), job
        assert time.monotonic() - begun < _LATEST_S, known
    return ended


def report(found: Found, asked: argparse.Namespace) -> int:
    """Print the table, and the limits; fail where one is missed."""
    idle, busy = p99(found.idle), p99(found.busy)
    longest = max((task.ms for task in found.tasks), default=0.0)
    took = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in found.work.items())
    rows = [
        (f"first rows of {asked.entries} entries, ms", max(found.rows), ROWS_MS),
        ("a letter of a search to the next picture, ms", max(found.typing, default=0.0), TYPING_MS),
        ("the changed cell of a notebook of 16 MB, ms", max(found.compare), COMPARE_MS),
        ("longest task of ours on the main thread, ms (0: none over the limit)", longest, TASK_MS),
        (f"p99 of GET /api/status over idle, ms (idle {idle:.0f}; {took})", busy - idle, STATUS_MS),
    ]
    print(f"{machine()}\n\n| | is | at most | |\n|---|---|---|---|")
    for what, is_, limit in rows:
        print(f"| {what} | {is_:.0f} | {limit:.0f} | {'held' if is_ <= limit else '**missed**'} |")
    for task in sorted(found.tasks, key=lambda task: -task.ms)[:10]:
        print(f"\ntask of {task.ms:.0f} ms ({task.cpu_ms:.0f} ms of processor): {', '.join(task.functions)}")
    print(f"\nfirst rows: {', '.join(f'{ms:.0f}' for ms in found.rows)} ms")
    print(f"comparing: {', '.join(f'{ms:.0f}' for ms in found.compare)} ms")
    print(
        f"letters: median {statistics.median(found.typing or [0.0]):.0f} ms of {len(found.typing)} over 16 ms"
    )
    print(
        f"status: median {statistics.median(found.busy):.0f} ms, most {max(found.busy):.0f} ms, {len(found.busy)} asked"
    )
    return 0 if all(is_ <= limit for _, is_, limit in rows) else 1


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    sys.exit(main())
