"""Start and await the process that serves a machine's working area.

<machine folder>/source.json     which logbook and tree it serves, for when the machine is started again
<machine folder>/area.json       written by the process: its port, or why it could not start
<machine folder>/area.pid        its process, see machine.companion
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from vml_jupyter.errors import HostError, LogbookMissing, MachineRefused
from vml_jupyter.flows.area_order import ARRIVED, ORDER, Order, Served
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.listening import listening
from vml_jupyter.logbook import Logbook
from vml_jupyter.machine import companion
from vml_jupyter.machine.runtime import runtime_folder
from vml_jupyter.machine.session import SESSION
from vml_jupyter.model import Arrival, Entry
from vml_jupyter.parsing import parse
from vml_jupyter.repository import Node

if TYPE_CHECKING:
    from vml_jupyter.snapshot.image import AreaImage

COOKIE = "vml"
GUEST_ID = 1000
"""Who owns the files in the guest: its first ordinary account."""
# What is decoded is handed on and let go: memory that is given back and fetched again costs more than decoding into it.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_ARENA_MAX": "2",
}
_PATIENCE_S = 60.0
_POLL_S = 0.02


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What the disk of a working area shows; ``root`` is the node of the area itself, ``notebook`` is opened first."""

    logbook: str
    tree: str
    root: Node | None = None
    notebook: str = ""


def source_in(settings: Settings, logbook: Logbook, entry: Entry) -> Source:
    """Return what a machine of an entry is shown."""
    return Source(
        logbook=settings.logbook,
        tree=logbook.area_tree(entry),
        root=logbook.area_node(entry),
        notebook=entry.notebook,
    )


@contextmanager
def image_of(settings: Settings, source: Source) -> Iterator[AreaImage]:
    """Give the very image that machines are served, to be written to a file."""
    from vml_jupyter.snapshot.image import (
        AreaImage,
        Kept,
    )  # a restore leaves it to the process that serves it

    with opened(settings.using(logbook=source.logbook)) as logbook:
        repository = logbook.repository
        kept = Kept(settings.cache / "images", repository.seal, repository.unseal)
        with AreaImage(
            repository, source.tree, uid=GUEST_ID, gid=GUEST_ID, root=source.root, kept=kept
        ) as image:
            yield image


def arrival(folder: Path) -> Arrival | None:
    """Return how much of its working area has come over to a machine; None where nobody serves one."""
    try:
        return parse((folder / ARRIVED).read_bytes(), Arrival)
    except (OSError, msgspec.DecodeError):
        return None


def socket_of(settings: Settings, machine: str) -> str:
    """Return where to serve by socket, empty where the hypervisor is another user's or another host's."""
    if settings.libvirt_uri != SESSION:
        return ""
    folder = runtime_folder() / machine
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder / "area.sock")


def begin(
    settings: Settings,
    folder: Path,
    machine: str,
    source: Source,
    *,
    token: str = "",
    port: int = 0,
    socket: str = "",
) -> None:
    """Start serving a tree of a logbook to a machine; returns at once.

    Args:
        settings: Knows the logbook's password.
        folder: The machine's folder.
        machine: The machine's id, whose end is the server's end.
        source: What to serve.
        token: The value of the cookie that the machine's hypervisor must send.
        port: Where it was served before, which is tried first; 0 means any.
        socket: The socket to serve on, in a private folder; empty for a port.
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
        cache=str(settings.cache),
        libvirt_uri=settings.libvirt_uri,
        uid=GUEST_ID,
        gid=GUEST_ID,
        root=source.root,
        notebook=source.notebook,
        port=port,
        socket=socket,
        listener=companion.INHERITED if socket else None,
    )
    (folder / "area.json").unlink(missing_ok=True)
    keep_source(folder, source)
    argv = [sys.executable, "-m", "vml_jupyter.flows.area_server", str(folder)]
    environ = {**os.environ, **_MEMORY, ORDER: msgspec.json.encode(order).decode()}
    with ExitStack() as stack:
        # Who connects before the server is up waits for it, and nobody has to wait before he connects.
        listener = stack.enter_context(listening(Path(socket))) if socket else None
        companion.start(folder, "area", argv, environ, listener.fileno() if listener else None)


def keep_source(folder: Path, source: Source) -> None:
    """Write down what a machine's working-area disk shows: who starts or captures it later must know."""
    (folder / "source.json").write_bytes(msgspec.json.encode(source))


def source_of(folder: Path) -> Source:
    """Return what a machine's working-area disk shows.

    Raises:
        MachineRefused: The machine's folder does not tell any more.
    """
    try:
        return parse((folder / "source.json").read_bytes(), Source)
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
            return socket_url(answer.socket) if answer.socket else f"http://127.0.0.1:{answer.port}/area.iso"
        if time.monotonic() > deadline or not companion.is_running(folder, "area"):
            raise HostError(
                f"the working area cannot be served: {companion.log_tail(folder, 'area') or 'no answer'}",
                "Try again; if it stays so, restore the files alone with --to.",
            )
        time.sleep(_POLL_S)


def socket_url(socket: str) -> str:
    """Return the address of a disk behind a socket: ``nbd+unix:///?socket=PATH``."""
    return f"nbd+unix:///?socket={quote(socket)}"


def _answer(file: Path) -> Served | None:
    try:
        return parse(file.read_bytes(), Served)
    except FileNotFoundError:
        return None
