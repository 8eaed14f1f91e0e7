"""What is written is what was asked for, and the standards' other readers agree."""

from __future__ import annotations

import stat
import subprocess

import image_parser
import pytest
from image_parser import BLOCK, parse
from image_source import MemorySource, link, special

from vml_jupyter.repository.node import Node
from vml_jupyter.snapshot.image import AreaImage

GIB = 1 << 30


@pytest.fixture
def source():
    return MemorySource()


def found(image):
    return parse(image.read, image.size)


def image_of(source, *nodes, **how):
    return AreaImage(source, source.put_tree(nodes), **how)


def test_nothing_at_all_is_a_volume(source):
    image = image_of(source)
    files = found(image)
    assert list(files) == [b""]
    assert files[b""].mode == stat.S_IFDIR | 0o755
    assert files[b""].extension == b"IEEE_P1282"
    assert image.size == image.data_start


def test_a_file_keeps_all_that_the_tree_says(source):
    node = source.file(b"plot.py", b"print(1)\n", mode=1 << 23 | 1 << 22 | 1 << 20 | 0o751)
    image = image_of(source, node)
    file = found(image)[b"/plot.py"]
    assert file.mode == stat.S_IFREG | 0o7751
    assert (file.uid, file.gid, file.links) == (1000, 100, 1)
    assert file.times == (bytes((124, 5, 1, 10, 34, 56, 0)),) * 3
    assert file.data(image.read) == b"print(1)\n"


@pytest.mark.parametrize(
    ("when", "seven"),
    [
        ("", (70, 1, 1, 0, 0, 0, 0)),
        ("0001-01-01T00:00:00Z", (70, 1, 1, 0, 0, 0, 0)),
        ("1969-07-20T20:17:40Z", (69, 7, 20, 20, 17, 40, 0)),
        ("2023-12-31T23:30:00-01:30", (124, 1, 1, 1, 0, 0, 0)),
        ("1812-09-07T05:30:00Z", (0, 1, 1, 0, 0, 0, 0)),
        ("9999-12-31T23:59:59.999999999Z", (255, 12, 31, 23, 59, 59, 0)),
    ],
)
def test_times_become_the_nearest_that_fit(source, when, seven):
    image = image_of(source, source.file(b"f", mtime=when))
    assert found(image)[b"/f"].times[0] == bytes(seven)


def test_the_guest_user_can_own_everything(source):
    image = image_of(source, source.folder(b"d", source.file(b"f")), uid=1001, gid=1002)
    assert {(file.uid, file.gid) for file in found(image).values()} == {(1001, 1002)}


def test_the_root_may_have_a_mode_and_time_of_its_own(source):
    root = Node(name="area", type="dir", mode=1 << 31 | 0o700, mtime="2020-02-02T02:02:02Z", uid=7)
    file = found(image_of(source, root=root))[b""]
    assert (file.mode, file.uid, file.times[0][0]) == (stat.S_IFDIR | 0o700, 7, 120)


def test_folders_nest_without_being_moved(source):
    node = source.file(b"bottom", b"here")
    for level in range(100):
        node = source.folder(b"level%d" % level, node)
    image = image_of(source, node)
    deepest = b"/" + b"/".join(b"level%d" % level for level in reversed(range(100))) + b"/bottom"
    assert found(image)[deepest].data(image.read) == b"here"


def test_links_of_a_folder_count_its_folders(source):
    files = found(image_of(source, source.folder(b"d", source.folder(b"a"), source.folder(b"b"))))
    assert [files[path].links for path in (b"", b"/d", b"/d/a")] == [3, 4, 2]


@pytest.mark.parametrize(
    "target",
    [
        b"../a/./b", b"/", b"//", b"/etc//passwd/", b".", b"..", b"x" * 255, b"caf\xe9", b"y" * 700,
        b"/" + b"z" * 248 + b"/" + b"q" * 250, b"/".join([b"abcdefghi"] * 409), b"n/" * 2047,
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", [b"l", b"l" * 130, b"l" * 255])
def test_link_targets_survive_to_the_byte(source, name, target):
    assert found(image_of(source, link(name, target)))[b"/" + name].target == target


def test_many_long_links_share_their_continuation_blocks(source):
    links = [link(b"%03d" % i, b"t%03d/" % i + b"u" * (37 * i)) for i in range(100)]
    files = found(image_of(source, *links))
    assert all(files[b"/%03d" % i].target == b"t%03d/" % i + b"u" * (37 * i) for i in range(100))


def test_names_of_every_length_and_byte(source):
    names = [b"n" * length for length in range(1, 256)]
    names += [bytes((byte,)) + b"x" for byte in range(1, 256) if byte != 0x2F]
    image = image_of(source, *[source.file(name) for name in names])
    assert set(found(image)) == {b"", *(b"/" + name for name in names)}
    assert sorted(image.clipped) == [b"n" * 254, b"n" * 255]


def test_hard_links_share_bytes_and_serial_number(source):
    also = {"links": 2, "inode": 77, "device_id": 5}
    one, two = source.file(b"one", b"same", **also), source.file(b"two", b"same", **also)
    alone = source.file(b"three", b"same", inode=78)
    files = found(image_of(source, one, two, alone))
    one, two, alone = files[b"/one"], files[b"/two"], files[b"/three"]
    assert one.sections == two.sections != alone.sections
    assert one.serial == two.serial != alone.serial
    assert one.links == two.links == 2


def test_what_only_claims_to_be_a_hard_link_keeps_its_own_bytes(source):
    also = {"links": 2, "inode": 77, "device_id": 5}
    image = image_of(source, source.file(b"one", b"1", **also), source.file(b"two", b"2", **also))
    files = found(image)
    assert [files[path].data(image.read) for path in (b"/one", b"/two")] == [b"1", b"2"]


def test_pipes_sockets_and_devices(source):
    image = image_of(
        source,
        special(b"pipe", "fifo"),
        special(b"sock", "socket"),
        special(b"disk", "dev", device=8 << 8 | 1),
        special(b"null", "chardev", device=1 << 8 | 3),
    )
    files = found(image)
    kinds = {path: stat.S_IFMT(file.mode) for path, file in files.items()}
    assert kinds[b"/pipe"] == stat.S_IFIFO
    assert kinds[b"/sock"] == stat.S_IFSOCK
    assert kinds[b"/disk"] == stat.S_IFBLK
    assert kinds[b"/null"] == stat.S_IFCHR
    assert (files[b"/disk"].device, files[b"/null"].device) == ((8, 1), (1, 3))


def test_files_beyond_4_gib_have_sections(source):
    mib = bytes(1 << 20)
    node = source.file(b"events.root", *[mib] * 9 * 1024, b"the end")
    image = image_of(source, node, source.file(b"next", b"n"))
    files = found(image)
    assert [size for _, size in files[b"/events.root"].sections] == [2**32 - BLOCK] * 2 + [
        GIB + 2 * BLOCK + 7
    ]
    last, size = files[b"/events.root"].sections[-1]
    assert image.read(last * BLOCK + size - 8, 9) == b"\0the end\0"
    assert files[b"/next"].data(image.read) == b"n"


def test_records_never_cross_a_block(source):
    nodes = [source.file(b"%05d" % i + b"x" * (i % 250), b"%d" % i) for i in range(1, 900)]
    image = image_of(source, *nodes)
    files = found(image)
    assert len(files) == 900
    assert all(files[b"/%05d" % i + b"x" * (i % 250)].data(image.read) == b"%d" % i for i in range(1, 900))


def test_the_same_tree_gives_the_same_bytes_and_etag(source):
    node = source.folder(b"d", source.file(b"f", b"data"))
    first, second = image_of(source, node), image_of(source, node)
    assert first.read(0, first.size) == second.read(0, second.size)
    assert first.etag == second.etag


def test_another_tree_owner_or_root_gives_another_etag(source):
    tree, root = source.put_tree([source.file(b"f")]), Node(name="r", type="dir", mode=1 << 31 | 0o700)
    images = [
        image_of(source),
        AreaImage(source, tree),
        AreaImage(source, tree, uid=1),
        AreaImage(source, tree, gid=1),
        AreaImage(source, tree, root=root),
    ]
    assert len({image.etag for image in images}) == len(images)


def _written(source, tmp_path):
    deep = source.file(b"bottom.txt", b"here")
    for level in range(12):
        deep = source.folder(b"level%d" % level, deep)
    image = image_of(
        source,
        deep,
        source.file(b"data.bin", bytes(range(256)) * 100, b"and the rest"),
        source.file(b"run me \xe2\x98\xa2.sh", b"#!/bin/sh\n", mode=0o755),
        source.file(b"long" * 60, b"long"),
        source.file(b"empty"),
        source.folder(b"nothing"),
        link(b"here", b"data.bin"),
        link(b"there", b"../etc/x"),
    )
    image.write(tmp_path / "area.iso")
    return tmp_path / "area.iso"


def test_xorriso_extracts_the_same_files(source, tmp_path):
    iso = _written(source, tmp_path)
    out = tmp_path / "out"
    command = ["xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/", out]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (out / "data.bin").read_bytes() == bytes(range(256)) * 100 + b"and the rest"
    assert (out / "run me ☢.sh").stat().st_mode & 0o777 == 0o755
    assert (out / ("long" * 60)).read_bytes() == b"long"
    assert (out / "empty").read_bytes() == b""
    assert list((out / "nothing").iterdir()) == []
    assert (out / "here").readlink().name == "data.bin"
    assert str((out / "there").readlink()) == "../etc/x"
    assert (out / "/".join(f"level{n}" for n in reversed(range(12))) / "bottom.txt").read_bytes() == b"here"
    assert int((out / "data.bin").stat().st_mtime) == 1714559696
    assert len(list(out.rglob("*"))) == 20


def test_isoinfo_lists_it(source, tmp_path):
    iso = _written(source, tmp_path)
    listing = subprocess.run(["isoinfo", "-R", "-f", "-i", iso], check=True, capture_output=True, timeout=60)
    names = set(listing.stdout.decode().splitlines())
    assert {"/data.bin", "/empty", "/nothing", "/here", "/" + "long" * 60} <= names
    label = subprocess.run(["isoinfo", "-d", "-i", iso], check=True, capture_output=True, timeout=60)
    assert b"Volume id: VML_AREA" in label.stdout
    assert b"Rock Ridge signatures version 1 found" in label.stdout


def test_the_parser_of_these_tests_would_notice(source):
    image = image_of(source, source.file(b"f", b"data"))
    whole = bytearray(image.read(0, image.size))
    at = whole.index(b"00000000.;1") - 33
    whole[at + 2] += 1  # the little-endian half of where the file lies
    with pytest.raises(AssertionError):
        image_parser.parse(lambda offset, length: bytes(whole[offset : offset + length]), len(whole))
