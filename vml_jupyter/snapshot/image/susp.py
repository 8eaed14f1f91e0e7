"""Rock Ridge: what ISO 9660 cannot say of a file, in entries that follow each directory record.

    PX mode, links, owner, group, serial      TF times         NM the real name
    SL target of a symbolic link              PN device        CE "the rest of the entries is there"
    SP, ER once, in the first record of the root: "entries follow", "and they are Rock Ridge 1.12"

    every entry    | S1 S2 | length | 1 | ... |      numbers are both-endian

Sources: IEEE P1281 (SUSP 1.12), IEEE P1282 (RRIP 1.12), and what Linux makes of them (fs/isofs/rock.c).
"""

from __future__ import annotations

import itertools
from functools import lru_cache

from vml_jupyter.errors import Foreign
from vml_jupyter.snapshot.image.numbers import both32

CE_BYTES = 28
_MAX_ENTRY_BYTES = 255
_NM_BYTES = _MAX_ENTRY_BYTES - 5
_LINUX_NAME_BYTES = 253
"""Linux drops the first NM entry that would make a name of 254 bytes, and all after it."""
_SL_BYTES = _MAX_ENTRY_BYTES - 5
_COMPONENT_BYTES = 240
"""So much shorter than an entry that the root's two bytes never end one: Linux would count a slash too many."""
_CURRENT, _PARENT, _ROOT, _CONTINUES = 2, 4, 8, 1
_NM_HEADS = [b"NM" + bytes((5 + length, 1, 0)) for length in range(_NM_BYTES + 1)]
_TF_HEAD = b"TF" + bytes((5 + 3 * 7, 1, 0b1110))  # modified, accessed, attributes changed

SHARING = b"SP" + bytes((7, 1, 0xBE, 0xEF, 0))


def extension() -> bytes:
    """Return the ER entry that names Rock Ridge 1.12, with the texts that P1282 fixes."""
    name = b"IEEE_P1282"
    what = b"THE IEEE P1282 PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS"
    where = b"PLEASE CONTACT THE IEEE STANDARDS DEPARTMENT, PISCATAWAY, NJ, USA FOR THE P1282 SPECIFICATION"
    texts = name + what + where
    return b"ER" + bytes((8 + len(texts), 1, len(name), len(what), len(where), 1)) + texts


@lru_cache(maxsize=4096)
def ownership(mode: int, links: int, uid: int, gid: int) -> bytes:
    """Return a PX entry but for the serial number that ends it.

    Raises:
        Foreign: A number does not fit 32 bits.
    """
    try:
        return b"PX" + bytes((44, 1)) + both32(mode) + both32(links) + both32(uid) + both32(gid)
    except OverflowError:
        raise Foreign(f"a tree holds an owner or link count out of range: {uid}:{gid}, {links}") from None


def times(modified: bytes, accessed: bytes, changed: bytes) -> bytes:
    """Return a TF entry of three seven-byte stamps; Linux before 6.16 misreads the longer form."""
    return _TF_HEAD + modified + accessed + changed


def short_name(name: bytes) -> bytes:
    """Return the one NM entry of a name of at most 250 bytes."""
    return _NM_HEADS[len(name)] + name


def long_name(name: bytes) -> list[bytes]:
    """Return the NM entries of any name, cut so that Linux shows as much of it as it can."""
    if len(name) <= _NM_BYTES:
        return [short_name(name)]
    cuts = (0, _NM_BYTES, _LINUX_NAME_BYTES, len(name))
    pieces = [name[a:b] for a, b in itertools.pairwise(cuts) if a < b]
    return [b"NM" + bytes((5 + len(p), 1, i < len(pieces) - 1)) + p for i, p in enumerate(pieces)]


def clipped(name: bytes) -> bool:
    """Say whether Linux shows less than the whole of ``name``."""
    return len(name) > _LINUX_NAME_BYTES


def device(major: int, minor: int) -> bytes:
    """Return the PN entry of a device node."""
    return b"PN" + bytes((20, 1)) + both32(major) + both32(minor)


def continuation(block: int, offset: int, length: int) -> bytes:
    """Return the CE entry that leads to ``length`` further bytes of entries."""
    return b"CE" + bytes((CE_BYTES, 1)) + both32(block) + both32(offset) + both32(length)


def link(target: bytes) -> list[bytes]:
    """Return the SL entries of a symbolic link's target; ``a//b/`` survives as it is."""
    groups: list[bytearray] = [bytearray()]
    for component in _components(target):
        if len(groups[-1]) + len(component) > _SL_BYTES:
            groups.append(bytearray())
        groups[-1] += component
    last = len(groups) - 1
    return [b"SL" + bytes((5 + len(g), 1, i < last)) + g for i, g in enumerate(groups)]


def _components(target: bytes) -> list[bytes]:
    result = []
    parts = target.split(b"/")
    if parts[0] == b"" and len(parts) > 1:  # the slash in front is a component, not a separator
        result.append(bytes((_ROOT, 0)))
        parts = parts[1:] if parts[1:] != [b""] else []
    for part in parts:
        if part == b".":
            result.append(bytes((_CURRENT, 0)))
        elif part == b"..":
            result.append(bytes((_PARENT, 0)))
        else:
            result += _text(part)
    return result


def _text(part: bytes) -> list[bytes]:
    room = _COMPONENT_BYTES - 2
    pieces = [part[i : i + room] for i in range(0, len(part), room)] or [b""]
    return [bytes((_CONTINUES if i < len(pieces) - 1 else 0, len(p))) + p for i, p in enumerate(pieces)]
