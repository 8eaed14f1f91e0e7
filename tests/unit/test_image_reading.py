"""Blobs are decoded once, ahead of a reader that goes on, by any number of readers at a time."""

from __future__ import annotations

import errno
import os
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from image_source import MemorySource

from vml_jupyter.errors import Cancelled, DiskFull, LogbookDamaged, NotFound, WouldOverwrite
from vml_jupyter.progress import Silent
from vml_jupyter.snapshot.image import AreaImage
from vml_jupyter.snapshot.image import file as image_file
from vml_jupyter.snapshot.image.blobs import BlobCache

MIB = 1 << 20


@pytest.fixture
def source():
    return MemorySource()


@pytest.fixture
def image(source):
    draw = random.Random(1)
    chunks = [draw.randbytes(MIB + index) for index in range(12)]
    with AreaImage(source, source.put_tree([source.file(b"big", *chunks)])) as image:
        yield image


def eventually(condition, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_laying_out_reads_no_blob(image, source):
    image.read(0, image.data_start)
    assert source.fetched == []


def test_a_read_fetches_only_what_it_needs(image, source):
    image.read(image.data_start + 3 * MIB + 10, 5)
    assert len(source.fetched) == 1


def test_small_reads_decode_each_blob_once(image, source):
    for offset in range(0, image.size, 100_000):
        image.read(offset, 100_000)
    assert set(Counter(source.fetched).values()) == {1}
    assert len(source.fetched) == 12


def test_going_on_fetches_ahead(image, source):
    for at in range(0, 2 * MIB, MIB // 2):
        image.read(image.data_start + at, MIB // 2)
    eventually(lambda: len(source.fetched) >= 4)


def test_how_much_is_fetched_ahead_grows_with_what_was_read_in_a_row(image, source):
    image.read(image.data_start, 1000)
    image.read(image.data_start + 1000, 1000)
    image.close()  # which waits for what is under way
    assert len(source.fetched) == 1


def test_jumping_about_fetches_nothing_ahead(image, source):
    for index in (9, 1, 7):
        image.read(image.data_start + index * MIB + 5000, 10)
    assert len(source.fetched) == 3


def test_many_readers_share_one_decoding(image, source):
    whole = b"".join(source.data[id] for id in source.trees[next(iter(source.trees))][0].content)
    draw = random.Random(2)
    places = [(draw.randrange(len(whole)), draw.randrange(300_000)) for _ in range(300)]
    with ThreadPoolExecutor(8) as readers:
        parts = readers.map(lambda place: image.read(image.data_start + place[0], place[1]), places)
        for (offset, length), part in zip(places, parts, strict=True):
            expected = whole[offset : offset + length]
            assert part == expected + bytes(
                min(length, image.size - image.data_start - offset) - len(expected)
            )
    assert set(Counter(source.fetched).values()) == {1}


def test_where_many_readers_stand_is_followed_by_one_at_a_time(image):
    """More streams than are followed, and threads that take turns within a line of Python."""
    pace = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as readers:
            reads = [readers.submit(image.read, image.data_start + at % MIB, 1) for at in range(0, 40_000, 7)]
            assert {len(read.result()) for read in reads} == {1}
    finally:
        sys.setswitchinterval(pace)


def test_reads_end_with_the_image(image):
    assert image.read(image.size - 3, 10) == bytes(3)
    assert image.read(image.size, 10) == b""
    assert image.read(image.size + 5000, 10) == b""
    assert image.read(5, 0) == b""
    with pytest.raises(ValueError, match="no such part"):
        image.read(-1, 5)
    with pytest.raises(ValueError, match="no such part"):
        image.read(0, -1)


def test_a_closed_image_can_still_be_read(image):
    image.read(image.data_start, 10)
    image.close()
    assert len(image.read(image.data_start, 2 * MIB)) == 2 * MIB


def test_the_cache_keeps_what_was_used_last_and_no_more():
    fetched = []
    cache = BlobCache(lambda id: fetched.append(id) or bytes(40), kept_bytes=100)
    for id in ("a", "b", "a", "c", "a", "b"):
        cache.get(id)
    assert fetched == ["a", "b", "c", "b"]


def test_a_blob_that_two_want_is_fetched_by_one():
    entered, leave, fetched = threading.Event(), threading.Event(), []

    def fetch(id):
        fetched.append(id)
        entered.set()
        assert leave.wait(10)
        return b"data"

    cache = BlobCache(fetch)
    with ThreadPoolExecutor(2) as readers:
        first = readers.submit(cache.get, "a")
        assert entered.wait(10)
        second = readers.submit(cache.get, "a")
        cache.ahead(["a"])
        leave.set()
        assert first.result() == second.result() == b"data"
    assert fetched == ["a"]


def test_no_more_is_under_way_than_a_few_and_the_rest_is_asked_again():
    leave = threading.Event()
    cache = BlobCache(lambda id: b"data" if leave.wait(10) else b"")
    ids = [str(number) for number in range(50)]
    taken = cache.ahead(ids)
    assert 0 < taken < len(ids)
    assert cache.ahead(ids) == taken
    leave.set()
    eventually(lambda: cache.ahead(ids) == len(ids))
    cache.close()
    assert cache.ahead(ids) == 0


def test_small_blobs_are_fetched_ahead_and_once(source):
    draw = random.Random(3)
    chunks = [draw.randbytes(20_000) for _ in range(100)]
    with AreaImage(source, source.put_tree([source.file(b"small ones", *chunks)])) as image:
        for at in range(0, 1_000_000, 4096):
            image.read(image.data_start + at, 4096)
        assert image.read(image.data_start, 1_000_000) == b"".join(chunks)[:1_000_000]
        eventually(lambda: len(source.fetched) >= 60)  # half of them were read
        assert set(Counter(source.fetched).values()) == {1}


def test_an_error_reaches_the_reader_and_is_not_kept():
    answers = [LogbookDamaged("cut"), b"data"]

    def fetch(id):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = BlobCache(fetch)
    with pytest.raises(LogbookDamaged):
        cache.get("a")
    assert cache.get("a") == b"data"


class Heard(Silent):
    def __init__(self, cancel_at=None):
        self.done, self.cancel_at = [], cancel_at

    def advance(self, done, total=None, unit=""):
        self.done.append((done, total, unit))
        if self.cancel_at is not None and done >= self.cancel_at:
            raise Cancelled


def test_the_written_file_is_the_image(image, tmp_path):
    progress = Heard()
    image.write(tmp_path / "a.iso", progress)
    assert (tmp_path / "a.iso").read_bytes() == image.read(0, image.size)
    assert progress.done[0] == (0, image.size, "bytes")
    assert progress.done[-1] == (image.size, image.size, "bytes")
    assert os.listdir(tmp_path) == ["a.iso"]


def test_writing_never_replaces(image, tmp_path):
    (tmp_path / "a.iso").write_text("mine")
    (tmp_path / "b.iso").symlink_to("nowhere")
    for name in ("a.iso", "b.iso"):
        with pytest.raises(WouldOverwrite):
            image.write(tmp_path / name)
    assert (tmp_path / "a.iso").read_text() == "mine"


def test_writing_does_not_replace_what_came_meanwhile(image, tmp_path):
    class Intruder(Silent):
        def advance(self, done, total=None, unit=""):
            (tmp_path / "a.iso").write_text("theirs")

    with pytest.raises(WouldOverwrite):
        image.write(tmp_path / "a.iso", Intruder())
    assert (tmp_path / "a.iso").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.iso"]


def test_without_hard_links_the_file_is_renamed(image, tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(image_file.os, "link", refuse)
    image.write(tmp_path / "a.iso")
    assert (tmp_path / "a.iso").stat().st_size == image.size
    assert os.listdir(tmp_path) == ["a.iso"]


def test_cancelling_leaves_nothing(image, tmp_path):
    with pytest.raises(Cancelled):
        image.write(tmp_path / "a.iso", Heard(cancel_at=5 * MIB))
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_leaves_nothing(image, tmp_path, monkeypatch):
    def full(descriptor, data):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(image_file.os, "write", full)
    with pytest.raises(DiskFull):
        image.write(tmp_path / "a.iso")
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_too_small_is_not_begun(image, tmp_path, monkeypatch):
    usage = image_file.shutil.disk_usage(tmp_path)._replace(free=image.size - 1)
    monkeypatch.setattr(image_file.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DiskFull):
        image.write(tmp_path / "a.iso")


def test_writing_needs_a_folder(image, tmp_path):
    with pytest.raises(NotFound):
        image.write(tmp_path / "nowhere" / "a.iso")
