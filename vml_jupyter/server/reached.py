"""How a user's computer reaches this server, as a launcher for it must know: the address, and whose certificate."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import msgspec
from jupyter_server.base.handlers import JupyterHandler

from vml_jupyter.errors import Usage

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The server's address, and the SHA-256 of its certificate, '' where the system's authorities decide."""

    address: str
    certificate: str


def reached(handler: JupyterHandler) -> Reached:
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


def _certificate(handler: JupyterHandler) -> str:
    """Return the digest of the certificate that this server itself shows, '' where it shows none."""
    file = getattr(handler.serverapp, "certfile", "")
    if not file or handler.request.protocol != "https":
        return ""
    first = Path(file).read_text("ascii").partition("-----END CERTIFICATE-----")[0]
    pem = first[first.index("-----BEGIN CERTIFICATE-----") :] + "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
