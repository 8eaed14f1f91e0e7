"""A source of trees and blobs that lives in memory, and short spellings for nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from vml_jupyter.repository.node import Node, quote_name

WHEN = "2024-05-01T12:34:56.123456789+02:00"
_COMMON = {"mtime": WHEN, "atime": WHEN, "ctime": WHEN, "uid": 1000, "gid": 100, "links": 1}


class MemorySource:
    """Answer like a repository; ``fetched`` lists the blobs that were read, in order."""

    def __init__(self) -> None:
        self.trees: dict[str, tuple[Node, ...]] = {}
        self.data: dict[str, bytes] = {}
        self.fetched: list[str] = []

    def tree(self, id: str) -> tuple[Node, ...]:
        return self.trees[id]

    def blob(self, id: str) -> bytes:
        self.fetched.append(id)
        return self.data[id]

    def blobs(self, ids: Sequence[str]) -> list[bytes]:
        return [self.blob(id) for id in ids]

    def blob_size(self, id: str) -> int:
        return len(self.data[id])

    def put_blob(self, data: bytes) -> str:
        id = hashlib.sha256(data).hexdigest()
        self.data[id] = data
        return id

    def put_tree(self, nodes: Iterable[Node] = ()) -> str:
        ordered = tuple(sorted(nodes, key=lambda node: node.name))
        id = hashlib.sha256(repr(ordered).encode()).hexdigest()
        self.trees[id] = ordered
        return id

    def file(self, name: bytes, *chunks: bytes, mode: int = 0o644, **also: Any) -> Node:
        content = [self.put_blob(chunk) for chunk in chunks]
        size = sum(map(len, chunks))
        return _node(name, type="file", mode=mode, size=size, content=content, **also)

    def folder(self, name: bytes, *nodes: Node, **also: Any) -> Node:
        return _node(name, type="dir", mode=1 << 31 | 0o755, subtree=self.put_tree(nodes), **also)


def link(name: bytes, target: bytes, **also: Any) -> Node:
    return _node(name, type="symlink", mode=1 << 27 | 0o777, linktarget_raw=target, **also)


def special(name: bytes, kind: str, **also: Any) -> Node:
    return _node(name, type=kind, mode=0o600, **also)


def _node(name: bytes, **fields: Any) -> Node:
    return Node(name=quote_name(name), **{**_COMMON, **fields})
