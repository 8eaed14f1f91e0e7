"""The disk behind a socket: QEMU's own client reads the image, and whoever sends nonsense harms nobody."""

from __future__ import annotations

import os
import random
import socket
import stat
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from image_source import MemorySource

from vml_jupyter.errors import HostError, LogbookDamaged
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.snapshot.block_serving import BlockServer
from vml_jupyter.snapshot.image import AreaImage

REQUEST = struct.Struct(">IHHQQI")


@pytest.fixture
def image():
    source = MemorySource()
    chunks = [random.Random(index).randbytes(300_000 + index) for index in range(12)]
    with AreaImage(
        source, source.put_tree([source.file(b"big", *chunks), source.file(b"small", b"x")])
    ) as made:
        made.source = source
        yield made


@pytest.fixture
def server(image, tmp_path: Path):
    running = BlockServer(image, tmp_path / "area.sock").start()
    yield running
    running.close()


@pytest.fixture
def place(server, tmp_path: Path) -> Path:
    return tmp_path / "area.sock"


def spoken(place: Path) -> socket.socket:
    """Connect and ask for the export, as an old client would."""
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(20)
    link.connect(str(place))
    assert received(link, 18)[:16] == b"NBDMAGICIHAVEOPT"
    link.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, 0))
    size, flags = struct.unpack(">QH", received(link, 10))
    assert flags & 2, "read-only"
    assert size
    return link


def received(link: socket.socket, length: int) -> bytes:
    """Read exactly that much. A socket with a time-out does not heed MSG_WAITALL: it never blocks in the kernel."""
    parts = bytearray()
    while len(parts) < length:
        part = link.recv(length - len(parts))
        assert part, f"it hung up after {len(parts)} of {length} bytes"
        parts += part
    return bytes(parts)


def ask(link: socket.socket, kind: int, handle: int, offset: int, length: int) -> None:
    link.sendall(REQUEST.pack(0x25609513, 0, kind, handle, offset, length))


def answer(link: socket.socket, length: int = 0) -> tuple[int, int, bytes]:
    magic, error, handle = struct.unpack(">IIQ", received(link, 16))
    assert magic == 0x67446698
    return error, handle, received(link, length) if length and not error else b""


def test_qemu_reads_the_very_image(image, place, tmp_path):
    copy = tmp_path / "copy"
    source = f"driver=nbd,server.type=unix,server.path={place}"
    for _ in range(5):
        subprocess.run(
            ["qemu-img", "convert", "--image-opts", source, "-O", "raw", copy], check=True, timeout=60
        )
        assert copy.read_bytes() == image.read(0, image.size)


def test_the_socket_is_the_users_alone(place):
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_many_ask_at_once_and_each_gets_its_own(image, place):
    whole = image.read(0, image.size)

    def reader(seed):
        draw = random.Random(seed)
        with spoken(place) as link:
            for number in range(40):
                offset = draw.randrange(image.size)
                length = min(draw.randrange(1, 400_000), image.size - offset)
                ask(link, 0, number, offset, length)
                assert answer(link, length) == (0, number, whole[offset : offset + length])

    with ThreadPoolExecutor(6) as readers:
        list(readers.map(reader, range(6)))


def test_requests_of_one_client_may_wait_side_by_side(image, place):
    whole = image.read(0, image.size)
    with spoken(place) as link:
        for number in range(20):
            ask(link, 0, number, number * 150_000, 1000)
        seen = {}
        for _ in range(20):
            error, handle, data = answer(link, 1000)
            assert error == 0
            seen[handle] = data
    assert seen == {number: whole[number * 150_000 :][:1000] for number in range(20)}


def test_how_much_came_over_is_counted_once(image, server, place):
    with spoken(place) as link:
        for number in range(3):
            ask(link, 0, number, 4096, 8192)
            answer(link, 8192)
    assert wait_until(lambda: server.stats().served_bytes == 3 * 8192, 10, 0.01)
    assert server.stats().distinct_bytes == 8192


def test_a_damaged_blob_is_an_error_of_that_read_alone(image, server, place):
    def cut(id):
        raise LogbookDamaged("a pack is cut")

    image.source.blob = cut
    with spoken(place) as link:
        ask(link, 0, 1, image.data_start, 1000)
        assert answer(link)[:2] == (5, 1)
        ask(link, 0, 2, 16 * 2048, 2048)
        assert answer(link, 2048) == (0, 2, image.read(16 * 2048, 2048))
    assert "cut" in server.stats().last_failure


def test_a_fault_of_our_own_is_answered_too(image, server, place):
    """A read without an answer would hold up the guest for ever."""
    image.source.blob = lambda id: {}["a fault"]
    with spoken(place) as link:
        ask(link, 0, 1, image.data_start, 1000)
        assert answer(link)[:2] == (5, 1)
    assert "a fault" in server.stats().last_failure


def test_nothing_can_be_written_and_nothing_read_beyond_the_end(image, place):
    with spoken(place) as link:
        ask(link, 1, 1, 0, 512)
        link.sendall(bytes(512))
        assert answer(link)[:2] == (1, 1)
        ask(link, 4, 2, 0, 512)
        assert answer(link)[:2] == (1, 2)
        ask(link, 3, 3, 0, 0)
        assert answer(link)[:2] == (0, 3), "there is nothing to flush"
        for offset, length in ((image.size - 1, 2), (2**64 - 1, 1), (0, 2**32 - 1)):
            ask(link, 0, 4, offset, length)
            assert answer(link)[:2] == (22, 4)


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_ends_that_connection_alone(image, place, seed):
    draw = random.Random(seed)
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(20)
        link.connect(str(place))
        begin = struct.pack(">I", 3) + b"IHAVEOPT"
        with suppress(ConnectionResetError, BrokenPipeError):  # it hung up with bytes unread
            link.sendall(draw.choice([b"", begin]) + draw.randbytes(draw.randrange(1, 3000)))
            link.shutdown(socket.SHUT_WR)
            while link.recv(65536):
                pass
    with spoken(place) as link:
        ask(link, 0, 1, 0, 2048)
        assert answer(link, 2048)[0] == 0


def test_closing_ends_connections_and_takes_the_socket_away(image, tmp_path):
    server = BlockServer(image, tmp_path / "s").start()
    with spoken(tmp_path / "s") as link:
        server.close()
        assert link.recv(1) == b""
    assert not (tmp_path / "s").exists()


def test_the_socket_of_a_killed_server_is_taken_over(image, tmp_path):
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "s"))
    left.close()
    server = BlockServer(image, tmp_path / "s").start()
    spoken(tmp_path / "s").close()
    server.close()


def test_a_folder_that_is_not_there_is_told(image, tmp_path):
    with pytest.raises(HostError, match="cannot listen"):
        BlockServer(image, tmp_path / "no" / "s")
    assert os.listdir(tmp_path) == []
