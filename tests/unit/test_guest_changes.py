"""What a machine says of its changes is believed only as far as it can be true; nothing it says reaches further."""

from __future__ import annotations

import json
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import Foreign, LimitReached, MachineGone
from vml_jupyter.guest import changes
from vml_jupyter.guest.changes import ChangesClient, changes_of
from vml_jupyter.repository import Node, Repository, memory_store
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.snapshot import layered
from vml_jupyter.snapshot.layered import take_changes
from vml_jupyter.snapshot.told import Limits, Wish

NONCE = "ab" * 16
TOP = [".", "d", 0o755, 1, 4096, 0, 0, 2, "", {}]
HELLO = {"v": 1, "how": "upper", "mark": "", "top": TOP}


def frame(kind: bytes, value: Any = None) -> bytes:
    payload = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
    return struct.pack(">cI", kind, len(payload)) + payload


def row(name: str, kind: str = "f", **changed: Any) -> list[Any]:
    fields = {
        "name": name,
        "kind": kind,
        "permissions": 0o644,
        "inode": 2,
        "size": 1,
        "mtime_ns": 1,
        "ctime_ns": 1,
        "links": 1,
        "target": "to" if kind == "l" else "",
        "attributes": {},
    }
    return list({**fields, **changed}.values())


def folder(path: str, *rows: list[Any]) -> bytes:
    return frame(b"f", {"path": path, "opaque": False, "error": "", "rows": rows})


@contextmanager
def guest_says(said: bytes, limits: Limits | None = None) -> Iterator[ChangesClient]:
    """Talk with a guest that says all this, whatever it is asked, and hangs up."""
    ours, theirs = socket.socketpair()

    def speak() -> None:
        with theirs, suppress(OSError):
            theirs.sendall(b"left over from before\x00VMLT" + NONCE.encode() + frame(b"h", HELLO) + said)
            theirs.shutdown(socket.SHUT_WR)
            while theirs.recv(65536):
                pass

    speaking = threading.Thread(target=speak)
    speaking.start()
    try:
        with ours:
            yield ChangesClient(ours, NONCE, limits or Limits())
    finally:
        speaking.join(30)


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0", "/etc", "x" * 256, "\u0100"])
@pytest.mark.parametrize("kind", ["f", "d", "l", "w"])
def test_no_name_leads_elsewhere(name: str, kind: str) -> None:
    with guest_says(folder("", row(name, kind)) + frame(b"z")) as client, pytest.raises(Foreign):
        client.folders()


@pytest.mark.parametrize("path", ["..", "a/../b", "/a", "a//b", "a/", "a/."])
def test_no_path_leads_elsewhere(path: str) -> None:
    with guest_says(folder("") + folder(path) + frame(b"z")) as client, pytest.raises(Foreign):
        client.folders()


@pytest.mark.parametrize(
    "wrong",
    [
        row("a", "s"),
        row("a", size=-1),
        row("a", size=1 << 64),
        row("a", permissions=0o10000),
        row("a", "l", target=""),
        row("a", "l", target="a\0b"),
        row("a", "l", target="x" * 5000),
        row("a", attributes={"user.x": "not base64!"}),
        row("a", mtime_ns="now"),
        ["a"],
        {},
    ],
)
def test_what_cannot_be_is_refused(wrong: Any) -> None:
    with guest_says(folder("", wrong) + frame(b"z")) as client, pytest.raises(Foreign):
        client.folders()


@pytest.mark.parametrize(
    "said",
    [
        frame(b"?"),
        struct.pack(">cI", b"f", 1 << 31),
        frame(b"f", b"[" * 100_000),
        frame(b"f", b"\xff\xfe"),
        folder("") + folder("a") + folder(""),
    ],
)
def test_nonsense_is_refused(said: bytes) -> None:
    with guest_says(said) as client, pytest.raises(Foreign):
        client.folders()


def test_an_end_in_the_middle_is_told() -> None:
    with guest_says(folder("", row("a"))) as client, pytest.raises(MachineGone, match="Nothing was written"):
        client.folders()
    with (
        guest_says(frame(b"x", {"error": "disk\x1b[2Jgone"})) as client,
        pytest.raises(MachineGone) as raised,
    ):
        client.folders()
    assert "\x1b" not in str(raised.value)


def test_a_flood_ends() -> None:
    said = folder("", *[row(f"{n}") for n in range(200)]) + frame(b"z")
    with (
        guest_says(said, Limits(things=100)) as client,
        pytest.raises(LimitReached, match="more than 100 changed files"),
    ):
        client.folders()
    with guest_says(said, Limits(listing_bytes=1000)) as client, pytest.raises(LimitReached):
        client.folders()


def test_another_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_SKIPPED_LIMIT", 1 << 20)
    ours, theirs = socket.socketpair()

    def say_much() -> None:
        with suppress(OSError):
            theirs.sendall(b"VMLT" * (1 << 20))

    flood = threading.Thread(target=say_much)
    flood.start()
    with ours, theirs, pytest.raises(Foreign, match="nothing that was asked"):
        ChangesClient(ours, NONCE, Limits())
    flood.join(30)


def test_a_machine_without_the_channel_is_told_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(MachineGone, match="stopped and started"),
        changes_of(tmp_path / "none", print, Limits()),
    ):
        pass


# --- whatever it says ends as a capture, or as one clear error

KINDS = st.sampled_from([b"f", b"z", b"w", b"o", b"d", b"s", b"c", b"h", b"x", b"E"])
ROWS = st.builds(
    row,
    st.sampled_from(["a", "b", ".vmlignore", "d"]),
    st.sampled_from(["f", "d", "l", "p", "w", "x"]),
    size=st.integers(-1, 100),
    permissions=st.integers(-1, 0o7777),
    mtime_ns=st.integers(-(1 << 64), 1 << 64),
)
FOLDERS = st.builds(
    lambda path, rows: folder(path, *rows), st.sampled_from(["", "a", "d", "d/a"]), st.lists(ROWS)
)
ANSWERS = st.one_of(
    st.builds(lambda n, r: frame(b"o", [n, r]), st.integers(-1, 3), ROWS),
    st.builds(lambda data: frame(b"d", data), st.binary(max_size=50)),
    st.builds(lambda first, count: frame(b"s", [first, count]), st.integers(-2, 3), st.integers(-2, 3)),
    st.builds(lambda n, changed: frame(b"c", [n, changed, ""]), st.integers(-1, 3), st.booleans()),
)
SAID = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda kind, data: frame(kind, data), KINDS, st.binary(max_size=100)),
    st.builds(
        lambda folders, answers: b"".join([*folders, frame(b"z"), *answers]),
        st.lists(FOLDERS, max_size=4),
        st.lists(ANSWERS, max_size=8),
    ),
)


@contextmanager
def empty_area() -> Iterator[tuple[Repository, Node]]:
    repository = Repository.create(memory_store(), "password", scrypt_n=1024)
    with repository.lock():
        tree = repository.save_tree([])
        repository.flush()
        yield repository, Node(name="area", type="dir", mode=from_stat(0o040755), subtree=tree)
    repository.close()


def names_after(said: bytes) -> set[bytes] | None:
    """Return what is in the area after a machine said so; None where that was refused."""
    with empty_area() as (repository, base), guest_says(said) as client:
        try:
            taken = take_changes(repository, base, client, spool=Path(tempfile.gettempdir()))
        except (Foreign, LimitReached, MachineGone):
            return None
        return {node.name_bytes for node in repository.tree(taken.tree)}


ONE_FILE = folder("", row("a")) + frame(b"z") + frame(b"o", [0, row("a")])


def test_a_whole_talk_gives_a_tree() -> None:
    assert names_after(ONE_FILE + frame(b"d", b"x") + frame(b"c", [0, False, ""])) == {b"a"}
    assert names_after(ONE_FILE + frame(b"d", b"x") + frame(b"c", [1, False, ""])) is None


@given(said=SAID)
def test_whatever_a_machine_says_ends_in_a_tree_or_is_refused(said: bytes) -> None:
    assert (names_after(said) or set()) <= {b"a", b"b", b".vmlignore", b"d"}


def test_nothing_is_not_sent_for_ever() -> None:
    with guest_says(ONE_FILE + frame(b"d", b"")) as client:
        client.folders()
        with pytest.raises(Foreign, match="sends nothing"):
            list(client.read([Wish(b"a", 1)]))


@pytest.mark.parametrize("part", [frame(b"d", b"x" * 1000), frame(b"s", [0, 1]), frame(b"o", [0, row("a")])])
def test_rules_without_end_are_refused(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept in memory until the area is known, so what a machine may say of them is bounded."""
    monkeypatch.setattr(layered, "_ALL_RULES_BYTES", 5_000 if part[:1] == b"d" else 50)
    said = folder("", row(".vmlignore")) + frame(b"z") + part * 100 + frame(b"c", [0, False, ""])
    with (
        empty_area() as (repository, base),
        guest_says(said) as client,
        pytest.raises(Foreign, match="more rules"),
    ):
        take_changes(repository, base, client, spool=Path(tempfile.gettempdir()))


def test_rules_of_a_restored_entry_that_lie_about_their_size() -> None:
    said = ONE_FILE + frame(b"d", b"x") + frame(b"c", [0, False, ""])
    with empty_area() as (repository, base), guest_says(said) as client:
        blob, _ = repository.save_blob(b"*\n" * (1 << 20))
        rules = Node(name=".vmlignore", type="file", mode=from_stat(0o100644), size=1, content=[blob])
        tree = repository.save_tree([rules])
        repository.flush()
        base = msgspec.structs.replace(base, subtree=tree)
        taken = take_changes(repository, base, client, spool=Path(tempfile.gettempdir()))
        assert {node.name_bytes for node in repository.tree(taken.tree)} == {b"a", b".vmlignore"}


def test_pieces_that_were_not_named_cannot_be_had() -> None:
    with (
        empty_area() as (repository, base),
        guest_says(ONE_FILE + frame(b"s", [0, 1])) as client,
        pytest.raises(Foreign, match="not named to it"),
    ):
        take_changes(repository, base, client, spool=Path(tempfile.gettempdir()))


def test_a_wish_is_asked_with_its_pieces() -> None:
    with guest_says(frame(b"c", [0, False, "gone\x07"])) as client:
        (closed,) = client.read([Wish(b"caf\xe9", 1, [(1, "ab" * 32)])])
    assert closed == changes.Closed(0, False, "gone")
