"""Serve a folder that has a release repository's layout, on 127.0.0.1, as a release repository."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def served(repository: Path, port: int = 0) -> Iterator[str]:
    """Serve ``repository`` for the time of a ``with`` block and give its base URL."""
    handler = functools.partial(_Handler, directory=str(repository))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="release-mirror", daemon=True
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
