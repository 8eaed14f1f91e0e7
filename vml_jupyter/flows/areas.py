"""Start and await the process that serves a machine's working area.

<machine folder>/source.json     which logbook and tree it serves, for when the machine is started again
<machine folder>/area.json       written by the process: its port, or why it could not start
<machine folder>/area.pid        its process, see machine.companion
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from vml_jupyter.errors import HostError, LogbookMissing, MachineRefused
from vml_jupyter.flows.area_server import ORDER, Order, Served
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import companion

COOKIE = "vml"
GUEST_ID = 1000
"""Who owns the files in the guest: its first ordinary account."""
_PATIENCE_S = 60.0
_POLL_S = 0.02


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine's working-area disk shows."""

    logbook: str
    tree: str


def begin(
    settings: Settings, folder: Path, machine: str, source: Source, *, token: str, port: int = 0
) -> None:
    """Start serving a tree of a logbook to a machine; returns at once.

    Args:
        settings: Knows the logbook's password.
        folder: The machine's folder.
        machine: The machine's id, whose end is the server's end.
        source: What to serve.
        token: The value of the cookie that the machine's hypervisor must send.
        port: Where it was served before, which is tried first; 0 means any.
    """
    password = settings.using(logbook=source.logbook).password()
    if password is None:
        raise LogbookMissing(
            f"no password is known for the logbook {source.logbook}", "Set VML_LOGBOOK_PASSWORD."
        )
    order = Order(
        logbook=source.logbook,
        password=password,
        tree=source.tree,
        token=token,
        machine=machine,
        data=str(settings.data),
        libvirt_uri=settings.libvirt_uri,
        uid=GUEST_ID,
        gid=GUEST_ID,
        port=port,
    )
    (folder / "area.json").unlink(missing_ok=True)
    keep_source(folder, source)
    argv = [sys.executable, "-m", "vml_jupyter.flows.area_server", str(folder)]
    companion.start(folder, "area", argv, {**os.environ, ORDER: msgspec.json.encode(order).decode()})


def keep_source(folder: Path, source: Source) -> None:
    """Write down what a machine's working-area disk shows: who starts or captures it later must know."""
    (folder / "source.json").write_bytes(msgspec.json.encode(source))


def source_of(folder: Path) -> Source:
    """Return what a machine's working-area disk shows.

    Raises:
        MachineRefused: The machine's folder does not tell any more.
    """
    try:
        return msgspec.json.decode((folder / "source.json").read_bytes(), type=Source)
    except (OSError, msgspec.DecodeError) as error:
        raise MachineRefused(
            f"the machine in {folder} no longer knows its working area",
            "Delete it and restore the entry again.",
        ) from error


def disk_url(folder: Path) -> str:
    """Wait until the working area is served, and return its disk's address.

    Raises:
        HostError: The server could not start; says why.
    """
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        answer = _answer(folder / "area.json")
        if answer is not None and answer.error:
            raise HostError(f"the working area cannot be served: {answer.error}", answer.hint)
        if answer is not None:
            return f"http://127.0.0.1:{answer.port}/area.iso"
        if time.monotonic() > deadline or not companion.is_running(folder, "area"):
            raise HostError(
                f"the working area cannot be served: {companion.log_tail(folder, 'area') or 'no answer'}",
                "Try again; if it stays so, restore the files alone with --to.",
            )
        time.sleep(_POLL_S)


def _answer(file: Path) -> Served | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Served)
    except FileNotFoundError:
        return None
