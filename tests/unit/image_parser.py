"""Read an image back the slow way, straight from ECMA-119, SUSP and RRIP, and distrust every byte of it.

    parse(read, size) -> {path: Found}

Shares no code with what writes images; stops at the first thing that the standards forbid.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

BLOCK = 2048
Read = Callable[[int, int], bytes]


@dataclass
class Found:
    """One file of the image, under its Rock Ridge name."""

    name: bytes = b""
    mode: int = 0
    links: int = 0
    uid: int = 0
    gid: int = 0
    serial: int = 0
    times: tuple[bytes, ...] = ()
    target: bytes | None = None
    device: tuple[int, int] | None = None
    sections: list[tuple[int, int]] = field(default_factory=list)
    folder: bool = False
    extension: bytes = b""

    @property
    def size(self) -> int:
        return sum(size for _, size in self.sections)

    def data(self, read: Read) -> bytes:
        return b"".join(read(block * BLOCK, size) for block, size in self.sections)


def both(raw: bytes) -> int:
    little, big = struct.unpack("<I", raw[:4])[0], struct.unpack(">I", raw[4:8])[0]
    assert little == big
    return int(little)


def parse(read: Read, size: int) -> dict[bytes, Found]:
    volume = read(16 * BLOCK, BLOCK)
    assert volume[:8] == b"\1CD001\1\0"
    assert volume[40:72] == b"VML_AREA".ljust(32)
    assert both(volume[80:88]) * BLOCK == size
    assert read(17 * BLOCK, 7) == b"\xffCD001\1"
    root = (both(volume[158:166]), both(volume[166:174]))
    files: dict[bytes, Found] = {}
    folders = [(b"", root, root)]
    for path, place, parent in folders:
        for found in _folder(read, place, parent):
            if path and not found.name:  # the folder itself again
                known = files[path]
                assert (found.mode, found.serial, found.links) == (known.mode, known.serial, known.links)
                continue
            where = path + b"/" + found.name if found.name else b""
            assert where not in files
            assert found.folder or all(b > 0 and b * BLOCK + n <= size for b, n in found.sections if n)
            files[where] = found
            if found.name and found.folder:
                folders.append((where, found.sections[0], place))
    _check_path_tables(read, volume, [place for _, place, _ in folders])
    _check_no_overlap(files)
    return files


def _folder(read: Read, place: tuple[int, int], parent: tuple[int, int]) -> Iterator[Found]:
    block, size = place
    assert size % BLOCK == 0
    assert size
    before = b""
    pending: Found | None = None
    for number, record in enumerate(_records(read(block * BLOCK, size))):
        identifier, flags = record[33 : 33 + record[32]], record[25]
        extent = (both(record[2:10]), both(record[10:18]))
        if number < 2:
            assert identifier == bytes((number,))
            assert extent == (place, parent)[number]
        found = _entries(read, record)
        found.folder = bool(flags & 2)
        if number == 0:
            yield found
        if number < 2:
            continue
        assert identifier > before or pending
        before = identifier
        found.sections = [*(pending.sections if pending else []), extent]
        if pending:
            assert (found.name, found.mode, found.serial) == (pending.name, pending.mode, pending.serial)
        pending = found if flags & 0x80 else None
        if not pending:
            yield found
    assert pending is None


def _records(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), BLOCK):
        sector = raw[start : start + BLOCK]
        at = 0
        while at < BLOCK and sector[at]:
            length = sector[at]
            assert length % 2 == 0
            assert at + length <= BLOCK
            yield sector[at : at + length]
            at += length
        assert not any(sector[at:])


def _entries(read: Read, record: bytes) -> Found:
    found = Found()
    start = 33 + record[32]
    waiting = record[start + start % 2 :]
    while waiting:
        following = b""
        while len(waiting) >= 4:
            kind, length = waiting[:2], waiting[2]
            assert waiting[3] == 1
            assert 4 <= length <= len(waiting)
            body = waiting[4:length]
            waiting = waiting[length:]
            if kind == b"CE":
                block, offset, count = both(body[0:8]), both(body[8:16]), both(body[16:24])
                assert offset + count <= BLOCK
                following = read(block * BLOCK + offset, count)
            else:
                _entry(found, kind, body)
        assert not any(waiting)
        waiting = following
    return found


def _entry(found: Found, kind: bytes, body: bytes) -> None:
    if kind == b"PX":
        found.mode, found.links, found.uid, found.gid, found.serial = (
            both(body[i : i + 8]) for i in range(0, 40, 8)
        )
    elif kind == b"NM":
        found.name += body[1:]
    elif kind == b"TF":
        assert body[0] == 0b1110
        found.times = tuple(body[i : i + 7] for i in (1, 8, 15))
    elif kind == b"PN":
        found.device = (both(body[:8]), both(body[8:16]))
    elif kind == b"SL":
        found.target = _link(found.target, body)
    elif kind == b"ER":
        found.extension = body[4 : 4 + body[0]]
    else:
        assert kind == b"SP"
        assert body == b"\xbe\xef\0"


def _link(before: bytes | None, body: bytes) -> bytes:
    """Append the components of one entry the way Linux does; a pending slash is kept as a zero byte."""
    target = (before or b"").replace(b"\0", b"/")
    components = body[1:]
    while components:
        flags, length = components[0], components[1]
        text = components[2 : 2 + length]
        target += {2: b".", 4: b"..", 8: b"/"}.get(flags & ~1, text)
        components = components[2 + length :]
        more = bool(components) or bool(body[0] & 1)
        if more and not flags & 9:
            target += b"/" if components else b"\0"
    return target


def _check_path_tables(read: Read, volume: bytes, places: list[tuple[int, int]]) -> None:
    size = both(volume[132:140])
    for order, at in (("<", volume[140:144]), (">", volume[148:152])):
        table = read(struct.unpack(order + "I", at)[0] * BLOCK, size)
        blocks = []
        while table:
            length, _, block, parent = struct.unpack(order + "BBIH", table[:8])
            assert parent <= len(blocks) + 1
            blocks.append(block)
            table = table[8 + length + length % 2 :]
        assert blocks == [block for block, _ in places]


def _check_no_overlap(files: dict[bytes, Found]) -> None:
    """Two files share their bytes only if they are one file with two names."""
    used = {(s[0], s[1], f.serial) for f in files.values() for s in f.sections if s[1]}
    behind = 0
    for block, size, _ in sorted(used):
        assert block >= behind
        behind = block + -(-size // BLOCK)
