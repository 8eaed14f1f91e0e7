"""A proxy between a client and an S3 server: it counts what passes, and breaks what a test tells it to break.

    client --HTTP--> 127.0.0.1:port --HTTP--> server          requests: [Passed(method, path, sent, received), ...]

The ``Host`` header passes as it came, so signatures stay valid. A fault is chosen by a function that sees
each request before it is forwarded.
"""

from __future__ import annotations

import http.client
import http.server
import itertools
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

WRITING = ("PUT", "POST", "DELETE")
_SKIPPED = ("transfer-encoding", "connection", "keep-alive", "content-length")


class Fault(Enum):
    """What happens to a request instead of what should."""

    CUT_UPLOAD = "the connection is reset in the middle of the request's body"
    CUT_DOWNLOAD = "the connection is reset in the middle of the answer's body"
    LOST_ANSWER = "the server does it, and the connection is reset before it says so"
    SLOW_DOWN = "503 Slow Down"
    SILENCE = "no answer until the proxy ends"


@dataclass(frozen=True)
class Passed:
    """One request, and the bytes of its body and of its answer's."""

    method: str
    path: str
    sent_bytes: int
    received_bytes: int
    status: int


@dataclass
class Traffic:
    """What passed so far; ``fault`` says which requests go wrong."""

    port: int = 0
    scheme: str = "http"
    requests: list[Passed] = field(default_factory=list)
    faults: int = 0
    fault: Callable[[str, str], Fault | None] = field(default=lambda method, path: None)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def writes(self) -> list[Passed]:
        return [request for request in self.requests if request.method in WRITING]

    @property
    def sent_bytes(self) -> int:
        return sum(request.sent_bytes for request in self.requests)

    @contextmanager
    def failing(self, fault: Fault, at: int = 1, *, for_good: bool = False) -> Iterator[None]:
        """Let the ``at``-th request from now on go wrong, for good all later ones too, for the length of a ``with``."""
        numbers = itertools.count(1)

        def choose(method: str, path: str) -> Fault | None:
            number = next(numbers)
            return fault if number == at or (for_good and number > at) else None

        before, self.fault = self.fault, choose
        try:
            yield
        finally:
            self.fault = before

    def clear(self) -> None:
        self.requests.clear()
        self.faults = 0

    def summary(self) -> str:
        """Return one line for people."""
        methods = sorted({request.method for request in self.requests})
        each = ", ".join(f"{sum(item.method == name for item in self.requests)} {name}" for name in methods)
        received = sum(request.received_bytes for request in self.requests)
        return f"{len(self.requests)} requests ({each}), {self.sent_bytes} bytes up, {received} bytes down"


@contextmanager
def proxy(server_port: int, certificate: Path | None = None) -> Iterator[Traffic]:
    """Pass requests on to ``server_port`` for the length of a ``with``.

    Args:
        server_port: Of the server, on 127.0.0.1.
        certificate: A PEM file with key and certificate; with it the proxy speaks https.
    """
    traffic = Traffic()

    class Handler(_Handler):
        def setup(self) -> None:
            super().setup()
            self.traffic = traffic
            self.server_port = server_port

    with _Server(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        traffic.port = server.server_address[1]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            traffic.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield traffic
        finally:
            traffic.ended.set()
            server.shutdown()
            thread.join()


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        # A client that was killed, or that hears enough, resets the connection; that is what it is here for.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    traffic: Traffic
    server_port: int

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def log_message(self, format: str, *arguments: object) -> None:
        return None

    def _pass_on(self) -> None:
        fault = self.traffic.fault(self.command, self.path)
        if fault is not None:
            self.traffic.faults += 1
        length = int(self.headers.get("Content-Length", 0))
        if fault is Fault.CUT_UPLOAD:
            self.rfile.read(length // 2)
            return self._reset()
        body = self.rfile.read(length)
        if len(body) < length:
            return self._reset()  # the client was killed; half an object is never passed on
        if fault is Fault.SILENCE:
            self.traffic.ended.wait()
            return self._reset()
        if fault is Fault.SLOW_DOWN:
            status, headers, answer = 503, [], b"<Error><Code>SlowDown</Code></Error>"
        else:
            status, headers, answer = self._ask(body)
        received = 0 if self.command == "HEAD" else len(answer)
        self.traffic.requests.append(Passed(self.command, self.path, length, received, status))
        if fault is Fault.LOST_ANSWER:
            return self._reset()
        return self._answer(status, headers, answer, fault)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server_port, timeout=120)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], answer: bytes, fault: Fault | None
    ) -> None:
        length = str(len(answer))
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in _SKIPPED:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if fault is Fault.CUT_DOWNLOAD:
            self.wfile.write(answer[: len(answer) // 2])
            self.wfile.flush()
            return self._reset()
        self.wfile.write(answer)
        return None

    def _reset(self) -> None:
        """End the connection the hard way, as a router that forgets it does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
