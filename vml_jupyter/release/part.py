"""The part of an image that has arrived: its bytes, its running digest, and what it is going to be.

See ``fetch`` for the files. The digest is computed as the bytes arrive, so nothing is read twice but a part
that was left by an earlier download.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import msgspec

from vml_jupyter.errors import RepositoryUnreachable
from vml_jupyter.parsing import parse

_LARGEST_BYTES = 64 * 1024**3
_PIECE = 1 << 20
_HINT = "Name another release repository (VML_RELEASE_URLS)."
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)")


class _Plan(msgspec.Struct, frozen=True):
    """What is remembered beside the part; ``url`` is where the validator means something."""

    sha256: str = ""
    validator: str = ""
    url: str = ""


class Part:
    """A part file that is locked by this process.

    Args:
        file: Open for reading and writing, unbuffered.
        final: What the file is called once it is complete.
        sha256: What its digest is going to be, 64 hex digits.
    """

    def __init__(self, file: BinaryIO, final: Path, sha256: str) -> None:
        self._file = file
        self._final = final
        self._sha256 = sha256
        self._path = final.with_name(f"{final.name}.part")
        self._plan_path = final.with_name(f"{final.name}.part.json")
        self._machine = hashlib.sha256()
        self.size = 0
        self.resumed = False
        self._validator = self._url = ""
        plan = self._left_plan()
        if plan:
            self._validator, self._url = plan.validator, plan.url
            self._read_what_is_there()
        else:
            self.restart()

    @property
    def path(self) -> Path:
        """Return the file in which the bytes lie until they are complete."""
        return self._path

    @property
    def folder(self) -> Path:
        return self._path.parent

    def range_headers(self, url: str) -> dict[str, str]:
        """Return the headers that ask for what is missing, if it is still the same file."""
        if not self.size:
            return {}
        self.resumed = True
        # Without a validator, or with another mirror's, it may be another file: the digest will tell.
        condition = {"If-Range": self._validator} if self._validator and self._url == url else {}
        return {"Range": f"bytes={self.size}-", **condition}

    def accept(self, url: str, status: int, headers: Mapping[str, str]) -> int | None:
        """Get ready for an answer's body; return the size of the whole file, None if it is not said.

        Raises:
            RepositoryUnreachable: The answer is not the rest that was asked for.
        """
        if status == 206:
            match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
            if not match or int(match[1]) != self.size:
                self.restart()
                raise RepositoryUnreachable(
                    "the release repository sent another range than was asked for", _HINT
                )
            total = int(match[2]) if match[2] != "*" else None
        else:
            self.restart()
            length = headers.get("Content-Length", "")
            total = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
        if total is not None and total > _LARGEST_BYTES:
            raise RepositoryUnreachable(f"the release repository offers an image of {total} bytes", _HINT)
        self._remember(url, headers)
        return total

    def append(self, piece: bytes) -> None:
        """Add bytes to the file and the digest."""
        if self.size + len(piece) > _LARGEST_BYTES:
            raise RepositoryUnreachable("the release repository sends an image without end", _HINT)
        view = memoryview(piece)
        while view:
            view = view[self._file.write(view) :]
        self._machine.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Throw away what has arrived."""
        self._file.seek(0)
        self._file.truncate(0)
        self._machine = hashlib.sha256()
        self.size = 0
        self.resumed = False
        self._validator = self._url = ""

    def is_complete(self) -> bool:
        """Tell whether the bytes are those that were published."""
        return self._machine.hexdigest() == self._sha256

    def commit(self) -> None:
        """Give the file its name; a crash before or after leaves a part or an image, never half of one."""
        os.fsync(self._file.fileno())
        self._path.rename(self._final)
        self._plan_path.unlink(missing_ok=True)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def abandon(self) -> None:
        """Leave nothing behind where nothing has arrived."""
        if not self.size:
            self._plan_path.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)

    def _left_plan(self) -> _Plan | None:
        """Return the plan of a part that an earlier download left, None if it was for other bytes."""
        try:
            plan = parse(self._plan_path.read_bytes(), _Plan)
        except (OSError, msgspec.DecodeError):
            return None
        return plan if plan.sha256 == self._sha256 and plan.validator.isprintable() else None

    def _read_what_is_there(self) -> None:
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            self._machine.update(piece)
            self.size += len(piece)

    def _remember(self, url: str, headers: Mapping[str, str]) -> None:
        """Keep the validator before the first byte, so that whatever is found later can be judged."""
        etag = headers.get("ETag", "")
        # A weak ETag promises the same meaning, not the same bytes.
        self._validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")
        self._url = url
        plan = _Plan(sha256=self._sha256, validator=self._validator, url=url)
        self._plan_path.write_bytes(msgspec.json.encode(plan))
