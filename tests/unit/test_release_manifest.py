"""The manifest of a CernVM-FS repository, signed the way its server signs."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from release_images import authorities, certify, key, publish

from vml_jupyter.errors import Foreign, Usage
from vml_jupyter.release import PRODUCTION, Repository, systems
from vml_jupyter.release.manifest import Keys
from vml_jupyter.release.mirror import served
from vml_jupyter.release.repository import ask

SYSTEMS = {"4.5.0.1": 1611705600}
MASTER = key(20)


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def raw_signature(master: rsa.RSAPrivateKey, text: bytes) -> bytes:
    """Sign without the envelope that names a hash, as OpenSSL's RSA_private_encrypt does."""
    numbers = master.private_numbers()
    size = (numbers.public_numbers.n.bit_length() + 7) // 8
    padded = b"\0\1" + b"\xff" * (size - len(text) - 3) + b"\0" + text
    signed = pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n)
    return signed.to_bytes(size, "big")


def letter(lines: list[str], sign: Callable[[bytes], bytes]) -> bytes:
    text = "".join(f"{line}\n" for line in lines).encode()
    digest = sha1(text).encode()
    return text + b"--\n" + digest + b"\n" + sign(digest)


def fingerprint(certificate: x509.Certificate) -> str:
    digits = sha1(certificate.public_bytes(serialization.Encoding.DER)).upper()
    return ":".join(digits[place : place + 2] for place in range(0, 40, 2))


def sign(
    root: Path,
    *,
    master: rsa.RSAPrivateKey = MASTER,
    listed: x509.Certificate | None = None,
    signer: rsa.RSAPrivateKey | None = None,
    whitelist_of: str = PRODUCTION,
) -> None:
    """Sign the published repository; each argument breaks one link of the chain."""
    publisher = certify("publisher", key(21), authorities()[0])
    packed = zlib.compress(publisher.pem)
    name = sha1(packed)
    stratum = root / "cvmfs" / PRODUCTION
    (stratum / "data" / name[:2]).mkdir(exist_ok=True)
    (stratum / "data" / name[:2] / f"{name[2:]}X").write_bytes(packed)
    lines = (stratum / ".cvmfspublished").read_text().partition("--\n")[0].splitlines()
    own = signer or publisher.key
    manifest = letter([*lines, f"X{name}"], lambda text: own.sign(text, padding.PKCS1v15(), hashes.SHA1()))
    (stratum / ".cvmfspublished").write_bytes(manifest)
    told = [
        "20210101000000",
        "E20210201000000",
        f"N{whitelist_of}",
        fingerprint(listed or publisher.certificate),
    ]
    (stratum / ".cvmfswhitelist").write_bytes(letter(told, lambda text: raw_signature(master, text)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return publish(tmp_path / "site", SYSTEMS, {})


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    with served(root) as url:
        yield url


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    for name, each in (("cern.ch.pub", key(22)), ("cern-it4.pub", MASTER)):
        (folder / name).write_bytes(
            each.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return folder


def test_a_list_that_is_rightly_signed(root: Path, url: str, keys: Path) -> None:
    sign(root)
    assert [release.system for release in systems(url, keys=Keys.of(keys))] == ["4.5.0.1"]
    told = ask(Repository(url=url, keys=keys))
    assert told is not None
    assert told.fresh


@pytest.mark.parametrize(
    "broken",
    [
        {"master": key(23)},
        {"listed": authorities()[0].certificate},
        {"signer": key(23)},
        {"whitelist_of": "other.cern.ch"},
    ],
    ids=[
        "a false master key",
        "a publisher that is not listed",
        "a false signature",
        "of another repository",
    ],
)
def test_a_broken_chain_is_refused(root: Path, url: str, keys: Path, broken: dict[str, object]) -> None:
    sign(root, **broken)  # type: ignore[arg-type]
    with pytest.raises(Foreign, match="not signed by whom it must be"):
        systems(url, keys=Keys.of(keys))
    assert systems(url), "without keys the list is for choosing only"


def test_an_altered_list_is_refused(root: Path, url: str, keys: Path) -> None:
    sign(root)
    manifest = root / "cvmfs" / PRODUCTION / ".cvmfspublished"
    manifest.write_bytes(b"S9\n" + manifest.read_bytes())
    with pytest.raises(Foreign, match="not signed"):
        systems(url, keys=Keys.of(keys))


def test_an_unsigned_list_is_refused_where_keys_are_at_hand(root: Path, url: str, keys: Path) -> None:
    (root / "cvmfs" / PRODUCTION / ".cvmfswhitelist").write_text("")
    with pytest.raises(Foreign, match="not signed"):
        systems(url, keys=Keys.of(keys))


def test_keys_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="no CernVM-FS keys"):
        Keys.of(tmp_path)
    (tmp_path / "a.pub").write_text("no key")
    with pytest.raises(Usage, match="cannot be read"):
        Keys.of(tmp_path)
