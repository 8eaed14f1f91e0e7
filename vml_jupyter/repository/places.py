"""Which place a URL means: a folder at once, anything else by way of the client for object stores.

/data/logbook  -->  store.LocalFolder
s3://...       -->  remote.open_store, which imports a client that is as large as all the rest
"""

from __future__ import annotations

from pathlib import Path

from vml_jupyter.repository.store import LocalFolder, Store


def local_folder(url: str) -> Path | None:
    """Return the folder that ``url`` names, None where it names a bucket.

    Raises:
        Usage: It names no place for a logbook, or has a secret in it.
    """
    if url and ":" not in url:
        return Path(url).expanduser().absolute()
    from vml_jupyter.repository import remote

    return remote.local_folder(url)


def open_store(url: str) -> Store:
    """Return the store that ``url`` names.

    Raises:
        Usage: It names none, or there are no keys for it.
    """
    folder = local_folder(url)
    if folder is not None:
        return LocalFolder(folder)
    from vml_jupyter.repository import remote

    return remote.open_store(url)


def memory_store() -> Store:
    """Return a store that is gone with the process."""
    from vml_jupyter.repository import remote

    return remote.memory_store()
