"""Judge the signature at the end of a CernVM image: who vouches for it, and does the proof hold?

    signature block -> certificate (PEM) -> chain to a trusted CA -> subject as expected
                    -> RSA PKCS#1 v1.5 over SHA-256 of all bytes but the signature block itself

An image outlives its signer's certificate by years, and it may be signed again later than it was made. So a
certificate may have expired, but not before the month in the bootloader's name.

Source: cernvm-micro's ``sign.sh`` and doc-cernvm's ``cpt-signatures.rst``.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from vml_jupyter.errors import Usage
from vml_jupyter.release.blocks import BLOCK, read_claims, read_seal
from vml_jupyter.release.judgement import Signature
from vml_jupyter.release.names import bootloader_key

_PIECE = 1 << 20
_LONGEST_CHAIN = 5
_OIDS = {
    "0.9.2342.19200300.100.1.25": "DC",
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
}
# A bootloader is signed up to some weeks before the month in its name begins.
_BEFORE = timedelta(days=62)


class _Bad(Exception):
    """The signature does not hold; the text says why."""


class _Unknown(_Bad):
    """The CA that would vouch for the signer is not among the trusted."""


def expected_signer(bootloader: str) -> str:
    """Return the subject that signed CernVM's own bootloaders of that time."""
    number = "02" if bootloader_key(bootloader) >= (2020, 7) else "01"
    return f"/DC=ch/DC=cern/OU=computers/CN=cvm-sign{number}.cern.ch"


def verify(
    image: Path, authorities: bytes | None = None, signers: Sequence[str] = (), *, assumed: bool = False
) -> Signature:
    """Judge the signature of an image file.

    Args:
        image: A raw image (.hdd) or an ISO; other kinds carry no signature of their own.
        authorities: The CA certificates that are trusted, as PEM text.
        signers: Subjects that may have signed, ``/DC=ch/.../CN=...``, beside CernVM's own of that time.
        assumed: Whether nobody chose the CA certificates, so that one that is missing says nothing.

    Raises:
        OSError: The file cannot be read.
        Usage: What is given as CA certificates is none.
    """
    seal = read_seal(image)
    claims = read_claims(image)
    if seal is None or claims is None:
        return Signature(status="unsigned", reason="there is no readable signature at the end of the file")
    subject = ""
    try:
        certificate = _certificate(seal.certificate)
        subject = subject_of(certificate)
        _check_proof(image, certificate, seal.signature)
        _check_signer(subject, (expected_signer(claims.bootloader), *signers))
        if authorities is None:
            return Signature(status="unchecked", signer=subject, reason="no CA certificates are configured")
        _check_chain(certificate, _bundle(authorities, assumed=assumed), _signed_since(claims.bootloader))
    except _Bad as error:
        if assumed and isinstance(error, _Unknown):
            return Signature(status="unchecked", signer=subject, reason=str(error))
        # Nobody ever checked the malformed blocks of the early releases, so what they sign is not known for sure.
        if not seal.well_formed and _is_early(claims.bootloader):
            return Signature(status="unsigned", reason=f"its block is not valid JSON, and {error}")
        return Signature(status="bad", signer=subject, reason=str(error))
    return Signature(status="signed", signer=subject)


def subject_of(certificate: x509.Certificate) -> str:
    """Return a subject the way openssl used to print it: ``/DC=ch/DC=cern/.../CN=...``."""
    return "".join(
        f"/{_OIDS.get(attribute.oid.dotted_string, attribute.oid.dotted_string)}={attribute.value!s}"
        for attribute in certificate.subject
    )


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise _Bad("its certificate cannot be read") from error


def _bundle(text: bytes, *, assumed: bool) -> list[x509.Certificate]:
    """Return the certificates in a text; one of many that cannot be read vouches for nobody, and that is all."""
    found = []
    for block in re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL):
        with contextlib.suppress(ValueError):
            certificate = x509.load_pem_x509_certificate(block)
            if certificate.subject:  # which is only now looked into
                found.append(certificate)
    if not found and not assumed:
        raise Usage("the CA certificates that are configured are none", "Set VML_RELEASE_CA to a PEM file.")
    return found


def _is_early(bootloader: str) -> bool:
    return (2, 0) <= bootloader_key(bootloader)[:2] <= (2, 2)


def _check_signer(subject: str, expected: Sequence[str]) -> None:
    if subject not in expected:
        raise _Bad(f"it was signed by {subject}, not by {' or '.join(expected)}")


def _check_proof(image: Path, certificate: x509.Certificate, signature: bytes) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Bad("its certificate has no key that can be read") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise _Bad("its certificate has no RSA key")
    try:
        key.verify(signature, _digest_before_signature(image), padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    except InvalidSignature:
        raise _Bad("the file is not the one that was signed") from None


def _digest_before_signature(image: Path) -> bytes:
    machine = hashlib.sha256()
    left = image.stat().st_size - BLOCK
    with image.open("rb") as file:
        while left > 0 and (piece := file.read(min(left, _PIECE))):
            machine.update(piece)
            left -= len(piece)
    return machine.digest()


def _signed_since(bootloader: str) -> datetime | None:
    """Return the earliest time of signing; None for numbers that are no month (2.6-7)."""
    year, month = bootloader_key(bootloader)[:2]
    if not (2015 <= year <= 9000 and 1 <= month <= 12):
        return None
    return datetime(year, month, 1, tzinfo=timezone.utc) - _BEFORE


def _check_chain(
    certificate: x509.Certificate,
    trusted: Sequence[x509.Certificate],
    signed_since: datetime | None,
) -> None:
    """Climb from the signer to a CA that vouches for itself; all on the way are among the trusted."""
    for _ in range(_LONGEST_CHAIN):
        _check_validity(certificate, signed_since)
        issuer = _issuer(certificate, trusted)
        if issuer.issuer == issuer.subject:
            _check_validity(issuer, signed_since)
            return
        certificate = issuer
    raise _Bad("its certificate's chain is too long")


def _issuer(certificate: x509.Certificate, trusted: Sequence[x509.Certificate]) -> x509.Certificate:
    named = [each for each in trusted if each.subject == certificate.issuer]
    for candidate in filter(_is_authority, named):
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return candidate
    kind = _Bad if named else _Unknown
    raise kind(f"no trusted CA vouches for {subject_of(certificate)}")


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _check_validity(certificate: x509.Certificate, signed_since: datetime | None) -> None:
    if certificate.not_valid_before_utc > datetime.now(timezone.utc):
        raise _Bad(f"the certificate of {subject_of(certificate)} is not valid yet")
    if signed_since and certificate.not_valid_after_utc < signed_since:
        raise _Bad(f"the certificate of {subject_of(certificate)} had expired before the image was made")
