"""A server for launchers that answers whatever a test wants, on 127.0.0.1."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answers:
    """What is answered, by the end of the path; ``asked`` are the requests that came."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.documents: dict[str, Any] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.odd: Callable[[str], bytes | None] = lambda path: None
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers: Answers

    def do_GET(self) -> None:
        self._note(b"")
        if self._odd():
            return
        data = self.answers.files.get(self.path.rpartition("/")[2])
        if data is None:
            self._say(404, json.dumps({"message": "there is none"}).encode())
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        assert asked
        start, stop = int(asked[1]), int(asked[2] or len(data) - 1) + 1
        self._say(206, data[start:stop], {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})

    def do_POST(self) -> None:
        self._note(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        if not self._odd():
            found = self.answers.documents.get(self.path.rpartition("/")[2], {})
            self._say(200, found if isinstance(found, bytes) else json.dumps(found).encode())

    def log_message(self, format: str, *args: Any) -> None:
        return

    def _note(self, body: bytes) -> None:
        self.answers.asked.append((self.command, self.path, body.decode("utf-8", "replace")))

    def _odd(self) -> bool:
        raw = self.answers.odd(self.path)
        if raw is None:
            return False
        self.close_connection = True
        self.wfile.write(raw)
        return True

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def answering(port: int = 0, wrap: Callable[[Any], Any] | None = None) -> Iterator[Answers]:
    """Answer for the time of a ``with``; ``wrap`` turns the socket into one that speaks TLS."""
    answers = Answers()
    handler = type("Handler", (_Handler,), {"answers": answers})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    if wrap:
        server.socket = wrap(server.socket)
    answers.url = f"http{'s' if wrap else ''}://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
