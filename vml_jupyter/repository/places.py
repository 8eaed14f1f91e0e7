"""Which place a URL means: a folder at once, anything else by way of the client for object stores.

/data/logbook  -->  store.LocalFolder
s3://...       -->  remote.open_store, which imports a client that is as large as all the rest
"""

from __future__ import annotations

from pathlib import Path

from vml_jupyter.repository.store import LocalFolder, Store


def open_store(url: str) -> Store:
    """Return the store that ``url`` names.

    Raises:
        Usage: It names none.
    """
    if url and ":" not in url:
        return LocalFolder(Path(url).expanduser().absolute())
    from vml_jupyter.repository import remote

    return remote.open_store(url)


def memory_store() -> Store:
    """Return a store that is gone with the process."""
    from vml_jupyter.repository import remote

    return remote.memory_store()
