"""What is kept of an image is the image, or it is not used; what was read first is fetched first the next time."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from image_source import MemorySource, link

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository import Metered, Repository, open_store
from vml_jupyter.snapshot.image import AreaImage, Kept
from vml_jupyter.snapshot.image import kept as keeping

PASSWORD = "only for these tests"


class Unread(MemorySource):
    """A source whose trees nobody may ask for."""

    def tree(self, id):
        raise AssertionError("the layout was computed again")


@pytest.fixture
def repository(tmp_path: Path):
    opened = Repository.create(str(tmp_path / "logbook"), PASSWORD, scrypt_n=1024)
    yield opened
    opened.close()


@pytest.fixture
def kept(tmp_path: Path, repository):
    return Kept(tmp_path / "images", repository.seal, repository.unseal)


@pytest.fixture
def tree(source):
    files = [source.file(b"%03d \xff" % index, bytes([index]) * (index * 97)) for index in range(1, 40)]
    long = source.file(b"n" * 255, b"clipped in Linux", b"two blobs")
    return source.put_tree(
        [*files, long, source.folder(b"sub", link(b"up", b"../000")), source.folder(b"empty")]
    )


@pytest.fixture
def source():
    return MemorySource()


def the_file(tmp_path: Path) -> Path:
    [file] = (tmp_path / "images" / "layouts").iterdir()
    return file


def whole(image: AreaImage) -> bytes:
    return image.read(0, image.size)


def test_a_kept_layout_gives_the_same_bytes_without_a_tree(source, tree, kept):
    first = AreaImage(source, tree, uid=1000, gid=1000, kept=kept)
    unread = Unread()
    unread.data = source.data
    again = AreaImage(unread, tree, uid=1000, gid=1000, kept=kept)
    assert whole(again) == whole(first) == whole(AreaImage(source, tree, uid=1000, gid=1000))
    assert (again.etag, again.size, again.files, again.clipped) == (
        first.etag,
        first.size,
        first.files,
        first.clipped,
    )
    assert again.clipped == (b"n" * 255,)


def test_another_owner_is_another_layout(source, tree, kept, tmp_path):
    AreaImage(source, tree, uid=1, kept=kept)
    AreaImage(source, tree, uid=2, kept=kept)
    assert len(list((tmp_path / "images" / "layouts").iterdir())) == 2


def test_names_cannot_be_read_without_the_key(source, tree, kept, tmp_path):
    AreaImage(source, source.put_tree([source.file(b"SECRET-NAME", b"x")]), kept=kept)
    file = the_file(tmp_path)
    assert b"SECRET" not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["cut", "altered", "empty", "another"])
def test_a_layout_that_was_harmed_is_computed_again(source, tree, kept, tmp_path, harm):
    right = whole(AreaImage(source, tree, kept=kept))
    file = the_file(tmp_path)
    raw = file.read_bytes()
    if harm == "another":
        AreaImage(source, source.put_tree([source.file(b"other", b"x")]), kept=kept)
        [other] = [each for each in file.parent.iterdir() if each != file]
        file.write_bytes(other.read_bytes())
    else:
        file.write_bytes({"cut": raw[:-9], "altered": raw[:99] + b"?" + raw[100:], "empty": b""}[harm])
    assert whole(AreaImage(source, tree, kept=kept)) == right
    assert kept.layout(file.name) is not None, "and kept anew"


def test_the_key_of_another_logbook_opens_nothing(source, tree, kept, tmp_path):
    AreaImage(source, tree, kept=kept)
    other = Repository.create(str(tmp_path / "other"), PASSWORD, scrypt_n=1024)
    assert Kept(tmp_path / "images", other.seal, other.unseal).layout(the_file(tmp_path).name) is None
    other.close()


def test_a_folder_that_cannot_be_written_costs_time_only(source, tree, repository, tmp_path):
    (tmp_path / "file").write_text("in the way")
    kept = Kept(tmp_path / "file", repository.seal, repository.unseal)
    assert whole(AreaImage(source, tree, kept=kept)) == whole(AreaImage(source, tree))
    kept.keep_order(tree, ["00"])
    assert kept.order(tree) == []


def test_those_used_least_lately_make_room(source, kept, tmp_path, monkeypatch):
    etags = []
    for name in (b"a", b"b", b"c"):
        etags.append(AreaImage(source, source.put_tree([source.file(name, b"x")]), kept=kept).etag)
        file = tmp_path / "images" / "layouts" / etags[-1]
        os.utime(file, (len(etags), len(etags)))
    assert kept.layout(etags[0]), "and used just now"
    monkeypatch.setattr(keeping, "_LAYOUTS_BYTES", 2 * file.stat().st_size + 200)
    etags.append(AreaImage(source, source.put_tree([source.file(b"d", b"x")]), kept=kept).etag)
    assert [kept.layout(etag) is not None for etag in etags] == [True, False, False, True]


def test_what_was_read_first_is_fetched_before_anybody_asks(source, tree, kept):
    first = AreaImage(source, tree, kept=kept)
    for index in (30, 7, 7, 12):
        whole_file = bytes([index]) * (index * 97)
        at = whole(AreaImage(source, tree)).index(whole_file)
        assert first.read(at, len(whole_file)) == whole_file
    kept.keep_order(tree, first.touched())
    source.fetched.clear()

    again = AreaImage(source, tree, kept=kept)
    assert again.prefetch(kept.order(tree)) == (30 + 7 + 12) * 97
    expected = list(source.fetched)
    assert len(expected) == 3
    again.read(at, 100)
    assert source.fetched == expected, "nothing is fetched twice"
    assert len(again.touched()) == 1, "and only what was asked for counts as read"


def test_an_order_remembers_the_newest_first_and_is_bounded(kept, monkeypatch):
    tree = "ab" * 32
    kept.keep_order(tree, ["1", "2", "3"])
    kept.keep_order(tree, ["4", "2"])
    assert kept.order(tree) == ["4", "2", "1", "3"]
    monkeypatch.setattr(keeping, "_FOLLOWED", 3)
    kept.keep_order(tree, ["5"])
    assert kept.order(tree) == ["5", "4", "2"]
    assert kept.order("cd" * 32) == []
    monkeypatch.setattr(keeping, "_ORDERS", 1)
    kept.keep_order("cd" * 32, ["6"])
    assert (kept.order(tree), kept.order("cd" * 32)) == ([], ["6"])


def test_what_cannot_be_fetched_ahead_is_left_to_the_reader(source, tree):
    def gone(ids):
        raise LogbookDamaged("a pack is gone")

    source.blobs = gone
    image = AreaImage(source, tree)
    assert image.prefetch(list(source.data)) == 0
    assert len(whole(image)) == image.size


def test_a_notebook_in_a_large_area_costs_little_more_than_itself(tmp_path):
    store = Metered(open_store(str(tmp_path / "large")))
    draw = random.Random(1)
    repository = Repository.create(store, PASSWORD, scrypt_n=1024)
    source = MemorySource()
    with repository.lock():
        large = [source.file(b"data-%03d" % index, draw.randbytes(1_000_000)) for index in range(60)]
        notebook = source.file(b"a notebook.ipynb", draw.randbytes(500_000), draw.randbytes(500_000))
        repository.save_blobs(list(source.data.values()))
        tree = repository.save_tree([notebook, *large])
        repository.flush()
    repository.close()

    store.read_bytes = store.reads = 0
    again = Repository.open(store, PASSWORD)
    with AreaImage(again, tree) as image:
        step = 128 << 10
        parts = [image.read(image.data_start + at, step) for at in range(0, 1_000_000, step)]
    again.close()
    assert b"".join(parts)[:1_000_000] == b"".join(source.data[id] for id in notebook.content or ())
    assert 1_000_000 < store.read_bytes < 4_000_000, "of 61 MB"
    assert store.reads < 20
