"""Answer one HTTP request for an image: admit or refuse it, then send the parts it asks for.

    request --cookie, path, no body--> Range --parse_ranges--> parts --image.read, 1 MiB at a time--> socket

What cannot be read becomes 502, or an answer that breaks off, so that the reader sees an error and never wrong bytes.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import nullcontext
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import Any, Protocol

from vml_jupyter.errors import VmlError
from vml_jupyter.snapshot.image.ranges import Unsatisfiable, parse_ranges
from vml_jupyter.snapshot.image.served import Account, Readable
from vml_jupyter.snapshot.image.wire import Turns

PATH = "/area.iso"
COOKIE = "vml"
_IDLE_S = 60
_PIECE_BYTES = 1 << 20


class Desk(Protocol):
    """What an answer needs of the server it is given by."""

    image: Readable
    token: bytes
    account: Account
    turns: Turns


class Answer(BaseHTTPRequestHandler):
    """One connection, and the answers on it."""

    server: Desk  # type: ignore[assignment]
    protocol_version = "HTTP/1.1"
    server_version = "vml"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        if self._admit():
            self._begin(HTTPStatus.OK, self.server.image.size)

    def do_GET(self) -> None:
        if not self._admit():
            return
        size = self.server.image.size
        try:
            parts = self._parts(size)
        except Unsatisfiable:
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
            return
        if parts is None:
            self._send(HTTPStatus.OK, [(b"", 0, size)], {})
        elif len(parts) == 1:
            start, stop = parts[0]
            headers = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
            self._send(HTTPStatus.PARTIAL_CONTENT, [(b"", start, stop)], headers)
        else:
            self._send_many(parts, size)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: headers hold the token."""

    def _admit(self) -> bool:
        """Refuse what has no cookie, names another path, or brings a body."""
        self.server.account.request()
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif not self._knows_token():
            self._refuse(HTTPStatus.FORBIDDEN)
        elif self.path != PATH:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif self.headers.get("If-None-Match") == self._etag:
            self._begin(HTTPStatus.NOT_MODIFIED, None)
        else:
            return True
        return False

    def _knows_token(self) -> bool:
        pairs = ";".join(self.headers.get_all("Cookie", [])).split(";")
        given = [
            value for name, _, value in (pair.strip().partition("=") for pair in pairs) if name == COOKIE
        ]
        matches = [hmac.compare_digest(each.encode("utf-8", "replace"), self.server.token) for each in given]
        return any(matches)

    @property
    def _etag(self) -> str:
        return f'"{self.server.image.etag}"'

    def _parts(self, size: int) -> list[tuple[int, int]] | None:
        header = self.headers.get("Range")
        if header is None or self.headers.get("If-Range", self._etag) != self._etag:
            return None
        return parse_ranges(header, size)

    def _send_many(self, parts: list[tuple[int, int]], size: int) -> None:
        boundary = f"vml-{self.server.image.etag}"
        line = "\r\n--{}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/{}\r\n\r\n"
        bodies = [(line.format(boundary, a, b - 1, size).encode(), a, b) for a, b in parts]
        bodies.append((f"\r\n--{boundary}--\r\n".encode(), 0, 0))
        headers = {"Content-Type": f"multipart/byteranges; boundary={boundary}"}
        self._send(HTTPStatus.PARTIAL_CONTENT, bodies, headers)

    def _send(
        self, status: HTTPStatus, bodies: list[tuple[bytes, int, int]], headers: dict[str, str]
    ) -> None:
        """Send texts and the parts of the image that follow them; the first piece is read before we promise it."""
        pieces = self._pieces(bodies)
        first = next(pieces, None)
        if first is None:
            self._refuse(HTTPStatus.BAD_GATEWAY)
            return
        length = sum(len(text) + stop - start for text, start, stop in bodies)
        missing = sum(stop - start for _, start, stop in bodies)
        # The whole image takes no turn: that is no hypervisor, and it takes long.
        with (
            self.server.turns.take(self.connection) if status is HTTPStatus.PARTIAL_CONTENT else nullcontext()
        ):
            self._begin(status, length, headers)
            for text, start, data in chain([first], pieces):
                self.wfile.write(text + data if text else data)
                self.server.account.sent(start, start + len(data))
                missing -= len(data)
        if missing:
            self.close_connection = True  # too few bytes have come: the reader sees that, and must not wait

    def _pieces(self, bodies: list[tuple[bytes, int, int]]) -> Iterator[tuple[bytes, int, bytes]]:
        """Read piece by piece; end early where the image cannot be read."""
        for text, start, stop in bodies:
            at = start
            while at < stop or text:
                try:
                    data = self.server.image.read(at, min(_PIECE_BYTES, stop - at))
                except (VmlError, OSError) as error:
                    self.server.account.failed(str(error))
                    return
                if not data and at < stop:
                    self.server.account.failed(f"the image ends at {at} of {stop} bytes")
                    return
                yield text, at, data
                at += len(data)
                text = b""

    def _begin(self, status: HTTPStatus, length: int | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("ETag", self._etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "private, immutable")
        named = {"Content-Type": "application/octet-stream", **(headers or {})}
        for name, value in named.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _refuse(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in {"Content-Length": "0", "Connection": "close", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
