"""What an image is made from: anything that knows trees and blobs by id, such as a repository.

tree(id) -> nodes of a folder        blob(id) -> plain bytes        blob_size(id) -> their number, unread
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vml_jupyter.repository.cipher import Buffer
from vml_jupyter.repository.node import Node


class Source(Protocol):
    """Answer for trees and data blobs; ``blob`` may be called from several threads at once."""

    def tree(self, id: str, /) -> tuple[Node, ...]:
        """Return the nodes of one folder in their stored order."""
        ...

    def blob(self, id: str, /) -> bytes:
        """Return the plain bytes of one data blob."""
        ...

    def blobs(self, ids: Sequence[str], /) -> Sequence[Buffer]:
        """Return the plain bytes of many data blobs; those that lie side by side come together."""
        ...

    def blob_size(self, id: str, /) -> int:
        """Return how many plain bytes a data blob has, without reading it."""
        ...
