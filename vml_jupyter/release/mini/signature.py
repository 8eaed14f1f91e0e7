"""Sign an image the way micro-CernVM images are signed, with a certificate authority made for the occasion.

    payload | block 1, 32768 B | block 2, 32768 B      each block: JSON, a newline, zeros
    block 1   {"ucernvm-version", "os-repo", "snapshot"}
    block 2   {"certificate": b64(PEM), "signature": b64(signature), "howto-verify"}

The signature is RSA PKCS#1 v1.5 with SHA-256 over the payload and block 1.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from vml_jupyter.release.mini import recipe

BLOCK_BYTES = 32768
VALID_FOR = datetime.timedelta(days=3650)
SIGNER = x509.Name(
    [
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "ch"),
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "cern"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "computers"),
        x509.NameAttribute(NameOID.COMMON_NAME, "cvm-sign02.cern.ch"),
    ]
)
AUTHORITY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vml mini test authority")])
HOWTO = [
    "The last 32768 bytes are this block: JSON, padded with zeros.",
    "Decode certificate; check it against mini-ca.crt beside the releases.",
    "Check its subject: /DC=ch/DC=cern/OU=computers/CN=cvm-sign02.cern.ch",
    "Decode signature into a file.",
    "Take the public key: openssl x509 -pubkey -noout -in certificate",
    "head -c -32768 image | openssl dgst -sha256 -verify key -signature signature",
]


def sign(image: Path, authority_file: Path, bootloader: recipe.Bootloader) -> str:
    """Append both blocks to ``image`` and write the authority's certificate beside the releases.

    Returns:
        The SHA-256 of the finished file, 64 hex digits.
    """
    total = hash_of(image)
    first = _block(_identity(bootloader))
    total.update(first)
    key, certificate, authority = _certify()
    signature = key.sign(total.digest(), padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    second = _block(_proof(certificate, signature))
    total.update(second)
    with image.open("ab") as file:
        file.write(first + second)
    authority_file.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    return total.hexdigest()


def hash_of(file: Path) -> hashlib._Hash:
    """Return the running SHA-256 of a file."""
    total = hashlib.sha256()
    with file.open("rb") as source:
        while chunk := source.read(1 << 20):
            total.update(chunk)
    return total


def _identity(bootloader: recipe.Bootloader) -> dict[str, str]:
    return {
        "ucernvm-version": bootloader.full_version,
        "os-repo": bootloader.flavour,
        "snapshot": recipe.ROLLING_TAG,
    }


def _proof(certificate: x509.Certificate, signature: bytes) -> dict[str, object]:
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return {
        "certificate": base64.b64encode(pem).decode(),
        "signature": base64.b64encode(signature).decode(),
        "howto-verify": HOWTO,
    }


def _block(content: object) -> bytes:
    return (json.dumps(content) + "\n").encode().ljust(BLOCK_BYTES, b"\0")


def _certify() -> tuple[rsa.RSAPrivateKey, x509.Certificate, x509.Certificate]:
    authority_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    authority = _certificate(AUTHORITY, authority_key.public_key(), authority_key, is_authority=True)
    signer = _certificate(SIGNER, signer_key.public_key(), authority_key, is_authority=False)
    return signer_key, signer, authority


def _certificate(
    subject: x509.Name, public: rsa.RSAPublicKey, issuer_key: rsa.RSAPrivateKey, *, is_authority: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(AUTHORITY)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256())
