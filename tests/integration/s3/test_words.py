"""A logbook in a bucket: what goes wrong is said in words, with what to do, and without secrets."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from radosgw import Gateway
from s3_proxy import Fault, Traffic, proxy

from integration.s3.scene import Run, entry_of


def test_a_server_that_is_overloaded_is_said_to_be(vml: Run, area: Path, traffic: Traffic) -> None:
    with traffic.failing(Fault.SLOW_DOWN, for_good=True):
        assert "overloaded" in said(vml("snapshot", area, ok=False))
    assert len(traffic.requests) > 3, "it was not asked again"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "SOMEBODYELSE"}, "does not know the access key"),
        (
            {"AWS_SECRET_ACCESS_KEY": "a-secret-that-fits-nothing"},
            "secret key does not belong to the access key",
        ),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no keys for the S3 server are known"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "its secret key is not"),
    ],
)
def test_wrong_keys(vml: Run, area: Path, changes: dict[str, str], words: str) -> None:
    assert words in said(vml("snapshot", area, ok=False, **changes))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3:{endpoint}/no-such-bucket/x", "no such bucket"),
        ("s3:http://127.0.0.1:9/bucket/x", "nothing listens there"),
        ("s3:http://no-such-host.invalid/bucket/x", "no computer of that name"),
        ("s3:https://127.0.0.1:{port}/bucket/x", "does not speak https"),
    ],
)
def test_wrong_places(vml: Run, area: Path, traffic: Traffic, url: str, words: str) -> None:
    url = url.format(endpoint=traffic.endpoint, port=traffic.port)
    assert words in said(vml("snapshot", area, "--logbook", url, ok=False))


def test_a_wrong_clock(vml: Run, area: Path) -> None:
    done = vml("snapshot", area, ok=False, before=("faketime", "-f", "+1h"))
    assert "clock" in said(done)


def test_a_certificate_of_an_authority_of_ones_own(
    gateway_of_ceph: Gateway, place: str, vml: Run, area: Path, tmp_path: Path
) -> None:
    both, authority = _certificate(tmp_path)
    path = place.split("/", 3)[3]
    with proxy(gateway_of_ceph.port, both) as encrypted:
        url = f"s3:{encrypted.endpoint}/{path}"
        done = vml("snapshot", area, "--logbook", url, ok=False)
        assert "certificate is not trusted" in said(done)
        assert "AWS_CA_BUNDLE" in said(done)
        entry = entry_of(vml("snapshot", area, "--logbook", url, AWS_CA_BUNDLE=str(authority)))
    assert [item["id"] for item in json.loads(vml("list").stdout)["entries"]] == [entry]


def test_keys_from_the_usual_files(
    gateway_of_ceph: Gateway, vml: Run, area: Path, place: str, tmp_path: Path
) -> None:
    folder = tmp_path / ".aws"
    folder.mkdir()
    endpoint, bucket = place.removeprefix("s3:").rsplit("/", 2)[0:2]
    (folder / "config").write_text(f"[profile cern]\nregion = default\nendpoint_url = {endpoint}\n")
    (folder / "credentials").write_text(
        f"[cern]\naws_access_key_id = {gateway_of_ceph.access_key}\n"
        f"aws_secret_access_key = {gateway_of_ceph.secret_key}\n"
    )
    unset = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": ""}
    url = f"s3://{bucket}/logbook of mine"
    entry = entry_of(vml("snapshot", area, "--logbook", url, AWS_PROFILE="cern", **unset))
    assert [item["id"] for item in json.loads(vml("list").stdout)["entries"]] == [entry]


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed run says: one line with a hint, and no secret."""
    assert done.returncode in (1, 2)
    error = json.loads(done.stdout)["error"]
    assert error["hint"], error
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("vml: ")
    assert "Traceback" not in done.stderr
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    assert secret not in done.stderr + done.stdout
    assert "a-secret-that-fits-nothing" not in done.stderr + done.stdout
    return line


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make an authority and a certificate of it for 127.0.0.1; return the server's file and the authority's."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Authority", "Server")]
    now = datetime.datetime.now(datetime.timezone.utc)

    def signed(number: int, extension: x509.ExtensionType) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(names[number])
            .issuer_name(names[0])
            .public_key(keys[number].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(keys[0], hashes.SHA256())
        )

    authority = signed(0, x509.BasicConstraints(ca=True, path_length=0))
    server = signed(1, x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]))
    key = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both, alone = folder / "server.pem", folder / "authority.pem"
    both.write_bytes(key + server.public_bytes(serialization.Encoding.PEM))
    alone.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    return both, alone
