"""How the browser hears that a job changed, or an entry by another of its pages: events on Jupyter's event bus.

    {"id": "5f0c...", "kind": "restore", "state": "running"}
    {"entry": "k3v9...", "change": "forgotten"}

An event only wakes; what the job or the list looks like is read with GET. So nothing private reaches whoever else
records the server's events, and a lost event costs a delay, never a wrong picture.
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
