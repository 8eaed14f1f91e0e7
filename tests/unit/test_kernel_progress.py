"""Progress in a notebook, with real widgets, and in plain text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vml_jupyter.cli.terminal import amount
from vml_jupyter.kernel import progress as room
from vml_jupyter.kernel.progress import TextProgress, WidgetProgress, progress_for


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was displayed."""
    everything: list[Any] = []
    monkeypatch.setattr("IPython.display.display", everything.append)
    return everything


def test_a_jupyter_front_end_gets_widgets(shown: list[Any]) -> None:
    with progress_for(SimpleNamespace(kernel=object())) as progress:
        assert isinstance(progress, WidgetProgress)
        progress.stage("fetch", "Downloading <CernVM>")
        progress.advance(512_000, 1_024_000, "bytes")
        progress.advance(1_024_000, 1_024_000, "bytes")
        progress.note("a note")
        (box,) = shown
        bar, label = box.children
        assert bar.value == 1.0
        assert "Downloading &lt;CernVM&gt; 1.0 MB of 1.0 MB" in label.value
        assert 'role="status"' in label.value
    assert progress.notes == ["a note"]
    assert bar.comm is None, "the bar is gone"


def test_a_link_is_a_widget_without_the_key(shown: list[Any]) -> None:
    progress = WidgetProgress()
    progress.link("http://a.localhost:1/lab?token=secret", "a")
    (link,) = shown
    assert 'href="http://127.0.0.1:' in link.value
    assert "noopener" in link.value
    assert "secret" not in str(link.get_state())
    link.close()


def test_a_bar_is_not_moved_more_often_than_one_can_see(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 10.01, 10.02, 10.2])
    monkeypatch.setattr(room.time, "monotonic", lambda: next(clock))
    progress = WidgetProgress()
    progress.stage("take", "Writing")
    values = []
    for done in (1, 2, 3, 4):
        progress.advance(done, 10, "files")
        values.append(shown[0].children[0].value)
    assert values == [0.1, 0.1, 0.1, 0.4]


def test_elsewhere_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_for(SimpleNamespace()) as progress:
        assert isinstance(progress, TextProgress)
        progress.stage("take", "Writing\x1b[2J")
        progress.advance(1, 2, "files")
        progress.note("a note")
        progress.link("http://a", "a")
    assert capsys.readouterr().out == "Writing\N{REPLACEMENT CHARACTER}[2J ...\nhttp://a\n"
    assert progress.notes == ["a note"]


def test_without_widgets_a_notebook_gets_lines_but_no_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)
    with progress_for(SimpleNamespace(kernel=object())) as progress:
        progress.link("http://a?token=secret", "a")
    assert capsys.readouterr().out == ""


def test_amounts() -> None:
    assert amount(3, 10, "files") == "3 of 10 files"
    assert amount(3, None, "") == "3"
    assert amount(1500, None, "bytes") == "1.5 kB"
