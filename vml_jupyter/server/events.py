"""How the browser hears that a job, a machine elsewhere, or an entry by another of its pages changed: one event.

    {"id": "5f0c...", "kind": "restore", "state": "running"}        {"id": "k3v9...", "state": "fetch"}
    {"entry": "k3v9...", "change": "forgotten"}

It goes over Jupyter's event bus and only wakes; what there is to see is read with GET. So nothing private reaches
whoever else records the server's events, and a lost event costs a delay, never a wrong picture.
"""

from __future__ import annotations

from typing import Any

from vml_jupyter.jobs import Job

SCHEMA_ID = "urn:vml-jupyter:job:v1"
LAUNCH_SCHEMA_ID = "urn:vml-jupyter:launch:v1"
ENTRY_SCHEMA_ID = "urn:vml-jupyter:entry:v1"


def _schema(name: str, changed: str, /, **properties: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an event that tells all of its properties."""
    return {
        "$id": name,
        "version": "1",
        "title": f"{changed} changed",
        "personal-data": False,
        "type": "object",
        "required": list(properties),
        "properties": properties,
    }


SCHEMA = _schema(
    SCHEMA_ID,
    "A job of the Virtual Machine Logbook",
    id={"type": "string", "description": "The job, as in vml/api/jobs/<id>."},
    kind={"type": "string", "description": "What the job does, e.g. snapshot or restore."},
    state={"enum": ["queued", "running", "done", "failed", "cancelled"]},
)
LAUNCH_SCHEMA = _schema(
    LAUNCH_SCHEMA_ID,
    "A machine of the Virtual Machine Logbook on another computer",
    id={"type": "string", "description": "The machine, as in vml/api/launches."},
    state={"type": "string", "description": "The stage that its launcher told."},
)
ENTRY_SCHEMA = _schema(
    ENTRY_SCHEMA_ID,
    "An entry of the Virtual Machine Logbook",
    entry={"type": "string", "description": "The id of the entry."},
    change={"enum": ["edited", "forgotten", "taken back", "removed"]},
)


def told(job: Job) -> dict[str, str]:
    """Return what is told of a job."""
    return {"id": job.id, "kind": job.kind, "state": job.state}
