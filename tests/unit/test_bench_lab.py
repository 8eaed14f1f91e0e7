"""Which long tasks of a page the bench holds us responsible for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.lab_tasks import Task, tasks_of_ours

OURS = "http://127.0.0.1/lab/extensions/../labextensions/vml-jupyter/static/448.js?v=1"


def node(id: int, parent: int | None, name: str, url: str = "") -> dict[str, Any]:
    frame = {"functionName": name, "url": url, "lineNumber": 1, "columnNumber": 2}
    return {"id": id, "callFrame": frame, **({} if parent is None else {"parent": parent})}


def written(tmp_path: Path, tasks: list[tuple[int, int]], samples: list[tuple[int, int]]) -> Path:
    """Write a trace of tasks (begin, duration) and samples (when, node); node 3 is below a function of ours."""
    main, other = {"pid": 1, "tid": 2}, {"pid": 1, "tid": 9}
    nodes = [node(1, None, "(root)"), node(2, 1, "draw", OURS), node(3, 2, "native"), node(4, 1, "kernel")]
    times = [when for when, _ in samples]
    deltas = [later - earlier for earlier, later in zip([1000, *times], times, strict=False)]
    profile = {"nodes": nodes, "samples": [id for _, id in samples]}
    events = [
        {**main, "name": "thread_name", "args": {"name": "CrRendererMain"}},
        {**main, "name": "Profile", "id": "0x1", "args": {"data": {"startTime": 1000}}},
        {
            **other,
            "name": "ProfileChunk",
            "id": "0x1",
            "args": {"data": {"cpuProfile": profile, "timeDeltas": deltas}},
        },
        *({**main, "name": "RunTask", "ts": at, "dur": length, "tdur": length // 2} for at, length in tasks),
        {**other, "name": "RunTask", "ts": 0, "dur": 10_000_000, "args": {}},
    ]
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"traceEvents": events}))
    return trace


def test_a_task_is_ours_where_a_function_of_ours_was_on_the_stack(tmp_path: Path) -> None:
    tasks = [(10_000, 150_000), (200_000, 150_000), (400_000, 90_000)]
    samples = [(20_000, 4), (30_000, 3), (210_000, 4), (410_000, 3)]
    found = tasks_of_ours(written(tmp_path, tasks, samples), 100.0)
    assert found == [Task(150.0, 75.0, ("draw (448.js 1:2)",))]


def test_a_page_in_which_nothing_of_ours_ran_has_none(tmp_path: Path) -> None:
    assert tasks_of_ours(written(tmp_path, [(10_000, 150_000)], [(20_000, 4)]), 100.0) == []
