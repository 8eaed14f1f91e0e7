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

SCHEMA: dict[str, Any] = {
    "$id": SCHEMA_ID,
    "version": "1",
    "title": "A job of the Virtual Machine Logbook changed",
    "personal-data": False,
    "type": "object",
    "required": ["id", "kind", "state"],
    "properties": {
        "id": {"type": "string", "description": "The job, as in vml/api/jobs/<id>."},
        "kind": {"type": "string", "description": "What the job does, e.g. snapshot or restore."},
        "state": {"enum": ["queued", "running", "done", "failed", "cancelled"]},
    },
}

LAUNCH_SCHEMA_ID = "urn:vml-jupyter:launch:v1"

LAUNCH_SCHEMA: dict[str, Any] = {
    "$id": LAUNCH_SCHEMA_ID,
    "version": "1",
    "title": "A machine of the Virtual Machine Logbook on another computer changed",
    "personal-data": False,
    "type": "object",
    "required": ["id", "state"],
    "properties": {
        "id": {"type": "string", "description": "The machine, as in vml/api/launches."},
        "state": {"type": "string", "description": "The stage that its launcher told."},
    },
}


ENTRY_SCHEMA_ID = "urn:vml-jupyter:entry:v1"

ENTRY_SCHEMA: dict[str, Any] = {
    "$id": ENTRY_SCHEMA_ID,
    "version": "1",
    "title": "An entry of the Virtual Machine Logbook changed",
    "personal-data": False,
    "type": "object",
    "required": ["entry", "change"],
    "properties": {
        "entry": {"type": "string", "description": "The id of the entry."},
        "change": {"enum": ["edited", "forgotten", "taken back", "removed"]},
    },
}


def told(job: Job) -> dict[str, str]:
    """Return what is told of a job."""
    return {"id": job.id, "kind": job.kind, "state": job.state}
