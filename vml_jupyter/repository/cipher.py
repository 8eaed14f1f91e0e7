"""Encryption and authentication of everything in a repository but pack files as a whole.

    sealed = IV (16 random bytes) || AES-256-CTR(plain) || Poly1305-AES tag (16 bytes)

The tag is Bernstein's Poly1305-AES over the ciphertext: the one-time key is ``r || AES-128_k(IV)``.
Source: restic's ``doc/design.rst``, "Keys, Encryption and MAC"; https://cr.yp.to/mac/poly1305-20050329.pdf.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from vml_jupyter.parsing import Parser

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

Buffer = bytes | memoryview
Sealed = tuple[bytes, bytes, bytes]
"""IV, ciphertext and tag: three pieces, so that a large ciphertext is not copied to join them."""

OVERHEAD_BYTES = 32
_IV_BYTES = 16
_TAG_BYTES = 16


class Forged(Exception):
    """The tag does not fit the bytes: wrong key, or altered."""


class _MacRecord(msgspec.Struct):
    k: bytes
    r: bytes


class _KeyRecord(msgspec.Struct):
    mac: _MacRecord
    encrypt: bytes


_parser = Parser(_KeyRecord)


class _Contexts(threading.local):
    """OpenSSL contexts of one thread: setting a key up costs more than a small blob."""

    ctr: CipherContext | None = None
    block: CipherContext | None = None


@dataclass(frozen=True)
class Key:
    """The three secrets: 32 bytes for AES-256, 16 bytes ``k`` for AES-128, 16 bytes ``r`` for Poly1305.

    ``file`` is the id of the key file that it was read from, where it was read from one.
    """

    encrypt: bytes = field(repr=False)
    k: bytes = field(repr=False)
    r: bytes = field(repr=False)
    file: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_contexts", _Contexts())

    @classmethod
    def generate(cls) -> Key:
        return cls.from_bytes(os.urandom(64))

    @classmethod
    def from_bytes(cls, raw: bytes) -> Key:
        """Split 64 bytes, as scrypt gives them: ``encrypt (32) || k (16) || r (16)``."""
        return cls(raw[:32], raw[32:48], raw[48:64])

    @classmethod
    def from_json(cls, raw: bytes) -> Key:
        """Read a master key.

        Raises:
            msgspec.DecodeError: It is no key record.
        """
        record = _parser.parse(raw)
        if [len(part) for part in (record.encrypt, record.mac.k, record.mac.r)] != [32, 16, 16]:
            raise msgspec.ValidationError("a key of this length is none")
        return cls(record.encrypt, record.mac.k, record.mac.r)

    def to_bytes(self) -> bytes:
        """Undo ``from_bytes``."""
        return self.encrypt + self.k + self.r

    def to_json(self) -> bytes:
        return msgspec.json.encode(_KeyRecord(_MacRecord(self.k, self.r), self.encrypt))

    def seal(self, plain: Buffer) -> Sealed:
        """Encrypt and authenticate."""
        iv = os.urandom(_IV_BYTES)
        ciphertext = self._ctr(iv).update(plain)
        return iv, ciphertext, Poly1305.generate_tag(self._one_time_key(iv), ciphertext)

    def seal_into(self, plains: Sequence[Buffer], target: memoryview) -> None:
        """Encrypt and authenticate each of ``plains``, one behind the other.

        Each takes ``OVERHEAD_BYTES`` more than plain. Fresh memory for each blob costs more than its encryption:
        the kernel clears every page of it first. The IVs of all come from one call, and so do the one-time keys.

        Args:
            plains: What to seal.
            target: A place with room for all that.
        """
        ivs = os.urandom(_IV_BYTES * len(plains))
        halves = self._block().update(ivs)
        ctr = self._ctr(bytes(_IV_BYTES))
        end = 0
        for at, plain in zip(range(0, len(ivs), _IV_BYTES), plains, strict=True):
            iv = ivs[at : at + _IV_BYTES]
            begin, end = end + _IV_BYTES, end + _IV_BYTES + len(plain)
            target[begin - _IV_BYTES : begin] = iv
            ctr.reset_nonce(iv)
            ctr.update_into(plain, target[begin : end + _TAG_BYTES])
            tag = Poly1305.generate_tag(self.r + halves[at : at + _IV_BYTES], target[begin:end])
            end += _TAG_BYTES
            target[end - _TAG_BYTES : end] = tag

    def open(self, sealed: bytes | memoryview) -> bytes:
        """Return the plain bytes.

        Raises:
            Forged: The tag does not fit.
        """
        if len(sealed) < OVERHEAD_BYTES:
            raise Forged
        view = memoryview(sealed)
        iv, ciphertext, tag = bytes(view[:_IV_BYTES]), view[_IV_BYTES:-_TAG_BYTES], bytes(view[-_TAG_BYTES:])
        try:
            Poly1305.verify_tag(self._one_time_key(iv), ciphertext, tag)
        except InvalidSignature:
            raise Forged from None
        return self._ctr(iv).update(ciphertext)

    def open_into(self, sealed: memoryview, plain: memoryview) -> int:
        """Write the plain bytes to the front of ``plain`` and return how many they are.

        Memory that a process just got costs more to touch for the first time than to decrypt into, so who
        opens much does it into the same memory again and again.

        Raises:
            Forged: The tag does not fit.
        """
        if len(sealed) < OVERHEAD_BYTES:
            raise Forged
        iv, ciphertext = bytes(sealed[:_IV_BYTES]), sealed[_IV_BYTES:-_TAG_BYTES]
        try:
            Poly1305.verify_tag(self._one_time_key(iv), ciphertext, bytes(sealed[-_TAG_BYTES:]))
        except InvalidSignature:
            raise Forged from None
        return self._ctr(iv).update_into(ciphertext, plain)

    def _ctr(self, iv: bytes) -> CipherContext:
        contexts: _Contexts = self._contexts  # type: ignore[attr-defined]
        if contexts.ctr is None:
            contexts.ctr = Cipher(algorithms.AES(self.encrypt), modes.CTR(iv)).encryptor()
        else:
            contexts.ctr.reset_nonce(iv)
        return contexts.ctr

    def _one_time_key(self, iv: bytes) -> bytes:
        return self.r + self._block().update(iv)

    def _block(self) -> CipherContext:
        """Return what makes a one-time key's second half of each IV."""
        contexts: _Contexts = self._contexts  # type: ignore[attr-defined]
        if contexts.block is None:
            # One block at a time and never the same one twice: the paper's AES_k(nonce), no mode of use.
            contexts.block = Cipher(algorithms.AES(self.k), modes.ECB()).encryptor()  # noqa: S305
        return contexts.block
