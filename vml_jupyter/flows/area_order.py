"""What the process that serves a working area is told, and what it tells; apart from it, whose imports are many."""

from __future__ import annotations

import msgspec

from vml_jupyter.repository import Node

ORDER = "VML_AREA_ORDER"
ARRIVED = "arrived.json"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What one server is told; ``uid`` and ``gid`` own the files in the guest; ``port`` is wanted, not needed.

    With ``socket`` it serves there and on no port; ``listener`` is the open file of that socket, which it was given.
    ``cache`` is the user's, ``root`` the node of the area's own folder, ``notebook`` the file that is opened first.
    """

    logbook: str
    password: str
    tree: str
    token: str
    machine: str
    data: str
    cache: str
    libvirt_uri: str
    uid: int
    gid: int
    root: Node | None = None
    notebook: str = ""
    port: int = 0
    socket: str = ""
    listener: int | None = None


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What it tells: the socket, or the port on 127.0.0.1, and the image's size; or why it could not start."""

    port: int = 0
    socket: str = ""
    size: int = 0
    error: str = ""
    hint: str = ""
