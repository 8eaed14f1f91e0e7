"""Fetching from servers that are mistaken, slow, or hostile: a clear error each, and the next mirror is tried."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_server import DIGEST, IMAGE, PATH, Handler, hostile, redirect, status, stranger_certificate
from release_images import certify, key, sealed, signed_disk

from vml_jupyter.errors import (
    DigestMismatch,
    Foreign,
    ReleaseNotFound,
    RepositoryUnreachable,
    SignatureWrong,
    VmlError,
)
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Stopwatch
from vml_jupyter.release import fetch, latest, reach, web
from vml_jupyter.release.history import System
from vml_jupyter.release.names import ImageName
from vml_jupyter.release.reach import answering
from vml_jupyter.release.repository import Repository, ask
from vml_jupyter.release.source import published_file

CONTENT = signed_disk(payload=bytes(range(256)) * 2000)
RELEASE = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
PAGE = b"<!DOCTYPE html><html><title>Hotel Wi-Fi</title>Please log in</html>"

Behave = Callable[[Handler], None]


def longer(handler: Handler) -> None:
    handler.answer(200, CONTENT + b"more", length=len(CONTENT) + 4)


def cut(handler: Handler) -> None:
    handler.answer(200, CONTENT[:1000], length=len(CONTENT))


def wrong_range(handler: Handler) -> None:
    """Break off at first, and answer with another range when asked to go on."""
    if "Range" in handler.headers:
        handler.answer(206, CONTENT[:100], {"Content-Range": f"bytes 0-99/{len(CONTENT)}"})
    else:
        handler.answer(200, CONTENT[:1000], length=len(CONTENT))


def garbage(handler: Handler) -> None:
    handler.wfile.write(b"\x15\x03\x01 this is no HTTP\r\n\r\n")
    handler.close_connection = True


def endless_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000)
    handler.close_connection = True


FAULTS: list[tuple[str, str, Behave, type[VmlError], str]] = [
    ("404", PATH, status(404), ReleaseNotFound, "does not exist"),
    ("403", PATH, status(403), ReleaseNotFound, "403"),
    ("416 to a request without a range", PATH, status(416), DigestMismatch, "differs"),
    ("416 for the digest", DIGEST, status(416), Foreign, "416"),
    ("500", PATH, status(500), RepositoryUnreachable, "500"),
    ("401", PATH, status(401), RepositoryUnreachable, "401"),
    ("a log-in page for the image", PATH, status(200, PAGE), Foreign, "web page"),
    ("a log-in page for the digest", DIGEST, status(200, PAGE), Foreign, "log-in"),
    ("an empty image", PATH, status(200, b""), DigestMismatch, "differs"),
    ("a longer image", PATH, longer, DigestMismatch, "differs"),
    (
        "a connection cut again and again",
        PATH,
        cut,
        RepositoryUnreachable,
        "ends too early|breaks off|answer",
    ),
    ("another range than asked for", PATH, wrong_range, RepositoryUnreachable, "range"),
    ("wrong bytes", PATH, status(200, b"?" * len(CONTENT)), DigestMismatch, "differs"),
    ("a wrong digest", DIGEST, status(200, b"0" * 64), DigestMismatch, "differs"),
    ("a redirect loop", PATH, redirect(PATH), RepositoryUnreachable, "without end"),
    ("a redirect to a file", PATH, redirect("file:///etc/passwd"), RepositoryUnreachable, "no web address"),
    ("a redirect to ftp", PATH, redirect("ftp://127.0.0.1/x"), RepositoryUnreachable, "no web address"),
    ("a redirect nowhere", PATH, redirect("http://127.0.0.1:9/x"), RepositoryUnreachable, "does not answer"),
    ("no HTTP", PATH, garbage, RepositoryUnreachable, "break|HTTP|answer"),
    ("headers without end", PATH, endless_headers, RepositoryUnreachable, "break|HTTP|answer"),
]


@pytest.mark.parametrize(
    ("path", "behave", "kind", "words"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_is_told_and_the_next_mirror_serves(
    path: str, behave: Behave, kind: type[VmlError], words: str, tmp_path: Path
) -> None:
    with hostile(CONTENT, {path: behave}) as bad, hostile(CONTENT) as good:
        with pytest.raises(kind, match=words) as caught:
            fetch(RELEASE, bad.url, tmp_path)
        assert caught.value.hint
        assert list(tmp_path.rglob(IMAGE.file)) == []
        found = fetch(RELEASE, bad.url, tmp_path, mirrors=[good.url])
        assert found.read_bytes() == CONTENT
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [IMAGE.file]


def test_a_trickle_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "STALL_S", 0.3)
    with hostile(CONTENT, {PATH: Handler.trickle}) as slow, hostile(CONTENT) as good:
        with pytest.raises(RepositoryUnreachable, match="takes too long"):
            fetch(RELEASE, slow.url, tmp_path)
        assert fetch(RELEASE, slow.url, tmp_path, mirrors=[good.url]).read_bytes() == CONTENT


def drips_in_its_head(handler: Handler) -> None:
    handler.drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")


def drips_between_pieces(handler: Handler) -> None:
    """Send a body in pieces, and never come to the end of the line that tells how long the next one is."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.drip(b"1;")


@pytest.mark.parametrize("behave", [drips_in_its_head, drips_between_pieces, Handler.trickle])
def test_a_drip_is_given_up_wherever_it_is(behave: Behave) -> None:
    """A deadline of 0.3 s, two seconds to connect, and room for a busy computer: the drip would take 15 s."""
    with hostile(CONTENT, {"/releases/latest": behave}) as slow:
        began = time.monotonic()
        with pytest.raises(RepositoryUnreachable, match="takes too long"):
            latest(slow.url, 0.3)
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("behave", [drips_in_its_head, drips_between_pieces])
def test_a_mirror_that_drips_is_left_for_the_next(
    behave: Behave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(web, "STALL_S", 0.3)
    with hostile(CONTENT, {PATH: behave}) as slow, hostile(CONTENT) as good:
        began = time.monotonic()
        assert fetch(RELEASE, slow.url, tmp_path, mirrors=[good.url]).read_bytes() == CONTENT
        assert time.monotonic() - began < 10, "as above"


def slowly(handler: Handler) -> None:
    """Send all of what is missing, 10 kB at a time."""
    start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    handler.send_header("Content-Length", str(len(CONTENT) - start))
    handler.end_headers()
    for place in range(start, len(CONTENT), 10_000):
        handler.wfile.write(CONTENT[place : place + 10_000])
        handler.server.stopping.wait(0.03)


def test_a_slow_mirror_goes_on_only_where_no_other_has_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "STALL_S", 0.5)
    monkeypatch.setattr(web, "STALL_BYTES", 1)
    monkeypatch.setattr(web, "BRISK_BYTES", 100 * len(CONTENT))
    with hostile(CONTENT, {PATH: slowly}) as slow, hostile(CONTENT) as good:
        assert fetch(RELEASE, slow.url, tmp_path / "a", mirrors=[good.url]).read_bytes() == CONTENT
        assert (slow.asked.count(PATH), good.asked.count(PATH)) == (1, 1)
    with hostile(CONTENT, {PATH: slowly}) as slow, hostile(CONTENT, {PATH: status(404)}) as empty:
        assert fetch(RELEASE, slow.url, tmp_path / "b", mirrors=[empty.url]).read_bytes() == CONTENT
        assert slow.asked.count(PATH) >= 2, "it is taken up again"
        assert empty.asked.count(PATH) == 1


def test_silence_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile(CONTENT, {"/releases/latest": lambda handler: handler.server.stopping.wait(30)}) as silent:  # type: ignore[arg-type,return-value]
        began = time.monotonic()
        with pytest.raises(RepositoryUnreachable, match="takes too long"):
            latest(silent.url, 0.3)
        assert time.monotonic() - began < 10


def test_a_server_that_nobody_vouches_for(tmp_path: Path) -> None:
    with hostile(CONTENT, tls=stranger_certificate(tmp_path)) as stranger, hostile(CONTENT) as good:
        with pytest.raises(RepositoryUnreachable, match=r"certificate that can be trusted \(self-signed"):
            fetch(RELEASE, stranger.url, tmp_path / "releases")
        found = fetch(RELEASE, stranger.url, tmp_path / "releases", mirrors=[good.url])
        assert found.read_bytes() == CONTENT


def test_a_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(RepositoryUnreachable, match="from https to http"):
        web._next("https://cernvm.cern.ch/a", "http://cernvm.cern.ch/a")
    assert web._next("http://cernvm.cern.ch/a", "https://cernvm.cern.ch/b") == "https://cernvm.cern.ch/b"


def test_a_redirect_to_another_server_is_followed(tmp_path: Path) -> None:
    with hostile(CONTENT) as other, hostile(CONTENT, {PATH: redirect(f"{other.url}{PATH}")}) as first:
        assert fetch(RELEASE, first.url, tmp_path).read_bytes() == CONTENT


def test_what_one_mirror_began_another_goes_on_with(tmp_path: Path) -> None:
    half = len(CONTENT) // 2

    def begin(handler: Handler) -> None:
        if "Range" in handler.headers:
            handler.answer(500)
        else:
            handler.answer(200, CONTENT[:half], {"ETag": '"of this mirror"'}, length=len(CONTENT))

    ranges = []

    def go_on(handler: Handler) -> None:
        ranges.append((handler.headers["Range"], handler.headers["If-Range"]))
        handler.answer(
            206, CONTENT[half:], {"Content-Range": f"bytes {half}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        )

    with hostile(CONTENT, {PATH: begin}) as first, hostile(CONTENT, {PATH: go_on}) as second:
        assert fetch(RELEASE, first.url, tmp_path, mirrors=[second.url]).read_bytes() == CONTENT
    assert ranges == [(f"bytes={half}-", None)]


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (
            sealed(bytes(200_000), signer=certify("cvm-sign01.cern.ch", key(3), None)),
            SignatureWrong,
            "signed by",
        ),
        (CONTENT[:-32768] + signed_disk("2020.07-1")[-32768:], SignatureWrong, "not the one that was signed"),
        (signed_disk("2020.07-1"), Foreign, "bootloader 2020.07-1"),
        (b"published, but something else" * 9000, Foreign, "no CernVM image"),
    ],
    ids=["a stranger's signature", "a signature of another image", "another release", "no image"],
)
def test_published_bytes_that_are_wrong_never_get_the_name(
    content: bytes, kind: type[VmlError], words: str, tmp_path: Path
) -> None:
    with hostile(content) as server, pytest.raises(kind, match=words):
        fetch(RELEASE, server.url, tmp_path)
    assert list(tmp_path.rglob("*")) == []


def test_an_image_that_a_repository_replaced_lies_beside_the_old_one(tmp_path: Path) -> None:
    new = signed_disk(payload=bytes(512))
    with hostile(CONTENT) as server:
        old = fetch(RELEASE, server.url, tmp_path)
    with hostile(new) as server:
        assert fetch(RELEASE, server.url, tmp_path).read_bytes() == new
    assert old.read_bytes() == CONTENT
    assert old.parent.name == hashlib.sha256(CONTENT).hexdigest()


def test_an_unsigned_kind_is_taken_where_there_is_no_other_and_said_to_be(tmp_path: Path) -> None:
    name = ImageName(flavour="v4prod", bootloader="2021.05-1", extension="tar.gz")
    disk = signed_disk(payload=random.Random(1).randbytes(1 << 19))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("disk.raw")
        member.size = len(disk)
        archive.addfile(member, io.BytesIO(disk))
    with hostile(CONTENT) as server:
        server.files = {
            f"/{name.path()}": packed.getvalue(),
            f"/{name.path()}.sha256": hashlib.sha256(packed.getvalue()).hexdigest().encode(),
        }
        watch = Stopwatch(SILENT)
        assert fetch(RELEASE, server.url, tmp_path, watch).name == name.file
    assert any("unsigned" in note for note in watch.notes)


def test_a_connection_that_timed_out_is_remembered_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its thread has just ended when those that still wait are looked at."""
    asked = []

    def connect(hop: tuple[str, int], timeout: float) -> None:
        asked.append(hop)
        raise TimeoutError

    monkeypatch.setattr(reach.socket, "create_connection", connect)
    reach.forget()
    for _ in range(3):
        assert answering(["http://mirror.invalid"]) == []
    assert asked == [("mirror.invalid", 80)]
    reach.forget()


def test_dead_servers_do_not_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are resolved for ever, as on a computer whose name server cannot be reached."""
    monkeypatch.setattr(reach, "PATIENCE_S", 0.5)
    stuck = []

    def connect(hop: tuple[str, int], timeout: float) -> None:
        stuck.append(hop)
        threading.Event().wait(3)  # getaddrinfo without an answer
        raise OSError

    monkeypatch.setattr(reach.socket, "create_connection", connect)
    reach.forget()
    urls = [f"http://mirror-{number}.invalid" for number in range(8)]
    began = time.monotonic()
    assert answering(urls) == []
    with pytest.raises(RepositoryUnreachable, match="does not answer"):
        fetch(RELEASE, urls[0], tmp_path, mirrors=urls[1:])
    assert time.monotonic() - began < 2.5, "eight servers wait once, not eight times"
    assert len(stuck) == 8
    reach.forget()


@pytest.mark.parametrize("length", ["9" * 5000, "\u00b2", "-1", "1e9", ""])
def test_a_length_that_is_no_number(length: str) -> None:
    def lie(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.close_connection = True

    with hostile(CONTENT, {PATH: lie}) as server:
        assert published_file(f"{server.url}{PATH}")[0] == 0


@pytest.mark.timeout(60)
def test_a_listing_of_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bootloader costs questions, and each with each system would cost memory: both lists are foreign."""
    names = [f"ucernvm-images.20{number:05}.1-1.cernvm.x86_64" for number in range(20_000)]
    names.append(f"ucernvm-images.{'9' * 5000}.1-1.cernvm.x86_64")
    known = [System(Release(system=f"4.5.{number}.0", bootloader=""), 0) for number in range(20_000)]
    monkeypatch.setattr("vml_jupyter.release.repository.dated_systems", lambda *_, **__: known)
    monkeypatch.setattr("vml_jupyter.release.repository._MOST_BOOTLOADERS", 5)
    with hostile(CONTENT, {"/releases/": status(200, "\n".join(names).encode())}) as server:
        offered = ask(Repository(url=server.url))
        assert offered is not None
        assert len(offered.systems) == 20_000
        assert len(server.asked) < 100
