"""The processes that read files: what they bring is what one process would, and nothing of them stays."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from restic_judge import Restic

from vml_jupyter.errors import Cancelled, DiskFull, HostError, StoreUnreachable
from vml_jupyter.progress import Silent
from vml_jupyter.repository import Repository, Snapshot, memory_store
from vml_jupyter.repository.cipher import OVERHEAD_BYTES, Key
from vml_jupyter.repository.filling import Filler, Papers
from vml_jupyter.repository.identity import process_space
from vml_jupyter.repository.store import LocalFolder, Store
from vml_jupyter.snapshot import Taken, lay, readers, take
from vml_jupyter.snapshot.content import Read
from vml_jupyter.snapshot.crew import Crew, own_desk
from vml_jupyter.snapshot.wire import Closed, Line, Order

PASSWORD = "password"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalFolder(tmp_path / "repo") if request.param == "folder" else memory_store()


@pytest.fixture
def repository(store: Store) -> Iterator[Repository]:
    repository = Repository.create(store, PASSWORD, scrypt_n=1024)
    yield repository
    repository.close()


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "area"
    for folder in range(20):
        (area / str(folder)).mkdir(parents=True)
        for number in range(30):
            (area / str(folder) / f"{number}.txt").write_text(f"{folder} {number} " * number)
    (area / "large").write_bytes(os.urandom(3 << 20) + bytes(9 << 20))
    (area / "same").write_bytes((area / "large").read_bytes())
    (area / "link").symlink_to("large")
    Path(os.fsdecode(os.fsencode(area) + b"/caf\xe9")).write_text("Latin-1")
    return area


@pytest.fixture
def crewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read by a crew of two, from the first file on."""
    monkeypatch.setattr(readers, "CREW_FILES", 0)
    monkeypatch.setattr(readers, "_HANDS", 2)
    monkeypatch.setattr(readers, "_MEANWHILE_BYTES", -1)


def keep(repository: Repository, area: Path) -> Taken:
    with repository.lock():
        taken = take(repository, area)
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=taken.tree, paths=[str(area)]))
    return taken


def assert_comes_back(repository: Repository, taken: Taken, area: Path, target: Path) -> None:
    lay(repository, taken.tree, target)
    for path in area.rglob("*"):
        if path.is_file():
            assert (target / path.relative_to(area)).read_bytes() == path.read_bytes()
    assert taken.files == 603


def hands() -> list[int]:
    """The processes of this one that were begun by ``crew``."""
    found = []
    for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        try:
            if b"vml_jupyter.snapshot.hand" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
        except FileNotFoundError:
            continue
    return found


def leftovers(store: Store) -> list[str]:
    return list(store.list("tmp")) if isinstance(store, LocalFolder) else []


def test_a_crew_brings_what_one_process_does(
    store: Store, repository: Repository, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Repository.create(memory_store(), PASSWORD, scrypt_n=1024)
    expected = take(alone, area)
    alone.close()
    monkeypatch.setattr(readers, "CREW_FILES", 0)
    taken = keep(repository, area)
    assert (taken.tree, taken.files, taken.bytes) == (expected.tree, expected.files, expected.bytes)
    assert abs(taken.new_bytes - expected.new_bytes) < 1000, "each blob once, whoever reads it"
    assert_comes_back(repository, taken, area, tmp_path / "laid")
    assert (hands(), leftovers(store)) == ([], [])


def test_restic_finds_no_fault(crewed: None, area: Path, tmp_path: Path) -> None:
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    taken = keep(repository, area)
    repository.close()
    assert taken.files == 603
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "repo/data").rglob("*/*")} == {0o600}
    Restic(tmp_path / "repo", PASSWORD).check()


def test_what_is_known_is_not_brought_again(crewed: None, repository: Repository, area: Path) -> None:
    keep(repository, area)
    (area / "copy").mkdir()
    for path in (area / "7").iterdir():
        (area / "copy" / path.name).write_bytes(path.read_bytes())
    assert keep(repository, area).new_bytes < 10_000, "trees alone"


class Impatient(Silent):
    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        raise Cancelled


def test_cancelling_ends_the_hands_and_leaves_no_claims(
    crewed: None, store: Store, repository: Repository, area: Path, tmp_path: Path
) -> None:
    with pytest.raises(Cancelled):
        take(repository, area, Impatient())
    assert (hands(), leftovers(store)) == ([], [])
    assert_comes_back(repository, keep(repository, area), area, tmp_path / "laid")


class Killing(Silent):
    """Kills a hand as soon as there is one."""

    def __init__(self) -> None:
        self.killed = False

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        for process in hands()[:1]:
            self.killed = True
            os.kill(process, signal.SIGKILL)


def test_a_hand_that_dies_fails_the_snapshot_and_no_later_one(
    crewed: None, store: Store, repository: Repository, area: Path, tmp_path: Path
) -> None:
    killing = Killing()
    with pytest.raises(HostError) as caught:
        take(repository, area, killing)
    assert killing.killed
    assert caught.value.hint
    assert (hands(), leftovers(store)) == ([], [])
    assert repository.snapshots() == []
    assert_comes_back(repository, keep(repository, area), area, tmp_path / "laid")


class Broken:
    """A store that takes no packs while it is broken."""

    def __init__(self, inner: Store) -> None:
        self.is_broken = True
        self.label, self.is_remote = inner.label, inner.is_remote
        self.get, self.get_range = inner.get, inner.get_range
        self.list, self.times = inner.list, inner.times
        self.delete, self._put = inner.delete, inner.put

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        if self.is_broken and name.startswith("data/"):
            raise StoreUnreachable("the store is broken")
        self._put(name, pieces)


def test_a_store_that_fails_ends_the_snapshot(crewed: None, area: Path, tmp_path: Path) -> None:
    memory = memory_store()
    Repository.create(memory, PASSWORD, scrypt_n=1024).close()
    store = Broken(memory)
    repository = Repository.open(store, PASSWORD)
    with pytest.raises(StoreUnreachable):
        keep(repository, area)
    assert hands() == []
    store.is_broken = False
    assert_comes_back(repository, keep(repository, area), area, tmp_path / "laid")
    repository.close()


def test_a_desk_that_is_gone(
    crewed: None, repository: Repository, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers = Papers(repository.papers().key, True, str(tmp_path / "gone"))
    monkeypatch.setattr(repository, "papers", lambda: papers)
    with pytest.raises(StoreUnreachable) as caught:
        take(repository, area)
    assert caught.value.message == f"{tmp_path / 'gone'} cannot be used: No such file or directory"
    assert hands() == []


def test_a_desk_that_is_full(
    crewed: None, repository: Repository, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(desk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount")
    papers = Papers(repository.papers().key, True, str(desk))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(repository, "papers", lambda: papers)
            with pytest.raises(DiskFull) as caught:
                take(repository, area)
        assert caught.value.hint
        assert list(desk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(desk)], check=True)
    assert_comes_back(repository, keep(repository, area), area, tmp_path / "laid")


def test_what_a_killed_snapshot_left_on_its_way_to_a_bucket_goes_with_the_next(
    crewed: None, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    desk = own_desk()
    left, others = (desk / f"{process_space()}.{pid}.0-pack" for pid in (ended.pid, os.getppid()))
    left.touch()
    others.touch()
    repository = Repository.create(memory_store(), PASSWORD, scrypt_n=1024)
    assert_comes_back(repository, keep(repository, area), area, tmp_path / "laid")
    assert list(desk.iterdir()) == [others], "its own are gone, another's at work stay"


@pytest.mark.parametrize("kind", ["open to others", "a link"])
def test_a_folder_of_somebody_else_is_not_used(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if kind == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        (tmp_path / f"vml-take-{os.geteuid()}").symlink_to("elsewhere")
    else:
        own_desk().chmod(0o770)
    with pytest.raises(HostError, match="not a folder of yours alone"):
        own_desk()


def test_names_as_long_as_they_may_be(crewed: None, repository: Repository, tmp_path: Path) -> None:
    for folder in range(3):
        (tmp_path / "area" / str(folder)).mkdir(parents=True)
        for number in range(1000):
            (tmp_path / "area" / str(folder) / f"{number:0255}").write_text(f"{folder} {number}")
    assert keep(repository, tmp_path / "area").files == 3000


def test_messages_of_several_threads_stay_whole() -> None:
    ours, theirs = socket.socketpair()
    sender, receiver = Line(ours), Line(theirs)
    orders = [Order([[letter.encode() * 200] * 300]) for letter in "abcd"]
    with ThreadPoolExecutor(len(orders)) as pool:
        sent = [pool.submit(lambda order=order: [sender.send(order) for _ in range(50)]) for order in orders]
        received = [receiver.order()[0] for _ in range(50 * len(orders))]
        for sending in sent:
            sending.result()
    assert all(received.count(order) == 50 for order in orders)
    sender.close()
    receiver.close()


def test_an_end_that_is_closed_with_something_unread_is_closed() -> None:
    ours, theirs = socket.socketpair()
    reader, gone = Line(ours), Line(theirs)
    reader.send(Order([]))
    gone.close()
    with pytest.raises(Closed):
        reader.order()
    with pytest.raises(Closed):
        reader.send(Order([]))
    reader.close()


def test_neither_arguments_nor_variables_hold_the_key(repository: Repository) -> None:
    crew = Crew(repository, 1)
    try:
        key = repository.papers().key
        for process in hands():
            for what in ("cmdline", "environ"):
                raw = Path(f"/proc/{process}/{what}").read_bytes()
                assert key not in raw
                assert key[:16].hex().encode() not in raw
    finally:
        crew.abort()
    assert "Papers(...)" in repr(repository.papers())
    assert hands() == []


def test_modules_in_the_working_area_are_not_imported(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("socket", "hashlib", "vml_jupyter", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken in')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    crew = Crew(repository, 1)
    deadline = time.monotonic() + 30
    while not crew.is_ready and crew._failure is None:
        assert time.monotonic() < deadline
        os.sched_yield()
    crew.close()
    assert hands() == []


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), FileNotFoundError(2, "gone")])
def test_errors_keep_their_kind_on_the_line(error: OSError) -> None:
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(Read.failed(error)), type=Read).error()
    assert type(again) is type(error)
    assert str(again) == str(error)


@pytest.mark.parametrize("sizes", [[], [0], [1], [1000, 0, 15, 16, 17, 1000], [2 << 20, 1], [9 << 20]])
def test_sealing_into_a_buffer(sizes: list[int]) -> None:
    key = Key.generate()
    plains = [os.urandom(size) for size in sizes]
    target = memoryview(bytearray(sum(sizes) + OVERHEAD_BYTES * len(sizes)))
    key.seal_into(plains, target)
    for plain in plains:
        sealed, target = target[: len(plain) + OVERHEAD_BYTES], target[len(plain) + OVERHEAD_BYTES :]
        assert key.open(sealed) == plain
        assert Key.from_bytes(key.to_bytes()).open(sealed) == plain


def test_no_two_blobs_are_sealed_with_one_nonce() -> None:
    target = memoryview(bytearray(OVERHEAD_BYTES * 1000))
    Key.generate().seal_into([b""] * 1000, target)
    assert len({bytes(target[at : at + 16]) for at in range(0, len(target), OVERHEAD_BYTES)}) == 1000


def test_packs_are_closed_when_they_are_full(tmp_path: Path) -> None:
    filler = Filler(Key.generate(), True, tmp_path, "x-")
    blobs = [os.urandom(3 << 20) for _ in range(13)]
    lengths = filler.add([f"{number:064x}" for number in range(13)], blobs)
    assert lengths == [(3 << 20) + 32] * 13
    packs = [*filler.full(), *filler.close()]
    assert [len(pack.blobs) for pack in packs] == [6, 6, 1]
    assert filler.close() == []
    assert all(Path(pack.file).stat().st_size > sum(b.length for b in pack.blobs) for pack in packs)
