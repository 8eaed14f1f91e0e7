"""``Logbook()`` and ``Machine(id)``: alive beside the cells, no key in what is saved, no thread once closed."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import ipywidgets
import msgspec
import pytest
from ipywidgets.widgets.widget import _instances
from polling import eventually

import vml_jupyter as vml
from vml_jupyter.errors import LibvirtUnreachable, NotFound
from vml_jupyter.flows import life as life_flows
from vml_jupyter.flows import machines as machine_flows
from vml_jupyter.flows import restore as restore_flows
from vml_jupyter.flows.settings import Settings
from vml_jupyter.jobs.background import close_all
from vml_jupyter.kernel.door import DOOR, Door
from vml_jupyter.model import Machine, Release
from vml_jupyter.progress import SILENT, Progress

MACHINE = Machine(
    id="k3v9x0c2mqa7",
    entry="0123456789ab",
    release=Release(system="4.5.0.1"),
    state="running",
    title="<b>Z</b> mass",
    accelerator="tcg",
    url="http://k3v9x0c2mqa7.localhost:4444/lab?token=secret",
)


class Host:
    """A hypervisor of one machine, which is all that is replaced here."""

    def __init__(self) -> None:
        self.machine: Machine | None = MACHINE
        self.broken = False

    def find(self, settings: Settings, machine: str) -> Machine:
        if self.broken:
            raise LibvirtUnreachable("the hypervisor does not answer", "Start it.")
        if self.machine is None:
            raise NotFound(f"there is no machine {machine}")
        return self.machine

    def become(self, state: str) -> Any:
        def act(settings: Settings, machine: str, progress: Progress) -> Machine:
            progress.stage(state, f"Becoming {state}")
            assert self.machine is not None
            url = MACHINE.url if state == "running" else ""
            self.machine = msgspec.structs.replace(self.machine, state=state, url=url)
            return self.machine

        return act

    def remove(self, settings: Settings, machine: str, progress: Progress) -> Machine:
        self.machine = None
        return MACHINE


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setattr(machine_flows, "find_machine", made.find)
    for flow, verb, state in (
        (machine_flows, "start", "running"),
        (machine_flows, "stop", "stopped"),
        (life_flows, "suspend", "suspended"),
        (life_flows, "resume", "running"),
    ):
        monkeypatch.setattr(flow, verb, made.become(state))
    monkeypatch.setattr(machine_flows, "delete", made.remove)
    return made


@pytest.fixture
def closed() -> Iterator[list[Any]]:
    """Widgets that are closed in the end; then no thread of theirs is left, and no widget."""
    before, threads = set(_instances), set(threading.enumerate())
    made: list[Any] = []
    yield made
    for widget in made:
        widget.close()
    DOOR.close()
    begun = set(threading.enumerate()) - threads
    assert [thread.name for thread in begun if thread.name.startswith("vml-")] == []
    left = [widget for id, widget in _instances.items() if id not in before]
    assert [type(one) for one in left if not type(one).__name__.endswith(("Layout", "Style"))] == []


def press(button: Any) -> None:
    assert not button.disabled
    button.click()


def saved(*widgets: Any) -> str:
    """Return all that a front end may save of widgets."""
    state = ipywidgets.Widget.get_manager_state(widgets=None)
    return json.dumps(state) + "".join(map(repr, widgets))


def links(widget: Any) -> list[str]:
    return [unescape(each) for each in re.findall('href="([^"]+)"', saved(widget).replace('\\"', '"'))]


def follow(link: str) -> tuple[int, str]:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *all: Any) -> None:
            return None

    try:
        urllib.request.build_opener(Stay).open(link, timeout=10)
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location") or error.read().decode()
    raise AssertionError("a link answers with a redirect or an error")


def test_a_machine_is_alive_and_handled(host: Host, closed: list[Any]) -> None:
    widget = vml.Machine("k3v9")
    closed.append(widget)
    assert "&lt;b&gt;Z&lt;/b&gt; mass" in saved(widget)
    assert "running" in widget.status.value
    press(widget.buttons["suspend"])
    eventually(lambda: widget.state == "suspended" and not widget.buttons["resume"].disabled)
    assert links(widget) == []
    assert widget.buttons["suspend"].disabled
    press(widget.buttons["resume"])
    eventually(lambda: widget.state == "running" and not widget.buttons["stop"].disabled)
    press(widget.buttons["stop"])
    eventually(lambda: widget.state == "stopped" and not widget.buttons["start"].disabled)
    host.become("running")(None, "", SILENT)
    eventually(lambda: widget.state == "running")  # by somebody else


def test_a_machine_is_deleted_only_when_asked_twice(host: Host, closed: list[Any]) -> None:
    widget = vml.Machine("k3v9")
    closed.append(widget)
    press(widget.buttons["delete"])
    assert "for good" in widget.buttons["delete"].description
    assert host.machine is not None
    press(widget.buttons["delete"])
    eventually(lambda: widget.state == "gone")
    assert all(button.disabled for button in widget.buttons.values())
    with pytest.raises(NotFound):
        vml.Machine("k3v9")


def test_a_link_opens_once_and_its_key_is_nowhere_saved(host: Host, closed: list[Any]) -> None:
    widget = vml.Machine("k3v9")
    closed.append(widget)
    (link,) = links(widget)
    assert "secret" not in saved(widget)
    assert follow(link) == (303, MACHINE.url)
    assert follow(link)[0] == 410
    eventually(lambda: links(widget) not in ([], [link]))  # the new one comes after the answer
    (second,) = links(widget)
    host.become("stopped")(None, "", SILENT)
    status, told = follow(second)
    assert status == 410
    assert "vml start" in told
    eventually(lambda: links(widget) == [])
    assert follow(second)[0] == 410


def test_what_fails_is_said_and_tried_again(host: Host, closed: list[Any]) -> None:
    widget = vml.Machine("k3v9")
    closed.append(widget)
    host.broken = True
    widget.refresh()
    eventually(lambda: "does not answer" in widget.status.value)
    host.broken = False
    widget.refresh()
    eventually(lambda: "running" in widget.status.value)


@pytest.fixture
def area(tmp_path: Path) -> Path:
    folder = tmp_path / "area"
    folder.mkdir()
    (folder / "data.csv").write_text("pt\n1\n")
    return folder


def test_the_logbook_is_alive_and_searched(settings: Settings, area: Path, closed: list[Any]) -> None:
    widget = vml.Logbook(settings=settings)
    closed.append(widget)
    eventually(lambda: "no entries yet" in widget.status.value)
    first = vml.snapshot(area, title="first <fit>", tags=["one"], note="<i>note</i>", settings=settings)
    second = vml.snapshot(area, title="second", settings=settings)
    widget.refresh()
    eventually(lambda: "2 entries" in widget.status.value)
    assert [id for _, id in widget.list.options] == [second.id, first.id]
    widget.list.value = first.id
    assert "first &lt;fit&gt;" in widget.details.value
    assert "&lt;i&gt;note" in widget.details.value
    widget.search.value = "second"
    eventually(lambda: [id for _, id in widget.list.options] == [second.id])
    widget.search.value = "nothing at all"
    eventually(lambda: "no such entry" in widget.status.value)
    assert widget.restore.disabled


def test_files_come_back_from_the_widget(
    settings: Settings, area: Path, tmp_path: Path, closed: list[Any]
) -> None:
    vml.snapshot(area, title="first", settings=settings)
    widget = vml.Logbook(settings=settings)
    closed.append(widget)
    eventually(lambda: widget.chosen is not None)
    assert widget.restore_files.disabled
    widget.folder.value = str(area)
    press(widget.restore_files)
    eventually(lambda: "not empty" in widget.work.told and not widget.restore_files.disabled)
    assert (area / "data.csv").read_text() == "pt\n1\n"
    widget.folder.value = str(tmp_path / "back")
    press(widget.restore_files)
    eventually(lambda: "1 file is in" in widget.work.told)
    assert (tmp_path / "back" / "data.csv").read_text() == "pt\n1\n"


def test_an_entry_is_restored_into_a_machine_of_its_own(
    settings: Settings, area: Path, host: Host, monkeypatch: pytest.MonkeyPatch, closed: list[Any]
) -> None:
    release = threading.Event()

    def restore(settings: Settings, entry: str, progress: Progress, **more: Any) -> restore_flows.Restored:
        progress.stage("start", "Starting <CernVM>")
        while not release.wait(0.01):
            progress.advance(1, 2, "files")
        return restore_flows.Restored(
            machine=MACHINE, url=MACHINE.url, accelerator="tcg", warm=False, seconds={}, notes=[]
        )

    monkeypatch.setattr(restore_flows, "restore", restore)
    vml.snapshot(area, title="first", settings=settings)
    widget = vml.Logbook(settings=settings)
    closed.append(widget)
    eventually(lambda: widget.chosen is not None and not widget.restore.disabled)
    press(widget.restore)
    eventually(lambda: "Starting &lt;CernVM&gt;" in widget.work.told)
    assert widget.restore.disabled
    press(widget.work.children[2])
    eventually(lambda: "cancelled" in widget.work.told)
    release.set()
    eventually(lambda: not widget.restore.disabled)
    press(widget.restore)
    eventually(lambda: len(widget.machines.children) == 1)
    assert widget.machines.children[0].machine == MACHINE.id
    assert "secret" not in saved(widget)


def test_closing_ends_what_is_going_on(
    settings: Settings, area: Path, monkeypatch: pytest.MonkeyPatch, closed: list[Any]
) -> None:
    undone = threading.Event()
    begun = threading.Event()

    def restore(settings: Settings, entry: str, progress: Progress, **more: Any) -> None:
        try:
            while True:
                begun.set()
                progress.advance(0)
        finally:
            undone.set()

    monkeypatch.setattr(restore_flows, "restore", restore)
    vml.snapshot(area, settings=settings)
    widget = vml.Logbook(settings=settings)
    closed.append(widget)
    eventually(lambda: widget.chosen is not None and not widget.restore.disabled)
    press(widget.restore)
    assert begun.wait(10)
    widget.close()
    assert undone.is_set()
    widget.close()


def test_all_end_with_the_program(settings: Settings) -> None:
    widget = vml.Logbook(settings=settings)
    eventually(lambda: "no entries yet" in widget.status.value)
    close_all()
    assert not any(thread.name == "vml-ticker" for thread in threading.enumerate())
    widget.close()


def test_a_widget_may_be_collected_while_a_link_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door()
    first = door.link(lambda: "", lambda: None)
    monkeypatch.setattr("vml_jupyter.kernel.door.secrets.token_urlsafe", lambda _: "fresh")
    ways = door._ways
    monkeypatch.setattr(door, "_ways", Collecting(ways, lambda: door.forget(first)))
    made: list[str] = []
    maker = threading.Thread(target=lambda: made.append(door.link(lambda: "", lambda: None)), daemon=True)
    maker.start()
    maker.join(10)
    assert made, "the door waits for itself"
    assert list(door._ways) == ["fresh"]
    door.close()


class Collecting(dict[str, Any]):
    """Ways in the middle of whose change the collector ends a widget."""

    def __init__(self, ways: dict[str, Any], collect: Callable[[], None]) -> None:
        super().__init__(ways)
        self._collect = collect

    def __setitem__(self, key: str, value: Any) -> None:
        self._collect()
        super().__setitem__(key, value)
