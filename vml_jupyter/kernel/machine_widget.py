"""``Machine(id)``: one machine, with what can be done with it now."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import ipywidgets

from vml_jupyter import api, model
from vml_jupyter.errors import NotFound
from vml_jupyter.flows.settings import Settings
from vml_jupyter.kernel.link import OpenLink
from vml_jupyter.kernel.live import Live

_SOON_S, _LATER_S = 1.0, 3.0
_FROM = {
    "start": ("stopped",),
    "suspend": ("running",),
    "resume": ("suspended", "broken"),
    "stop": ("running", "broken"),
    "delete": ("running", "stopped", "suspended", "broken", "starting"),
}
_WORDS = {
    "start": ("Start", "Starting the machine", "play"),
    "suspend": ("Suspend", "Suspending the machine", "pause"),
    "resume": ("Resume", "Resuming the machine", "play"),
    "stop": ("Stop", "Shutting the machine down", "stop"),
    "delete": ("Delete", "Deleting the machine", "trash"),
}


class Machine(Live):
    """Show a machine's state, its link while it runs, and buttons; Delete asks once more.

    Args:
        machine: Its id, or the beginning of it.
        settings: Which hypervisor; the user's own settings by default.

    Raises:
        NotFound, Ambiguous: There is no such machine.
    """

    def __init__(self, machine: str, *, settings: Settings | None = None) -> None:
        found = _found(machine, settings)
        super().__init__(settings)
        self.machine = found.id
        self.state = ""
        self._sure = False
        self._heading = ipywidgets.HTML(_heading(found))
        self._link = OpenLink(found.id, settings)
        self.buttons = {verb: self._button(verb) for verb in _FROM}
        row = ipywidgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        self.children = (self._heading, self.status, self._link, row, self.work)
        self._show(found)
        self.begin()

    def look(self) -> float:
        try:
            found = _found(self.machine, self.settings)
        except NotFound:
            self._gone()
            return _LATER_S
        self._show(found)
        return _SOON_S if found.state == "starting" else _LATER_S

    def __repr__(self) -> str:
        return f"Machine({self.machine!r})"

    def _button(self, verb: str) -> Any:
        name, _, icon = _WORDS[verb]
        button = ipywidgets.Button(description=name, icon=icon, disabled=True)
        button.on_click(lambda button: self._press(verb))
        return button

    def _press(self, verb: str) -> None:
        if verb == "delete" and not self._sure:
            self._sure = True
            self.buttons["delete"].description = "Delete for good?"
            return
        self._calm()
        for button in self.buttons.values():
            button.disabled = True
        act: Callable[..., model.Machine] = getattr(api, verb)
        work = partial(self._act, act)
        self.work.do(_WORDS[verb][1], work, lambda value: None, self.refresh)

    def _act(self, act: Callable[..., model.Machine], progress: Any) -> model.Machine:
        return act(self.machine, settings=self.settings, progress=progress)

    def _show(self, found: model.Machine) -> None:
        if found.state != self.state:
            self._calm()
        self.state = found.state
        self.say(f"{found.state}: {found.detail}" if found.detail else found.state)
        for verb, button in self.buttons.items():
            button.disabled = found.state not in _FROM[verb] or self.work.busy
        if found.url:
            self._link.show()
        else:
            self._link.hide()

    def _gone(self) -> None:
        self.state = "gone"
        self.say("deleted")
        self._link.hide()
        for button in self.buttons.values():
            button.disabled = True

    def _calm(self) -> None:
        self._sure = False
        self.buttons["delete"].description = _WORDS["delete"][0]


def _found(machine: str, settings: Settings | None) -> model.Machine:
    return api.find_machine(machine, settings=settings)


def _heading(found: model.Machine) -> str:
    shape = f"{found.shape.cpus} processors, {found.shape.memory_mib} MiB"
    how = f", {found.accelerator}" if found.accelerator else ""
    return (
        f"<strong>Machine <code>{escape(found.id)}</code></strong>: {escape(found.label)}{escape(how)}, {shape}"
        f"<br>Entry <code>{escape(found.entry)}</code>: {escape(found.title)}"
    )
