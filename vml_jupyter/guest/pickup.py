"""The archive that a fresh machine unpacks into ``/`` at its first boot: the agent and what it must know.

    usr/lib/vml/agent.py, teller.py
    usr/lib/vml/jupyter/jupyter_adopt.py                              for the Jupyter of a warm machine
    usr/lib/vml/jupyter/vml_ask.py                                    lets the machine's user wish for a snapshot
    usr/lib/vml/jupyter/vml_keep.py                                   keeps what cells print while no page looks
    usr/lib/vml/labextensions/vml-machine/...                         ... by a button in the machine's JupyterLab
    etc/vml/machine.json                                              mode 0600: it holds the token
    etc/vml/setup                                                     mode 0700: what the image's user has it do first
    etc/systemd/system/vml-agent.service
    etc/systemd/system/multi-user.target.wants/vml-agent.service ->  ../vml-agent.service
    etc/cvmfs/config.d/<repository>.local                             and whatever else it is given

The same configuration gives the same bytes. Only folders of our own are named, so that unpacking changes the mode
of no other.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources

import msgspec

from vml_jupyter.errors import Usage

AGENT = "usr/lib/vml/agent.py"
TELLER = "usr/lib/vml/teller.py"
ASKING = {
    "usr/lib/vml/jupyter/jupyter_adopt.py": "jupyter_adopt.py",
    "usr/lib/vml/jupyter/vml_ask.py": "vml_ask.py",
    "usr/lib/vml/jupyter/vml_keep.py": "vml_keep.py",
    "usr/lib/vml/labextensions/vml-machine/package.json": "lab/package.json",
    "usr/lib/vml/labextensions/vml-machine/static/machine.js": "lab/machine.js",
}
_ASKING_FOLDERS = (
    "usr/lib/vml/jupyter",
    "usr/lib/vml/labextensions",
    "usr/lib/vml/labextensions/vml-machine",
    "usr/lib/vml/labextensions/vml-machine/static",
)
CONFIG = "etc/vml/machine.json"
SETUP = "etc/vml/setup"
AGENT_UNIT = "vml-agent.service"
UNIT = f"etc/systemd/system/{AGENT_UNIT}"
WANTS = f"etc/systemd/system/multi-user.target.wants/{AGENT_UNIT}"

_UNIT = """\
[Unit]
Description=VML agent: the working area, Jupyter, and the channel to the host
# It needs a root, /run and nothing else; udev and the network may come up beside it.
DefaultDependencies=no
After=systemd-remount-fs.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Enterprise Linux 8 has a Python of its own for its own programs, and often no other.
ExecStart=/bin/sh -c 'p=$$(command -v python3) || p=/usr/libexec/platform-python; exec "$$p" -IS /usr/lib/vml/agent.py'
Restart=on-failure
RestartSec=2
StartLimitInterval=0
# Where the agent alone is killed, Jupyter and its kernels go on, and the next agent finds them.
KillMode=process
StandardOutput=journal+console
StandardError=journal+console
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""


class GuestConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the agent must know.

    ``area`` is the name of the working area's folder in the user's home, as near as that can be had; ``disk`` is
    False for a machine without a working area. ``user`` is the account Jupyter runs as, the first ordinary one when
    empty. ``origin`` is the one origin elsewhere from which its Jupyter takes requests, as a browser writes it:
    ``https://hub.example.org``. ``view`` is the LCG view whose Jupyter serves where the system has none. A ``warm``
    machine is nobody's yet: it has no token.
    """

    token: str
    machine: str
    entry: str = ""
    base_url: str = "/"
    notebook: str = ""
    hostname: str = ""
    release: str = ""
    user: str = ""
    area: str = "area"
    disk: bool = True
    origin: str = ""
    view: str = ""
    warm: bool = False

    def checked(self) -> GuestConfig:
        """Return the same with a folder's name that can be had.

        Raises:
            Usage: A field cannot be what it says: no token, a base URL without slashes, a host name with a blank.
        """
        _check(self)
        return msgspec.structs.replace(self, area=folder_name(self.area))


def pickup(config: GuestConfig, files: Mapping[str, bytes] | None = None, setup: str = "") -> bytes:
    """Return the archive, a gzip'd tar.

    Args:
        config: What the agent must know.
        files: More to unpack, content by path below the root; everybody may read them.
        setup: A script that the agent runs as root before it looks for Jupyter, at the first boot alone; '' for none.

    Raises:
        Usage: A field cannot be what it says: no token, a base URL without slashes, a host name with a blank.
    """
    config = config.checked()
    buffer = io.BytesIO()
    with _archive(buffer) as archive:
        _add_folder(archive, "etc/vml", 0o700)
        _add_file(archive, CONFIG, msgspec.json.encode(config), 0o600)
        if setup:
            _add_file(archive, SETUP, setup.encode(), 0o700)
        _add_folder(archive, "usr/lib/vml", 0o755)
        _add_file(archive, AGENT, agent_source(), 0o755)
        _add_file(archive, TELLER, teller_source(), 0o755)
        for folder in _ASKING_FOLDERS:
            _add_folder(archive, folder, 0o755)
        for path, name in ASKING.items():
            _add_file(archive, path, _source(name), 0o644)
        _add_file(archive, UNIT, _UNIT.encode("ascii"), 0o644)
        link = tarfile.TarInfo(WANTS)
        link.type, link.linkname, link.mode = tarfile.SYMTYPE, "../vml-agent.service", 0o777
        archive.addfile(link)
        _add_files(archive, files or {})
    return buffer.getvalue()


def pickup_of(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of these files alone, for a machine that nobody here will talk to; nothing for none."""
    if not files:
        return b""
    buffer = io.BytesIO()
    with _archive(buffer) as archive:
        _add_files(archive, files)
    return buffer.getvalue()


def agent_source() -> bytes:
    """Return the agent's source text."""
    return _source("agent.py")


def teller_source() -> bytes:
    """Return the source text of what tells the changes."""
    return _source("teller.py")


def _source(name: str) -> bytes:
    return resources.files("vml_jupyter.guest").joinpath(name).read_bytes()


def jupyter_setup() -> str:
    """Return the script that puts JupyterLab into an image that has none."""
    return resources.files("vml_jupyter.guest").joinpath("setup-jupyter.sh").read_text("utf-8")


def folder_name(name: str) -> str:
    """Return a name that a folder, a mount option and a URL can all bear, as near to the given one as may be."""
    return re.sub(r"[/\x00-\x1f\x7f,:\\]+", "_", name)[:80].strip(" .") or "area"


def _check(config: GuestConfig) -> None:
    if not config.token and not config.warm:
        raise Usage("a machine needs a token")
    if not re.fullmatch(r"/([A-Za-z0-9._~%@-]+/)*", config.base_url):
        raise Usage(f"{config.base_url!r} is no base URL", "It begins and ends with a slash.")
    if config.view and not re.fullmatch(r"/cvmfs(/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+", config.view):
        raise Usage(f"{config.view!r} is no LCG view")
    if config.hostname and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", config.hostname):
        raise Usage(f"{config.hostname!r} is no host name")


@contextmanager
def _archive(buffer: io.BytesIO) -> Iterator[tarfile.TarFile]:
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        yield archive


def _add_files(archive: tarfile.TarFile, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        _add_file(archive, name, content, 0o644)


def _add_folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _add_file(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))
