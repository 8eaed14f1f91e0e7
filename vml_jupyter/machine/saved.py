"""A machine's saved memory, as libvirt writes it, brought back as another machine.

    92 bytes   "LibvirtQemudSave", then 32-bit numbers: version 2, length L, was running, compressed, C; zeros
    L bytes    the description, NUL; at C, where that is not 0, the cookie, NUL; zeros
    the rest   what QEMU reads: devices and memory

libvirt brings a saved machine back under its own name and id only, and the same file here becomes many machines. So
libvirt is given a pipe: through it come a new head, and then the rest of the file as it is. Every byte is digested on
its way, so that a file which changed on the disk is noticed before anybody uses the machine.

Source of the format: libvirt, ``src/qemu/qemu_saveimage.{h,c}``.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from vml_jupyter.errors import Foreign

_MAGIC = b"LibvirtQemudSave"
_HEAD = struct.Struct("<16s5I56x")
_LIMIT = 16 << 20
_PIECE = 1 << 20
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031  # fcntl names it from Python 3.10 on
_POLL_S = 0.002


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved machine's file begins with; ``size_bytes`` is how long that is."""

    xml: str
    cookie: bytes
    was_running: int
    size_bytes: int


def read_head(file: Path) -> Head:
    """Read the head of a saved machine's file.

    Raises:
        Foreign: It is none, or of a form that is not known here.
    """
    try:
        with file.open("rb") as source:
            fixed = source.read(_HEAD.size)
            magic, version, length, running, compressed, cookie_at = _HEAD.unpack(fixed)
            if magic != _MAGIC or version != 2 or compressed or not 0 <= cookie_at < length <= _LIMIT:
                raise Foreign(f"{file} is no saved machine that can be read here")
            text = source.read(length)
            xml = text[: cookie_at or length].split(b"\0")[0].decode("utf-8")
    except (OSError, struct.error, UnicodeDecodeError) as error:
        raise Foreign(f"{file} cannot be read: {error}") from error
    cookie = text[cookie_at:].split(b"\0")[0] if cookie_at else b""
    return Head(xml=xml, cookie=cookie, was_running=running, size_bytes=_HEAD.size + length)


def encode_head(head: Head, xml: str) -> bytes:
    """Return a head with another description; ``size_bytes`` of the given one is of no account."""
    text = xml.encode() + b"\0"
    cookie_at = len(text) if head.cookie else 0
    text += head.cookie + b"\0" if head.cookie else b""
    return _HEAD.pack(_MAGIC, 2, len(text), head.was_running, 0, cookie_at) + text


def digest_of_rest(file: Path) -> str:
    """Return the SHA-256, in hex, of all that follows the head.

    Raises:
        Foreign: As for read_head().
    """
    total = hashlib.sha256()
    with file.open("rb") as source:
        source.seek(read_head(file).size_bytes)
        while piece := source.read(_PIECE):
            total.update(piece)
    return total.hexdigest()


@contextmanager
def fed(file: Path, pipe: Path, described: Callable[[str], str], sha256: str) -> Iterator[None]:
    """Have a pipe, for the time of a ``with``, from which libvirt can read a saved machine as another one.

    Args:
        file: The saved machine.
        pipe: Where the pipe is made.
        described: Makes the other machine's description of the saved one's.
        sha256: What digest_of_rest() was when it was saved.

    Raises:
        Foreign: The file is no saved machine, or not the one that was saved; told at the end of the ``with``.
    """
    head = read_head(file)
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    feeder = _Feeder(file, pipe, head.size_bytes, encode_head(head, described(head.xml)))
    feeder.start()
    try:
        yield
    finally:
        feeder.over.set()
        feeder.join()
        pipe.unlink(missing_ok=True)
    if feeder.sha256 != sha256:
        raise Foreign(f"{file} is not what was saved: {feeder.why or 'its content has changed'}")


class _Feeder(threading.Thread):
    def __init__(self, file: Path, pipe: Path, begin: int, head: bytes) -> None:
        super().__init__(name="vml-saved-memory", daemon=True)
        self._file, self._pipe, self._begin, self._head = file, pipe, begin, head
        self.over = threading.Event()
        self.sha256 = self.why = ""

    def run(self) -> None:
        try:
            with self._file.open("rb", buffering=0) as source, os.fdopen(self._opened(), "wb", 0) as out:
                source.seek(self._begin)
                _write_all(out.fileno(), memoryview(self._head))
                self.sha256 = self._pass_on(source.fileno(), out.fileno())
        except OSError as error:  # whoever reads went away
            self.why = error.strerror or str(error)

    def _opened(self) -> int:
        """Open the pipe once somebody reads from it, or give up when nobody will."""
        while True:
            try:
                handle = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO or self.over.wait(_POLL_S):
                    raise
            else:
                break
        os.set_blocking(handle, True)
        with suppress(OSError):  # only faster
            fcntl.fcntl(handle, _F_SETPIPE_SZ, _PIPE_BYTES)
        return handle

    def _pass_on(self, source: int, out: int) -> str:
        total, piece = hashlib.sha256(), bytearray(_PIECE)
        view = memoryview(piece)
        while size := os.readv(source, [piece]):
            total.update(view[:size])
            _write_all(out, view[:size])
        return total.hexdigest()


def _write_all(handle: int, data: memoryview) -> None:
    while data:
        data = data[os.write(handle, data) :]
