"""The disk server gives every part of the image to whoever has the cookie, and nothing to anybody else."""

from __future__ import annotations

import email
import http.client
import json
import logging
import random
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from image_source import MemorySource

from vml_jupyter.errors import LogbookDamaged, PortTaken, Usage
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.snapshot.image import AreaImage
from vml_jupyter.snapshot.image.answers import PATH
from vml_jupyter.snapshot.image.ranges import Unsatisfiable, parse_ranges
from vml_jupyter.snapshot.image.served import Account, Stretches
from vml_jupyter.snapshot.image.wire import Turns
from vml_jupyter.snapshot.serving import MAX_CONNECTIONS, serve_image

TOKEN = "0123456789abcdef-_XYZ"  # no secret: made for these tests
COOKIE = {"Cookie": f"vml={TOKEN}"}


class Bytes:
    """What can be served, in its smallest form; reading at ``broken_at`` or behind fails."""

    data_start = 2048
    etag = "e7a9"

    def __init__(self, data, broken_at=None):
        self.data, self.broken_at, self.size = data, broken_at, len(data)

    def read(self, offset, length):
        if self.broken_at is not None and offset + length > self.broken_at:
            raise LogbookDamaged("a pack is cut")
        return self.data[offset : offset + length]


DATA = random.Random(3).randbytes(3_000_000)


@pytest.fixture
def server():
    with serve_image(Bytes(DATA), token=TOKEN) as server:
        yield server


def ask(server, method="GET", path=PATH, headers=COOKIE, body=None):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def ranged(server, header, **more):
    return ask(server, headers={**COOKIE, "Range": header, **more})


def test_everything_at_once(server):
    answer, body = ask(server)
    assert (answer.status, body) == (200, DATA)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == '"e7a9"'


def test_head_says_size_and_sends_nothing(server):
    answer, body = ask(server, "HEAD")
    assert (answer.status, body, answer.headers["Content-Length"]) == (200, b"", str(len(DATA)))


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-2999999", 100, 3_000_000),
        ("bytes=2999990-", 2_999_990, 3_000_000),
        ("bytes=-7", 2_999_993, 3_000_000),
        ("bytes=-9999999", 0, 3_000_000),
        ("bytes=2999999-99999999999", 2_999_999, 3_000_000),
        ("BYTES = 5-6", 5, 7),
    ],
)
def test_one_part(server, header, start, stop):
    answer, body = ranged(server, header)
    assert (answer.status, body) == (206, DATA[start:stop])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/3000000"


def test_several_parts(server):
    answer, body = ranged(server, "bytes=0-9, 50-59,-5,9999999-")
    assert answer.status == 206
    whole = b"Content-Type: " + answer.headers["Content-Type"].encode() + b"\r\n" + body
    parts = email.message_from_bytes(whole).get_payload()
    assert [part["Content-Range"] for part in parts] == [
        "bytes 0-9/3000000",
        "bytes 50-59/3000000",
        "bytes 2999995-2999999/3000000",
    ]
    for start, stop in ((0, 10), (50, 60), (2_999_995, 3_000_000)):
        assert b"\r\n\r\n" + DATA[start:stop] + b"\r\n--" in body


@pytest.mark.parametrize(
    "header", ["lines=1-2", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=1-2,x"]
)
def test_nonsense_means_everything(server, header):
    answer, body = ranged(server, header)
    assert (answer.status, len(body)) == (200, len(DATA))


@pytest.mark.parametrize(
    "header",
    ["bytes=3000000-", "bytes=-0", "bytes=0-,0-", "bytes=" + ",".join(["0-0"] * 17), "bytes=0-0" + " " * 600],
)
def test_parts_that_cannot_be_had(server, header):
    answer, body = ranged(server, header)
    assert (answer.status, body) == (416, b"")
    assert answer.headers["Content-Range"] == "bytes */3000000"


def test_a_part_of_what_it_was_or_all_of_what_it_is(server):
    assert ranged(server, "bytes=0-0", **{"If-Range": '"e7a9"'})[0].status == 206
    assert ranged(server, "bytes=0-0", **{"If-Range": '"other"'})[0].status == 200
    assert ranged(server, "bytes=0-0", **{"If-Range": 'W/"e7a9"'})[0].status == 200
    assert ask(server, headers={**COOKIE, "If-None-Match": '"e7a9"'})[0].status == 304


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": ""},
        {"Cookie": "vml="},
        {"Cookie": f"vml={TOKEN}x"},
        {"Cookie": f"vml={TOKEN[:-1]}"},
        {"Cookie": f"VML={TOKEN}"},
        {"Cookie": f"xvml={TOKEN}"},
        {"Cookie": "vml=\xff\xfe"},
        {"Authorization": f"Bearer {TOKEN}"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_without_the_cookie(server, method, headers):
    answer, body = ask(server, method, headers=headers)
    assert (answer.status, body) == (403, b"")
    assert ask(server, method, path="/else", headers=headers)[0].status == 403


def test_the_cookie_may_have_company(server):
    assert ask(server, "HEAD", headers={"Cookie": f"a=b; vml={TOKEN};c=d"})[0].status == 200


@pytest.mark.parametrize("path", ["/", "/area.iso/", "/area.iso?x", "/../area.iso", "/%61rea.iso"])
def test_nothing_but_the_image(server, path):
    assert ask(server, path=path)[0].status == 404


def test_bodies_methods_and_excess_are_refused(server):
    assert ask(server, body=b"x" * 100)[0].status == 413
    assert ask(server, headers={**COOKIE, "Transfer-Encoding": "chunked"})[0].status == 413
    assert ask(server, "POST")[0].status == 501
    assert ask(server, path="/" + "x" * 70_000)[0].status == 414
    assert ask(server, headers={**COOKIE, **{f"X-{n}": "y" for n in range(150)}})[0].status == 431


def test_a_connection_is_kept(server):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.connect()
    mine = connection.sock.getsockname()
    for start in range(0, 50_000, 1000):
        connection.request("GET", PATH, headers={**COOKIE, "Range": f"bytes={start}-{start + 999}"})
        assert connection.getresponse().read() == DATA[start : start + 1000]
    assert connection.sock.getsockname() == mine
    connection.close()


def test_many_at_once(server):
    def part(start):
        return ranged(server, f"bytes={start}-{start + 99_999}")[1]

    starts = range(0, 2_900_000, 50_000)
    with ThreadPoolExecutor(8) as readers:
        assert list(readers.map(part, starts)) == [DATA[start : start + 100_000] for start in starts]


def test_answers_do_not_overlap(monkeypatch):
    """QEMU forgets a transfer that ends together with another one."""
    sent = []
    monkeypatch.setattr(Account, "sent", lambda account, start, stop: sent.append(start))
    with serve_image(Bytes(DATA * 4), token=TOKEN) as server, ThreadPoolExecutor(8) as readers:

        def part(start):
            return len(ranged(server, f"bytes={start}-{start + 1_399_999}")[1])

        assert set(readers.map(part, range(0, 12_000_000, 1_500_000))) == {1_400_000}
    assert [second - first for first, second in zip(sent[::2], sent[1::2], strict=True)] == [1 << 20] * 8


def test_a_reader_that_dawdles_does_not_stop_the_others(server):
    with socket.create_connection((server.host, server.port), timeout=10) as dawdler:
        dawdler.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lines = (f"GET {PATH} HTTP/1.1", "Host: x", f"Cookie: vml={TOKEN}", "Range: bytes=0-2999998", "", "")
        dawdler.sendall("\r\n".join(lines).encode())
        assert dawdler.recv(8) == b"HTTP/1.1"
        assert ranged(server, "bytes=5-9")[1] == DATA[5:10]


def pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname(), timeout=10)
        return listener.accept()[0], theirs


def test_a_turn_begins_when_the_one_before_has_been_read():
    (ours, theirs), (next_one, other) = pair(), pair()
    turns, entered = Turns(60), threading.Event()

    def follow():
        with turns.take(next_one):
            entered.set()

    with ours, theirs, next_one, other, ThreadPoolExecutor(1) as waiting:
        with turns.take(ours):
            ours.sendall(b"x" * 1000)
        done = waiting.submit(follow)
        assert not entered.wait(0.2)
        theirs.recv(999)
        assert not entered.wait(0.1)
        theirs.recv(1)
        done.result(timeout=10)


def test_turns_do_not_wait_for_who_has_gone():
    (ours, theirs), (next_one, other) = pair(), pair()
    turns = Turns(60)
    with theirs, next_one, other:
        with ours, turns.take(ours):
            ours.sendall(b"x" * 1000)
        theirs.close()
        with turns.take(next_one):
            pass


def test_stats_count_what_was_sent(server):
    ranged(server, "bytes=0-4095")
    ranged(server, "bytes=2048-6143")
    ask(server, headers={})
    # What a client has read may be counted only after it has it.
    assert wait_until(lambda: server.stats().served_bytes == 8192, 10), server.stats()
    stats = server.stats()
    assert (stats.requests, stats.distinct_bytes) == (3, 6144)
    assert (stats.distinct_file_bytes, stats.image_bytes, stats.failures) == (4096, 3_000_000, 0)


def test_what_cannot_be_read_is_an_error_or_a_broken_answer():
    with serve_image(Bytes(DATA, broken_at=1_500_000), token=TOKEN) as server:
        assert ranged(server, "bytes=2000000-2000009")[0].status == 502
        with pytest.raises(http.client.IncompleteRead):
            ask(server)
        assert ranged(server, "bytes=0-9")[1] == DATA[:10]
        stats = server.stats()
        assert (stats.failures, stats.last_failure) == (2, "a pack is cut")


def test_an_image_that_ends_early_is_a_failure_not_a_loop():
    image = Bytes(DATA)
    image.size += 100
    with serve_image(image, token=TOKEN) as server:
        assert ranged(server, "bytes=-50")[0].status == 502


def test_a_closed_server_lets_nobody_read_on():
    server = serve_image(Bytes(DATA), token=TOKEN).start()
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request("HEAD", PATH, headers=COOKIE)
    connection.getresponse().read()
    server.close()
    assert connection.sock.recv(1) == b""
    connection.close()
    with pytest.raises(ConnectionError):
        ask(server)
    server.close()


def test_a_server_that_never_started_can_be_closed():
    serve_image(Bytes(DATA), token=TOKEN).close()


def test_connections_are_bounded(server):
    held = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(MAX_CONNECTIONS)]
    until = time.monotonic() + 10
    while sum("process_request_thread" in each.name for each in threading.enumerate()) < MAX_CONNECTIONS:
        assert time.monotonic() < until
        time.sleep(0.005)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(server)
    for each in held:
        each.close()
    while time.monotonic() < until:
        try:
            assert ask(server, "HEAD")[0].status == 200
            return
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.005)
    pytest.fail("no place became free")


def test_a_reader_that_goes_away_is_no_error(server, caplog, capfd):
    with socket.create_connection((server.host, server.port), timeout=10) as peer:
        request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nCookie: vml={TOKEN}\r\n\r\n"
        peer.sendall(request.encode())
        peer.recv(100)
    assert ask(server, "HEAD")[0].status == 200
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_nothing_is_said_of_the_token(server, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    ask(server)
    ask(server, path=f"/{TOKEN}")
    ask(server, headers={"Cookie": f"vml={TOKEN}x"})
    out, err = capfd.readouterr()
    assert TOKEN not in out + err + caplog.text


def test_a_port_that_is_taken(server):
    with pytest.raises(PortTaken):
        serve_image(Bytes(DATA), token=TOKEN, port=server.port)


@pytest.mark.parametrize(
    "token", ["", "short", "x" * 300, "sixteen letters\n", "semicolon;semicolon", "ü" * 20]
)
def test_tokens_that_would_not_do(token):
    with pytest.raises(Usage):
        serve_image(Bytes(DATA), token=token)


def test_ranges_are_bounded_numbers():
    assert parse_ranges("bytes=" + "9" * 20 + "-", 10) is None
    with pytest.raises(Unsatisfiable):
        parse_ranges("bytes=" + "9" * 19 + "-", 10)


def test_stretches_join():
    stretches = Stretches()
    model = set()
    draw = random.Random(4)
    for _ in range(300):
        start = draw.randrange(1000)
        stop = start + draw.randrange(1, 30)
        stretches.add(start, stop)
        model |= set(range(start, stop))
        assert stretches.total() == len(model)
    assert stretches.total(500) == len([number for number in model if number >= 500])


def test_qemu_reads_the_same_bytes(tmp_path):
    source = MemorySource()
    draw = random.Random(5)
    nodes = [source.file(b"f%d" % n, draw.randbytes(draw.randrange(1, 700_000))) for n in range(20)]
    with AreaImage(source, source.put_tree(nodes)) as image, serve_image(image, token=TOKEN) as server:
        drive = {"driver": "raw", "file": {"driver": "http", "url": server.url, "cookie": server.cookie}}
        command = ["qemu-img", "convert", "-O", "raw", "json:" + json.dumps(drive), tmp_path / "read.iso"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        image.write(tmp_path / "written.iso")
        assert (tmp_path / "read.iso").read_bytes() == (tmp_path / "written.iso").read_bytes()
        assert wait_until(lambda: server.stats().distinct_bytes == image.size, 10), server.stats()
        drive["file"]["cookie"] = "vml=wrong"
        denied = subprocess.run(
            ["qemu-img", "info", "json:" + json.dumps(drive)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert denied.returncode != 0
        assert "403" in denied.stderr
