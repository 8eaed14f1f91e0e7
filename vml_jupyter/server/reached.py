"""How a user's computer reaches this server, as a launcher for it must know: the address, and whose certificate."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import msgspec

from vml_jupyter.errors import Usage
from vml_jupyter.server.handler import VmlHandler

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The server's address, and the SHA-256 of its certificate, '' where the system's authorities decide."""

    address: str
    certificate: str


def reached(handler: VmlHandler) -> Reached:
    """Return how the browser that asks reached this server.

    Raises:
        Usage: In the open: by plain HTTP from another computer.
    """
    request = handler.request
    if request.protocol != "https" and request.host_name not in _LOOPBACK:
        raise Usage(
            "a launcher is only made over https, or where server and browser are on one computer",
            "Start Jupyter with a certificate (ServerApp.certfile), or reach it by a tunnel as localhost.",
        )
    address = f"{request.protocol}://{request.host}{handler.base_url}"
    return Reached(address=address, certificate=_certificate(handler))


def _certificate(handler: VmlHandler) -> str:
    """Return the digest of the certificate that this server itself shows, '' where it shows none."""
    if handler.vml.tls.port and _port(handler) == handler.vml.tls.port:
        return handler.vml.tls.sha256
    file = getattr(handler.serverapp, "certfile", "")
    if not file or handler.request.protocol != "https":
        return ""
    first = Path(file).read_text("ascii").partition("-----END CERTIFICATE-----")[0]
    pem = first[first.index("-----BEGIN CERTIFICATE-----") :] + "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def _port(handler: VmlHandler) -> int:
    """Return the port of this server that the request came to, whatever name it was sent to."""
    stream = getattr(handler.request.connection, "stream", None)
    return int(stream.socket.getsockname()[1]) if stream is not None and stream.socket is not None else 0
