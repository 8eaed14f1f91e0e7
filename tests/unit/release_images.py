"""CernVM images for tests: disks with a FAT, signed with a certificate authority made for the occasion."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import struct
import zlib
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

SIGNER = "/DC=ch/DC=cern/OU=computers/CN=cvm-sign02.cern.ch"
MADE = datetime(2021, 4, 30, tzinfo=timezone.utc)
VERSION = b"cernvm-prod.cern.ch at HEAD4, uCernVM 2021.05-1.cernvm.x86_64\n"


class Identity(NamedTuple):
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@cache
def key(number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "ch"),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "cern"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "computers"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def certify(
    common: str,
    own: rsa.RSAPrivateKey,
    issuer: Identity | None,
    *,
    authority: bool = False,
    start: datetime = MADE - timedelta(days=200),
    end: datetime = MADE + timedelta(days=200),
) -> Identity:
    subject = name(common)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return Identity(own, builder.sign((issuer or Identity(own, None)).key, hashes.SHA256()))  # type: ignore[arg-type]


@cache
def authorities() -> tuple[Identity, Identity, Identity]:
    """Return a root, what it vouches for, and CernVM's signer."""
    root = certify("CERN Root", key(1), None, authority=True)
    grid = certify("CERN Grid", key(2), root, authority=True)
    return root, grid, certify("cvm-sign02.cern.ch", key(3), grid)


def ca_file(folder: Path) -> Path:
    """Write the CA certificates that vouch for the signer."""
    root, grid, _ = authorities()
    file = folder / "ca.pem"
    file.write_bytes(grid.pem + root.pem)
    return file


def block(text: str) -> bytes:
    return text.encode().ljust(32768, b"\0")


def claims(bootloader: str = "2021.05-1", flavour: str = "v4prod", architecture: str = "x86_64") -> str:
    told = {
        "ucernvm-version": f"{bootloader}.cernvm.{architecture}",
        "os-repo": flavour,
        "snapshot": "HEAD4",
    }
    return json.dumps(told)


def sealed(payload: bytes, first: str | None = None, signer: Identity | None = None) -> bytes:
    """Return a payload with both blocks, rightly signed."""
    signer = signer or authorities()[2]
    body = payload + block((claims() if first is None else first) + "\n")
    return body + seal(signer, signer.key.sign(body, padding.PKCS1v15(), hashes.SHA256()))


def seal(signer: Identity, signature: bytes, comma: str = ",") -> bytes:
    """Return the signature block; without commas as the first releases wrote it."""
    fields = (
        f'"certificate": "{base64.b64encode(signer.pem).decode()}"',
        f'"signature": "{base64.b64encode(signature).decode()}"',
        '"howto-verify": ["1", "2"]',
    )
    return block("{\n" + f"{comma}\n".join(fields) + "\n}\n")


def version_line(bootloader: str = "2021.05-1", tag: str = "HEAD4") -> bytes:
    return f"cernvm-prod.cern.ch at {tag}, uCernVM {bootloader}.cernvm.x86_64\n".encode()


def fat16(line: bytes = VERSION, *, start: int = 512, name: bytes = b"VERSION    ") -> bytes:
    """Make a disk with one FAT16 partition that holds one file, the way mkdosfs lays it out."""
    boot = bytearray(512)
    boot[:3] = b"\xeb\x3c\x90"
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 4, 1, 2, 512, 400, 0xF8, 40)
    boot[510:] = b"\x55\xaa"
    root = bytearray(512 * 32)
    root[:11], root[11] = b"CERNVM     ", 0x08
    root[32:43], root[43] = name, 0x20
    struct.pack_into("<HI", root, 32 + 26, 3, len(line))
    data = bytes(4 * 512) + line.ljust(4 * 512, b"\0")
    table = bytearray(512)
    table[446], table[450] = 0x80, 0x0E
    struct.pack_into("<II", table, 454, start // 512, 399)
    table[510:] = b"\x55\xaa"
    disk = bytes(table).ljust(start, b"\0") + bytes(boot) + bytes(2 * 40 * 512) + bytes(root) + data
    return disk.ljust(start + 399 * 512, b"\1")


def signed_disk(bootloader: str = "2021.05-1", flavour: str = "v4prod", payload: bytes = b"") -> bytes:
    """Return a whole signed image: a disk with ``/version`` and both blocks."""
    disk = fat16(version_line(bootloader)) + payload
    return sealed(disk, claims(bootloader, flavour))


def publish(
    root: Path,
    systems: dict[str, int],
    images: dict[str, bytes],
    *,
    newest: str = "2021.05-1",
    needs: dict[str, str] | None = None,
    root_hash: str = "ab" * 20,
) -> Path:
    """Write a release repository in CernVM's layout: ``systems`` with their times, ``images`` by bootloader."""
    from vml_jupyter.release.names import ImageName

    for bootloader, content in images.items():
        file = root / ImageName(flavour="v4prod", bootloader=bootloader).path()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.with_name(f"{file.name}.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}\n")
    (root / "releases").mkdir(exist_ok=True)
    (root / "releases" / "latest").write_text(f"{newest}\n")
    database = root / "made.sqlite"
    database.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE tags (name, hash, revision, timestamp, channel, description)")
        for system, time in systems.items():
            needed = f"CernVM {system}, uCernVM {needs[system]}" if needs and system in needs else ""
            row = (f"cernvm-system-{system}", root_hash, 1, time, 0, needed)
            connection.execute("INSERT INTO tags VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.commit()
    packed = zlib.compress(database.read_bytes())
    name = hashlib.sha1(packed, usedforsecurity=False).hexdigest()
    stratum = root / "cvmfs" / "cernvm-prod.cern.ch"
    history = stratum / "data" / name[:2] / f"{name[2:]}H"
    history.parent.mkdir(parents=True, exist_ok=True)
    history.write_bytes(packed)
    (stratum / ".cvmfspublished").write_text(f"Ncernvm-prod.cern.ch\nH{name}\n--\n")
    return root


def publish_revisions(root: Path, fqrn: str, *root_hashes: str) -> None:
    """Write a CernVM-FS repository that has the root catalogs of these revisions, and no other."""
    stratum = root / "cvmfs" / fqrn
    for root_hash in root_hashes:
        catalog = stratum / "data" / root_hash[:2] / f"{root_hash[2:]}C"
        catalog.parent.mkdir(parents=True, exist_ok=True)
        catalog.write_bytes(b"catalog")
    stratum.mkdir(parents=True, exist_ok=True)
    (stratum / ".cvmfspublished").write_text(f"C{root_hashes[-1]}\nN{fqrn}\n--\n")
