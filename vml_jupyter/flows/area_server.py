"""The process that serves one machine's working area for as long as the machine runs.

    <machine folder>/area.json        {"port": ...} or {"socket": ...} written when it serves; no secret in it
    <machine folder>/arrived.json     how much has come over, at most once a second

Started as ``python -m vml_jupyter.flows.area_server FOLDER`` by the restore flow, with one JSON object (``Order``)
in the variable ``VML_AREA_ORDER``: arguments can be read by other users of the computer, variables cannot.
It is a process of its own because ``vml restore`` ends long before the machine does, and because a Jupyter
server may be restarted under a running machine. It ends when the machine is gone.

What an earlier machine of the same working area read first is fetched while this one still comes up, or the notebook
where none has read any; and what this one reads is remembered for the next.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.errors import PortTaken, VmlError
from vml_jupyter.flows.area_order import ARRIVED, ORDER, Order, Served
from vml_jupyter.model import Arrival
from vml_jupyter.parsing import parse
from vml_jupyter.replacing import replace_file
from vml_jupyter.repository import Metered, Repository, open_store
from vml_jupyter.snapshot.block_serving import BlockServer
from vml_jupyter.snapshot.image import AreaImage, Kept

if TYPE_CHECKING:
    from vml_jupyter.snapshot.serving import ImageServer

_TELL_EVERY_S = 1.0
_WATCH_EVERY = 5
_GRACE_S = 60.0
_SWITCH_S = 0.0005
"""Threads that decode hold the interpreter for longer than who reads can wait; Python's own is 5 ms."""


def main() -> int:
    gc.disable()  # a hundred thousand records and no cycles among them
    folder = Path(sys.argv[1])
    order = parse(os.environ.pop(ORDER), Order)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        cache = Path(order.cache)
        store = Metered(open_store(order.logbook))
        repository = Repository.open(store, order.password, cache=cache)
        kept = Kept(cache / "images", repository.seal, repository.unseal)
        image = AreaImage(repository, order.tree, uid=order.uid, gid=order.gid, root=order.root, kept=kept)
        server = _serve(image, order)
        server.start()
    except VmlError as error:
        _tell(folder, Served(error=error.message, hint=error.hint))
        return 1
    gc.enable()
    sys.setswitchinterval(_SWITCH_S)
    port = 0 if isinstance(server, BlockServer) else server.port
    _tell(folder, Served(port=port, socket=order.socket, size=image.size))
    session = _Session(folder, order.tree, image, server, store, kept)
    threading.Thread(
        target=session.prefetch, args=(repository, order.notebook), name="vml-prefetch", daemon=True
    ).start()
    _serve_until_gone(session, order, stop)
    repository.close()
    return 0


class _Session:
    """What one machine reads: told to whoever looks, and remembered."""

    def __init__(
        self,
        folder: Path,
        tree: str,
        image: AreaImage,
        server: ImageServer | BlockServer,
        store: Metered,
        kept: Kept,
    ) -> None:
        self._folder, self._tree = folder, tree
        self._image, self._server, self._store, self._kept = image, server, store, kept
        self._prefetched = self._remembered = 0
        self._told = Arrival()

    def prefetch(self, repository: Repository, notebook: str) -> None:
        first = self._kept.order(self._tree) or _blobs_of(repository, self._tree, notebook)
        self._prefetched = self._image.prefetch(first)

    def tell(self) -> None:
        """Write how much has come over, if that has changed."""
        stats = self._server.stats()
        now = Arrival(
            bytes=stats.distinct_bytes,
            size=stats.image_bytes,
            reads=self._store.reads,
            read_bytes=self._store.read_bytes,
            prefetched_bytes=self._prefetched,
        )
        if now != self._told:
            with suppress(OSError):  # the folder goes with the machine
                replace_file(self._folder / ARRIVED, [msgspec.json.encode(now)])
                self._told = now

    def remember(self) -> None:
        """Keep what was read first, if there is more of it than last time."""
        touched = self._image.touched()
        if len(touched) > self._remembered:
            self._kept.keep_order(self._tree, touched)
            self._remembered = len(touched)

    def close(self) -> None:
        self._server.close()
        self.remember()


def _blobs_of(repository: Repository, tree: str, notebook: str) -> list[str]:
    """Return the blobs of a file; none where nobody says which, or it is not there."""
    if not notebook:
        return []
    from vml_jupyter.flows.reading import find_node  # a machine waits for this process

    with suppress(VmlError):  # whoever reads it is told
        return find_node(repository, tree, notebook).content or []
    return []


def _serve(image: AreaImage, order: Order) -> ImageServer | BlockServer:
    """Bind the port where it was served before: a machine that runs looks for it there."""
    if order.socket:
        return BlockServer(image, Path(order.socket), socket.socket(fileno=order.listener))
    from vml_jupyter.snapshot.serving import serve_image  # a machine waits for this process

    try:
        return serve_image(image, token=order.token, port=order.port)
    except PortTaken:
        return serve_image(image, token=order.token)


def _serve_until_gone(session: _Session, order: Order, stop: threading.Event) -> None:
    """Serve until told to stop, or the machine has come and gone again (or never came)."""
    seen = False
    patience, ticks = _GRACE_S, 0
    while not stop.wait(_TELL_EVERY_S):
        session.tell()
        ticks += 1
        if ticks % _WATCH_EVERY:
            continue
        session.remember()
        alive = _alive(order)
        patience -= _TELL_EVERY_S * _WATCH_EVERY
        if (seen and not alive) or (not seen and not alive and patience <= 0):
            break
        seen = seen or alive
    session.close()


def _alive(order: Order) -> bool:
    """Ask the hypervisor; if it does not answer, assume that the machine runs: without its disk it were lost."""
    from vml_jupyter.machine import Host  # likewise

    try:
        with Host.connect(order.libvirt_uri, Path(order.data)) as host:
            return host.is_active(order.machine)
    except VmlError:
        return True


def _tell(folder: Path, served: Served) -> None:
    draft = folder / "area.json.part"
    draft.write_bytes(msgspec.json.encode(served))
    draft.replace(folder / "area.json")


if __name__ == "__main__":
    sys.exit(main())
