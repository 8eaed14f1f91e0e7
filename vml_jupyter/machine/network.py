"""A machine's network: user-mode, with one way in and no way to the host's own services.

    browser -> 127.0.0.1:PORT (this host) -> passt -> net.sock -> virtio-net -> guest:8888

passt forwards the one port and is told not to map the gateway to the host, so a guest cannot reach what listens on
the host's loopback. Where passt is not installed, or finds no outside interface to copy, QEMU's own network (slirp)
takes its place; there a guest does reach the host's loopback as 10.0.2.2, and a note says so.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import time
from pathlib import Path

import msgspec

from vml_jupyter.errors import HostError, PortTaken
from vml_jupyter.machine import companion
from vml_jupyter.machine.session import AS_ORDINARY_USER
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.progress import SILENT, Progress

GUEST_PORT = 8888
COMPANION = "net"

_START_S = 10.0
_TRIES = 5
_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_REACHES_HOST = "the machine can reach services on this host's loopback address"


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """A network that stands: ``kind`` is ``passt`` or ``slirp``, ``socket`` is passt's."""

    kind: str
    port: int
    socket: Path | None = None


def start_network(
    folder: Path, socket_path: Path, port: int = 0, kind: str = "", progress: Progress = SILENT
) -> Network:
    """Prepare a machine's network, just before the machine is started.

    passt ends by itself when the machine does; stop_network() ends it before.

    Args:
        folder: The machine's folder, where passt's log and process id are kept.
        socket_path: Where QEMU will find passt.
        port: The port wanted on 127.0.0.1; 0, or one that is taken, means any free one.
        kind: ``passt`` or ``slirp`` to insist on one; the best available when empty.
        progress: Hears when slirp has to do.

    Raises:
        PortTaken: No port could be had in a few tries.
        HostError: passt was insisted on and does not start.
    """
    if kind == "slirp":
        return Network(kind="slirp", port=port if port and is_free(port) else free_port())
    if shutil.which("passt") is None:
        return _slirp(port, kind, "passt is not installed", "On Debian: apt install passt", progress)
    for _ in range(_TRIES):
        chosen = port if port and is_free(port) else free_port()
        said = _start_passt(folder, socket_path, chosen)
        if not said:
            return Network(kind="passt", port=chosen, socket=socket_path)
        if "bind" not in said:
            return _slirp(port, kind, f"passt does not start: {said}", "Is there a default route?", progress)
    raise PortTaken(f"port {port or chosen} on 127.0.0.1 is in use", "Try again, or choose another port.")


def stop_network(folder: Path) -> None:
    """End the machine's passt, if it runs."""
    companion.stop(folder, COMPANION)


def free_port() -> int:
    """Return a port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Tell whether a port on 127.0.0.1 can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _slirp(port: int, insisted: str, why: str, hint: str, progress: Progress) -> Network:
    if insisted == "passt":
        raise HostError(why, hint)
    progress.note(f"{why}; with QEMU's own network instead, {_REACHES_HOST}")
    return Network(kind="slirp", port=port if port and is_free(port) else free_port())


def _start_passt(folder: Path, socket_path: Path, port: int) -> str:
    """Start passt; return '' once its socket is there, or what it said when it ended."""
    stop_network(folder)
    socket_path.unlink(missing_ok=True)
    log = folder / "passt.log"
    log.unlink(missing_ok=True)
    argv = [
        *("passt", "--foreground", "--one-off", "--quiet", "--no-map-gw"),
        *("-t", f"127.0.0.1/{port}:{GUEST_PORT}", "-u", "none"),
        *(argument for server in name_servers() for argument in ("--dns", server)),
        *("--socket", str(socket_path), "--log-file", str(log)),
    ]
    if os.geteuid() == 0:  # started by root it would become nobody, whose socket QEMU could not open
        argv = [*AS_ORDINARY_USER, *argv]
    companion.start(folder, COMPANION, argv)
    deadline = time.monotonic() + _START_S
    wait_until(lambda: socket_path.exists() or not companion.is_running(folder, COMPANION), _START_S, 0.005)
    # Bound and then ended at once counts as ended; the socket file alone proves nothing.
    if socket_path.exists() and companion.is_running(folder, COMPANION):
        return ""
    said = companion.log_tail(folder, COMPANION, 1) or "it says nothing"
    stop_network(folder)
    return said if time.monotonic() < deadline else f"no socket within {_START_S:.0f} s"


def name_servers() -> list[str]:
    """Return name servers to tell the guest instead of passt's own choice; none where that is right.

    A resolver on the host's loopback is out of a guest's reach; systemd-resolved lists the ones behind it.
    """
    for path in _RESOLVERS:
        found = _name_servers(path)
        reachable = [server for server in found if not ipaddress.ip_address(server).is_loopback]
        if reachable:
            return [] if path == _RESOLVERS[0] else reachable
    return []


def _name_servers(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    named = [pair[1] for pair in words if len(pair) >= 2 and pair[0] == "nameserver"]
    return [server for server in named if _is_address(server)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
