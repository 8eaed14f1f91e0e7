"""Where sockets lie: a short, private folder that does not outlive the host's uptime.

    $XDG_RUNTIME_DIR/vml/       where the login session has one
    /run/vml-0/                 for root
    ~/.cache/vml/run/           otherwise

Unix sockets need it: their path is at most 107 bytes, and a user's data folder may be longer than that.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import platformdirs

from vml_jupyter.errors import HostError

_SOCKET_PATH_LIMIT = 107
_LONGEST_BELOW = len("/abcdefghjkmn/agent.sock")


def runtime_folder() -> Path:
    """Return the folder, made if need be.

    Raises:
        HostError: It belongs to somebody else, cannot be made, or is too deep for sockets.
    """
    folder = _choose()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise HostError(f"the folder {folder} cannot be made: {error.strerror}", _HINT) from error
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise HostError(f"the folder {folder} is not private to you", f"Remove it, or chmod 700 it. {_HINT}")
    if len(os.fsencode(folder)) + _LONGEST_BELOW > _SOCKET_PATH_LIMIT:
        raise HostError(f"the folder {folder} is too deep for sockets", _HINT)
    return folder


_HINT = "XDG_RUNTIME_DIR may name a short, private folder, such as /run/user/1000."


def _choose() -> Path:
    named = os.environ.get("XDG_RUNTIME_DIR")
    if named and Path(named).is_dir():
        return Path(named) / "vml"
    if os.geteuid() == 0:
        return Path("/run/vml-0")
    return Path(platformdirs.user_cache_path("vml")) / "run"
