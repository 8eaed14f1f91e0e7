"""Trees come from elsewhere: what no file system could hold is refused, quickly and by name."""

from __future__ import annotations

import time

import pytest
from image_source import MemorySource, link, special

from vml_jupyter.errors import Foreign, LogbookDamaged
from vml_jupyter.repository.node import Node
from vml_jupyter.snapshot.image import AreaImage

MIB = bytes(1 << 20)


@pytest.fixture
def source():
    return MemorySource()


def refuse(source, *nodes):
    with pytest.raises(Foreign):
        AreaImage(source, source.put_tree(nodes))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/", "a\\x00b", "\\u002f", "\\x2e\\x2e", "\\q", "\\", "n" * 256, "\\ud800"],
)
def test_names_that_are_none(source, name):
    refuse(source, Node(name=name, type="file"))
    refuse(source, Node(name=name, type="dir", subtree=source.put_tree()))


def test_two_files_of_one_name(source):
    refuse(source, source.file(b"same", b"1"), source.file(b"same", b"2"))
    refuse(source, Node(name="A", type="file"), Node(name="\\x41", type="file"))


def test_a_tree_that_holds_itself(source):
    me = "f" * 64
    source.trees[me] = (Node(name="again", type="dir", subtree=me),)
    with pytest.raises(Foreign, match="holds itself"):
        AreaImage(source, me)


def test_two_trees_that_hold_each_other(source):
    one, two = "1" * 64, "2" * 64
    source.trees[one] = (source.file(b"f"), Node(name="two", type="dir", subtree=two))
    source.trees[two] = (Node(name="one", type="dir", subtree=one),)
    with pytest.raises(Foreign, match="holds itself"):
        AreaImage(source, one)


def test_few_trees_that_stand_for_billions_of_files(source):
    node = source.file(b"f", b"x")
    for _ in range(60):
        tree = source.put_tree([node])
        node = Node(name="a", type="dir", subtree=source.put_tree([source.folder(b"x"), source.folder(b"y")]))
        source.trees[node.subtree] = tuple(Node(name=name, type="dir", subtree=tree) for name in "ab")
    since = time.process_time()
    refuse(source, node)
    assert time.process_time() - since < 1


def test_a_file_of_many_blobs_used_many_times(source):
    nodes = [source.file(b"f", *[b"x"] * 10_000)]
    for _ in range(4):
        tree = source.put_tree(nodes)
        nodes = [Node(name=f"d{index}", type="dir", subtree=tree) for index in range(10)]
    refuse(source, *nodes)


def test_folders_without_end(source):
    tree = source.put_tree()
    for _ in range(5000):
        tree = source.put_tree([Node(name="d", type="dir", subtree=tree)])
    with pytest.raises(Foreign, match="deep"):
        AreaImage(source, tree)


@pytest.mark.parametrize("size", [-1, 1 << 63, 1 << 70, 100 * (2**32 - 2048) + 1])
def test_sizes_out_of_range(source, size):
    refuse(source, Node(name="f", type="file", size=size, content=[source.put_blob(b"x")]))


def test_a_file_with_a_size_and_no_blobs(source):
    refuse(source, Node(name="f", type="file", size=5))
    refuse(source, Node(name="f", type="file", size=0, content=[source.put_blob(b"x")]))


def test_more_than_the_8_tib_of_a_volume(source):
    size = 100 * (2**32 - 2048)
    content = [source.put_blob(MIB)]
    refuse(source, *(Node(name=f"f{n}", type="file", size=size, content=content) for n in range(21)))


@pytest.mark.parametrize("id", ["", "zz" * 32, "ab" * 31, "ab" * 33, "\u00e9" * 64])
def test_blob_ids_that_are_none(source, id):
    refuse(source, Node(name="f", type="file", size=1, content=[id]))


@pytest.mark.parametrize("target", [b"", b"a\0b", b"x" * 4096])
def test_link_targets_that_are_none(source, target):
    refuse(source, link(b"l", target))


@pytest.mark.parametrize(
    "fields",
    [
        {"uid": -1},
        {"gid": 1 << 32},
        {"links": -1},
        {"links": 1 << 40},
        {"mtime": "yesterday"},
        {"atime": "2024-13-01T00:00:00Z"},
        {"ctime": "2024-01-01T25:00:00Z"},
        {"mtime": "2024-01-01T00:00:00.Z"},
    ],
)
def test_attributes_out_of_range(source, fields):
    refuse(source, source.file(b"f", **fields))


def test_devices_and_types_that_are_none(source):
    refuse(source, special(b"d", "dev", device=-1))
    refuse(source, special(b"d", "chardev", device=1 << 64))
    refuse(source, special(b"d", "irregular"))
    refuse(source, Node(name="d", type="dir"))


def test_blobs_that_do_not_make_up_their_file(source):
    tree = source.put_tree([Node(name="f", type="file", size=5000, content=[source.put_blob(b"short")])])
    image = AreaImage(source, tree)
    with pytest.raises(LogbookDamaged):
        image.read(image.data_start, 1)


def test_a_blob_that_is_not_as_long_as_the_index_says(source):
    node = source.file(b"f", b"12345")
    source.blob = lambda id: b"1234567"
    image = AreaImage(source, source.put_tree([node]))
    with pytest.raises(LogbookDamaged):
        image.read(image.data_start, 1)
