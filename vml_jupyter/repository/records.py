"""The JSON documents of a repository, and the records they become."""

from __future__ import annotations

from typing import Annotated

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.parsing import Parser


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The file ``config``: which format, which repository, and restic's chunker polynomial in hex."""

    version: int
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]  # files of this computer are named by it
    chunker_polynomial: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of ``snapshots/``: a tree and where it came from.

    ``id`` is the name of its file and not in its JSON. ``time`` is RFC 3339. Fields that only newer
    versions of restic write are kept from no one: they stay in the file, but are not in this record.
    """

    time: str
    tree: str
    paths: list[str] | None = None
    hostname: str = ""
    username: str = ""
    uid: int = 0
    gid: int = 0
    excludes: list[str] | None = None
    tags: list[str] | None = None
    parent: str | None = None
    original: str | None = None
    program_version: str = ""
    id: str = ""


class LockRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of ``locks/``; ``space`` tells computers and containers of one name apart, see ``process_space``.

    restic passes over the fields that it does not know, and writes no ``space``.
    """

    time: str
    exclusive: bool
    hostname: str = ""
    username: str = ""
    pid: Annotated[int, msgspec.Meta(lt=1 << 31)] = 0
    uid: int = 0
    gid: int = 0
    space: str = msgspec.field(default="", name="vml_space")


_snapshot_parser = Parser(Snapshot)


def decode_snapshot(raw: bytes, id: str) -> Snapshot:
    """Return the record of ``snapshots/<id>``.

    Raises:
        LogbookDamaged: It is no snapshot.
    """
    try:
        return msgspec.structs.replace(_snapshot_parser.parse(raw), id=id)
    except msgspec.DecodeError as error:
        raise LogbookDamaged(f"snapshots/{id} is damaged: {error}") from error
