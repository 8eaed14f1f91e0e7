"""Make the root catalog of a system: the object whose digest is the root hash that everybody pins.

    data/<2 hex>/<38 hex>C   zlib(SQLite): catalog(one row, the root folder), properties(revision, ...)

The tables are those of CernVM-FS, schema 2.5, with the root folder alone in them: a mini system's files are in the
image. What the image holds instead is digested into the properties, so that another content has another root hash.

Source: cvmfs, ``catalog_sql.cc``.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import zlib
from contextlib import closing
from pathlib import Path

SCHEMA = (
    "CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER, parent_2 INTEGER,"
    " hardlinks INTEGER, hash BLOB, size INTEGER, mode INTEGER, mtime INTEGER, flags INTEGER, name TEXT,"
    " symlink TEXT, uid INTEGER, gid INTEGER, xattr BLOB,"
    " CONSTRAINT pk_catalog PRIMARY KEY (md5path_1, md5path_2))",
    "CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT, size INTEGER,"
    " CONSTRAINT pk_nested_catalogs PRIMARY KEY (path))",
    "CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key))",
)
_FOLDER, _FOLDER_FLAG = 0o040755, 1


def catalog(fqrn: str, revision: int, published: int, content: bytes) -> bytes:
    """Return a root catalog, compressed as servers keep it; the same arguments give the same bytes."""
    properties = {
        "schema": "2.5",
        "revision": str(revision),
        "last_modified": str(published),
        "root_prefix": "",
        "fqrn": fqrn,
        "content": hashlib.sha256(content).hexdigest(),
    }
    empty = hashlib.md5(b"", usedforsecurity=False).digest()  # the path of the root folder
    halves = [int.from_bytes(half, "little", signed=True) for half in (empty[:8], empty[8:])]
    root = (*halves, 0, 0, 1, None, 4096, _FOLDER, published, _FOLDER_FLAG, "", "", 0, 0, None)
    with tempfile.TemporaryDirectory(prefix="vml-catalog-") as folder:
        file = Path(folder) / "catalog.sqlite"
        with closing(sqlite3.connect(file)) as database:
            for statement in SCHEMA:
                database.execute(statement)
            database.execute("INSERT INTO catalog VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", root)
            database.executemany("INSERT INTO properties VALUES (?, ?)", properties.items())
            database.commit()
        return zlib.compress(file.read_bytes(), 9)


def object_name(content: bytes) -> str:
    """Return the 40 hex digits that name an object."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
