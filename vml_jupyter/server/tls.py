"""TLS with a certificate that this server makes for itself, for browsers and launchers on other computers.

    <data>/tls/certificate.pem    made once: P-256, for ten years
               key.pem     0600

Nobody vouches for it, so browsers warn, and people compare its SHA-256. A launcher knows it by that, and talks to no
other.
"""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from tornado.httpserver import HTTPServer

from vml_jupyter.replacing import replace_file

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_YEARS = 10


class Tls:
    """One more port of a Jupyter server, with TLS.

    Args:
        folder: Where key and certificate are, or are made.
    """

    def __init__(self, folder: Path) -> None:
        self._key, self._certificate = folder / "key.pem", folder / "certificate.pem"
        self._server: HTTPServer | None = None
        self.port = 0
        self.sha256 = ""

    def prepare(self) -> ssl.SSLContext:
        """Make the certificate where there is none, and return what a server needs of it."""
        if not self._certificate.is_file():
            self._make()
        der = ssl.PEM_cert_to_DER_cert(self._certificate.read_text("ascii"))
        self.sha256 = hashlib.sha256(der).hexdigest()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate, self._key)
        return context

    def listen(self, serverapp: ServerApp, context: ssl.SSLContext, port: int) -> None:
        """Show the pages of ``serverapp`` at one more port of its address.

        Raises:
            OSError: The port is taken.
        """
        self._server = HTTPServer(
            serverapp.web_app,
            ssl_options=context,
            xheaders=serverapp.trust_xheaders,
            max_body_size=serverapp.max_body_size,
            max_buffer_size=serverapp.max_buffer_size,
        )
        self._server.listen(port, serverapp.ip)
        self.port = port

    def close(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.stop()

    def _make(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "VML")])
        now = datetime.datetime.now(datetime.timezone.utc)
        names = x509.SubjectAlternativeName(
            [x509.DNSName(each) for each in dict.fromkeys(("localhost", socket.gethostname()))]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))  # clocks of virtual machines may be behind
            .not_valid_after(now + datetime.timedelta(days=_YEARS * 365))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(key, hashes.SHA256())
        )
        # The key first: where the certificate is, both are.
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        replace_file(self._key, [secret], lasts=True)
        replace_file(self._certificate, [certificate.public_bytes(serialization.Encoding.PEM)], lasts=True)
