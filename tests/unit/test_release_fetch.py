"""Downloading an image from a server that breaks off, lies, or is asked by two at once."""

from __future__ import annotations

import hashlib
import http.server
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from release_images import signed_disk

from vml_jupyter.errors import (
    Cancelled,
    DigestMismatch,
    DiskFull,
    Foreign,
    HostError,
    ReleaseNotFound,
    RepositoryUnreachable,
    Usage,
)
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Silent
from vml_jupyter.release import fetch, latest, published_digest
from vml_jupyter.release.digests import recall
from vml_jupyter.release.names import ImageName

IMAGE = ImageName(flavour="v4prod", bootloader="2021.05-1")
RELEASE = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
CONTENT = signed_disk(payload=random.Random(7).randbytes(3_000_000 // 512 * 512))
URL = f"/{IMAGE.path()}"


class Server(http.server.ThreadingHTTPServer):
    """A release repository with the faults that a test asks for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {
            "/releases/latest": b"2021.05-1\n",
            f"{URL}.sha256": hashlib.sha256(CONTENT).hexdigest().encode() + b"\n",
            URL: CONTENT,
        }
        self.etag: str | None = '"one"'
        self.ranges = True
        self.break_after: int | None = None
        self.breaks_left = 0
        self.hold: threading.Event | None = None
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, self.headers.get("Range", "")))
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = self._start(len(content))
        if start is not None and start >= len(content):
            self.send_error(416)
            return
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start or 0 :]
        self.send_header("Content-Length", str(len(body)))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        self._send(body)

    def _start(self, size: int) -> int | None:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not match or not self.server.ranges or (condition and condition != self.server.etag):
            return None
        return int(match[1])

    def _send(self, body: bytes) -> None:
        server = self.server
        if self.path == URL and server.breaks_left and server.break_after is not None:
            server.breaks_left -= 1
            self.wfile.write(body[: server.break_after])
            self.close_connection = True
            return
        if self.path == URL and server.hold:
            self.wfile.write(body[:1000])
            server.hold.wait(60)
            body = body[1000:]
        self.wfile.write(body)


class Run(NamedTuple):
    server: Server
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / hashlib.sha256(CONTENT).hexdigest()

    @property
    def final(self) -> Path:
        return self.home / IMAGE.file

    def fetch(self, release: Release = RELEASE, progress: Silent = SILENT, **more: object) -> Path:
        return fetch(release, self.server.url, self.folder, progress, **more)  # type: ignore[arg-type]

    def transfers(self) -> list[str]:
        return [bytes_range for path, bytes_range in self.server.asked if path == URL]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Server() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            yield Run(server, tmp_path / "releases")
        finally:
            server.shutdown()
            thread.join()


def only(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_an_image_arrives_whole_and_once(run: Run) -> None:
    class Listener(Silent):
        def __init__(self) -> None:
            self.seen: list[tuple[int, int | None, str]] = []

        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            self.seen.append((done, total, unit))

    listener = Listener()
    assert run.fetch(progress=listener) == run.final
    assert run.final.read_bytes() == CONTENT
    assert only(run.home) == [IMAGE.file]
    assert listener.seen[-1] == (len(CONTENT), len(CONTENT), "bytes")
    run.fetch()
    assert run.transfers() == [""], "the second time it is here already"


def test_what_was_verified_is_not_read_again(run: Run, tmp_path: Path) -> None:
    final = run.fetch(cache=tmp_path / "cache")
    assert recall(final, tmp_path / "cache") == hashlib.sha256(CONTENT).hexdigest()


def test_what_the_release_leaves_open_the_repository_decides(run: Run) -> None:
    assert run.fetch(Release(system="4.5.0.1")) == run.final


@pytest.mark.parametrize("etag", ['"one"', None, 'W/"weak"'])
def test_a_broken_connection_is_resumed(run: Run, etag: str | None) -> None:
    run.server.etag = etag
    run.server.break_after, run.server.breaks_left = 1 << 20, 2
    assert run.fetch().read_bytes() == CONTENT
    assert run.transfers() == ["", "bytes=1048576-", "bytes=2097152-"]


def test_what_has_arrived_is_kept_for_the_next_time(run: Run) -> None:
    run.server.break_after, run.server.breaks_left = 1_000_000, 1

    class Impatient(Silent):
        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            if done >= 500_000:
                raise Cancelled

    with pytest.raises(Cancelled):
        run.fetch(progress=Impatient())
    assert only(run.home) == [f"{IMAGE.file}.part", f"{IMAGE.file}.part.json"]
    arrived = (run.home / f"{IMAGE.file}.part").stat().st_size
    assert run.fetch().read_bytes() == CONTENT
    assert run.transfers() == ["", f"bytes={arrived}-"]
    assert only(run.home) == [IMAGE.file]


def test_a_part_of_a_changed_file_is_not_continued(run: Run) -> None:
    run.server.files[URL] = bytes(3_000_000)
    run.server.break_after, run.server.breaks_left = 1_000_000, 99
    run.server.ranges = False
    with pytest.raises(RepositoryUnreachable):
        run.fetch()
    run.server.files[URL] = CONTENT
    run.server.etag, run.server.breaks_left, run.server.ranges = '"two"', 0, True
    assert run.fetch().read_bytes() == CONTENT


def test_a_wrong_part_without_a_validator_is_started_again(run: Run) -> None:
    run.server.etag = None
    run.home.mkdir(parents=True)
    (run.home / f"{IMAGE.file}.part").write_bytes(b"wrong")
    plan = f'{{"sha256": "{hashlib.sha256(CONTENT).hexdigest()}", "validator": ""}}'
    (run.home / f"{IMAGE.file}.part.json").write_text(plan)
    assert run.fetch().read_bytes() == CONTENT
    assert run.transfers() == ["bytes=5-", ""]


def test_a_whole_part_only_needs_its_name(run: Run) -> None:
    run.home.mkdir(parents=True)
    (run.home / f"{IMAGE.file}.part").write_bytes(CONTENT)
    plan = f'{{"sha256": "{hashlib.sha256(CONTENT).hexdigest()}", "validator": "\\"one\\""}}'
    (run.home / f"{IMAGE.file}.part.json").write_text(plan)
    assert run.fetch().read_bytes() == CONTENT
    assert run.transfers() == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("plan", ["", "{", '{"sha256": "other", "validator": "x"}', "[1]"])
def test_a_part_of_unknown_origin_is_thrown_away(run: Run, plan: str) -> None:
    run.home.mkdir(parents=True)
    (run.home / f"{IMAGE.file}.part").write_bytes(b"anything")
    (run.home / f"{IMAGE.file}.part.json").write_text(plan)
    assert run.fetch().read_bytes() == CONTENT
    assert run.transfers() == [""]


def test_wrong_bytes_never_get_the_name(run: Run) -> None:
    run.server.files[URL] = b"!" + CONTENT[1:]
    with pytest.raises(DigestMismatch):
        run.fetch()
    assert only(run.folder) == []


def test_a_damaged_image_is_replaced(run: Run) -> None:
    run.home.mkdir(parents=True)
    run.final.write_bytes(b"damaged")
    assert run.fetch().read_bytes() == CONTENT


def test_another_image_than_the_recorded_one_is_refused_before_it_is_loaded(run: Run) -> None:
    recorded = Release(system="4.5.0.1", bootloader="2021.05-1", image_sha256="0" * 64)
    with pytest.raises(DigestMismatch, match="when the entry was written"):
        run.fetch(recorded)
    assert run.transfers() == []


def test_a_mirror_goes_on_where_the_first_stopped(run: Run) -> None:
    del run.server.files[URL]
    notes: list[str] = []

    class Listener(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    with Server() as mirror:
        thread = threading.Thread(target=lambda: mirror.serve_forever(poll_interval=0.01))
        thread.start()
        try:
            assert run.fetch(progress=Listener(), mirrors=[mirror.url]).read_bytes() == CONTENT
        finally:
            mirror.shutdown()
            thread.join()
    assert run.server.url in notes[0]
    assert [note for note in notes[1:] if "does not exist" in note] == []


def test_two_who_ask_at_once_share_one_transfer(run: Run) -> None:
    run.server.hold = threading.Event()
    waiting = threading.Event()

    class Second(Silent):
        def note(self, text: str) -> None:
            waiting.set()

    results: list[Path] = []
    first = threading.Thread(target=lambda: results.append(run.fetch()))
    first.start()
    deadline = time.monotonic() + 10
    while not run.transfers() and time.monotonic() < deadline:
        time.sleep(0.01)
    second = threading.Thread(target=lambda: results.append(run.fetch(progress=Second())))
    second.start()
    assert waiting.wait(10)
    run.server.hold.set()
    for thread in (first, second):
        thread.join(10)
    assert results == [run.final, run.final]
    assert run.transfers() == [""]
    assert only(run.home) == [IMAGE.file]


FETCH = """
import sys
from pathlib import Path
from vml_jupyter.model import Release
from vml_jupyter.progress import Silent
from vml_jupyter.release import fetch

class Told(Silent):
    def note(self, text):
        print(text, flush=True)

release = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
print(fetch(release, sys.argv[1], Path(sys.argv[2]), Told()))
"""


def test_two_processes_that_ask_at_once_share_one_transfer(run: Run) -> None:
    run.server.hold = threading.Event()

    def begin() -> subprocess.Popen[str]:
        words = [sys.executable, "-c", FETCH, run.server.url, str(run.folder)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    with begin() as first:
        deadline = time.monotonic() + 60
        while not run.transfers() and time.monotonic() < deadline:
            time.sleep(0.01)
        with begin() as second:
            assert first.stdout
            assert second.stdout
            assert "waiting" in second.stdout.readline()
            run.server.hold.set()
            ends = [process.communicate(timeout=60)[0].splitlines()[-1] for process in (first, second)]
    assert ends == [str(run.final), str(run.final)]
    assert run.transfers() == [""]
    assert run.final.read_bytes() == CONTENT
    assert only(run.home) == [IMAGE.file]


def test_the_room_is_looked_at_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFull):
        run.fetch()
    assert only(run.folder) == []


def test_a_folder_that_cannot_be_written_is_told(run: Run) -> None:
    run.folder.write_text("a file")
    with pytest.raises(HostError, match="cannot be written"):
        run.fetch()


def test_a_repository_without_the_image_says_so(run: Run) -> None:
    with pytest.raises(ReleaseNotFound):
        run.fetch(Release(system="4.5.0.1", bootloader="2020.07-1"))


@pytest.mark.parametrize(
    "text", [b"", b"<html>", b"0" * 63, b"0" * 64 + b"  name", b"\xff" * 64, b"0" * 10000]
)
def test_a_digest_that_is_none_is_refused(run: Run, text: bytes) -> None:
    run.server.files[f"{URL}.sha256"] = text
    with pytest.raises(Foreign):
        published_digest(run.server.url, IMAGE)


@pytest.mark.parametrize("text", [b"", b"<html>", b"2021.05-1 and more", b"\xff\xfe"])
def test_a_newest_version_that_is_none_is_refused(run: Run, text: bytes) -> None:
    run.server.files["/releases/latest"] = text
    with pytest.raises(Foreign):
        latest(run.server.url)


def test_no_answer_is_told_with_advice() -> None:
    with pytest.raises(RepositoryUnreachable) as caught:
        latest("http://127.0.0.1:9")
    assert "127.0.0.1:9" in caught.value.message
    assert "VML_RELEASE_URLS" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["/data/releases", "ftp://cernvm.cern.ch", "https://", "", "https://me:secret@h/"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Usage) as caught:
        latest(url)
    assert "secret" not in str(caught.value)
