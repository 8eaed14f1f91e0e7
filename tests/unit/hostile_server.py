"""A small real HTTP server that serves one release repository, well or badly in a way that a test names."""

from __future__ import annotations

import hashlib
import http.server
import ipaddress
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from release_images import key

from vml_jupyter.release.names import ImageName

IMAGE = ImageName(flavour="v4prod", bootloader="2021.05-1")
PATH = f"/{IMAGE.path()}"
DIGEST = f"{PATH}.sha256"


class Server(http.server.ThreadingHTTPServer):
    """``behave`` maps a path to what is done instead of serving it; it gets the handler."""

    daemon_threads = True

    def __init__(self, content: bytes, behave: dict[str, Callable[[Handler], None]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {
            "/releases/latest": b"2021.05-1\n",
            DIGEST: hashlib.sha256(content).hexdigest().encode() + b"\n",
            PATH: content,
        }
        self.behave = behave
        self.asked: list[str] = []
        self.stopping = threading.Event()
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client that gives up is what these tests want


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        behave = self.server.behave.get(self.path)
        if behave:
            behave(self)
            return
        content = self.server.files.get(self.path)
        if content is None:
            self.answer(404)
            return
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        if start >= len(content) > 0:
            self.answer(416)
        elif start:
            self.answer(
                206, content[start:], {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            )
        else:
            self.answer(200, content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        self.close_connection = length is not None

    def trickle(self) -> None:
        """Promise everything and send a byte now and then."""
        self.send_response(200)
        self.send_header("Content-Length", "3000000")
        self.end_headers()
        self.drip()

    def drip(self, first: bytes = b"") -> None:
        """Send a beginning, and then for 15 s a byte now and then."""
        self.wfile.write(first)
        for _ in range(300):
            if self.server.stopping.wait(0.05):
                break
            self.wfile.write(b"x")
        self.close_connection = True


def status(code: int, body: bytes = b"no") -> Callable[[Handler], None]:
    return lambda handler: handler.answer(code, body)


def redirect(to: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(302, headers={"Location": to})


@contextmanager
def hostile(
    content: bytes, behave: dict[str, Callable[[Handler], None]] | None = None, tls: Path | None = None
) -> Iterator[Server]:
    """Serve for the time of a ``with`` block; with ``tls``, a PEM file, over https."""
    with Server(content, behave or {}) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield server
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()


def stranger_certificate(folder: Path) -> Path:
    """Write key and certificate of a server that no authority vouches for."""
    own = key(7)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(own, hashes.SHA256())
    )
    file = folder / "tls.pem"
    file.write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
