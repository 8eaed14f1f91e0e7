"""Make a repository, or find the key that opens one.

    create:  key file, then config
    open:    key files + password -> master key -> config

A folder or bucket is a repository once its config is there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import replace

import msgspec

from vml_jupyter.errors import LogbookDamaged, LogbookMissing, WouldOverwrite, WrongPassword
from vml_jupyter.repository import keyfile, polynomial
from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.documents import decode_sealed, is_id
from vml_jupyter.repository.parsing import Parser
from vml_jupyter.repository.records import Config
from vml_jupyter.repository.store import Store

_VERSION = 2
_VERSIONS = (1, 2)


def generate_password() -> str:
    """Return 256 random bits as 43 characters."""
    return secrets.token_urlsafe(32)


def create(store: Store, password: str, scrypt_n: int | None = None) -> tuple[Key, Config]:
    """Write key file and config.

    Raises:
        WouldOverwrite: There is a repository already.
    """
    if _exists(store):
        raise WouldOverwrite(
            f"there is a logbook in {store.label} already", "Open it, or choose another place"
        )
    key = Key.generate()
    key = replace(key, file=add_key(store, key, password, scrypt_n))
    config = Config(
        version=_VERSION, id=os.urandom(32).hex(), chunker_polynomial=f"{polynomial.random_irreducible():x}"
    )
    # Not compressed: config must be readable before the version, and so the encoding, is known.
    store.put("config", [b"".join(key.seal(msgspec.json.encode(config)))])
    return key, config


def add_key(store: Store, key: Key, password: str, scrypt_n: int | None = None) -> str:
    """Write a key file for one more password and return its id."""
    raw = keyfile.make_key_file(key, password, scrypt_n or keyfile.SCRYPT_N)
    id = hashlib.sha256(raw).hexdigest()
    store.put(f"keys/{id}", [raw])
    return id


def open(store: Store, password: str) -> tuple[Key, Config, LogbookDamaged | None]:
    """Return the master key, the config, and what is wrong with the config.

    Nothing that is stored needs the config to be read: it says how to write. So where it is damaged, one that
    stands in for it is returned, and whoever reads may go on.

    Raises:
        LogbookMissing: Nothing there is a repository.
        WrongPassword: No key file opens with ``password``.
        LogbookDamaged: No key file is whole, or the repository is of a version not known.
    """
    try:
        sealed = store.get("config")
    except FileNotFoundError:
        if not any(map(is_id, store.list("snapshots"))):
            raise LogbookMissing(
                f"there is no logbook in {store.label}", "Check the place, or create one there"
            ) from None
        sealed = b""
    key = _find_key(store, password)
    try:
        config = Parser(Config).parse(decode_sealed(key, sealed, f"config in {store.label}"))
    except (LogbookDamaged, msgspec.DecodeError) as error:
        return (
            key,
            Config(version=_VERSION, id=os.urandom(32).hex(), chunker_polynomial=""),
            _damaged(store, error),
        )
    if config.version not in _VERSIONS:
        raise LogbookDamaged(
            f"{store.label} has format {config.version}, which is not known here", "Update VML"
        )
    return key, config, None


def _damaged(store: Store, error: Exception) -> LogbookDamaged:
    why = error.message if isinstance(error, LogbookDamaged) else f"config is no config: {error}"
    return LogbookDamaged(
        f"the file config of {store.label} is missing or damaged, so nothing is written there ({why})",
        "Its entries can still be restored; put the file back from a copy of the logbook",
    )


def _exists(store: Store) -> bool:
    try:
        store.get("config")
    except FileNotFoundError:
        return False
    return True


def _find_key(store: Store, password: str) -> Key:
    """Try the key files, cheapest first: a person's password costs a generated one's file 3 ms, not 0.1 s."""
    names = [name for name in store.list("keys") if is_id(name)]
    if not names:
        raise LogbookDamaged(f"{store.label} has no key file", "Without one nothing in it can be read")
    records, damaged = _read_key_files(store, names)
    for name, record in sorted(records.items(), key=lambda pair: pair[1].n * pair[1].r * pair[1].p):
        key = keyfile.open_key_file(record, password)
        if key is not None:
            return replace(key, file=name)
    if damaged:
        raise damaged[0]
    raise WrongPassword(f"the password does not open {store.label}", "Give the password it was created with")


def _read_key_files(
    store: Store, names: list[str]
) -> tuple[dict[str, keyfile.KeyFile], list[LogbookDamaged]]:
    """Read all key files; a damaged one matters only if no other opens."""
    records: dict[str, keyfile.KeyFile] = {}
    damaged: list[LogbookDamaged] = []
    for name in names:
        try:
            records[name] = keyfile.load_key_file(store, name)
        except FileNotFoundError:
            continue  # removed since it was listed
        except LogbookDamaged as error:
            damaged.append(error)
    return records, damaged
