"""Read packs through and see whether every blob is what its name says.

    pack -> ranges of a few MiB -> open the seals -> zstd -> SHA-256 = id?      for every blob
    pack -> SHA-256 = the pack's name?                                          for the whole

Memory holds one pack, or of a larger one a range, for each thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vml_jupyter.repository import encoding
from vml_jupyter.repository.cipher import Buffer, Forged, Key
from vml_jupyter.repository.pack import PackedBlob, pack_name
from vml_jupyter.repository.store import Store
from vml_jupyter.repository.turn import turn

_RANGE_BYTES = 8 << 20
_WHOLE_BYTES = 160 << 20  # restic's largest pack is 128 MiB
_FEW = 16
Sealed = tuple[PackedBlob, memoryview]
Fault = tuple[PackedBlob, str]


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a pack: whether its bytes have another digest, and the blobs that are hurt, and why."""

    altered: bool
    faults: list[Fault]


def verify_pack(store: Store, key: Key, pack: str, size_bytes: int, blobs: Sequence[PackedBlob]) -> Verdict:
    """Read a whole pack.

    Raises:
        FileNotFoundError: It is gone.
    """
    if size_bytes > _WHOLE_BYTES:
        return Verdict(False, verify_blobs(store, key, pack, blobs))
    raw = memoryview(store.get(pack_name(pack)))
    faults: list[Fault] = []
    for group in groups(blobs):
        faults += _faults(key, [(blob, raw[blob.offset : blob.offset + blob.length]) for blob in group])
    return Verdict(hashlib.sha256(raw).hexdigest() != pack, faults)


def verify_blobs(store: Store, key: Key, pack: str, blobs: Iterable[PackedBlob]) -> list[Fault]:
    """Read some blobs of a pack and return those that are hurt.

    Raises:
        FileNotFoundError: The pack is gone.
    """
    faults: list[Fault] = []
    for group in groups(blobs):
        faults += _faults(key, read_sealed(store, pack, group))
    return faults


def verified(store: Store, key: Key, pack: str, blobs: Iterable[PackedBlob]) -> Iterator[Sealed]:
    """Yield blobs of a pack as they lie there, sealed, after looking inside.

    Raises:
        FileNotFoundError: The pack is gone.
        ValueError: A blob is hurt; says which and why.
    """
    for group in groups(blobs):
        sealed = read_sealed(store, pack, group)
        for blob, why in _faults(key, sealed):
            raise ValueError(f"the {blob.type} blob {blob.id[:12]} is damaged: {why}")
        yield from sealed


def read_sealed(store: Store, pack: str, group: Sequence[PackedBlob]) -> list[Sealed]:
    """Return the sealed bytes of blobs that lie near one another, read at once."""
    start = group[0].offset
    end = max(blob.offset + blob.length for blob in group)
    raw = memoryview(store.get_range(pack_name(pack), start, end - start))
    return [(blob, raw[blob.offset - start : blob.offset - start + blob.length]) for blob in group]


def groups(blobs: Iterable[PackedBlob]) -> Iterator[list[PackedBlob]]:
    """Cut into runs that are bounded both as they lie there and decompressed."""
    run: list[PackedBlob] = []
    plain_bytes = 0
    for blob in sorted(blobs, key=lambda blob: blob.offset):
        far = run and blob.offset + blob.length - run[0].offset > _RANGE_BYTES
        if far or (run and plain_bytes + blob.plain_length > _RANGE_BYTES):
            yield run
            run, plain_bytes = [], 0
        run.append(blob)
        plain_bytes += blob.plain_length
    if run:
        yield run


def _faults(key: Key, sealed: Sequence[Sealed]) -> list[Fault]:
    many = len(sealed) > _FEW
    faults: list[Fault] = []
    opened: list[tuple[PackedBlob, bytes]] = []
    with turn(many):
        for blob, piece in sealed:
            try:
                opened.append((blob, key.open(piece)))
            except Forged:
                faults.append((blob, "it was cut or altered"))
    plain = list(_decompressed(opened))
    with turn(many):
        for blob, data in plain:
            if isinstance(data, str):
                faults.append((blob, data))
            elif hashlib.sha256(data).hexdigest() != blob.id:
                faults.append((blob, "its content is not what its name says"))
    return faults


def _decompressed(opened: list[tuple[PackedBlob, bytes]]) -> Iterator[tuple[PackedBlob, Buffer | str]]:
    """Yield each blob with its plain bytes, or with the reason why there are none."""
    small = [(blob, data) for blob, data in opened if blob.uncompressed_length]
    yield from ((blob, data) for blob, data in opened if not blob.uncompressed_length)
    try:
        large = encoding.decompress_all(
            [data for _, data in small], [blob.uncompressed_length for blob, _ in small]
        )
        yield from ((blob, data) for (blob, _), data in zip(small, large, strict=True))
    except encoding.Unreadable:
        for blob, data in small:
            yield blob, _decompress(blob, data)


def _decompress(blob: PackedBlob, data: bytes) -> bytes | str:
    try:
        return encoding.decompress(data, blob.uncompressed_length)
    except encoding.Unreadable as error:
        return f"its content cannot be decompressed ({error})"
