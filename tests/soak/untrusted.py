"""Every parser of bytes that others wrote, as a function of bytes: it returns, or raises an error of ours.

    TARGETS["index"](raw)      the parser sees ``raw`` as it is, as if it had come out of its seal
    seeds()["index"]           genuine ones, to begin from

Bytes that come out of a seal were written by somebody with a key: a colleague, whose program or intent may be
bad. So what is inside is fuzzed as well as what is outside. ``fuzz.py`` runs these for long with atheris,
``tests/unit/test_repository_fuzz.py`` for seconds with Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
from untrusted_others import OTHERS, other_seeds
from untrusted_scene import KEY, PASSWORD, a_repository, look_after

from vml_jupyter.errors import Foreign, LogbookDamaged, VmlError
from vml_jupyter.repository import Node, Repository, Snapshot, encoding, keyfile, memory_store, opening
from vml_jupyter.repository.cipher import Forged, Key
from vml_jupyter.repository.documents import decode_sealed
from vml_jupyter.repository.header import parse_header, read_header
from vml_jupyter.repository.index import IndexPack, decode_index, encode_index
from vml_jupyter.repository.node import decode_tree, encode_tree
from vml_jupyter.repository.pack import OpenPack, PackedBlob
from vml_jupyter.repository.records import Config, LockRecord, decode_snapshot
from vml_jupyter.repository.staleness import decode_lock, is_stale
from vml_jupyter.snapshot.image.ranges import Unsatisfiable, parse_ranges
from vml_jupyter.snapshot.plan import plan

_CHEAP = 1 << 20
_ID = "ab" * 32


def key_file(raw: bytes) -> None:
    with suppress(LogbookDamaged):
        record = keyfile.parse_key_file(raw, "keys/x")
        if record.n * record.r * record.p < _CHEAP:
            keyfile.open_key_file(record, PASSWORD)


def config(raw: bytes) -> None:
    with suppress(msgspec.DecodeError):
        opening._parser.parse(raw)


def master_key(raw: bytes) -> None:
    with suppress(msgspec.DecodeError):
        Key.from_json(raw)


def sealed(raw: bytes) -> None:
    with suppress(Forged):
        KEY.open(raw)
    with suppress(LogbookDamaged):
        decode_sealed(KEY, raw, "config")


def document(raw: bytes) -> None:
    with suppress(encoding.Unreadable):
        encoding.decode_document(raw)


def zstd(raw: bytes) -> None:
    size = int.from_bytes(raw[:3], "little")
    for frame in (raw, raw[3:]):
        with suppress(encoding.Unreadable):
            encoding.decompress(frame, size)
        with suppress(encoding.Unreadable):
            encoding.decompress_all([frame, frame], [size, size])


def index(raw: bytes) -> None:
    with suppress(LogbookDamaged):
        encode_index(decode_index(raw, "x"))


def snapshot(raw: bytes) -> None:
    with suppress(LogbookDamaged):
        msgspec.json.encode(decode_snapshot(raw, _ID))


def lock(raw: bytes) -> None:
    with suppress(LogbookDamaged):
        is_stale(decode_lock(raw, "x"))


def tree(raw: bytes) -> None:
    with suppress(msgspec.DecodeError, Foreign):
        nodes = decode_tree(raw)
        for node in nodes:
            _ = node.name_bytes, node.target_bytes, node.st_mode, node.mtime_ns
        encode_tree(nodes)


def pack_header(raw: bytes) -> None:
    with suppress(LogbookDamaged):
        parse_header(raw)


def pack(raw: bytes) -> None:
    store = memory_store()
    store.put(f"data/ab/{_ID}", [raw])
    with suppress(LogbookDamaged):
        read_header(store, KEY, _ID, len(raw))


def ranges(raw: bytes) -> None:
    with suppress(Unsatisfiable):
        parse_ranges(raw.decode("latin-1"), 1000)


def hostile_index(raw: bytes) -> None:
    """An index file that says anything: nothing but findings and refusals comes of it."""
    store, documents = a_repository()
    documents.save("index", raw)
    look_after(store)


def hostile_snapshot(raw: bytes) -> None:
    store, documents = a_repository()
    documents.save("snapshots", raw)
    look_after(store)


def hostile_tree(raw: bytes) -> None:
    store, _ = a_repository()
    repository = Repository.open(store, PASSWORD)
    with suppress(VmlError), repository.lock():
        id, _ = repository.save_blob(raw, "tree")
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=id))
    with suppress(VmlError):
        plan(repository, id)
    repository.close()
    look_after(store)


def hostile_pack(raw: bytes) -> None:
    """A pack that is sealed and says anything of itself, which no index file names."""
    store, _ = a_repository()
    key = opening.open(store, PASSWORD)[0]
    header = b"".join(key.seal(raw))
    store.put(f"data/ab/{_ID}", [raw, header, len(header).to_bytes(4, "little")])
    look_after(store)


def altered(raw: bytes) -> None:
    """Any object of a repository with some bytes changed, or cut."""
    store, _ = a_repository()
    names = sorted(
        f"{folder}/{name}" for folder in ("index", "snapshots", "keys") for name in store.list(folder)
    )
    names += ["config", *sorted(f"data/{name[:2]}/{name}" for name in store.list("data"))]
    for start in range(0, len(raw) - 3, 4):
        which, where, change = (
            raw[start],
            int.from_bytes(raw[start + 1 : start + 3], "little"),
            raw[start + 3],
        )
        name = names[which % len(names)]
        content = bytearray(store.get(name))
        if content:
            content[where % len(content)] ^= change
        store.put(name, [bytes(content if change else content[: where % (len(content) + 1)])])
    look_after(store)


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (
        key_file,
        config,
        master_key,
        sealed,
        document,
        zstd,
        index,
        snapshot,
        lock,
        tree,
        pack_header,
        pack,
        ranges,
        hostile_index,
        hostile_snapshot,
        hostile_tree,
        hostile_pack,
        altered,
    )
} | OTHERS


def seeds() -> dict[str, list[bytes]]:
    """Return genuine input of each target, and JSON also with something nested in it."""
    blobs = [PackedBlob(_ID, "data", 0, 100, 90), PackedBlob("cd" * 32, "data", 100, 50)]
    an_index = encode_index([IndexPack(_ID, blobs)])
    open_pack = OpenPack("data")
    for blob in blobs:
        open_pack.append(blob.id, (b"", bytes(blob.length), b""), blob.uncompressed_length)
    whole = b"".join(open_pack.close(KEY)[1])
    header = KEY.open(whole[150:-4])
    nodes = [
        Node(
            name='quo\\"te', type="file", mode=0o644, mtime="2026-01-01T00:00:00.5Z", content=[_ID], size=90
        ),
        Node(name="sub", type="dir", mode=1 << 31 | 0o755, subtree=_ID),
        Node(name="link", type="symlink", linktarget="x", linktarget_raw=b"\xff"),
    ]
    a_tree = encode_tree(nodes)
    a_snapshot = msgspec.json.encode(
        Snapshot(time="2026-01-01T00:00:00Z", tree=_ID, paths=["/x"], tags=["vml"])
    )
    a_lock = msgspec.json.encode(LockRecord(time="2026-01-01T00:00:00Z", exclusive=True, hostname="x", pid=1))
    a_config = msgspec.json.encode(Config(version=2, id=_ID, chunker_polynomial="25b468838dcb75"))
    frame = encoding.compress(b"content " * 100)
    genuine = {
        "key_file": [keyfile.make_key_file(KEY, PASSWORD, 2)],
        "config": [a_config],
        "master_key": [KEY.to_json()],
        "sealed": [b"".join(KEY.seal(a_config))],
        "document": [encoding.encode_document(an_index, 2), an_index],
        "zstd": [(800).to_bytes(3, "little") + frame, frame],
        "index": [an_index],
        "snapshot": [a_snapshot],
        "lock": [a_lock],
        "tree": [a_tree],
        "pack_header": [header],
        "pack": [whole],
        "ranges": [b"bytes=0-99", b"bytes=-5,7-"],
        "hostile_index": [an_index],
        "hostile_snapshot": [a_snapshot],
        "hostile_tree": [a_tree],
        "hostile_pack": [header],
        "altered": [bytes(range(16))],
        **other_seeds(),
    }
    return {name: found + [put_in(one) for one in found if is_object(one)] for name, found in genuine.items()}


def is_object(raw: bytes) -> bool:
    return raw.startswith(b"{") and raw.rstrip().endswith(b"}")


def put_in(raw: bytes) -> bytes:
    """Return JSON with a field that nobody knows, which is nested deeper than any parser goes."""
    return raw.rstrip()[:-1] + (b"," if b":" in raw else b"") + b'"zz":' + b"[" * 1500 + b"]" * 1500 + b"}"
