"""Any tree, laid out and parsed back, is the same tree."""

from __future__ import annotations

import stat

from hypothesis import given, settings
from hypothesis import strategies as st
from image_parser import parse
from image_source import MemorySource, link, special

from vml_jupyter.snapshot.image import AreaImage

NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
TARGETS = st.binary(min_size=1, max_size=4095).filter(lambda target: b"\0" not in target)
CHUNKS = st.lists(st.binary(min_size=1, max_size=5000), max_size=4)
MODES = st.integers(0, 0o777)
OWNERS = st.integers(0, 2**32 - 1)
TIMES = st.datetimes().map(lambda when: when.isoformat() + "Z")
ALSO = st.fixed_dictionaries({"mtime": TIMES, "uid": OWNERS, "gid": OWNERS})
LEAVES = st.one_of(
    st.tuples(st.just("file"), CHUNKS, MODES, ALSO),
    st.tuples(st.just("link"), TARGETS, ALSO),
    st.tuples(st.just("device"), st.integers(0, 0xFFF), st.integers(0, 0xFFFFF), ALSO),
)


def dicts(children):
    return st.dictionaries(NAMES, children, max_size=8)


TREES = dicts(st.recursive(LEAVES, dicts, max_leaves=30))


def build(source, name, what):
    if isinstance(what, dict):
        return source.folder(name, *(build(source, below, each) for below, each in what.items()))
    if what[0] == "file":
        return source.file(name, *what[1], mode=what[2], **what[3])
    if what[0] == "link":
        return link(name, what[1], **what[2])
    major, minor = what[1], what[2]
    number = (major & 0xFFF) << 8 | minor & 0xFF | (minor & 0xFFF00) << 12
    return special(name, "chardev", device=number, **what[3])


def check(image, files, path, what):
    file = files.pop(path)
    if isinstance(what, dict):
        assert stat.S_ISDIR(file.mode)
        for name, each in what.items():
            check(image, files, path + b"/" + name, each)
        return
    assert (file.uid, file.gid) == (what[-1]["uid"], what[-1]["gid"])
    if what[0] == "file":
        assert file.mode == stat.S_IFREG | what[2]
        assert file.data(image.read) == b"".join(what[1])
    elif what[0] == "link":
        assert file.target == what[1]
    else:
        assert file.device == what[1:3]


@settings(max_examples=150, deadline=None)
@given(tree=TREES)
def test_parsing_inverts_laying_out(tree):
    source = MemorySource()
    nodes = [build(source, name, what) for name, what in tree.items()]
    with AreaImage(source, source.put_tree(nodes)) as image:
        files = parse(image.read, image.size)
        check(image, files, b"", tree)
        assert not files


@settings(max_examples=60, deadline=None)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=9000), min_size=1, max_size=6),
    reads=st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 70_000)), max_size=20),
)
def test_every_part_is_a_part_of_the_whole(chunks, reads):
    source = MemorySource()
    tree = source.put_tree([source.file(b"a", *chunks), source.file(b"b", *reversed(chunks))])
    with AreaImage(source, tree) as image:
        whole = image.read(0, image.size)
        assert len(whole) == image.size
        for offset, length in reads:
            assert image.read(offset, length) == whole[offset : offset + length]
