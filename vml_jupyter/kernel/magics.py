"""The ``%vml`` magic: parse the line, call one flow, return what is to be shown.

    %vml VERB ...  ->  arguments.parse  ->  a function below  ->  a view (views.py), which is the cell's
    result

The result can be kept (``entry = %vml snapshot``); its attributes are the flow's records. An error stops the
cell, like any error, but is shown as what is wrong and what to do, without a traceback.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class

from vml_jupyter.errors import Cancelled, VmlError, of_system
from vml_jupyter.kernel import views
from vml_jupyter.kernel.arguments import parse
from vml_jupyter.kernel.progress import progress_for
from vml_jupyter.kernel.session import Session
from vml_jupyter.model import Query

if TYPE_CHECKING:
    from vml_jupyter.flows.settings import Settings


@magics_class
class VmlMagics(Magics):
    """Hold the one magic of a running IPython shell."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.session = Session(shell)

    @line_magic
    def vml(self, line: str) -> views.View | None:
        """Take snapshots of this notebook's working area and go back to them; ``%vml --help`` tells how."""
        try:
            arguments = parse(line)
            return _VERBS[arguments.verb](self, arguments) if arguments else None
        except KeyboardInterrupt:
            raise _plainly(Cancelled("interrupted", "Nothing is left of what was begun.")) from None
        except VmlError as error:
            raise _plainly(error) from None
        except OSError as error:
            raise _plainly(of_system(error)) from None


def load_ipython_extension(shell: Any) -> None:
    """Register ``%vml``."""
    magics = VmlMagics(shell)
    magics.session.watch()
    shell.register_magics(magics)


def unload_ipython_extension(shell: Any) -> None:
    """Take ``%vml`` away again."""
    magics = shell.magics_manager.registry.pop("VmlMagics", None)
    if magics:
        magics.session.unwatch()
    shell.magics_manager.magics["line"].pop("vml", None)


def _snapshot(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.capture import capture

    area = (arguments.area or Path.cwd()).expanduser().absolute()
    notebook = arguments.notebook or magics.session.notebook_in(area)
    warnings = magics.session.warnings(area, notebook)
    with progress_for(magics.shell) as progress:
        entry = capture(
            _settings(),
            area,
            notebook=notebook,
            title=arguments.title,
            note=arguments.note,
            release=arguments.release,
            tags=arguments.tag,
            project=arguments.project,
            in_kernel=arguments.notebook is None,
            progress=progress,
        )
    return views.Captured(entry, [*warnings, *progress.notes])


def _list(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.entries import list_entries

    asked = Query(
        search=arguments.search,
        tags=tuple(arguments.tag),
        project=arguments.project,
        forgotten=arguments.bin,
    )
    entries = list_entries(_settings(), asked)
    shown = entries[: arguments.count] if arguments.count else entries
    return views.Entries(shown, len(entries), selected=asked != Query())


def _edit(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.entries import edit

    entry = edit(
        _settings(),
        arguments.entry,
        title=arguments.title,
        note=arguments.note,
        project=arguments.project,
        add_tags=arguments.tag,
        remove_tags=arguments.untag,
    )
    return views.Done(f"Entry {entry.id} is now: {entry.title}")


def _diff(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.diff import diff

    with progress_for(magics.shell) as progress:
        found = diff(
            _settings(),
            arguments.entry,
            arguments.other,
            area=arguments.area,
            with_notebooks=arguments.notebooks,
            progress=progress,
        )
    return views.Difference(found)


def _forget(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.bin import forget

    ids = " ".join(entry.id for entry in forget(_settings(), arguments.entry))
    return views.Done(f"In the bin: {ids}. %vml unforget {ids} takes it back.")


def _unforget(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.bin import unforget

    ids = " ".join(entry.id for entry in unforget(_settings(), arguments.entry))
    return views.Done(f"Back in the logbook: {ids}.")


def _restore(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows import files, restore

    settings = _settings()
    with progress_for(magics.shell) as progress:
        if arguments.to:
            laid = files.restore_files(settings, arguments.entry, arguments.to, progress)
            return views.FilesWritten(arguments.to, laid.files, laid.bytes)
        restored = restore.restore(
            settings,
            arguments.entry,
            release=arguments.release,
            without_pins=arguments.without_pin,
            progress=progress,
        )
    progress.link(restored.url)
    return views.Opened(restored.machine, restored.seconds, restored.notes, url=restored.url)


def _machines(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.machines import list_machines

    return views.Machines(list_machines(_settings()))


def _open(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.machines import find_machine

    with progress_for(magics.shell) as progress:
        machine = find_machine(_settings(), arguments.machine)
    if machine.url:
        progress.link(machine.url)
    return views.Opened(machine, {}, [], url=machine.url)


def _start(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.machines import start

    with progress_for(magics.shell) as progress:
        machine = start(_settings(), arguments.machine, progress)
    progress.link(machine.url)
    return views.Opened(machine, {}, progress.notes, url=machine.url)


def _stop(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.machines import stop

    with progress_for(magics.shell) as progress:
        return views.Done(f"Machine {stop(_settings(), arguments.machine, progress).id} is stopped.")


def _delete(magics: VmlMagics, arguments: argparse.Namespace) -> views.View:
    from vml_jupyter.flows.machines import delete

    with progress_for(magics.shell) as progress:
        return views.Done(f"Machine {delete(_settings(), arguments.machine, progress).id} is deleted.")


def _settings() -> Settings:
    """Read the settings anew for every line: the user may have changed them with ``%env``."""
    from vml_jupyter.flows.settings import load

    return load()


def _plainly(error: VmlError) -> VmlError:
    """Make IPython show an error as its own words; this hook is looked up on the exception itself."""
    setattr(error, "_render_traceback_", lambda: views.problem(error))  # noqa: B010  # no attribute of the class
    return error


_VERBS: dict[str, Callable[[VmlMagics, argparse.Namespace], views.View]] = {
    "snapshot": _snapshot,
    "list": _list,
    "edit": _edit,
    "diff": _diff,
    "forget": _forget,
    "unforget": _unforget,
    "restore": _restore,
    "machines": _machines,
    "open": _open,
    "start": _start,
    "stop": _stop,
    "delete": _delete,
}
