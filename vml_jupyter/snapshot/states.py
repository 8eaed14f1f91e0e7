"""What the last snapshot of an area met in each folder, kept on this computer: a cache, never the truth.

    <cache>/<digest of repository and area>   mode 0600, replaced as a whole, can be deleted at any time
        SHA-256 of the rest || MessagePack [format, repository, area, rules, tree, index, [folder, ...]]
        folder   [relative, tree, files, bytes, positions of its subfolders, left out, entries]
        entries  [[name, mode, inode, size, mtime_ns, ctime_ns], ...] in the order in which the folder is listed

A folder whose entries encode to the same bytes as last time holds what it held then, so neither its tree nor
the index is read, and nothing in it is compared one by one. That is only believed where the repository
still has the tree that the file was made with as the parent, and every index file that was there then: the
blobs that those name are removed by ``prune`` alone, which replaces them.
A folder in which something could not be read, or would not hold still, is not remembered.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from vml_jupyter.parsing import Parser
from vml_jupyter.replacing import replace_file

_FORMAT = 1
_DIGEST_BYTES = 32

Entry = tuple[str, int, int, int, int, int]
"""Name, mode, inode, size, mtime_ns and ctime_ns of something in a folder."""


class FolderState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A folder as it was; ``files`` and ``bytes`` count what lies directly in it.

    ``left_out`` has the names that the rules keep out, and whether each is a folder.
    """

    relative: str
    tree: str
    files: int
    bytes: int
    subfolders: tuple[int, ...]
    left_out: dict[str, bool]
    entries: msgspec.Raw

    def names(self) -> dict[str, int]:
        """Return the mode of everything that was listed and not left out, by name."""
        return {entry[0]: entry[1] for entry in self.listed()}

    def listed(self) -> list[Entry]:
        return _listings.parse(self.entries)


class _File(msgspec.Struct, array_like=True):
    format: int
    repository: str
    area: str
    rules: str
    tree: str
    index: list[str]
    folders: list[FolderState]


_encoder = msgspec.msgpack.Encoder()
_parser = Parser(_File, packed=True)
_listings = Parser(list[Entry], packed=True)


def encode_entries(entries: list[Entry]) -> msgspec.Raw | None:
    """Return the bytes by which listings are compared; None where a name is no text."""
    try:
        return msgspec.Raw(_encoder.encode(entries))
    except UnicodeEncodeError:
        return None


class States:
    """The remembered folders of one area; ``remember`` those of this snapshot, then ``save`` them.

    Args:
        folder: Where the file lies; None to remember nothing.
        repository: The repository's id.
        area: The area's path.
        rules: What it was looked at with, beside the rules that lie in it.
    """

    def __init__(self, folder: Path | None, repository: str, area: Path, rules: str) -> None:
        name = hashlib.sha256(b"\0".join((repository.encode(), os.fsencode(area)))).hexdigest()[:32]
        self._file = folder / name if folder else None
        self._identity = (_FORMAT, repository, ascii(str(area)), rules)
        self._known: dict[str, FolderState] = {}
        self._new: list[FolderState] = []
        self._changed = False

    def load(self, tree: str | None, index: frozenset[str]) -> bool:
        """Read what was remembered; False where there is nothing that may be believed.

        Args:
            tree: The area's tree in the snapshot that is the parent of the new one.
            index: The names of all index files that the repository has.
        """
        file = self._read() if tree else None
        if file is None or file.tree != tree or not index.issuperset(file.index):
            self._changed = True
            return False
        self._known = {folder.relative: folder for folder in file.folders}
        return True

    def forget(self) -> bool:
        """Begin anew with nothing remembered; False where that was so already."""
        if not self._known:
            return False
        self._known, self._new, self._changed = {}, [], True
        return True

    def of(self, relative: str) -> FolderState | None:
        return self._known.get(relative)

    def remember(self, state: FolderState) -> None:
        self._new.append(state)
        self._changed = self._changed or self._known.get(state.relative) is not state

    def save(self, tree: str, index: frozenset[str]) -> None:
        """Replace the file, unless it says the same; where that cannot be, the next snapshot takes longer."""
        if self._file is None or not (self._changed or len(self._new) != len(self._known)):
            return
        raw = _encoder.encode(_File(*self._identity, tree, sorted(index), self._new))
        with suppress(OSError):
            replace_file(self._file, [hashlib.sha256(raw).digest(), raw])

    def _read(self) -> _File | None:
        if self._file is None:
            return None
        try:
            whole = memoryview(self._file.read_bytes())
            raw = whole[_DIGEST_BYTES:]
            if hashlib.sha256(raw).digest() != whole[:_DIGEST_BYTES]:
                return None
            file = _parser.parse(raw)
        except (OSError, msgspec.DecodeError):
            return None
        return file if (file.format, file.repository, file.area, file.rules) == self._identity else None
