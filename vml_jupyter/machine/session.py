"""A session libvirtd for root, who gets none of the usual kind.

libvirt starts ``qemu:///session`` by itself for an ordinary user; root is always led to the system daemon, which
is a service of the host. So for root a daemon of the same unprivileged kind is started in a user namespace that
maps root to an ordinary user: files it makes belong to root outside, and it has no power over the host.

    <data>/libvirt/libvirt/qemu/*.xml     the definitions of machines (XDG_CONFIG_HOME)
    <data>/libvirt/libvirt/qemu.conf      written by us
    ~/.cache/vml/libvirt/qemu/...         what QEMU can do, and its logs (XDG_CACHE_HOME)
    <runtime>/<8 hex of data>/            lock, libvirtd.log, config -> <data>/libvirt, libvirt/libvirt-sock

The daemon ends by itself a while after the last client and the last machine; a machine's QEMU lives on when the
daemon dies, and is found again by the next one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import platformdirs

from vml_jupyter.errors import LibvirtUnreachable, ToolMissing
from vml_jupyter.machine.runtime import runtime_folder

SESSION = "qemu:///session"
PACKAGES = "libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-block-extra qemu-utils"

AS_ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")

_IDLE_S = 120
_START_S = 20.0
_QEMU_CONF = """\
# Written by vml-jupyter: this daemon runs in a user namespace, without a log daemon of its own.
stdio_handler = "file"
security_driver = "none"
"""


def reachable_uri(uri: str, data: Path) -> str:
    """Return the URI to connect to: the same one, but for root's session, whose daemon is started if need be.

    Args:
        uri: What the user set; ``qemu:///session`` by default.
        data: Our data folder, where root's daemon keeps its definitions.

    Raises:
        ToolMissing: libvirt's daemon or ``unshare`` is not installed.
        LibvirtUnreachable: The daemon did not come up.
    """
    if uri != SESSION or os.geteuid() != 0:
        return uri
    folder = _folder(data)
    listening = folder / "libvirt" / "libvirt-sock"
    with _only_starter(folder):
        if not _answers(listening):
            _start(folder, data)
    return f"qemu+unix:///session?socket={quote(str(listening))}"


def end_daemon(data: Path) -> None:
    """End root's daemon for a data folder, and remove what it has at run time unless machines run.

    It would end by itself; this is for when its data folder is about to go. A machine that runs lives on, and the
    next daemon finds it by what is in the runtime folder.
    """
    folder = _folder(data)
    with _only_starter(folder):
        with suppress(OSError, ValueError):
            pid = int((folder / "libvirt" / "libvirtd.pid").read_text("ascii"))
            if b"libvirtd" in Path(f"/proc/{pid}/cmdline").read_bytes():
                handle = os.pidfd_open(pid)
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                select.select([handle], [], [], _START_S)
                os.close(handle)
        if not list((folder / "libvirt" / "qemu" / "run").glob("*.xml")):
            shutil.rmtree(folder, ignore_errors=True)


def _folder(data: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:8]
    folder = runtime_folder() / digest
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def _only_starter(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(folder: Path, data: Path) -> None:
    for tool in ("libvirtd", "unshare"):
        if shutil.which(tool, path=_PATH) is None:
            raise ToolMissing(f"{tool} is not installed", f"On Debian: apt install {PACKAGES} util-linux")
    log = folder / "libvirtd.log"
    hint = f"Its log is {log}. As an ordinary user, libvirt starts one of its own."
    try:
        with log.open("wb") as output:  # --daemon returns once the daemon listens, and leaves it to init
            done = subprocess.run(
                [*AS_ORDINARY_USER, "libvirtd", "--daemon", f"--timeout={_IDLE_S}"],
                env=_environment(folder, data),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=_START_S,
                cwd="/",
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise LibvirtUnreachable("libvirt's daemon does not come up", hint) from error
    if done.returncode != 0:
        raise LibvirtUnreachable(f"libvirt's daemon ended at once: {_last_line(log)}", hint)


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _environment(folder: Path, data: Path) -> dict[str, str]:
    config = data / "libvirt"
    (config / "libvirt").mkdir(mode=0o700, parents=True, exist_ok=True)
    (config / "libvirt" / "qemu.conf").write_text(_QEMU_CONF, "ascii")
    cache = Path(platformdirs.user_cache_path("vml"))
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    # libvirt puts sockets below its configuration: a link keeps their paths short.
    link = folder / "config"
    if not link.is_symlink() or link.readlink() != config.resolve():
        link.unlink(missing_ok=True)
        link.symlink_to(config.resolve())
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "PATH": _PATH,
        "XDG_RUNTIME_DIR": str(folder),
        "XDG_CONFIG_HOME": str(link),
        "XDG_CACHE_HOME": str(cache),
    }


def _answers(listening: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(listening))
        except OSError:
            return False
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it says nothing"
