"""The logbook that a user has without asking for one.

    <folder>/                the repository
    <password file>          its generated password, mode 0600
    <password file>.made     the repository was there: where it is not, a disk is missing, and no new one is made

The password is in the user's configuration and not beside the data, so a copy of the data alone is safe. It is on the
disk, as is its name, before the repository is made: nothing else opens that.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vml_jupyter.errors import LogbookMissing, StoreUnreachable, WrongPassword
from vml_jupyter.logbook.logbook import Logbook
from vml_jupyter.replacing import replace_file, sync_folder
from vml_jupyter.repository import SCRYPT_N_GENERATED, generate_password


def open_or_create_default(folder: Path, password_file: Path, cache: Path | None = None) -> Logbook:
    """Open the logbook in ``folder``, or make it, with the password in ``password_file``.

    Raises:
        WrongPassword: The logbook is there, but the password file is lost or of another logbook.
        LogbookMissing: It was there once, and is not now.
        StoreUnreachable: Folder or password file cannot be used.
        LogbookDamaged: What is there is broken.
    """
    try:
        with _alone(password_file.parent):
            password = _read(password_file)
            if password is None:
                _require_no_logbook(folder, password_file)
                password = generate_password()
                replace_file(password_file, [f"{password}\n".encode()], lasts=True)
            made = made_mark(password_file)
            logbook = _open_or_create(folder, password, cache, made)
            if not made.exists():
                made.touch(0o600)
            return logbook
    except OSError as error:
        raise StoreUnreachable(
            f"{error.filename or password_file} cannot be used: {error.strerror}",
            "Check that it is a folder in which you may write",
        ) from error


def made_mark(password_file: Path) -> Path:
    """Return the file that says that the logbook of this password was there once."""
    return password_file.with_name(f"{password_file.name}.made")


def _open_or_create(folder: Path, password: str, cache: Path | None, made: Path) -> Logbook:
    try:
        return Logbook.open(str(folder), password, cache=cache)
    except LogbookMissing:
        if made.exists():
            raise LogbookMissing(
                f"the logbook in {folder} was there before and is not now",
                f"Mount the disk on which it lies; to begin a new one all the same, remove {made}",
            ) from None
    return Logbook.create(str(folder), password, scrypt_n=SCRYPT_N_GENERATED, cache=cache)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time in: two that start together must not make two passwords."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(folder.parent)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def _require_no_logbook(folder: Path, password_file: Path) -> None:
    if any((folder / name).exists() for name in ("config", "keys")):
        raise WrongPassword(
            f"the logbook in {folder} is there, but its password is not in {password_file}",
            "Put the password back, or move the logbook's folder away to begin a new one",
        )
