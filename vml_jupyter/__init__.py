"""The Virtual Machine Logbook for Jupyter: capture a notebook with its CernVM version, and go back to it.

Jupyter finds its doors here: the server extension, the browser's extension, and ``%load_ext vml_jupyter``. Each is
imported when it is asked for, so that none pays for another.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "vml-jupyter"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from vml_jupyter.server.app import VmlExtension

    return [{"module": "vml_jupyter", "app": VmlExtension}]


def load_ipython_extension(shell: Any) -> None:
    """Add ``%vml`` to a kernel."""
    from vml_jupyter.kernel import load_ipython_extension as load

    load(shell)
