"""The process that serves one machine's working area for as long as the machine runs.

    <machine folder>/area.json     {"url": ...} written when it serves; no secret in it

Started as ``python -m vml_jupyter.flows.area_server FOLDER`` by the restore flow, with one JSON object (``Order``)
in the variable ``VML_AREA_ORDER``: arguments can be read by other users of the computer, variables cannot.
It is a process of its own because ``vml restore`` ends long before the machine does, and because a Jupyter
server may be restarted under a running machine. It ends when the machine is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from vml_jupyter.errors import PortTaken, VmlError
from vml_jupyter.machine import Host
from vml_jupyter.repository import Repository
from vml_jupyter.snapshot.image import AreaImage
from vml_jupyter.snapshot.serving import ImageServer, serve_image

ORDER = "VML_AREA_ORDER"
_WATCH_EVERY_S = 5.0
_GRACE_S = 60.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What one server is told; ``uid`` and ``gid`` own the files in the guest; ``port`` is wanted, not needed."""

    logbook: str
    password: str
    tree: str
    token: str
    machine: str
    data: str
    libvirt_uri: str
    uid: int
    gid: int
    port: int = 0


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What it tells: the port on 127.0.0.1, the image's size, or why it could not start."""

    port: int = 0
    size: int = 0
    error: str = ""
    hint: str = ""


def main() -> int:
    folder = Path(sys.argv[1])
    order = msgspec.json.decode(os.environ.pop(ORDER), type=Order)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        repository = Repository.open(order.logbook, order.password)
        image = AreaImage(repository, order.tree, uid=order.uid, gid=order.gid)
        server = _serve(image, order)
        server.start()
    except VmlError as error:
        _tell(folder, Served(error=error.message, hint=error.hint))
        return 1
    _tell(folder, Served(port=server.port, size=image.size))
    _serve_until_gone(server, order, stop)
    repository.close()
    return 0


def _serve(image: AreaImage, order: Order) -> ImageServer:
    """Bind the port where it was served before: a machine that runs looks for it there."""
    try:
        return serve_image(image, token=order.token, port=order.port)
    except PortTaken:
        return serve_image(image, token=order.token)


def _serve_until_gone(server: ImageServer, order: Order, stop: threading.Event) -> None:
    """Serve until told to stop, or the machine has come and gone again (or never came)."""
    seen = False
    patience = _GRACE_S
    while not stop.wait(_WATCH_EVERY_S):
        alive = _alive(order)
        patience -= _WATCH_EVERY_S
        if (seen and not alive) or (not seen and not alive and patience <= 0):
            break
        seen = seen or alive
    server.close()


def _alive(order: Order) -> bool:
    """Ask the hypervisor; if it does not answer, assume that the machine runs: without its disk it were lost."""
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
