"""Read and judge the manifest of a CernVM-FS repository, and the objects that it names.

    <root>/.cvmfspublished     lines of a letter and a value, "--", digest of those lines, signature by certificate X
    <root>/.cvmfswhitelist     fingerprints of certificates, "--", digest, signature by a master key
    <root>/data/ab/cdef...X    zlib(PEM): the certificate; an object's name is the digest of its bytes

    master key -> whitelist -> certificate -> manifest -> history object

Judged where the master keys are at hand (``/etc/cvmfs/keys/<domain>/*.pub`` on a computer with CernVM-FS); else the
list is for choosing only, and the client inside the machine verifies what it mounts. An expired whitelist still proves
who published; only the client refuses to mount. Sources: cvmfs ``signature.cc`` and ``doc-cvmfs``.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from vml_jupyter.errors import Foreign, Usage
from vml_jupyter.release.web import read_bounded

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

OBJECT = re.compile(r"(?P<hex>[0-9a-f]{40})(?P<kind>-rmd160|-shake128)?")

_MANIFEST_LIMIT = 64 * 1024
_WHITELIST_LIMIT = 256 * 1024
_CERTIFICATE_LIMIT = 64 * 1024
_FINGERPRINT = re.compile(r"((?:[0-9A-F]{2}:){19}[0-9A-F]{2})(-RMD160|-SHAKE128)?")


@dataclass(frozen=True)
class Keys:
    """The master keys of CernVM-FS that are trusted; none means that nothing is judged."""

    keys: tuple[rsa.RSAPublicKey, ...] = ()

    @classmethod
    def of(cls, folder: Path | None) -> Keys:
        """Read every ``.pub`` file in a folder.

        Raises:
            Usage: There is none, or one that is no RSA key.
        """
        if folder is None:
            return cls()
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        try:
            found = [serialization.load_pem_public_key(file.read_bytes()) for file in folder.glob("*.pub")]
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise Usage(f"the CernVM-FS keys in {folder} cannot be read: {error}") from error
        keys = tuple(key for key in found if isinstance(key, rsa.RSAPublicKey))
        if not keys:
            raise Usage(f"there are no CernVM-FS keys (*.pub) in {folder}", "Name the folder that has them.")
        return cls(keys)


@dataclass(frozen=True)
class Letter:
    """Lines, their digest, and a signature over the digest's text."""

    text: bytes
    digest: str
    signature: bytes

    @classmethod
    def cut(cls, raw: bytes) -> Letter:
        """Take a manifest or whitelist apart; what is missing is empty."""
        text, _, rest = raw.partition(b"--\n")
        digest, _, signature = rest.partition(b"\n")
        return cls(text, digest.decode("ascii", "replace"), signature)

    def lines(self) -> list[str]:
        return self.text.decode("utf-8", "replace").splitlines()

    def field(self, letter: str) -> str:
        return next((line[1:] for line in self.lines() if line[:1] == letter), "")

    def is_whole(self) -> bool:
        """Tell whether the digest is that of the lines."""
        match = OBJECT.fullmatch(self.digest)
        return match is not None and _digest(self.text, match["kind"]) == match["hex"]


def read_manifest(root: str, fqrn: str, keys: Keys) -> Letter:
    """Return the manifest of the repository at ``root``, judged where there are keys.

    Raises:
        Foreign: It is another repository's, or not signed as it must be.
        ReleaseNotFound, RepositoryUnreachable: As for ``web.get``.
    """
    manifest = Letter.cut(read_bounded(f"{root}/.cvmfspublished", _MANIFEST_LIMIT))
    if manifest.field("N") not in ("", fqrn):
        raise Foreign(f"the manifest of {fqrn} is that of another repository")
    if keys.keys:
        _check(root, fqrn, manifest, keys.keys)
    return manifest


def check_object(packed: bytes, name: str) -> None:
    """Compare an object's bytes with its name, 160 bits of SHA-1, RIPEMD-160 or SHAKE-128.

    Raises:
        Foreign: They differ, or the name is none.
    """
    match = OBJECT.fullmatch(name)
    if match is None or _digest(packed, match["kind"]) not in ("", match["hex"]):
        raise Foreign("an object of the repository is damaged: its digest differs", "Try again later.")


def _digest(content: bytes, kind: str | None) -> str:
    """Return 40 hex digits, '' where this Python cannot compute them."""
    if kind == "-shake128":
        return hashlib.shake_128(content).hexdigest(20)
    if kind == "-rmd160":
        known = "ripemd160" in hashlib.algorithms_available
        return hashlib.new("ripemd160", content).hexdigest() if known else ""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _check(root: str, fqrn: str, manifest: Letter, keys: Sequence[rsa.RSAPublicKey]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    wrong = Foreign(
        f"the manifest of {fqrn} at {root} is not signed by whom it must be",
        "Use another server, or the right CernVM-FS keys.",
    )
    whitelist = Letter.cut(read_bounded(f"{root}/.cvmfswhitelist", _WHITELIST_LIMIT))
    if whitelist.field("N") != fqrn or not whitelist.is_whole() or not _is_sealed(whitelist, keys):
        raise wrong
    name = manifest.field("X")
    if not OBJECT.fullmatch(name) or manifest.field("N") != fqrn or not manifest.is_whole():
        raise wrong
    packed = read_bounded(f"{root}/data/{name[:2]}/{name[2:]}X", _CERTIFICATE_LIMIT)
    check_object(packed, name)
    try:
        certificate = x509.load_pem_x509_certificate(
            zlib.decompressobj().decompress(packed, _CERTIFICATE_LIMIT)
        )
        key = certificate.public_key()
        if not _is_listed(certificate, whitelist) or not isinstance(key, rsa.RSAPublicKey):
            raise wrong
        key.verify(manifest.signature, manifest.digest.encode(), padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - CernVM-FS signs so
    except (ValueError, zlib.error, InvalidSignature, UnsupportedAlgorithm):
        raise wrong from None


def _is_sealed(whitelist: Letter, keys: Sequence[rsa.RSAPublicKey]) -> bool:
    """Tell whether a master key signed the digest's text itself, without the usual envelope that names a hash."""
    from cryptography.hazmat.primitives.asymmetric import padding

    for key in keys:
        try:
            signed = key.recover_data_from_signature(whitelist.signature, padding.PKCS1v15(), None)
        except (ValueError, InvalidSignature):
            continue
        if signed == whitelist.digest.encode():
            return True
    return False


def _is_listed(certificate: x509.Certificate, whitelist: Letter) -> bool:
    from cryptography.hazmat.primitives import serialization

    der = certificate.public_bytes(serialization.Encoding.DER)
    for line in whitelist.lines()[1:]:
        match = _FINGERPRINT.match(line)
        if match and _digest(der, (match[2] or "").lower()) == match[1].replace(":", "").lower():
            return True
    return False
