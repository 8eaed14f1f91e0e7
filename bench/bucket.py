"""What an entry costs over S3: bytes and writing requests, counted by a proxy before a real gateway (Ceph's).

    A, copied, with a file of 1 MB -> first snapshot | that file with other content | 1 MB inside a file of 50 MB

The gateway and the proxy are those of the tests. Nothing is timed, so once is enough.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from radosgw import Gateway, gateway
from s3_proxy import Traffic, proxy

from bench.areas import MB, Area
from bench.peers import Peer, Restic, Vml
from bench.works import Bench, say
from vml_jupyter.snapshot.pieces import cut

_CHANGED = MB
_MEMORY_BYTES = 8 << 30
_PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")


def missing() -> list[str]:
    """Return which of the gateway's programs are not installed."""
    return [program for program in _PROGRAMS if shutil.which(program) is None]


def measure_bucket(bench: Bench, area: Area) -> None:
    """Measure what two changes of 1 MB in A cost over S3, by this project and restic."""
    say(f"{area.path.name} over S3")
    copy = replace(area, path=bench.scratch / "changing" / "area")
    with _gateway() as (server, traffic):
        try:
            shutil.copytree(area.path, copy.path, symlinks=True)
            whole = copy.path / "whole.bin"
            whole.write_bytes(secrets.token_bytes(_CHANGED))
            peers = [
                _over_s3(kind, bench.scratch, server, traffic) for kind in bench.peers if _speaks_s3(kind)
            ]
            for peer in peers:
                peer.create()
                peer.take(copy)
            whole.write_bytes(secrets.token_bytes(_CHANGED))
            _count(bench, peers, copy, traffic, "s3-bytes", "s3-writes")
            bench.results.scope["s3-inside"] = _overwrite(copy.path / "random" / "0.bin")
            _count(bench, peers, copy, traffic, "s3-inside", "s3-inside-writes")
        finally:
            shutil.rmtree(copy.path.parent)


@contextmanager
def _gateway() -> Iterator[tuple[Gateway, Traffic]]:
    with (
        tempfile.TemporaryDirectory(prefix="vml-s3-") as name,  # a short path, as sockets lie in it
        gateway(Path(name), _MEMORY_BYTES) as server,
        proxy(server.port) as traffic,
    ):
        yield server, traffic


def _speaks_s3(kind: type[Peer]) -> bool:
    return kind in (Vml, Restic)


def _over_s3(kind: type[Peer], scratch: Path, server: Gateway, traffic: Traffic) -> Peer:
    """Return a tool whose repository lies in a bucket of its own."""
    peer = kind(scratch / "changing" / kind.name)
    url = f"s3:{traffic.endpoint}/{server.make_bucket()}/repository"
    peer.environ |= {
        **server.environ(),
        "VML_LOGBOOK": url,
        "VML_LOGBOOK_PASSWORD": peer.password,
        "RESTIC_REPOSITORY": url,
    }
    return peer


def _count(bench: Bench, peers: list[Peer], area: Area, traffic: Traffic, bytes: str, writes: str) -> None:
    for peer in peers:
        traffic.clear()
        peer.take(area)
        say(f"  {peer.name}: {traffic.summary()}")
        bench.record(bytes, peer.name, traffic.sent_bytes / MB, "MB")
        bench.record(writes, peer.name, len(traffic.writes), "requests")


def _overwrite(file: Path) -> str:
    """Overwrite 1 MB in the middle of a file, and say what any program must upload that cuts it as we do."""
    size = file.stat().st_size
    changed = min(_CHANGED, size // 2)
    before = dict(_pieces(file))
    with file.open("r+b") as stream:
        stream.seek((size - changed) // 2)
        stream.write(secrets.token_bytes(changed))
    least = sum(length for digest, length in _pieces(file) if digest not in before)
    return f"the pieces that it touches: {least / MB:.2f} MB"


def _pieces(file: Path) -> Iterator[tuple[bytes, int]]:
    """Yield digest and length of each piece that a capture cuts a file into."""
    with file.open("rb", buffering=0) as stream:
        for pieces in cut(stream.fileno(), file.stat().st_size):
            yield from ((hashlib.sha256(piece).digest(), len(piece)) for piece in pieces)
