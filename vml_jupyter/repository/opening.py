"""Make a repository, or find the key that opens one.

    create:  key file, then config
    open:    key files + password -> master key -> config

A folder or bucket is a repository once its config is there.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from vml_jupyter.errors import LogbookDamaged, LogbookMissing, WouldOverwrite, WrongPassword
from vml_jupyter.parsing import Parser
from vml_jupyter.repository import keyfile, polynomial
from vml_jupyter.repository.cipher import Forged, Key
from vml_jupyter.repository.documents import Documents, decode_sealed, is_id
from vml_jupyter.repository.records import Config
from vml_jupyter.repository.store import Store

_VERSION = 2
_VERSIONS = (1, 2)
_parser = Parser(Config)


def generate_password() -> str:
    """Return 256 random bits as 43 characters."""
    return secrets.token_urlsafe(32)


def create(store: Store, password: str, scrypt_n: int | None = None) -> tuple[Key, Config]:
    """Write key file and config. A key file that an interruption left without a config is used.

    Raises:
        WouldOverwrite: There is a repository already, or what is left of one.
    """
    there = WouldOverwrite(f"there is a logbook in {store.label} already", "Open it, or choose another place")
    if _exists(store):
        raise there
    if _holds_anything(store):
        raise WouldOverwrite(
            f"there is a logbook in {store.label} that has lost its file config",
            "Open it with its password; `vml check --repair-config` writes a new one",
        )
    left = next(_keys(store, password), None)
    key = left or Key.generate()
    key = left or replace(key, file=add_key(store, key, password, scrypt_n))
    config = _new_config(_VERSION)
    try:
        store.create("config", seal_config(key, config))
    except FileExistsError:  # somebody else was faster
        if not left and not _is_sealed_with(
            key, store.get("config")
        ):  # nor took our key for one that was left
            store.delete(f"keys/{key.file}")
        raise there from None
    return key, config


def repair_config(store: Store, key: Key, documents: Documents) -> Config:
    """Write a new config in the place of one that is lost or damaged, and return it.

    The old one's chunker polynomial is lost with it: restic then cuts files elsewhere than it did before.

    Raises:
        LogbookDamaged: Nothing that is stored opens with the key, so it may be that of another repository.
    """
    versions = [version for folder in ("snapshots", "index") for version in documents.versions(folder)]
    if not versions:
        raise LogbookDamaged(
            f"neither a snapshot nor an index file of {store.label} opens, so no config is written that may not fit",
            "Put the files back from a copy of the logbook",
        )
    config = _new_config(max(versions))
    store.put("config", [seal_config(key, config)])
    return config


def seal_config(key: Key, config: Config) -> bytes:
    """Return the file; not compressed, as it is read before the version, and so the encoding, is known."""
    return b"".join(key.seal(msgspec.json.encode(config)))


def _is_sealed_with(key: Key, sealed: bytes) -> bool:
    try:
        key.open(sealed)
    except Forged:
        return False
    return True


def _new_config(version: int) -> Config:
    return Config(
        version=version, id=os.urandom(32).hex(), chunker_polynomial=f"{polynomial.random_irreducible():x}"
    )


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
    sealed = _config(store)
    damage: LogbookDamaged | None = None
    key: Key | None = None
    for candidate in _keys(store, password):
        key = key or candidate
        try:
            config = _parser.parse(decode_sealed(candidate, sealed, f"config in {store.label}"))
        except (LogbookDamaged, msgspec.DecodeError) as error:
            damage = damage or _damaged(store, error)
            continue
        key, damage = candidate, None
        break
    if key is None and not any(map(is_id, store.list("keys"))):
        raise LogbookDamaged(f"{store.label} has no key file", "Without one nothing in it can be read")
    if key is None:
        raise WrongPassword(
            f"the password does not open {store.label}", "Give the password it was created with"
        )
    if damage is not None:
        return key, Config(version=_VERSION, id=os.urandom(32).hex(), chunker_polynomial=""), damage
    if config.version not in _VERSIONS:
        raise LogbookDamaged(
            f"{store.label} has format {config.version}, which is not known here", "Update VML"
        )
    return key, config, None


def _damaged(store: Store, error: Exception) -> LogbookDamaged:
    why = error.message if isinstance(error, LogbookDamaged) else f"config is no config: {error}"
    return LogbookDamaged(
        f"the file config of {store.label} is missing or damaged, so nothing is written there ({why}); "
        "`vml check --repair-config` writes a new one",
        "Its entries can still be restored; put the file back from a copy of the logbook, if there is one",
    )


def _exists(store: Store) -> bool:
    try:
        store.get("config")
    except FileNotFoundError:
        return False
    return True


def _config(store: Store) -> bytes:
    """Return the file as it is, nothing where it is lost.

    Raises:
        LogbookMissing: Nothing else there is a repository's, either.
    """
    try:
        return store.get("config")
    except FileNotFoundError:
        if not _holds_anything(store):
            raise LogbookMissing(
                f"there is no logbook in {store.label}", "Check the place, or create one there"
            ) from None
        return b""


def _holds_anything(store: Store) -> bool:
    """Tell whether somebody stored something, which a lost config would keep from being found."""
    return any(is_id(name) for folder in ("snapshots", "index", "data") for name in store.list(folder))


def _keys(store: Store, password: str) -> Iterator[Key]:
    """Yield every master key that the password opens; two only where two made a repository at the same moment.

    Cheapest first: a person's password costs a generated one's file 3 ms, not 0.1 s.

    Raises:
        LogbookDamaged: None does, and a key file that might have is damaged.
    """
    records, damaged = _read_key_files(store, [name for name in store.list("keys") if is_id(name)])
    opened = False
    for name, record in sorted(records.items(), key=lambda pair: pair[1].n * pair[1].r * pair[1].p):
        key = keyfile.open_key_file(record, password)
        if key is not None:
            opened = True
            yield replace(key, file=name)
    if damaged and not opened:
        raise damaged[0]


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
