"""Hear what changed in a machine's working area, from the teller in it (``teller.py`` draws the frames).

    tell.sock    VMLT <nonce> ->   <- VMLH <nonce>    then frames both ways, one question at a time

What comes is foreign: each frame is bounded, typed and in its place, or the whole of it is refused.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from vml_jupyter.errors import Foreign, LimitReached, MachineGone
from vml_jupyter.guest.client import shown
from vml_jupyter.parsing import parse
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.snapshot.told import Closed, Folder, Limits, Opened, Part, Row, Same, Wish, checked_folder

_HEADER = struct.Struct(">cI")
_FRAME_LIMIT = 1 << 20
_SKIPPED_LIMIT = 64 << 20
_RECEIVE_BYTES = 1 << 20
_SILENCE_S = 60.0
_GLANCE_S = 0.5

_Text = Annotated[str, Meta(max_length=1 << 16)]
_Short = Annotated[str, Meta(max_length=4096)]
_T = TypeVar("_T")


class _Hello(msgspec.Struct, frozen=True):
    v: Literal[1]
    how: Literal["upper", "walk"]
    top: Row
    mark: Annotated[str, Meta(max_length=64)] = ""


class _Failure(msgspec.Struct, frozen=True):
    error: _Short = ""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine says that it runs: small files of its system, its mounts, the Python of the notebook's kernel.

    ``five`` is the version of CernVM 5's package, which only that has. ``mounts`` are path, name, revision, root hash
    and tag of each CernVM-FS repository; ``folders`` are the kernel's search path, each with the names in it by which
    distributions are known.
    """

    texts: Annotated[dict[_Short, _Text], Meta(max_length=50)] = {}
    markers: Annotated[list[_Short], Meta(max_length=100)] = []
    five: _Short = ""
    architecture: _Short = ""
    mounts: Annotated[list[tuple[_Short, _Short, _Short, _Short, _Short]], Meta(max_length=100)] = []
    interpreter: _Short = ""
    kernelspec: _Short = ""
    environ: Annotated[dict[_Short, _Text], Meta(max_length=1000)] = {}
    python: _Short = ""
    folders: Annotated[
        list[tuple[_Short, Annotated[list[_Short], Meta(max_length=20_000)]]], Meta(max_length=1000)
    ] = []


class ChangesClient:
    """One talk with a teller: ``how``, ``top`` and ``mark`` are what it said first.

    Args:
        link: A connection to it.
        nonce: What it was told to begin with.
        limits: How much it may say.
        progress: May cancel between frames.
        silence_s: How long it may say nothing.
    """

    def __init__(
        self,
        link: socket.socket,
        nonce: str,
        limits: Limits,
        progress: Progress = SILENT,
        silence_s: float = _SILENCE_S,
    ) -> None:
        self._link = link
        self._silence_s = silence_s
        self._limits = limits
        self._progress = progress
        self._received = bytearray()
        self._greet(nonce)
        hello = self._expect(b"h", _Hello)
        _check_top(hello.top)
        self.how: str = hello.how
        self.top = hello.top
        self.mark = hello.mark

    def folders(self) -> dict[bytes, Folder]:
        """Return every folder that it tells of, by path, as it came: a folder before those in it.

        Raises:
            Foreign: It makes no sense.
            LimitReached: It is too much.
        """
        self._send(b"l")
        found: dict[bytes, Folder] = {}
        things = size = 0
        while True:
            kind, payload = self._frame()
            if kind == b"z":
                return found
            if kind == b"w" and self.how == "upper":
                self.how, found, things, size = "walk", {}, 0, 0
                continue
            folder = checked_folder(_typed(kind, payload, b"f", Folder))
            things, size = things + len(folder.rows) + 1, size + len(payload)
            if things > self._limits.things or size > self._limits.listing_bytes:
                raise LimitReached(
                    f"the machine tells of more than {self._limits.things} changed files and folders",
                    "Restore the files alone and capture those, or remove what need not be kept.",
                )
            path = folder.path.encode("latin-1")
            before = found.get(path)
            if before is not None:  # a long one comes in parts
                if next(reversed(found)) != path:
                    raise Foreign("the machine tells of the same folder twice")
                before.rows.extend(folder.rows)
            else:
                found[path] = folder

    def read(self, wishes: Sequence[Wish]) -> Iterator[Part]:
        """Have files read out; ask nothing else before this has ended."""
        if not wishes:
            return
        asked = [[number, wish.path.decode("latin-1"), wish.pieces] for number, wish in enumerate(wishes)]
        self._send(b"r", msgspec.json.encode(asked))
        left = len(wishes)
        while left:
            kind, payload = self._frame()
            if kind == b"d":
                if not payload:  # or it could go on for ever
                    raise Foreign("the machine sends nothing where bytes of a file were to come")
                yield payload
            elif kind == b"o":
                number, row = _decoded(payload, tuple[int, Row])
                yield Opened(number, row)
            elif kind == b"s":
                yield Same(*_decoded(payload, tuple[int, int]))
            else:
                number, changed, error = _typed(kind, payload, b"c", tuple[int, bool, _Short])
                left -= 1
                yield Closed(number, changed, shown(error))

    def look_around(self, notebook: str, variables: Sequence[str]) -> None:
        """Have it find out what the notebook runs in, beside all else; of its variables only those that are named."""
        self._send(b"e", _ascii({"notebook": notebook, "variables": list(variables)}))

    def surroundings(self) -> Surroundings:
        """Return what it found out."""
        self._send(b"E")
        return self._expect(b"E", Surroundings)

    def keep_mark(self, entry: str) -> None:
        """Have the machine keep the name of the entry that was captured, with its disk."""
        self._send(b"m", _ascii({"entry": entry}))
        kind, _ = self._frame()
        if kind != b"m":
            raise Foreign("the machine does not confirm what it was told")

    def end(self) -> None:
        self._send(b"q")

    # --- frames

    def _greet(self, nonce: str) -> None:
        wanted = b"VMLT" + nonce.encode("ascii")
        skipped, deadline = 0, time.monotonic() + self._silence_s
        while wanted not in self._received:
            excess = max(0, len(self._received) - len(wanted))
            skipped += excess
            del self._received[:excess]
            if skipped > _SKIPPED_LIMIT:
                raise Foreign("the machine says much and nothing that was asked")
            self._fill(deadline)
        del self._received[: self._received.index(wanted) + len(wanted)]
        self._link.sendall(b"VMLH" + nonce.encode("ascii"))

    def _send(self, kind: bytes, payload: bytes = b"") -> None:
        if len(payload) > _FRAME_LIMIT:
            raise Foreign("a question to the machine is too long")
        try:
            self._link.settimeout(self._silence_s)
            self._link.sendall(_HEADER.pack(kind, len(payload)) + payload)
        except OSError as error:
            raise _gone(error) from error

    def _expect(self, kind: bytes, type_: type[_T]) -> _T:
        came, payload = self._frame()
        return _typed(came, payload, kind, type_)

    def _frame(self) -> tuple[bytes, bytes]:
        self._await(_HEADER.size)
        kind, length = _HEADER.unpack_from(self._received)
        if length > _FRAME_LIMIT:
            raise Foreign("the machine says too much at once")
        self._await(_HEADER.size + length)
        payload = bytes(memoryview(self._received)[_HEADER.size : _HEADER.size + length])
        del self._received[: _HEADER.size + length]
        if kind == b"x":
            raise MachineGone(
                f"the machine could not tell its changes: {shown(_decoded(payload, _Failure).error)}"
            )
        return kind, payload

    def _await(self, count: int) -> None:
        deadline = time.monotonic() + self._silence_s
        while len(self._received) < count:
            self._fill(deadline)

    def _fill(self, deadline: float) -> None:
        while True:
            self._progress.advance(0)  # a chance to cancel
            self._link.settimeout(_GLANCE_S)
            try:
                data = self._link.recv(_RECEIVE_BYTES)
            except TimeoutError as error:
                if time.monotonic() > deadline:
                    raise _gone(error) from error
                continue
            except OSError as error:
                raise _gone(error) from error
            if not data:
                raise MachineGone(
                    "the machine ended while it told its changes", "Nothing was written; try again."
                )
            self._received += data
            return


@contextmanager
def changes_of(
    path: Path, begin: Callable[[str], None], limits: Limits, progress: Progress = SILENT
) -> Iterator[ChangesClient]:
    """Talk with a machine's teller.

    Args:
        path: The host's end of the channel.
        begin: Has the agent start the teller, which is to begin with the given word.
        limits: How much it may say.
        progress: May cancel.

    Raises:
        MachineGone: Nobody answers.
        Foreign: What comes makes no sense.
    """
    nonce = secrets.token_hex(16)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            link.connect(str(path))
        except OSError as error:
            raise MachineGone(
                f"the machine has no way to tell its changes: {error.strerror}",
                "One that was made by an earlier VML gets it when it is stopped and started.",
            ) from error
        begin(nonce)
        client = ChangesClient(link, nonce, limits, progress)
        yield client
        client.end()


def _check_top(row: Row) -> None:
    if row.kind != "d":
        raise Foreign("the machine's working area is no folder")


def _typed(came: bytes, payload: bytes, kind: bytes, type_: type[_T]) -> _T:
    if came != kind:
        raise Foreign(f"the machine answers something else ({came!a} for {kind!a})")
    return _decoded(payload, type_)


def _decoded(payload: bytes, type_: type[_T]) -> _T:
    try:
        return parse(payload, type_)
    except msgspec.DecodeError as error:
        raise Foreign(f"the machine tells what cannot be: {shown(str(error))}") from error


def _ascii(value: Any) -> bytes:
    import json

    return json.dumps(value).encode("ascii")


def _gone(error: OSError) -> MachineGone:
    return MachineGone(f"the machine does not tell its changes: {error}", "Nothing was written; try again.")
