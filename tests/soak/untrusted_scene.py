"""A small repository in memory, the same each time, and all that reads what is in one."""

from __future__ import annotations

from contextlib import suppress

from vml_jupyter.errors import VmlError
from vml_jupyter.progress import SILENT
from vml_jupyter.repository import Node, Repository, Snapshot, memory_store, opening
from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.store import Store

KEY = Key.from_bytes(bytes(range(64)))
PASSWORD = "password"


def look_after(store: Store) -> None:
    """Do all that reads what is untrusted; errors of ours are the only ones."""
    with suppress(VmlError):
        repository = Repository.open(store, PASSWORD)
        try:
            repository.upkeep.check(read_data=True)
            for one in repository.snapshots():
                with suppress(VmlError):
                    repository.tree(one.tree)
            with suppress(VmlError):
                repository.prune(SILENT)
            with suppress(VmlError):
                repository.upkeep.repair_index(read_data=True)
        finally:
            repository.close()


def a_repository() -> tuple[Store, Documents]:
    """Return a small repository in memory, the same each time."""
    store = memory_store()
    for name, content in _model().items():
        store.put(name, [content])
    key, found, _ = opening.open(store, PASSWORD)
    return store, Documents(store, key, found.version)


_MODEL: dict[str, bytes] = {}


def _model() -> dict[str, bytes]:
    if not _MODEL:
        store = memory_store()
        repository = Repository.create(store, PASSWORD, scrypt_n=2)
        with repository.lock():
            blob, _ = repository.save_blob(b"content " * 100)
            nodes = [
                Node(name="file", type="file", content=[blob]),
                Node(name="link", type="symlink", linktarget="/"),
            ]
            root = repository.save_tree(nodes)
            repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=root, tags=["vml"]))
        repository.close()
        for folder in ("keys", "index", "snapshots"):
            _MODEL.update({f"{folder}/{name}": store.get(f"{folder}/{name}") for name in store.list(folder)})
        _MODEL.update(
            {f"data/{name[:2]}/{name}": store.get(f"data/{name[:2]}/{name}") for name in store.list("data")}
        )
        _MODEL["config"] = store.get("config")
    return _MODEL
