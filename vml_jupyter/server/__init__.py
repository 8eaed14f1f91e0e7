"""The door for browsers: a Jupyter Server extension.

    <base_url>vml/api/...             entries, snapshots, jobs, machines, releases, environment (JSON)
    <base_url>vml/machines/<id>/...   a machine's own Jupyter, where a browser cannot reach it directly

A handler decodes, calls once, replies. What blocks runs beside the event loop; what takes long is a job:
202 at once, an event when it changes, GET for how it stands, DELETE to cancel.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server which class to load; imported only when a server asks."""
    from vml_jupyter.server.app import VmlExtension

    return [{"module": "vml_jupyter.server", "app": VmlExtension}]
