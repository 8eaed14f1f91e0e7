"""Judging the signature of an image, with a certificate authority made for the test."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from vml_jupyter.release import verify
from vml_jupyter.release.signature import expected_signer

SIGNER = "/DC=ch/DC=cern/OU=computers/CN=cvm-sign02.cern.ch"
PAYLOAD = b"syslinux" * 20000
MADE = datetime(2021, 4, 30, tzinfo=timezone.utc)


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


ROOT = certify("CERN Root", key(1), None, authority=True)
GRID = certify("CERN Grid", key(2), ROOT, authority=True)
HOST = certify("cvm-sign02.cern.ch", key(3), GRID)

Sign = Callable[..., Path]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_bytes(GRID.pem + ROOT.pem)
    return file


@pytest.fixture
def sign(tmp_path: Path) -> Sign:
    def sign(signer: Identity = HOST, *, version: str = "2021.05-1", suffix: str = ".hdd") -> Path:
        first = json.dumps({"ucernvm-version": f"{version}.cernvm.x86_64", "os-repo": "v4prod"}) + "\n"
        body = PAYLOAD + first.encode().ljust(32768, b"\0")
        proof = signer.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
        second = {
            "certificate": base64.b64encode(signer.pem).decode(),
            "signature": base64.b64encode(proof).decode(),
            "howto-verify": [""] * 6,
        }
        file = tmp_path / f"image{suffix}"
        file.write_bytes(body + (json.dumps(second) + "\n").encode().ljust(32768, b"\0"))
        return file

    return sign


def test_a_good_signature_with_a_certificate_that_has_expired_since(sign: Sign, bundle: Path) -> None:
    assert verify(sign(), bundle) == verify(sign(), bundle, signer=SIGNER)
    judgement = verify(sign(), bundle)
    assert (judgement.status, judgement.signer, judgement.reason) == ("signed", SIGNER, "")


def test_without_authorities_the_signer_is_not_judged(sign: Sign) -> None:
    judgement = verify(sign())
    assert (judgement.status, judgement.signer) == ("unchecked", SIGNER)


@pytest.mark.parametrize("place", [0, len(PAYLOAD) - 1, len(PAYLOAD) + 25, -33000])
def test_one_altered_byte_is_seen(sign: Sign, bundle: Path, place: int) -> None:
    file = sign()
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert verify(file, bundle).status in ("bad", "unsigned")


def test_an_image_edited_after_signing_is_bad_and_says_why(sign: Sign, bundle: Path) -> None:
    file = sign(suffix=".hvm")
    content = file.read_bytes()
    file.write_bytes(b"serial" + content[6:])
    judgement = verify(file, bundle)
    assert judgement.status == "bad"
    assert "edited after signing" in judgement.reason


def test_another_signer_is_bad(sign: Sign, bundle: Path) -> None:
    other = certify("cvm-sign01.cern.ch", key(3), GRID)
    judgement = verify(sign(other), bundle)
    assert judgement.status == "bad"
    assert "cvm-sign01" in judgement.reason
    assert verify(sign(other, version="2020.04-1"), bundle).status == "signed"


def test_a_stranger_with_the_right_name_is_bad(sign: Sign, bundle: Path) -> None:
    false_root = certify("CERN Grid", key(4), None, authority=True)
    stranger = certify("cvm-sign02.cern.ch", key(5), false_root)
    judgement = verify(sign(stranger), bundle)
    assert judgement.status == "bad"
    assert "vouches" in judgement.reason


def test_a_host_certificate_does_not_vouch(sign: Sign, tmp_path: Path) -> None:
    child = certify("cvm-sign02.cern.ch", key(5), HOST)
    bundle = tmp_path / "with-host.pem"
    bundle.write_bytes(HOST.pem + GRID.pem + ROOT.pem)
    assert verify(sign(child), bundle).status == "bad"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MADE - timedelta(days=900), MADE - timedelta(days=400)),
        (datetime.now(timezone.utc) + timedelta(days=5), datetime.now(timezone.utc) + timedelta(days=50)),
    ],
)
def test_a_certificate_of_another_time_is_bad(
    sign: Sign, bundle: Path, start: datetime, end: datetime
) -> None:
    judgement = verify(sign(certify("cvm-sign02.cern.ch", key(3), GRID, start=start, end=end)), bundle)
    assert judgement.status == "bad"
    assert "valid" in judgement.reason or "expired" in judgement.reason


def test_a_key_that_is_not_rsa_is_bad(tmp_path: Path, sign: Sign, bundle: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("cvm-sign02.cern.ch"))
        .issuer_name(name("CERN Grid"))
        .public_key(curve.public_key())
        .serial_number(1)
        .not_valid_before(MADE)
        .not_valid_after(MADE + timedelta(days=1))
    )
    other = Identity(key(3), builder.sign(GRID.key, hashes.SHA256()))
    assert verify(sign(other), bundle).status == "bad"


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"{}".ljust(32768, b"\0"),
        b'{"certificate": "%%%", "signature": "aa"}'.ljust(32768, b"\0"),
        b'{"certificate": 1}'.ljust(32768, b"\0"),
        (b"[" * 20000).ljust(32768, b"\0"),
        (b'{"a":' * 6000).ljust(32768, b"\0"),
    ],
)
def test_no_signature_is_unsigned(tmp_path: Path, tail: bytes) -> None:
    file = tmp_path / "a.hdd"
    file.write_bytes(PAYLOAD + tail)
    assert verify(file).status == "unsigned"


def test_a_certificate_that_is_none_is_bad(tmp_path: Path, sign: Sign) -> None:
    content = sign().read_bytes()[:-32768]
    second = json.dumps({"certificate": base64.b64encode(b"PEM").decode(), "signature": "AAAA"})
    file = tmp_path / "b.hdd"
    file.write_bytes(content + second.encode().ljust(32768, b"\0"))
    assert verify(file).status == "bad"


def test_who_signed_when() -> None:
    assert expected_signer("2020.07-1") == SIGNER
    assert expected_signer("2020.04-1").endswith("cvm-sign01.cern.ch")
