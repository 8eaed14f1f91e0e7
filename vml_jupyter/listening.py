"""Listen on a socket of the user's own, for whoever answers there later; apart from that, as it is dear to import."""

from __future__ import annotations

import socket
from pathlib import Path

from vml_jupyter.errors import HostError

MAX_CONNECTIONS = 16


def listening(path: Path) -> socket.socket:
    """Return a socket to which its user can connect, before there is anybody to answer.

    Raises:
        HostError: There cannot be one; says why.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)  # of a server that was killed
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise HostError(f"cannot listen on {path}: {error.strerror}") from error
    return listener
