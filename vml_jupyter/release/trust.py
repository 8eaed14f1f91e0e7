"""Whose signatures count, and what is thought of an image's, remembered.

    <cache>/signatures.json    {"<file's key>:<trust's key>": {"status": "signed", "signer": "/DC=ch/..."}, ...}

| the file | without CA certificates | with them |
|---|---|---|
| .hdd, .iso, signed rightly by the expected signer | ``unchecked``: used, and said so | ``signed`` |
| ... by another, or the proof does not hold | ``bad``: refused | ``bad``: refused |
| ... by a certificate that no CA vouches for | ``unchecked`` | ``bad``: refused |
| ... whose CA is not even named in a folder that nobody chose | ``unchecked`` | ``unchecked`` |
| .hvm .vhd .vdi .vmdk .qcow2 .ova .tar.gz; no block | ``unsigned``: used, and said so | ``unsigned`` |

CernVM's own CA certificates are not part of this package: a setting names the file, or a folder of them. Where it says
nothing, ``/etc/grid-security/certificates`` counts if that is there; what is in it is then chance, and the CA of an old
signer may have left it long ago.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from vml_jupyter.errors import Usage
from vml_jupyter.release.carrier import ISO, RAW
from vml_jupyter.release.identity import Image
from vml_jupyter.release.judgement import Signature
from vml_jupyter.release.memory import Memory, file_key


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Whose signatures count: CA certificates (PEM file, or folder of them), and subjects beside CernVM's own.

    ``assumed`` says that nobody chose the certificates: a CA that is missing among them is no reason to refuse.
    """

    authorities: Path | None = None
    signers: tuple[str, ...] = ()
    assumed: bool = False

    def bundle(self) -> bytes | None:
        """Return the CA certificates as PEM text, None where there are none.

        Raises:
            Usage: Those that were chosen cannot be read.
        """
        if self.authorities is None:
            return None
        try:
            if self.authorities.is_dir():
                return b"\n".join(_certificates_in(self.authorities))
            return self.authorities.read_bytes()
        except OSError as error:
            if self.assumed:
                return None
            raise Usage(
                f"the CA certificates {self.authorities} cannot be read: {error.strerror}",
                "Set VML_RELEASE_CA to a PEM file, or to nothing.",
            ) from error


def judge(image: Image, trust: Trust, cache: Path | None = None, name: str = "") -> Signature:
    """Judge the signature of an image, reading it at most once; ``name`` is what the file is going to be called.

    Raises:
        OSError: The file cannot be read.
        Usage: The CA certificates cannot be read.
    """
    reason = _unsigned_kind(image, name)
    if reason:
        return Signature(status="unsigned", reason=reason)
    bundle = trust.bundle()
    memory = Memory(cache, "signatures", Signature)
    key = f"{file_key(image.path)}:{_key(bundle, trust)}"
    known = memory.recall(key)
    if known is None:
        from vml_jupyter.release.signature import verify

        known = verify(image.path, bundle, trust.signers, assumed=trust.assumed)
        memory.keep(key, known)
    return known


def remark(told: Signature, name: str) -> str:
    """Return what users of an image should know of its signature, '' where it holds and somebody vouches for it."""
    if told.status == "unsigned":
        return f"{name} is unsigned: {told.reason}"
    if told.status == "unchecked":
        return f"{name} is signed by {told.signer}, not checked: {told.reason} (VML_RELEASE_CA)"
    return ""


def recall_judgement(image: Image, trust: Trust, cache: Path | None) -> Signature | None:
    """Return what is known of an image's signature without reading it."""
    reason = _unsigned_kind(image)
    if reason:
        return Signature(status="unsigned", reason=reason)
    try:
        key = f"{file_key(image.path)}:{_key(trust.bundle(), trust)}"
    except OSError:
        return None
    return Memory(cache, "signatures", Signature).recall(key)


def _unsigned_kind(image: Image, name: str = "") -> str:
    if image.kind not in (RAW, ISO):
        return f"a {image.kind} file carries no signature of its own"
    if (name or image.path.name).endswith(".hvm"):
        return "an .hvm file is edited after it was signed"
    return ""


def _certificates_in(folder: Path) -> list[bytes]:
    """Return the files of a folder of CA certificates, each content once: ``<name>.pem``, or ``<hash>.0``."""
    files = sorted([*folder.glob("*.pem"), *folder.glob("*.[0-9]")])
    return list(dict.fromkeys(file.read_bytes() for file in files if file.is_file()))


def _key(bundle: bytes | None, trust: Trust) -> str:
    said = (bundle or b"-") + (b"?" if trust.assumed else b"") + b"\0" + "\0".join(trust.signers).encode()
    return hashlib.sha256(said).hexdigest()[:16]
