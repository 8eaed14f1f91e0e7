"""How the browser hears that a job changed: one event on Jupyter's event bus.

    {"id": "5f0c...", "kind": "restore", "state": "running"}

The event only wakes; what the job looks like is read with GET. So nothing private reaches whoever else
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


def told(job: Job) -> dict[str, str]:
    """Return what is told of a job."""
    return {"id": job.id, "kind": job.kind, "state": job.state}
