"""Publish what there is of a repository, the way a CernVM-FS Stratum 1 does.

    <folder>/.cvmfspublished          manifest: one letter and a value per line; C names the catalog, H the history
    <folder>/data/<2 hex>/<38 hex>H   history: zlib-compressed SQLite with the table ``tags``
    <folder>/data/<2 hex>/<38 hex>C   the root catalog of each tag (see catalogs.py)

The manifest carries no signature: no CernVM-FS client mounts this, only its lists are read.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from vml_jupyter.release.mini import recipe
from vml_jupyter.release.mini.catalogs import object_name

State = recipe.System | recipe.Revision

TABLE = (
    "CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER,"
    " channel INTEGER, description TEXT, PRIMARY KEY (name))"
)


def publish_all(folder: Path, scratch: Path) -> None:
    """Publish the systems and the repositories of software below ``folder``, each in a folder of its name."""
    publish(folder / recipe.REPOSITORY, recipe.SYSTEMS, scratch, rolling=recipe.ROLLING_TAG)
    for fqrn in sorted({revision.fqrn for revision in recipe.REVISIONS}):
        publish(
            folder / fqrn, [each for each in recipe.REVISIONS if each.fqrn == fqrn], scratch, rolling="trunk"
        )


def publish(folder: Path, states: Sequence[State], scratch: Path, *, rolling: str) -> None:
    """Write manifest, history and catalogs into ``folder``.

    Args:
        folder: Of the one repository that all states belong to.
        states: Oldest first.
        scratch: A file that may be written and removed.
        rolling: The tag that names the newest.
    """
    _write_history(scratch, states, rolling)
    history = zlib.compress(scratch.read_bytes(), 9)
    scratch.unlink()
    for state in states:
        _write_object(folder, recipe.catalog_of(state), "C")
    _write_object(folder, history, "H")
    (folder / ".cvmfspublished").write_text(_manifest(states[-1], object_name(history)))


def _write_object(folder: Path, content: bytes, kind: str) -> None:
    name = object_name(content)
    file = folder / "data" / name[:2] / f"{name[2:]}{kind}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _write_history(file: Path, states: Sequence[State], rolling: str) -> None:
    newest = states[-1]
    rows = [(s.tag, s.root_hash, s.revision, s.published, 0, s.description) for s in states]
    rows.append((rolling, newest.root_hash, newest.revision, newest.published, 0, "the newest"))
    with closing(sqlite3.connect(file)) as database:
        database.execute(TABLE)
        database.executemany("INSERT INTO tags VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.commit()


def _manifest(newest: State, history_hash: str) -> str:
    lines = {
        "C": newest.root_hash,
        "B": str(len(recipe.catalog_of(newest))),
        "D": "240",
        "S": str(newest.revision),
        "N": newest.fqrn,
        "H": history_hash,
        "T": str(newest.published),
    }
    return "".join(f"{letter}{value}\n" for letter, value in lines.items()) + "--\n"
