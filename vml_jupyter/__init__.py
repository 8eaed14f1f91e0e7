"""The Virtual Machine Logbook for Jupyter: capture a notebook with its CernVM version, and go back to it.

    import vml_jupyter as vml                   the verbs of the command line as functions, see ``vml_jupyter.api``
    entry = vml.snapshot(".", title="Z mass")

Jupyter finds its doors here: the server extension, the browser's extension, and ``%load_ext vml_jupyter``. Each of
them, and each verb, is imported when it is asked for, so that none pays for another.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vml_jupyter.api import (
        appliance_build,
        bin_empty,
        bin_list,
        capture,
        check,
        config_get,
        config_list,
        config_set,
        config_unset,
        context,
        delete,
        diff,
        doctor,
        durability,
        edit,
        entries,
        environment,
        execute,
        export,
        fetch,
        find_machine,
        forget,
        image,
        images,
        import_,
        key_add,
        key_list,
        key_remove,
        launcher,
        launches,
        machines,
        open,
        preview,
        prune,
        releases,
        releases_add,
        releases_remove,
        restore,
        restore_files,
        resume,
        run,
        settings,
        show,
        snapshot,
        standard_delete,
        standard_list,
        standard_revert,
        standard_take,
        start,
        stop,
        suspend,
        trust,
        unforget,
        unlock,
        warm,
        warm_list,
        warm_remove,
    )
    from vml_jupyter.api import entries as list  # the command line's word for it
    from vml_jupyter.kernel.widgets import Logbook, Machine

__version__ = "0.1.0"

_WIDGETS = ("Logbook", "Machine")
__all__ = [
    "Logbook",
    "Machine",
    "appliance_build",
    "bin_empty",
    "bin_list",
    "capture",
    "check",
    "config_get",
    "config_list",
    "config_set",
    "config_unset",
    "context",
    "delete",
    "diff",
    "doctor",
    "durability",
    "edit",
    "entries",
    "environment",
    "execute",
    "export",
    "fetch",
    "find_machine",
    "forget",
    "image",
    "images",
    "import_",
    "key_add",
    "key_list",
    "key_remove",
    "launcher",
    "launches",
    "list",
    "machines",
    "open",
    "preview",
    "prune",
    "releases",
    "releases_add",
    "releases_remove",
    "restore",
    "restore_files",
    "resume",
    "run",
    "settings",
    "show",
    "snapshot",
    "standard_delete",
    "standard_list",
    "standard_revert",
    "standard_take",
    "start",
    "stop",
    "suspend",
    "trust",
    "unforget",
    "unlock",
    "warm",
    "warm_list",
    "warm_remove",
]


class _Package(ModuleType):
    """A package in which a verb keeps its name though a room is called the same: ``snapshot``, ``environment``, ..."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):  # the import of a room sets it here
            super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = "vml_jupyter.kernel.widgets" if name in _WIDGETS else "vml_jupyter.api"
    found = globals()[name] = getattr(import_module(room), name)
    return found


def __dir__() -> Any:
    return sorted({*globals(), *__all__})


def _jupyter_labextension_paths() -> Any:
    return [{"src": "labextension", "dest": "vml-jupyter"}]


def _jupyter_server_extension_points() -> Any:
    from vml_jupyter.server.app import VmlExtension

    return [{"module": "vml_jupyter", "app": VmlExtension}]


def load_ipython_extension(shell: Any) -> None:
    """Add ``%vml`` to a kernel."""
    from vml_jupyter.kernel import load_ipython_extension as load

    load(shell)


sys.modules[__name__].__class__ = _Package
