"""The record of one long operation, as browsers and the journal see it.

{"id": "k3...", "kind": "restore", "title": "Higgs fit", "state": "running", "created": "...Z",
 "stages": [{"name": "release", "title": "Getting CernVM 4.5.0.1", "seconds": 1.2, "done": 7, ...}],
 "notes": ["..."], "result": {...} | null, "error": {"code", "message", "hint", "console", "choices"} | null}
"""

from __future__ import annotations

import traceback
from datetime import datetime, timezone
from typing import Any

import msgspec

from vml_jupyter.errors import Choice, VmlError, of_system

ACTIVE = ("queued", "running")


def now() -> str:
    """Return the time as ISO 8601 in UTC with ``Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a job; ``total`` is None where it cannot be known."""

    name: str
    title: str
    seconds: float = 0.0
    done: int = 0
    total: int | None = None
    unit: str = ""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed, in the words of the error that ended it, and what can be asked for instead."""

    code: str
    message: str
    hint: str = ""
    console: str = ""
    choices: tuple[Choice, ...] = ()

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Translate an exception; one that nobody raised on purpose is named by its type."""
        if isinstance(error, OSError):
            error = of_system(error)
        if isinstance(error, VmlError):
            console = getattr(error, "console", "")
            return cls(
                code=error.code,
                message=error.message,
                hint=error.hint,
                console=console,
                choices=error.choices,
            )
        message = "".join(traceback.format_exception_only(type(error), error)).strip()
        return cls(code="unexpected", message=message, hint="The log of the Jupyter server has the details")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job as it stands.

    ``subject`` is the id of the entry or machine it works on, where there is one. ``state`` is one of
    ``queued``, ``running``, ``done``, ``failed``, ``cancelled``. ``expected`` is how many seconds each stage is
    likely to take, in the order in which they come; stages that are not in it are new.
    """

    id: str
    kind: str
    title: str
    state: str = "queued"
    subject: str = ""
    created: str = ""
    finished: str = ""
    stages: tuple[Stage, ...] = ()
    expected: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    result: dict[str, Any] | None = None
    error: Failure | None = None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE
