"""``%vml`` in a real IPython shell, on a real logbook; only what boots machines is replaced."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core import oinspect
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from vml_jupyter.cli import output
from vml_jupyter.errors import LogbookMissing, MachineNotReady, Usage
from vml_jupyter.flows import machines as machine_flows
from vml_jupyter.flows import releases as release_flows
from vml_jupyter.flows import restore as restore_flows
from vml_jupyter.kernel import load_ipython_extension, unload_ipython_extension
from vml_jupyter.kernel.drawing import Line, Table, Text
from vml_jupyter.kernel.page import Result, problem
from vml_jupyter.model import Machine, Release
from vml_jupyter.progress import Progress
from vml_jupyter.release import AvailableRelease

MACHINE = Machine(
    id="k3v9x0c2mqa7",
    entry="0123456789ab",
    release=Release(system="4.5.0.1"),
    state="running",
    accelerator="tcg",
    url="http://k3v9x0c2mqa7.localhost:4444/lab?token=secret",
)


@pytest.fixture
def area(tmp_path: Path) -> Path:
    folder = tmp_path / "dimuon"
    folder.mkdir()
    (folder / "dimuon.csv").write_text("pt1,eta1\n1,2\n")
    return folder


@pytest.fixture
def shell(tmp_path: Path, area: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    for name, value in {
        "VML_DATA": tmp_path / "data",
        "VML_CONFIG": tmp_path / "config",
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
        "IPYTHONDIR": tmp_path / "ipython",
    }.items():
        monkeypatch.setenv(name, str(value))
    for name in ("VML_LOGBOOK", "VML_LOGBOOK_PASSWORD", "VML_RELEASE", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(area)
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.history_manager.enabled = False
    load_ipython_extension(made)
    yield made
    unload_ipython_extension(made)
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, line: str) -> Any:
    return shell.run_line_magic("vml", line)


def both(view: Result) -> str:
    return f"{view.text()}\n{view.html()}"


def notebook(file: Path, *cells: str) -> Path:
    written = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    for number, cell in enumerate(written):
        cell.update({"id": f"c{number}", "metadata": {}, "outputs": [], "execution_count": None})
    file.write_text(json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return file


def test_a_snapshot_is_listed_and_its_files_come_back(
    shell: InteractiveShell, area: Path, tmp_path: Path
) -> None:
    captured = run(shell, 'snapshot -m "first <b>fit</b>"')
    assert captured.title == "first <b>fit</b>"
    assert captured.area == str(area)
    assert captured.files == 1
    assert "first &lt;b&gt;fit&lt;/b&gt;" in captured.html()
    assert "Which notebook" in captured.notes[0]

    listed = run(shell, "list")
    assert [entry.id for entry in listed] == [captured.id]
    assert captured.id in listed.text()

    back = run(shell, f"restore {captured.id[:6]} --to {tmp_path / 'back'}")
    assert "1 files" in both(back)
    assert (tmp_path / "back" / "dimuon.csv").read_text() == (area / "dimuon.csv").read_text()


def test_only_the_newest_are_listed_on_request(shell: InteractiveShell) -> None:
    for title in ("one", "two", "three"):
        run(shell, f"snapshot -m {title}")
    listed = run(shell, "list -n 2")
    assert [entry.title for entry in listed] == ["three", "two"]


def test_the_front_end_tells_the_notebook(shell: InteractiveShell, area: Path) -> None:
    file = notebook(area / "dimuon.ipynb", "%vml snapshot")
    shell.user_ns["__session__"] = str(file)
    captured = run(shell, "snapshot")
    assert captured.notebook == "dimuon.ipynb"
    assert list(captured.notes) == []


def test_the_kernel_itself_is_recorded_whatever_the_file_says(shell: InteractiveShell, area: Path) -> None:
    file = notebook(area / "dimuon.ipynb", "%vml snapshot")
    document = json.loads(file.read_text())
    document["metadata"] = {"kernelspec": {"name": "elsewhere"}}
    file.write_text(json.dumps(document))
    shell.user_ns["__session__"] = str(file)
    captured = run(shell, "snapshot")
    assert (captured.notes, captured.environment.interpreter) == ((), sys.executable)


def test_a_notebook_that_is_behind_the_browser_is_noticed(shell: InteractiveShell, area: Path) -> None:
    file = notebook(area / "dimuon.ipynb", "1 + 1", "entry = %vml snapshot")
    shell.user_ns["__session__"] = str(file)
    run_cell(shell, "1 + 1")
    os.utime(file, (1, 1))
    run_cell(shell, "entry = %vml snapshot")
    assert "older than what you see" in shell.user_ns["entry"].notes[0]

    notebook(file, "1 + 1")
    run_cell(shell, "entry = %vml snapshot")
    assert "older than what you see" in shell.user_ns["entry"].notes[0], "this cell is not in the file"

    notebook(file, "1 + 1", "entry = %vml snapshot")
    run_cell(shell, "entry = %vml snapshot")
    assert shell.user_ns["entry"].notes == ()


def run_cell(shell: InteractiveShell, cell: str) -> None:
    shell.run_cell(cell, store_history=True).raise_error()


def test_a_notebook_elsewhere_is_not_claimed(shell: InteractiveShell, tmp_path: Path) -> None:
    shell.user_ns["__session__"] = str(notebook(tmp_path / "other.ipynb"))
    captured = run(shell, "snapshot")
    assert captured.notebook == ""
    assert "outside the working area" in captured.notes[0]


@pytest.mark.parametrize("line", ["", "--help", "snapshot --help"])
def test_help_is_printed(shell: InteractiveShell, capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert run(shell, line) is None
    assert "usage: %vml" in capsys.readouterr().out


@pytest.mark.parametrize("line", ["snap", "restore", "snapshot 'open", "list -n 0", "list -n x", "--json"])
def test_a_line_that_is_not_understood_is_told(shell: InteractiveShell, line: str) -> None:
    with pytest.raises(Usage) as caught:
        run(shell, line)
    assert caught.value.hint


def test_an_error_is_shown_without_a_traceback(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    result = shell.run_cell("%vml restore abc")
    assert isinstance(result.error_in_exec, LogbookMissing)
    shown = capsys.readouterr().out
    assert "there is no logbook" in shown
    assert "Take a snapshot" in shown
    assert "Traceback" not in shown
    assert ".py" not in shown


def test_a_restored_notebook_is_announced_without_its_key(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def restore(settings: object, entry: str, progress: Progress, **more: object) -> restore_flows.Restored:
        progress.note("without hardware acceleration, /dev/kvm does not run guests")
        return restore_flows.Restored(
            machine=MACHINE,
            url=MACHINE.url,
            accelerator="tcg",
            warm=False,
            seconds={"find": 0.5, "boot": 30.0},
            notes=[],
        )

    monkeypatch.setattr(restore_flows, "restore", restore)
    opened = run(shell, "restore 0123")
    assert "CernVM 4.5.0.1" in opened.text()
    assert f"`%vml open {MACHINE.id}`" in opened.text()
    assert "30.5 s" in opened.text()
    assert "hardware acceleration" in both(opened)
    assert "secret" not in both(opened), "outputs are saved with the notebook"
    assert opened.url == MACHINE.url
    assert MACHINE.url in capsys.readouterr().out, "in a terminal nothing is saved"


def test_machines_are_listed_and_handled(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def handle(verb: str) -> Any:
        return lambda settings, machine, *more: called.append((verb, machine)) or MACHINE

    for verb in ("start", "stop", "delete"):
        monkeypatch.setattr(machine_flows, verb, handle(verb))
    monkeypatch.setattr(machine_flows, "find_machine", handle("open"))
    monkeypatch.setattr(machine_flows, "list_machines", lambda settings: [MACHINE])
    listed = run(shell, "machines")
    assert MACHINE.id in both(listed)
    assert "secret" not in both(listed)
    for verb in ("open", "start", "stop", "delete"):
        assert MACHINE.id in both(run(shell, f"{verb} k3v9"))
    assert called == [(verb, "k3v9") for verb in ("open", "start", "stop", "delete")]


def test_empty_lists_say_what_to_do(shell: InteractiveShell) -> None:
    assert "%vml snapshot" in both(run(shell, "list"))
    assert "%vml restore" in both(run(shell, "machines"))


def test_an_interrupt_is_no_traceback(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*all: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restore_flows, "restore", interrupted)
    result = shell.run_cell("%vml restore 0123")
    assert type(result.error_in_exec).__name__ == "Cancelled"


def test_unloading_takes_the_magic_away(shell: InteractiveShell) -> None:
    unload_ipython_extension(shell)
    assert shell.find_line_magic("vml") is None
    load_ipython_extension(shell)


def test_hostile_text_is_shown_not_obeyed() -> None:
    hostile = '<script>alert(1)</script>\x1b[2J"&\u202e'
    blocks = (
        Table(hostile, (hostile, "B"), ((hostile, hostile),)),
        Line(hostile),
        Text(f"{hostile}\n{hostile}"),
    )
    view = Result(None, blocks, (hostile,))
    assert "<script>" not in view.html()
    assert "\x1b" not in view.text()
    assert "\u202e" not in view.text()
    told = "".join(problem(MachineNotReady(f"a\n{hostile}", hostile, console=hostile)))
    assert told.replace("\x1b[31m", "").replace("\x1b[0m", "").count("\x1b") == 0


def test_tables_can_be_read_aloud() -> None:
    html = Table("Logbook", ["ENTRY", "TIME (UTC)", ""], [["a", "b", "c"]]).html()
    assert "<caption>Logbook</caption>" in html
    assert ">Time (UTC)</th><td></td>" in html
    assert html.count('scope="col"') == 2
    assert html.count('scope="row"') == 1
    assert "color" not in html, "a theme has its own"


def test_entries_are_edited_compared_forgotten_and_taken_back(shell: InteractiveShell, area: Path) -> None:
    first = run(shell, "snapshot -m first --tag one")
    (area / "dimuon.csv").write_text("pt1\n")
    (area / "<b>new").write_text("")
    second = run(shell, "snapshot -m second")
    shown = run(shell, f"diff {second.id} --notebooks")
    assert [file.kind for file in shown.files] == ["added", "changed"]
    assert "&lt;b&gt;new" in shown.html()
    assert "dimuon.csv" in shown.text()
    assert run(shell, f"diff {second.id} --area {area}").files == []
    run(shell, f"edit {first.id} -m better --tag two --tag -one --note 'a µ'")
    assert [(entry.title, entry.tags) for entry in run(shell, "list --search 'µ two'")] == [
        ("better", ("two",))
    ]
    forgotten = run(shell, f"forget {second.id}")
    assert f"`%vml unforget {second.id}`" in forgotten.text()
    assert run(shell, "list --search second").text() == "There is no such entry."
    assert [entry.id for entry in run(shell, "list --bin")] == [second.id]
    run(shell, f"unforget {second.id}")
    assert len(run(shell, "list")) == 2
    assert run(shell, "list")[0].title == "second"


@pytest.mark.parametrize(
    "line",
    [
        *("show {id}", "environment", "check --read-data", "prune --dry-run", "unlock", "key list"),
        *("bin", "bin empty", "snapshot --dry-run", "list --release 4", "restore {id} --to {to}", "machines"),
        *("releases", "list --logbook {other}"),
    ],
)
def test_every_verb_shows_its_result(shell: InteractiveShell, tmp_path: Path, line: str) -> None:
    entry = run(shell, "snapshot -m one")
    shown = run(shell, line.format(id=entry.id, to=tmp_path / "to", other=tmp_path / "other"))
    assert shown.text().strip()
    assert re.search("<(table|p|pre)>", shown.html())
    assert shown


def test_json_is_a_value_to_go_on_with(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = run(shell, "snapshot --json")
    assert run(shell, "list --json")["entries"][0]["id"] == entry["entry"]
    monkeypatch.setattr(machine_flows, "list_machines", lambda settings: [MACHINE])
    listed = run(shell, "machines --json")
    assert listed["machines"][0]["url"] == MACHINE.url
    assert "secret" not in both(listed)


def test_no_verb_prints_past_the_page() -> None:
    """What is printed would be saved with the notebook as it is, keys of machines included."""
    folder = Path(output.__file__).parent
    for file in sorted(folder.glob("*.py")):
        if file.name in ("main.py", "output.py", "terminal.py"):
            continue
        calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        named = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
        assert not named & {"print", "Terminal"}, f"{file.name}: use cli.output"


def test_what_needs_an_input_says_that_there_is_none(shell: InteractiveShell) -> None:
    entry = run(shell, "snapshot -m one --note kept")
    with pytest.raises(Usage, match="no standard input"):
        run(shell, f"edit {entry.id} --note-file -")
    assert run(shell, f"show {entry.id}").note == "kept"


def test_the_manual_is_all_of_the_grammar(shell: InteractiveShell) -> None:
    told = oinspect.getdoc(shell.find_line_magic("vml"))
    assert told is not None
    for verb in ("%vml snapshot", "%vml standard take", "%vml key add", "--without-pin", "%vml doctor"):
        assert verb in told


def completions(shell: InteractiveShell, text: str) -> dict[str, str]:
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    assert all(text[one.start :].strip() == text[one.start : one.end] for one in found)
    return {one.text: one.type for one in found}


def test_tab_completes_what_comes_next(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = run(shell, "snapshot -m 'first fit'")
    monkeypatch.setattr(machine_flows, "list_machines", lambda settings: [MACHINE])
    assert set(completions(shell, "%vml un")) == {"unforget", "unlock"}
    assert set(completions(shell, "%vml standard t")) == {"take"}
    assert {"--release", "--memory"} <= set(completions(shell, "x = %vml restore --"))
    for line in ("%vml show ", "%vml restore --release 4.5 ", "%vml diff abc ", "a = %vml forget abc "):
        assert completions(shell, line) == {entry.id: "first fit"}, line
    assert completions(shell, f"%vml show {entry.id[:3]}") == {entry.id: "first fit"}
    assert completions(shell, "%vml standard take ") == {MACHINE.id: "running: "}
    assert completions(shell, "%vml bin em") == {"empty": "vml"}
    assert entry.id not in completions(shell, "%vml list --tag ")
    assert entry.id not in completions(shell, "print('%vml show ")
    assert entry.id in completions(shell, "1 + 1\n%vml show ")


def test_tab_offers_releases_that_are_known(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    line = AvailableRelease(release=Release(system="4.5.0.1"), state="here")
    monkeypatch.setattr(release_flows, "list_releases", lambda *all, **more: [line])
    assert completions(shell, "%vml fetch 4.") == {"4.5.0.1": "here"}
    assert completions(shell, "%vml restore abc --release ") == {"4.5.0.1": "here"}


def test_tab_is_silent_where_nothing_can_be_asked(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.json").write_text("{")
    assert "first" not in completions(shell, "%vml show ")
