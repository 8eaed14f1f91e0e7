"""Key files: what opens a repository with a password.

    keys/<sha-256 of the file>
    {"created": ..., "username": ..., "hostname": ..., "kdf": "scrypt", "N": 32768, "r": 8, "p": 1,
     "salt": <64 bytes>, "data": <master key, sealed with the 64 bytes that scrypt makes of the password>}

One repository may have several, one for each password. A password that a person chose is stretched as
restic does; one of 256 random bits needs no stretching, so its file may ask for a small N.
Source: restic's ``doc/design.rst``, "Keys, Encryption and MAC".
"""

from __future__ import annotations

import hashlib
import os

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.parsing import Parser
from vml_jupyter.repository import gotime
from vml_jupyter.repository.cipher import Forged, Key
from vml_jupyter.repository.identity import hostname, username
from vml_jupyter.repository.store import Store

SCRYPT_N = 32768
"""Cost for a password that a person chose: 32 MiB and about 0.1 s per guess."""

SCRYPT_N_GENERATED = 1024
"""Cost for a generated password: there is nothing to guess. 1 MiB and about 3 ms."""

_R = 8
_P = 1
_SALT_BYTES = 64
_MAXIMUM_WORK = 1 << 24  # N r p: about 5 s; restic settles for half a second
_MAXIMUM_MEMORY = 1 << 30  # OpenSSL's limit for scrypt is 32 MiB unless told otherwise


class KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of a key file; ``salt`` and ``data`` are base64 in it."""

    created: str
    username: str = ""
    hostname: str = ""
    kdf: str
    n: int = msgspec.field(name="N")
    r: int
    p: int
    salt: bytes
    data: bytes


_parser = Parser(KeyFile)


def make_key_file(master: Key, password: str, scrypt_n: int) -> bytes:
    """Return a key file that opens ``master`` with ``password``."""
    salt = os.urandom(_SALT_BYTES)
    data = b"".join(_derive(password, salt, scrypt_n, _R, _P).seal(master.to_json()))
    record = KeyFile(
        created=gotime.now(),
        username=username(),
        hostname=hostname(),
        kdf="scrypt",
        n=scrypt_n,
        r=_R,
        p=_P,
        salt=salt,
        data=data,
    )
    return msgspec.json.encode(record)


def load_key_file(store: Store, id: str) -> KeyFile:
    """Read ``keys/<id>``.

    Raises:
        FileNotFoundError: There is none of this id.
        LogbookDamaged: It is cut, altered, or no key file.
    """
    where = f"keys/{id} in {store.label}"
    raw = store.get(f"keys/{id}")
    if hashlib.sha256(raw).hexdigest() != id:
        raise LogbookDamaged(f"{where} is cut or altered", "Put it back from a copy of the logbook")
    return parse_key_file(raw, where)


def parse_key_file(raw: bytes, where: str) -> KeyFile:
    """Return the record.

    Raises:
        LogbookDamaged: It is no key file, or asks for more than this program would compute.
    """
    try:
        record = _parser.parse(raw)
    except msgspec.DecodeError as error:
        raise LogbookDamaged(f"{where} is damaged: {error}") from error
    memory = 128 * record.r * (record.n + record.p + 2)
    reasonable = record.r >= 1 and 1 <= record.p <= 128 and memory <= _MAXIMUM_MEMORY
    reasonable = reasonable and record.n * record.r * record.p <= _MAXIMUM_WORK
    if record.kdf != "scrypt" or record.n < 2 or record.n & (record.n - 1) or not reasonable:
        raise LogbookDamaged(f"{where} asks for a derivation that this program does not do")
    return record


def open_key_file(record: KeyFile, password: str) -> Key | None:
    """Return the master key, or None where ``password`` is not this file's."""
    derived = _derive(password, record.salt, record.n, record.r, record.p)
    try:
        return Key.from_json(derived.open(record.data))
    except Forged:
        return None
    except msgspec.DecodeError as error:
        raise LogbookDamaged(f"a key file opens, but holds no key: {error}") from error


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> Key:
    raw = hashlib.scrypt(
        password.encode(), salt=salt, n=n, r=r, p=p, dklen=64, maxmem=2 * _MAXIMUM_MEMORY - 1
    )
    return Key.from_bytes(raw)
