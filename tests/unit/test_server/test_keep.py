"""What cells print while no page looks is in the notebook, and told to the page that comes next.

A real Jupyter server with the extension that machines have, and a real kernel.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.guest import vml_keep
from vml_jupyter.guest.vml_keep import Outputs, cell_of, overwritten

SLOW = """\
import time
for number in range(6):
    print("line", number, flush=True)
    time.sleep(0.4)
"""
LINES = [f"line {number}" for number in range(6)]


class Scene:
    """A notebook with one cell, its kernel, and pages that come and go."""

    def __init__(self, fetch: Any, connect: Any, root: Path) -> None:
        self._fetch, self._connect = fetch, connect
        self.file = root / "fit.ipynb"
        self.kernel = ""

    async def ask(self, method: str, *path: str, body: Any = None, **query: Any) -> Any:
        text = None if body is None else json.dumps(body)
        response = await self._fetch(
            *path, method=method, body=text, params=query, allow_nonstandard_methods=True
        )
        return json.loads(response.body or b"null")

    async def begin(self, code: str, **cell: Any) -> None:
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [nbformat.v4.new_code_cell(code, id="slow", **cell)]
        nbformat.write(notebook, self.file)
        session = await self.ask(
            "POST",
            "api",
            "sessions",
            body={
                "path": "fit.ipynb",
                "name": "fit.ipynb",
                "type": "notebook",
                "kernel": {"name": "python3"},
            },
        )
        self.kernel = session["kernel"]["id"]

    async def page(self, session: str) -> Any:
        return await self._connect("api", "kernels", self.kernel, "channels", params={"session_id": session})

    async def execute(self, page: Any, session: str, code: str, cell: str = "slow") -> str:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "session": session,
            "username": "",
            "version": "5.3",
            "date": "2026-01-02T03:04:05Z",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
        }
        message = {
            "channel": "shell",
            "header": header,
            "parent_header": {},
            "metadata": {"cellId": cell},
            "content": content,
        }
        await page.write_message(json.dumps(message))
        return header["msg_id"]

    async def runs(self, client: str, seen: dict[str, int] | None = None) -> list[Any]:
        body = {"kernel": self.kernel, "client": client, "seen": seen or {}}
        return list((await self.ask("POST", "vml", "outputs", body=body))["runs"])

    @property
    def cell(self) -> Any:
        return nbformat.read(self.file, as_version=4).cells[0]

    @property
    def text(self) -> str:
        return "".join(output.get("text", "") for output in self.cell.outputs)


@pytest.fixture
def scene(
    jp_serverapp: Any, jp_fetch: Any, jp_ws_fetch: Any, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    monkeypatch.setattr(vml_keep, "EVERY_S", 0.3)
    vml_keep._load_jupyter_server_extension(jp_serverapp)
    return Scene(jp_fetch, jp_ws_fetch, jp_root_dir)


async def until(true: Callable[[], Any], seconds: float = 60) -> None:
    for _ in range(int(seconds / 0.05)):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it does not come")


async def heard(page: Any, text: str) -> None:
    """Read what a page is told until some text comes."""
    while text not in (await asyncio.wait_for(page.read_message(), 60)):
        pass


async def test_a_page_that_leaves_finds_all_lines_in_the_file(scene: Scene) -> None:
    await scene.begin(SLOW)
    page = await scene.page("one")
    await scene.execute(page, "one", SLOW)
    await heard(page, "line 1")
    assert scene.text == "", "a page that is there saves by itself"
    page.close()
    await until(lambda: "line 1" in scene.text)
    await until(lambda: "line 3" in scene.text)
    await until(lambda: "line 5" in scene.text)
    assert scene.text.split("\n") == [*LINES, ""]
    assert (len(scene.cell.outputs), scene.cell.execution_count) == (1, 1)


async def test_the_next_page_is_told_what_was_and_what_comes_and_then_saves_by_itself(scene: Scene) -> None:
    await scene.begin(SLOW)
    first = await scene.page("one")
    request = await scene.execute(first, "one", SLOW)
    await heard(first, "line 1")
    assert await scene.runs("two") == [], "its own page has it"
    first.close(1001)
    await until(lambda: "line 1" in scene.text)
    second = await scene.page("two")
    (run,) = await scene.runs("two")
    assert (run["request"], run["cell"], run["state"], run["count"]) == (request, "slow", "running", 1)
    assert run["outputs"][0]["text"].startswith("line 0\nline 1\n")
    assert run["written"]
    before = scene.file.stat().st_mtime_ns
    while run["state"] != "ended":
        seen = run["version"]
        (run,) = await scene.runs("two", {request: seen})
        assert (run["outputs"] is None) == (run["version"] == seen)
        await asyncio.sleep(0.1)
    (run,) = await scene.runs("two")
    assert run["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "\n".join([*LINES, ""])}]
    assert scene.file.stat().st_mtime_ns == before, "a page that asked is there"
    second.close(1001)
    await until(lambda: "line 5" in scene.text)


async def test_what_a_person_changed_meanwhile_stays(scene: Scene) -> None:
    await scene.begin(SLOW)
    page = await scene.page("one")
    await scene.execute(page, "one", SLOW)
    await heard(page, "line 1")
    page.close(1001)
    await until(lambda: "line 1" in scene.text)
    notebook = nbformat.read(scene.file, as_version=4)
    notebook.cells[0].source = "edited"
    notebook.cells[0].outputs = []
    notebook.cells.append(nbformat.v4.new_markdown_cell("more"))
    nbformat.write(notebook, scene.file)
    other = await scene.page("two")
    while (await scene.runs("two"))[0]["state"] != "ended":
        await asyncio.sleep(0.1)
    other.close(1001)
    await asyncio.sleep(1)
    assert nbformat.read(scene.file, as_version=4) == notebook


async def test_a_page_whose_network_broke_off_is_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vml_keep, "LOST_S", 4.0)
    await scene.begin(SLOW)
    page = await scene.page("one")
    await scene.execute(page, "one", SLOW)
    await heard(page, "line 1")
    page.protocol.stream.close()
    page.protocol = None  # it would complain that it was not closed
    await asyncio.sleep(1)
    assert scene.text == ""
    await until(lambda: "line 5" in scene.text)


async def test_displays_progress_and_errors_are_as_a_page_would_have_them(scene: Scene) -> None:
    code = """\
from IPython.display import clear_output, display
import sys, time
shown = display("first", display_id=True)
print("gone")
time.sleep(1)
clear_output(wait=True)
shown = display("one", display_id=True)
for number in range(3):
    print(number, end="\\r")
print("out")
print("err", file=sys.stderr)
shown.update("two")
1 / 0
"""
    await scene.begin(code)
    page = await scene.page("one")
    await scene.execute(page, "one", code)
    await heard(page, "gone")
    page.close(1001)
    await until(lambda: scene.cell.outputs and scene.cell.outputs[-1].output_type == "error")
    display, out, err, error = scene.cell.outputs
    assert display.data["text/plain"] == "'two'"
    assert (out.name, out.text) == ("stdout", "out\n")
    assert (err.name, err.text) == ("stderr", "err\n")
    assert error.ename == "ZeroDivisionError"


def stream(text: str) -> dict[str, Any]:
    return {"name": "stdout", "text": text}


def test_outputs_are_bounded_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vml_keep, "LIMIT", 10_000)
    outputs = Outputs()
    for number in range(10_000):
        outputs.take("stream", stream(f"\rstep {number}"))
    assert [output["text"] for output in outputs.rendered()] == ["step 9999"]
    for number in range(10_000):
        outputs.take("stream", stream(f"line {number}\n"))
    assert outputs.size < 11_000
    assert outputs.rendered()[-1]["text"] == vml_keep.TOO_MUCH
    assert outputs.take("clear_output", {"wait": False})
    assert outputs.take("stream", stream("again\n"))
    assert outputs.rendered() == [{"output_type": "stream", "name": "stdout", "text": "again\n"}]


def test_what_is_held_is_counted() -> None:
    outputs = Outputs()
    shown = {"data": {"text/plain": "x" * 100}, "metadata": {}, "transient": {"display_id": "one"}}
    for content in (shown, shown):
        outputs.take("display_data", content)
    twice = outputs.size
    assert twice > 200
    longer = {**shown, "data": {"text/plain": "x" * 1000}}
    assert outputs.take("update_display_data", longer)
    assert outputs.size == twice + 2 * 900
    assert {output["data"]["text/plain"] for output in outputs.rendered()} == {"x" * 1000}
    assert not outputs.take("update_display_data", {**longer, "transient": {"display_id": "two"}})
    outputs.take("clear_output", {"wait": False})
    assert outputs.size == 0


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "a" * 200_000 + "\x08" * 100_000, "\x08" * 100_000, "\r" * 100_000]
)
def test_one_long_line_does_not_stop_the_server(text: str) -> None:
    """It was minutes to hours: each character was tried as the beginning of a line. Now it is below a second."""
    code = f"import sys; sys.path.insert(0, {str(Path(vml_keep.__file__).parent)!r}); import vml_keep; "
    code += "vml_keep.overwritten(sys.stdin.read())"
    subprocess.run([sys.executable, "-c", code], input=text, text=True, timeout=60, check=True)


@given(st.text(alphabet="ab\n\r"))
def test_lines_are_overwritten_as_nbclient_does(text: str) -> None:
    assert overwritten(text) == re.sub(r".*\r(?=[^\n])", "", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ab\x08c", "ac"), ("ab\x08\x08c", "c"), ("a\n\x08b", "a\nb"), ("10%\x08\x08\x0820%\n", "20%\n")],
)
def test_backspaces_take_away_what_is_before_them_in_the_line(text: str, shown: str) -> None:
    assert overwritten(text) == shown


async def test_what_is_kept_is_bounded_when_something_ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vml_keep, "ALL", 3000)
    code = "print('x' * 1000)"
    await scene.begin(code)
    page = await scene.page("one")
    for number in range(6):
        await scene.execute(page, "one", code, f"cell{number}")
        await heard(page, "xxx")
        await heard(page, '"idle"')
    other = await scene.page("two")
    page.close(1001)
    found: list[Any] = []
    while not found:
        found = await scene.runs("two")
        await asyncio.sleep(0.1)
    assert [run["cell"] for run in found] == ["cell4", "cell5"]
    other.close(1001)


def test_what_is_in_its_file_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vml_keep, "ALL", 2500)
    keeper, kernel = vml_keep.Keeper(None), vml_keep.Kernel()
    keeper._kernels["k"] = kernel
    kernel.pages["here"] = None
    for number, session in enumerate(["left", "here", "left", "here", "here"]):
        run = vml_keep.Run(f"r{number}", session, f"c{number}", "x")
        run.hear("execute_input", {"execution_count": 1})
        run.hear("stream", stream("x" * 900))
        run.end()
        run.changed = number
        kernel.add(run)
    kernel.runs["c2"].kept = kernel.runs["c2"].version
    keeper._bound()
    assert set(kernel.runs) == {"c0", "c4"}, "c0 is in no file, and no page has it"


@given(st.text(alphabet="ab\n\r\x08"))
def test_what_was_overwritten_goes_and_nothing_is_made_up(text: str) -> None:
    shown = overwritten(text)
    assert overwritten(shown) == shown
    assert shown.count("\n") == text.count("\n")


def test_a_cell_is_found_by_id_and_where_there_are_none_by_source_that_is_there_once() -> None:
    one, two = (
        {"cell_type": "code", "source": "x", "id": "a"},
        {"cell_type": "code", "source": "x", "id": "b"},
    )
    assert cell_of([one, two], "b", "x") is two
    assert cell_of([one, two], "c", "x") is None
    assert cell_of([one, two], "b", "y") is None
    old = [{key: value for key, value in each.items() if key != "id"} for each in (one, two)]
    assert cell_of(old, "b", "x") is None
    assert cell_of(old[:1], "b", "x") is old[0]
