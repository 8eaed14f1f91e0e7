"""Index files of a distant repository, kept on this computer, so that each is fetched once.

    <folder>/<repository id>/<id>   mode 0600, the sealed file as the repository has it

Never the truth: the repository is asked each time which index files there are, and a copy serves only if its
digest is its name, as for any file of a repository. So it may be deleted, cut or altered at any moment. Copies of
what the repository has no more go, the oldest too where there are more bytes than ``LARGEST_BYTES``, and all of a
repository that was not used for ninety days.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

LARGEST_BYTES = 512 << 20
_UNUSED_S = 90 * 86_400


class Copies:
    """The copies of one repository's index files in ``folder``, which holds those of others, too."""

    def __init__(self, folder: Path, repository_id: str) -> None:
        self._all = folder
        self._folder = folder / repository_id

    def get(self, id: str) -> bytes | None:
        """Return a file as it is in the repository, None where there is no sound copy."""
        try:
            sealed = (self._folder / id).read_bytes()
        except OSError:
            return None
        return sealed if hashlib.sha256(sealed).hexdigest() == id else None

    def put(self, id: str, sealed: bytes) -> None:
        """Keep a file; where that cannot be, it is fetched again next time and that is all."""
        temporary = self._folder / f".{id}-{secrets.token_hex(4)}"
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, no path
                    file.write(sealed)
                temporary.replace(self._folder / id)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def trim(self, present: Collection[str], largest_bytes: int = LARGEST_BYTES) -> None:
        """Let go of what is of no use any more; ``present`` are the repository's index files."""
        with suppress(OSError):
            os.utime(self._folder)
            size_bytes = 0
            for path in sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True):
                if path.name.startswith(".") and path.stat().st_mtime > time.time() - 3600:
                    continue  # being written
                size_bytes += path.stat().st_size
                if path.name not in present or size_bytes > largest_bytes:
                    path.unlink(missing_ok=True)
            for folder in self._all.iterdir():
                if folder.stat().st_mtime < time.time() - _UNUSED_S:
                    shutil.rmtree(folder, ignore_errors=True)
