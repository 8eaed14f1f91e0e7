"""Judging the signature of an image, with a certificate authority made for the test."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from release_images import MADE, SIGNER, Identity, authorities, certify, key, name, sealed

from vml_jupyter.release import verify
from vml_jupyter.release.signature import expected_signer

PAYLOAD = b"syslinux" * 20000
ROOT, GRID, HOST = authorities()

Sign = Callable[..., Path]


@pytest.fixture
def bundle() -> bytes:
    return GRID.pem + ROOT.pem


@pytest.fixture
def sign(tmp_path: Path) -> Sign:
    def sign(signer: Identity = HOST, *, version: str = "2021.05-1", suffix: str = ".hdd") -> Path:
        first = json.dumps({"ucernvm-version": f"{version}.cernvm.x86_64", "os-repo": "v4prod"})
        file = tmp_path / f"image{suffix}"
        file.write_bytes(sealed(PAYLOAD, first, signer))
        return file

    return sign


def test_a_good_signature_with_a_certificate_that_has_expired_since(sign: Sign, bundle: bytes) -> None:
    assert verify(sign(), bundle) == verify(sign(), bundle, [SIGNER])
    judgement = verify(sign(), bundle)
    assert (judgement.status, judgement.signer, judgement.reason) == ("signed", SIGNER, "")


def test_without_authorities_the_signer_is_not_judged(sign: Sign) -> None:
    judgement = verify(sign())
    assert (judgement.status, judgement.signer) == ("unchecked", SIGNER)


@pytest.mark.parametrize("place", [0, len(PAYLOAD) - 1, len(PAYLOAD) + 25, -33000])
def test_one_altered_byte_is_seen(sign: Sign, bundle: bytes, place: int) -> None:
    file = sign()
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert verify(file, bundle).status in ("bad", "unsigned")


def test_another_signer_is_bad(sign: Sign, bundle: bytes) -> None:
    other = certify("cvm-sign01.cern.ch", key(3), GRID)
    judgement = verify(sign(other), bundle)
    assert judgement.status == "bad"
    assert "cvm-sign01" in judgement.reason
    assert verify(sign(other, version="2020.04-1"), bundle).status == "signed"


def test_a_stranger_with_the_right_name_is_bad(sign: Sign, bundle: bytes) -> None:
    false_root = certify("CERN Grid", key(4), None, authority=True)
    stranger = certify("cvm-sign02.cern.ch", key(5), false_root)
    judgement = verify(sign(stranger), bundle)
    assert judgement.status == "bad"
    assert "vouches" in judgement.reason


def test_a_host_certificate_does_not_vouch(sign: Sign) -> None:
    child = certify("cvm-sign02.cern.ch", key(5), HOST)
    assert verify(sign(child), HOST.pem + GRID.pem + ROOT.pem).status == "bad"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (MADE - timedelta(days=900), MADE - timedelta(days=400)),
        (datetime.now(timezone.utc) + timedelta(days=5), datetime.now(timezone.utc) + timedelta(days=50)),
    ],
)
def test_a_certificate_of_another_time_is_bad(
    sign: Sign, bundle: bytes, start: datetime, end: datetime
) -> None:
    judgement = verify(sign(certify("cvm-sign02.cern.ch", key(3), GRID, start=start, end=end)), bundle)
    assert judgement.status == "bad"
    assert "valid" in judgement.reason or "expired" in judgement.reason


def test_a_key_that_is_not_rsa_is_bad(tmp_path: Path, sign: Sign, bundle: bytes) -> None:
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
