"""What the widgets have in common: they look again by themselves, do one thing at a time, and leave nothing.

A widget is updated from threads, so it is alive while a cell runs. Nothing it shows is a secret: see ``door``.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets

from vml_jupyter.cli.terminal import amount
from vml_jupyter.errors import VmlError, of_system
from vml_jupyter.flows.settings import Settings
from vml_jupyter.jobs import Job, Task, Ticker
from vml_jupyter.progress import Progress


class Live(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A box that calls ``look`` again and again on a thread of its own, from when it is made until it is closed.

    Args:
        settings: Which settings, the user's own by default.
    """

    _is_closed = True  # until it is made

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.status = ipywidgets.HTML()
        self.work = Work()
        self._is_closed = False
        self._ticker: Ticker | None = None

    def look(self) -> float:
        """Bring what is shown up to date; return after how many seconds to look again.

        Raises:
            VmlError, OSError: It cannot be told; the reason is shown then, and the next look tries again.
        """
        raise NotImplementedError

    def begin(self) -> None:
        """Look for the first time, and from now on."""
        self._ticker = Ticker(self._look)

    def refresh(self) -> None:
        """Look now."""
        if self._ticker:
            self._ticker.wake()

    def close(self) -> None:
        """End the looking and the work, and take the widgets away."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._ticker:
            self._ticker.close()
        self.work.close()
        for child in self.children:
            close(child)
        super().close()

    def say(self, text: str) -> None:
        """Tell how it stands, also to who cannot see it."""
        value = f'<span role="status">{escape(text)}</span>' if text else ""
        if self.status.value != value:
            self.status.value = value

    def _look(self) -> float:
        try:
            return self.look()
        except VmlError as error:
            self.say(str(error))
        except OSError as error:
            self.say(str(of_system(error)))
        return _AFTER_ERROR_S

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"  # front ends save this text; what the children show is not in it


_AFTER_ERROR_S = 10.0


def close(widget: Any) -> None:
    """Close a widget and all that is in it."""
    for child in getattr(widget, "children", ()):
        close(child)
    widget.close()


class Work(ipywidgets.HBox):  # type: ignore[misc]  # ipywidgets has no types
    """One piece of long work: its stage, how far it is, and a button that cancels it; empty when there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.children: tuple[Any, ...] = ()
        self._bar = ipywidgets.FloatProgress(min=0.0, max=1.0, layout={"width": "12em"})
        self._told = ipywidgets.HTML()
        self._button = ipywidgets.Button(description="Cancel", icon="times")
        self._button.on_click(lambda button: self.cancel())
        self._task: Task | None = None
        self._done: Callable[[Any], None] = lambda value: None
        self._ended: Callable[[], None] = lambda: None

    def do(
        self,
        title: str,
        work: Callable[[Progress], Any],
        done: Callable[[Any], None],
        ended: Callable[[], None],
    ) -> None:
        """Do a piece of work, unless another is going on.

        Args:
            title: What it is.
            work: What to do; on a thread.
            done: Called with what it returned, where it ended well.
            ended: Called after that, however it ended.
        """
        if self._task is None:
            self._done, self._ended = done, ended
            self.tell(title)
            self.children = (self._bar, self._told, self._button)
            self._task = Task(title, work, self._changed)
            self._task.start()

    @property
    def told(self) -> str:
        """What it says now, as HTML."""
        return str(self._told.value)

    def cancel(self) -> None:
        """End what is being done."""
        if self._task:
            self._task.cancel()

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self._task is not None

    def close(self) -> None:
        if self._task:
            self._task.close()
        for child in (self._bar, self._told, self._button):
            child.close()
        super().close()

    def _changed(self, job: Job) -> None:
        if job.active:
            if job.stages:
                last = job.stages[-1]
                self._bar.value = min(1.0, last.done / last.total) if last.total else 0.0
                how_far = amount(last.done, last.total, last.unit) if last.done or last.total else ""
                self.tell(f"{last.title} {how_far}".strip())
            return
        task, self._task = self._task, None
        self.children = (self._told,)
        if job.error:
            self.tell(f"{job.title}: {job.error.message}. {job.error.hint}".strip())
        elif job.state == "cancelled":
            self.tell(f"{job.title}: cancelled; nothing of it is left.")
        else:
            self.tell("; ".join(job.notes))
            self._done(task.value if task else None)
        self._ended()

    def tell(self, text: str) -> None:
        """Say a sentence where the work was."""
        self._told.value = f'<span role="status">{escape(text)}</span>' if text else ""
