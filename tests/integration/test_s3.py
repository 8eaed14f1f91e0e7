"""A logbook in a bucket of a real S3 server: what restic makes of it, what it costs, and what goes wrong in words."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from durability.ground import manifest
from radosgw import Gateway
from restic_judge import Restic
from s3_proxy import Fault, Traffic, proxy
from test_repository_store import (  # noqa: F401 - the suite that every store passes
    test_deleting_twice_is_no_error,
    test_listing_names_files_below_a_folder,
    test_putting_again_replaces_whole,
    test_ranges_of_a_large_file,
    test_what_is_missing_is_said_to_be,
    test_what_was_put_is_got,
)

from vml_jupyter.repository import open_store
from vml_jupyter.repository.store import Store

PASSWORD = "the password of the logbook"
MIB = 1 << 20

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def place(gateway_of_ceph: Gateway, traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket seen through the proxy, and its keys in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in gateway_of_ceph.environ().items():
        monkeypatch.setenv(name, value)
    bucket = gateway_of_ceph.make_bucket()
    return f"s3:{traffic.endpoint}/{bucket}/logbook of mine"


@pytest.fixture
def store(place: str) -> Store:
    return open_store(place)


@pytest.fixture
def vml(place: str, tmp_path: Path) -> Run:
    """``vml`` in a process of its own, with nothing of the user's."""

    def run(*words: str | Path, ok: bool = True, before: tuple[str, ...] = (), **changes: str):
        environ = {
            **os.environ,
            "VML_LOGBOOK": place,
            "VML_LOGBOOK_PASSWORD": PASSWORD,
            "VML_DATA": str(tmp_path / "data"),
            "VML_CONFIG": str(tmp_path / "config"),
            "HOME": str(tmp_path),
            **changes,
        }
        command = [*before, sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words), "--json"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
        assert not ok or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """Two hundred small files, a large one, and a notebook of 1 MB."""
    area = tmp_path / "area"
    for number in range(200):
        folder = area / f"package {number % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.py").write_bytes(os.urandom(2000))
    (area / "events.bin").write_bytes(os.urandom(20 * MIB))
    (area / "changing.bin").write_bytes(os.urandom(1_000_000))
    output = {"output_type": "stream", "name": "stdout", "text": os.urandom(500_000).hex()}
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": "1", "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (area / "analysis.ipynb").write_text(json.dumps(notebook))
    return area


def entry_of(done: subprocess.CompletedProcess[str]) -> str:
    return str(json.loads(done.stdout)["entry"])


def test_both_ways_with_restic(vml: Run, place: str, area: Path, tmp_path: Path) -> None:
    entry = entry_of(vml("snapshot", area))
    vml("restore", entry, "--to", tmp_path / "out")
    assert manifest(tmp_path / "out") == manifest(area)

    restic = Restic(place, PASSWORD)  # type: ignore[arg-type]  # a URL does as well
    restic.check()
    [snapshot] = restic.json("snapshots")
    restic.run("restore", snapshot["id"], "--target", tmp_path / "by restic")
    assert manifest(tmp_path / "by restic" / "area") == manifest(area)

    restic.run("backup", area / "package 1")
    assert [item["id"] for item in json.loads(vml("list").stdout)["entries"]] == [entry]
    (area / "package 1" / "new").touch()
    vml("snapshot", area)
    vml("forget", entry)
    restic.run("prune")
    restic.check()


def test_one_changed_megabyte_costs_little(
    vml: Run, area: Path, traffic: Traffic, capsys: pytest.CaptureFixture[str]
) -> None:
    vml("snapshot", area)
    (area / "changing.bin").write_bytes(os.urandom(1_000_000))
    traffic.clear()
    vml("snapshot", area)
    with capsys.disabled():
        print(f"\n  an entry with 1 MB changed: {traffic.summary()}, {len(traffic.writes)} that write")
    assert traffic.sent_bytes <= 1_100_000 + 64 * 1024
    assert len(traffic.writes) <= 10


def test_a_notebook_is_served_with_few_requests(
    vml: Run, place: str, area: Path, traffic: Traffic, capsys: pytest.CaptureFixture[str]
) -> None:
    from vml_jupyter.logbook import Logbook
    from vml_jupyter.snapshot.image import AreaImage

    entry = entry_of(vml("snapshot", area, "--notebook", "analysis.ipynb"))
    logbook = Logbook.open(place, PASSWORD)
    traffic.clear()
    with AreaImage(logbook.repository, logbook.find(entry).tree) as image:
        opened = traffic.summary()
        traffic.clear()
        content = (area / "analysis.ipynb").read_bytes()
        found = _read_file(image, content)
    with capsys.disabled():
        print(f"\n  the area's disk: {opened}\n  a notebook of {len(content)} bytes: {traffic.summary()}")
    assert found == content
    assert len(traffic.requests) <= 6
    logbook.close()


def _read_file(image: object, content: bytes) -> bytes:
    """Find a file in an image by its first block, reading as a guest does: 64 KiB at a time."""
    offset = next(at for at in _offsets(image, len(content)) if image.read(at, 2048) == content[:2048])  # type: ignore[attr-defined]
    step = 64 << 10
    parts = (
        image.read(offset + at, min(step, len(content) - at))  # type: ignore[attr-defined]
        for at in range(0, len(content), step)
    )
    return b"".join(parts)


def _offsets(image: object, length: int) -> Iterator[int]:
    """Yield where files of that length begin, as the image's own directory records say."""
    both = length.to_bytes(4, "little") + length.to_bytes(4, "big")
    metadata = image.read(0, image.data_start)  # type: ignore[attr-defined]
    at = metadata.find(both)
    while at >= 0:
        yield int.from_bytes(metadata[at - 8 : at - 4], "little") * 2048
        at = metadata.find(both, at + 1)


def test_a_connection_that_breaks_once_is_made_good(vml: Run, area: Path, traffic: Traffic) -> None:
    """Each request of a snapshot goes wrong at its first try, each in another way."""
    vml("snapshot", area)
    ways = itertools.cycle((Fault.CUT_UPLOAD, Fault.CUT_DOWNLOAD, Fault.LOST_ANSWER, Fault.SLOW_DOWN))
    tried: set[tuple[str, str]] = set()

    def first_try(method: str, path: str) -> Fault | None:
        if (method, path) in tried:
            return None
        tried.add((method, path))
        return next(ways)

    (area / "changing.bin").write_bytes(os.urandom(1_000_000))
    traffic.fault = first_try
    vml("snapshot", area)
    assert traffic.faults == len(tried) > 10
    traffic.fault = lambda method, path: None
    assert len(json.loads(vml("list").stdout)["entries"]) == 2


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


@pytest.mark.skipif(
    shutil.which("faketime") is None, reason="faketime, which sets a program's clock, is missing"
)
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
