"""Publish which systems exist, the way a CernVM-FS Stratum 1 does.

    <folder>/.cvmfspublished          manifest: one letter and a value per line; H names the history
    <folder>/data/<2 hex>/<38 hex>H   history: zlib-compressed SQLite with the table ``tags``

The manifest carries no signature: no CernVM-FS client mounts this, only its list of tags is read.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

from vml_jupyter.release.mini import recipe

TABLE = (
    "CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER,"
    " channel INTEGER, description TEXT, PRIMARY KEY (name))"
)


def publish(folder: Path, scratch: Path) -> None:
    """Write manifest and history into ``folder``; ``scratch`` is a file that may be written and removed."""
    _write_history(scratch)
    compressed = zlib.compress(scratch.read_bytes(), 9)
    scratch.unlink()
    name = hashlib.sha1(compressed, usedforsecurity=False).hexdigest()
    history = folder / "data" / name[:2] / f"{name[2:]}H"
    history.parent.mkdir(parents=True)
    history.write_bytes(compressed)
    (folder / ".cvmfspublished").write_text(_manifest(name))


def _write_history(file: Path) -> None:
    newest = recipe.SYSTEMS[-1]
    named = [(s.tag, s.root_hash, s.revision, s.published, 0, f"CernVM {s.version}") for s in recipe.SYSTEMS]
    rolling = (recipe.ROLLING_TAG, newest.root_hash, newest.revision, newest.published, 0, "newest CernVM 4")
    with closing(sqlite3.connect(file)) as database:
        database.execute(TABLE)
        database.executemany("INSERT INTO tags VALUES (?, ?, ?, ?, ?, ?)", [*named, rolling])
        database.commit()


def _manifest(history_hash: str) -> str:
    newest = recipe.SYSTEMS[-1]
    lines = {
        "C": newest.root_hash,
        "D": "240",
        "S": str(newest.revision),
        "N": recipe.REPOSITORY,
        "H": history_hash,
        "T": str(newest.published),
    }
    return "".join(f"{letter}{value}\n" for letter, value in lines.items()) + "--\n"
