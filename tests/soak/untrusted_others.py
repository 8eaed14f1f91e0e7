"""Parsers of what others wrote, above the repository: records, archives, rules, notebooks, disks, guests, servers.

OTHERS["entry"](raw)       as in ``untrusted``, which has them all
"""

from __future__ import annotations

import hashlib
import io
import os
import socket
import sqlite3
import struct
import tarfile
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

import msgspec
from untrusted_scene import PASSWORD, a_repository

from vml_jupyter.environment.kernelspec import kernelspec_of
from vml_jupyter.errors import VmlError
from vml_jupyter.flows import importing, notebooks, secrets
from vml_jupyter.flows.manifest import FORMAT
from vml_jupyter.flows.notebook_diff import diff_notebooks
from vml_jupyter.flows.reading import Content
from vml_jupyter.flows.shown import Notebook, shown
from vml_jupyter.guest import activity, client
from vml_jupyter.guest.changes import ChangesClient, Surroundings
from vml_jupyter.guest.changes import _decoded as heard
from vml_jupyter.launcher import script
from vml_jupyter.logbook import document
from vml_jupyter.logbook.register import Register, row_of
from vml_jupyter.model import Entry, Environment
from vml_jupyter.release import blocks, fat, history, iso, names
from vml_jupyter.release.manifest import Letter
from vml_jupyter.repository import Node, Repository, Snapshot, aws
from vml_jupyter.repository.archive import Archive
from vml_jupyter.repository.archive_store import ArchiveStore
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.repository.node import encode_tree
from vml_jupyter.snapshot import Salvage, lay
from vml_jupyter.snapshot.compare import compare
from vml_jupyter.snapshot.ignore import Rules
from vml_jupyter.snapshot.image import AreaImage
from vml_jupyter.snapshot.image import kept as keeping
from vml_jupyter.snapshot.image.kept import Kept
from vml_jupyter.snapshot.image.nbd import Connection
from vml_jupyter.snapshot.image.served import Account
from vml_jupyter.snapshot.layered import take_changes
from vml_jupyter.snapshot.states import FolderState, States, encode_entries
from vml_jupyter.snapshot.told import Folder, Limits, Row

_ID = "ab" * 32
_WHEN = "2026-01-01T00:00:00Z"
_NONCE = "cd" * 16
_ENTRY = Entry(id="genuine", time=_WHEN, title="Title", environment=Environment(), tags=("a",), files=3)
_DIR, _FILE = from_stat(0o040755), from_stat(0o100644)


@contextmanager
def file_of(raw: bytes, name: str = "file") -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder:
        file = Path(folder) / name
        file.write_bytes(raw)
        yield file


@contextmanager
def opened() -> Iterator[Repository]:
    repository = Repository.open(a_repository()[0], PASSWORD)
    try:
        with repository.lock():
            yield repository
    finally:
        repository.close()


def entry(raw: bytes) -> None:
    """The record of an entry; what is read is listed and found again."""
    with opened() as repository, suppress(VmlError):
        blob, _ = repository.save_blob(raw)
        area = Node(name="area", type="dir", mode=_DIR, subtree=repository.save_tree([]))
        record = Node(name="entry.json", type="file", mode=_FILE, content=[blob], size=len(raw))
        root = repository.save_tree([area, record])
        repository.flush()
        snapshot = Snapshot(time=_WHEN, tree=root, tags=["vml", "entry:genuine"])
        found = document.load_entry(repository, msgspec.structs.replace(snapshot, id=_ID))
        row_of(found, []).load()
        repr(found)


def tags(raw: bytes) -> None:
    said = raw.decode("utf-8", "replace").split("\n")
    snapshot = Snapshot(time=_WHEN, tree=_ID, tags=said)
    document.entry_id_of(snapshot), document.forgotten_at(snapshot), document.retagged(snapshot, _ENTRY)


def register(raw: bytes) -> None:
    with opened() as repository, file_of(repository.seal(raw), repository.id) as file:
        Register(repository, file.parent).refresh(lambda ids: [])


def archive(raw: bytes) -> None:
    """A file of somebody's export, from its first header to the repository in it."""
    with file_of(raw) as file, suppress(VmlError), Archive.open(file) as found:
        importing._manifest(found)
        store = ArchiveStore(found)
        for folder in ("keys", "index", "snapshots", "data"):
            for name, size in store.sizes(folder):
                where = f"{folder}/{name[:2]}/{name}" if folder == "data" else f"{folder}/{name}"
                store.get_range(where, size // 2, size)
        importing._origin(found).close()


def manifest(raw: bytes) -> None:
    with file_of(_archived({"manifest.json": raw})) as file, suppress(VmlError), Archive.open(file) as found:
        importing._manifest(found)


def ignore(raw: bytes) -> None:
    """Rules of a foreign area, tried on names that have much in common with them."""
    text = raw.decode("latin-1")
    rules = Rules()
    with suppress(VmlError):
        rules.heed("", text)
        rules.heed("a/", text)
    path = text.partition("\n")[0].translate(dict.fromkeys(map(ord, "*?[]!\\\0"))).strip("/")[:255]
    for name in ("a", "a/b", "a/" * 50 + "a", "a" * 255, f"a/{path}" if path else "a"):
        rules.ignores(name, is_folder=False)
        rules.ignores(name, is_folder=True)


def notebook(raw: bytes) -> None:
    """A notebook as each of those who read one for their own purpose sees it."""
    with file_of(raw, "a.ipynb") as file:
        with suppress(VmlError):
            notebooks.checked_notebook(file.parent.resolve(), "a.ipynb")
            notebooks.proposed_title(file.parent.resolve(), "a.ipynb")
        kernelspec_of(file)
    found = shown(Content(path="a.ipynb", size=len(raw), raw=raw))
    _deeper(lambda: msgspec.json.encode(found), 100)
    if isinstance(found, Notebook):
        repr(found)
    with suppress(UnicodeDecodeError):
        secrets._cells(raw.decode())


def notebooks_compared(raw: bytes) -> None:
    with suppress(VmlError):
        diff_notebooks(_NOTEBOOK, raw)
    with suppress(VmlError):
        diff_notebooks(raw, raw[::-1])


def _deeper(call: Callable[[], object], frames: int) -> None:
    """Call from as deep in the stack as a web server does."""
    if frames:
        _deeper(call, frames - 1)
    else:
        call()


def nbd(raw: bytes) -> None:
    """A hypervisor that speaks to the server of a working area's disk."""
    with opened() as repository, AreaImage(repository, _small_area(repository)) as image:
        ours, theirs = socket.socketpair()

        def listen() -> None:
            with suppress(OSError):
                while theirs.recv(65536):
                    pass

        listening = threading.Thread(target=listen)
        listening.start()
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        with ours:
            Connection(ours, image, Account(image.size, image.data_start)).serve()
        listening.join()
        theirs.close()


def image(raw: bytes) -> None:
    """The disk of a tree that says anything."""
    with opened() as repository, suppress(VmlError):
        tree, _ = repository.save_blob(raw, "tree")
        repository.flush()
        with AreaImage(repository, tree) as disk:
            for at in range(0, min(disk.size, 4 << 20), 1 << 20):
                with suppress(VmlError):
                    disk.read(at, 1 << 20)


def laid(raw: bytes) -> None:
    """A tree that says anything is laid out, else what is whole of it; nothing appears beside the folder."""
    with opened() as repository, tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder:
        tree, _ = repository.save_blob(raw, "tree")
        repository.flush()
        target = Path(folder) / "target"
        try:
            lay(repository, tree, target, expected=(10, 1000))
        except VmlError:
            with suppress(VmlError):
                lay(Salvage(repository, tree).repository(), tree, target)
        assert not set(os.listdir(folder)) - {"target"}, "nothing else was made"


def compared(raw: bytes) -> None:
    with opened() as repository:
        tree, _ = repository.save_blob(raw, "tree")
        repository.flush()
        for pair in ((tree, _small_area(repository)), (_small_area(repository), tree)):
            with suppress(VmlError):
                list(compare(repository, *pair))


def layout(raw: bytes) -> None:
    """A layout of a disk, as it comes out of its seal."""
    with opened() as repository, tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder:
        kept = Kept(Path(folder), lambda plain: plain, lambda sealed: sealed)
        tree = _small_area(repository)
        with AreaImage(repository, tree, kept=kept) as disk:
            (Path(folder) / "layouts" / disk.etag).write_bytes(raw)
        with suppress(VmlError), AreaImage(repository, tree, kept=kept) as disk:
            for at in range(0, min(disk.size, 1 << 20), 1 << 18):
                with suppress(VmlError):
                    disk.read(at, 1 << 18)


def order(raw: bytes) -> None:
    """What a machine read first, as it comes out of its seal."""
    with file_of(raw, "opened") as file:
        kept = Kept(file.parent / "kept", lambda plain: plain, lambda sealed: sealed)
        kept.keep_order(_ID, [])
        (file.parent / "kept" / "opened" / _ID).write_bytes(raw)
        found = kept.order(_ID)
        with opened() as repository, AreaImage(repository, _small_area(repository)) as disk:
            disk.prefetch(found)


def states(raw: bytes) -> None:
    """What the last snapshot met, cut or altered on this computer in a way that its digest agrees with."""
    with tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder:
        known = States(Path(folder), _ID, Path("/area"), "rules")
        assert known._file is not None
        known._file.write_bytes(hashlib.sha256(raw).digest() + raw)
        if known.load(_ID, frozenset(["x"])):
            for one in known._known.values():
                with suppress(msgspec.DecodeError):
                    one.names()


def aws_files(raw: bytes) -> None:
    with file_of(raw) as file, suppress(VmlError):
        environ = {"AWS_CONFIG_FILE": str(file), "AWS_SHARED_CREDENTIALS_FILE": str(file)}
        profile = aws.read_profile(environ)
        aws.endpoint_of(environ, profile), aws.client_config(environ, profile, on_amazon=True)


def agent(raw: bytes) -> None:
    """What the agent in a machine answers, and what its Jupyter says of its use."""
    for line in raw.split(b"\n"):
        with suppress(VmlError):
            client._decode(line)
        for type_ in (Folder, Surroundings, tuple[int, Row], tuple[int, int]):
            with suppress(VmlError):
                heard(line, type_)
    kernels, _, status = raw.partition(b"\n")
    activity.judged(kernels, status, datetime(2026, 1, 1, tzinfo=timezone.utc))


def talk(raw: bytes) -> None:
    """A machine that tells its changes, whatever it is asked."""
    ours, theirs = socket.socketpair()
    top = [".", "d", 0o755, 1, 4096, 0, 0, 2, "", {}]
    hello = msgspec.json.encode({"v": 1, "how": "upper", "mark": "", "top": top})

    def speak() -> None:
        with theirs, suppress(OSError):
            theirs.sendall(b"VMLT" + _NONCE.encode() + _frame(b"h", hello) + raw)
            theirs.shutdown(socket.SHUT_WR)
            while theirs.recv(65536):
                pass

    speaking = threading.Thread(target=speak)
    speaking.start()
    with opened() as repository, tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder, ours:
        base = Node(name="area", type="dir", mode=_DIR, subtree=_small_area(repository))
        with suppress(VmlError):
            changes = ChangesClient(ours, _NONCE, Limits(size_bytes=1 << 20, things=100))
            take_changes(repository, base, changes, spool=Path(folder), limits=Limits(size_bytes=1 << 20))
    speaking.join()


def release_image(raw: bytes) -> None:
    """A file that is called like an image of CernVM."""
    with file_of(raw) as file:
        fat.read_version(file), iso.read_version(file)
        blocks.read_claims(file), blocks.read_seal(file), blocks.find_claims(file, 0)
    with file_of(raw.ljust(40 * 1024, b"\0")[: 40 * 1024] + _BLOCKS) as file:
        blocks.read_claims(file), blocks.read_seal(file), blocks.find_claims(file, len(raw))


def published(raw: bytes) -> None:
    """What a release server says: names, lists and manifests."""
    text = raw.decode("utf-8", "replace")
    letter = Letter.cut(raw)
    letter.is_whole(), letter.field("H"), letter.lines()
    for word in text.split():
        image_name = names.parse_image_name(word)
        if image_name:
            image_name.path(), names.bootloader_key(image_name.bootloader)
        names.bootloader_key(names.parse_bootloader(word)), names.system_key(names.parse_tag(word))
        names.system_key(word), names.bootloader_key(word)
        with suppress(VmlError):
            names.format_release(names.parse_release(word))


def systems(raw: bytes) -> None:
    """The history of a CernVM-FS repository, packed or not."""
    with suppress(VmlError):
        _tags(history._inflate(raw))
    with suppress(VmlError):
        _tags(raw)


def _tags(database: bytes) -> None:
    for tag in history._read_tags(database):
        names.parse_tag(tag.name)


def launcher(raw: bytes) -> None:
    """What a VML server answers to a launcher, and what lies in the launcher's own folder."""
    script.CONFIG.setdefault("entry", "x")
    with file_of(raw, "launch.json") as file, suppress(script.Refused):
        script.Folder(file.parent).load()


def _frame(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">cI", kind, len(payload)) + payload


def _small_area(repository: Repository) -> str:
    blob, _ = repository.save_blob(b"content " * 100)
    file = Node(name="file", type="file", mode=_FILE, content=[blob], size=800)
    sub = Node(name="sub", type="dir", mode=_DIR, subtree=repository.save_tree([file]))
    link = Node(name="link", type="symlink", linktarget="file")
    tree = repository.save_tree([file, link, sub])
    repository.flush()
    return tree


_NOTEBOOK = msgspec.json.encode(
    {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "language": "python"}},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]},
            {
                "cell_type": "code",
                "id": "a",
                "metadata": {},
                "source": "1 + 1",
                "execution_count": 1,
                "outputs": [
                    {"output_type": "execute_result", "data": {"text/plain": "2"}, "metadata": {}},
                    {"output_type": "stream", "name": "stdout", "text": ["x"]},
                    {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["t"]},
                ],
            },
        ],
    }
)
_BLOCKS = b'{"ucernvm-version": "2021.05-1.cernvm.x86_64"}'.ljust(blocks.BLOCK, b"\0") + (
    b'{"certificate": "QQ==", "signature": "QQ=="}'.ljust(blocks.BLOCK, b"\0")
)

OTHERS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (
        entry,
        tags,
        register,
        archive,
        manifest,
        ignore,
        notebook,
        notebooks_compared,
        nbd,
        image,
        laid,
        compared,
        layout,
        order,
        states,
        aws_files,
        agent,
        talk,
        release_image,
        published,
        systems,
        launcher,
    )
}
COSTLY_OTHERS = (
    "entry",
    "register",
    "archive",
    "notebooks_compared",
    "nbd",
    "image",
    "laid",
    "compared",
    "layout",
    "order",
    "talk",
    "systems",
)


@cache
def other_seeds() -> dict[str, list[bytes]]:
    """Return genuine input of each of these."""
    nested = (
        b'{"nbformat":4,"cells":[{"cell_type":"code","outputs":[{"output_type":"display_data","data":{"a":'
    )
    nested += b"[" * 880 + b"]" * 880 + b"}}]}]}"
    release = {"system": "4.5.0.1"}
    told = {"format": FORMAT, "program": "vml", "entries": [{"id": "a", "title": "A", "time": _WHEN}]}
    image = {"file": "release/a.hdd", "sha256": _ID, "size_bytes": 1, "release": release}
    a_manifest = msgspec.json.encode({**told, "releases": [image]})
    row = ["a", "f", 0o644, 2, 1, 1, 1, 1, "", {"user.x": "eA=="}]
    folder = msgspec.json.encode({"path": "", "opaque": False, "error": "", "rows": [row]})
    upper = _frame(b"f", folder) + _frame(b"z")
    file = _frame(b"o", msgspec.json.encode([0, row])) + _frame(b"d", b"x")
    state = {"state": {"v": 1, "stage": "ready", "detail": ""}, "id": 1}
    mode = {"name": "a", "type": "file", "mode": 420}
    nodes = [
        Node(name="big", type="file", mode=_FILE, content=["00" * 32], size=800, mtime=_WHEN),
        Node(name="dev", type="chardev", device=259, mtime=_WHEN, links=2, inode=5),
        Node(name="link", type="symlink", linktarget_raw=b"\xff/..", mtime=_WHEN),
        Node(name="sub", type="dir", mode=_DIR, subtree=_ID),
    ]
    trees = [encode_tree(nodes), msgspec.json.encode({"nodes": [mode]}), _whole_tree()]
    return {
        "entry": [document.encode_record(_ENTRY)],
        "tags": [b"vml\nentry:genuine\nvml-bin\nforgotten:2026-01-01T00:00:00Z\nmine"],
        "register": [_register_file()],
        "archive": [_archived({"manifest.json": a_manifest, "password": b"password"}), _export()],
        "manifest": [a_manifest],
        "ignore": [
            b"*.root\n!keep.root\n/build/\n**/a/**/b*c*/\n[!a-z]?*\\ \n",
            b"*a*a*a*b\n[[:alpha:]]*\n" + b"*a" * 40 + b"b\n",
        ],
        "notebook": [_NOTEBOOK, nested, b'{"nbformat":3,"worksheets":[{"cells":[]}],"metadata":{}}'],
        "notebooks_compared": [_NOTEBOOK, nested],
        "nbd": [_nbd_talk()],
        "image": trees,
        "laid": trees,
        "compared": trees,
        "layout": [_layout_file()],
        "order": [msgspec.msgpack.encode({"format": 1, "tree": _ID, "blobs": [_ID, "x"]})],
        "states": [_states_file()],
        "aws_files": [
            b"[default]\naws_access_key_id = A\naws_secret_access_key = B\nregion = x\n[profile y]\n",
        ],
        "agent": [
            msgspec.json.encode(state),
            folder,
            b'[{"execution_state":"idle"}]\n{"last_activity":"2026-01-01T00:00:00.000000Z"}',
        ],
        "talk": [upper + file + _frame(b"c", b'[0,false,""]'), upper + file + _frame(b"s", b"[0,1]")],
        "release_image": [
            _BLOCKS,
            b"\xeb" + bytes(509) + b"\x55\xaa",
            bytes(32768) + b"\x01CD001" + bytes(200),
        ],
        "published": [
            b"2021.05-1\nucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd cernvm-system-4.5.0.1\n" + b"9" * 5000,
            b"H" + b"a" * 40 + b"\nNcernvm.cern.ch\n--\n" + b"b" * 40 + b"\n\xff",
        ],
        "systems": [_history()[:4096], zlib.compress(_history())],
        "launcher": [b'{"machine": "abcdef", "entry": "x", "state": "running"}'],
    }


def _archived(files: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    # Some of tar's ten thousand zeros are enough, and leave room for what matters.
    return (
        raw.getvalue().rstrip(b"\0").ljust(-(-len(raw.getvalue().rstrip(b"\0")) // 512) * 512 + 1024, b"\0")
    )


def _export() -> bytes:
    store, _ = a_repository()
    files = {"repository/config": store.get("config"), "password": PASSWORD.encode()}
    files |= {f"repository/keys/{name}": store.get(f"keys/{name}") for name in store.list("keys")}
    files["manifest.json"] = msgspec.json.encode({"format": FORMAT, "program": "vml", "entries": []})
    return _archived(files)


def _register_file() -> bytes:
    with opened() as repository:
        rows = [row_of(msgspec.structs.replace(_ENTRY, snapshot=_ID), [])]
        return msgspec.json.encode({"format": 1, "repository": repository.id, "rows": rows})


def _whole_tree() -> bytes:
    """Return a tree that names what is there."""
    with opened() as repository:
        return encode_tree(repository.tree(_small_area(repository)))


def _nbd_talk() -> bytes:
    flags = struct.pack(">I", 3)
    option = b"IHAVEOPT" + struct.pack(">II", 7, 6) + bytes(6)
    read = struct.Struct(">IHHQQI")
    asked = [read.pack(0x25609513, 0, 0, at, at * 2048, 2048) for at in range(3)]
    return flags + option + b"".join(asked) + read.pack(0x25609513, 0, 2, 9, 0, 0)


def _layout_file() -> bytes:
    with opened() as repository, tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder:
        kept = Kept(Path(folder), lambda plain: plain, lambda sealed: sealed)
        with AreaImage(repository, _small_area(repository), kept=kept) as disk:
            raw = (Path(folder) / "layouts" / disk.etag).read_bytes()
        keeping._layouts.parse(raw)
        return raw


def _states_file() -> bytes:
    with tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder:
        known = States(Path(folder), _ID, Path("/area"), "rules")
        entries = encode_entries([("a", 1, 2, 3, 4, 5)])
        assert entries is not None
        known.remember(FolderState("", _ID, 1, 1, (), {}, entries))
        known.save(_ID, frozenset(["x"]))
        assert known._file is not None
        return known._file.read_bytes()[32:]


@cache
def _history() -> bytes:
    with tempfile.TemporaryDirectory(prefix="vml-fuzz-") as folder:
        connection = sqlite3.connect(Path(folder) / "db")
        columns = (
            "name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER, description TEXT"
        )
        connection.execute("PRAGMA page_size = 512")
        connection.execute(f"CREATE TABLE tags ({columns})")
        connection.execute("INSERT INTO tags VALUES ('cernvm-system-4.5.0.1', 'a', 7, 1600000000, 0, 'x')")
        connection.commit()
        connection.close()
        return (Path(folder) / "db").read_bytes()
