r"""File names between the bytes a kernel knows and the text a JSON tree can hold.

    quote    b"caf\xc3\xa9\n\xff"  ->  'café\\n\\xff'
    unquote  'café\\n\\xff'        ->  b"caf\xc3\xa9\n\xff"

The text is what Go's ``strconv.Quote`` writes between its quotes, and what ``strconv.Unquote`` takes, because
that is what restic puts into ``Node.name``. ``quote`` writes one spelling; ``unquote`` reads all of them.
Source: the Go language specification, "String literals", and the documentation of package strconv.
"""

from __future__ import annotations

import re

from vml_jupyter.errors import Foreign
from vml_jupyter.repository.node import Node

_LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 0x5C, '"': 0x22}
_SPELLED = {chr(value): "\\" + letter for letter, value in _LETTERS.items()}
_ESCAPE = re.compile(
    r"""\\(?:
        (?P<letter>[abfnrtv\\"]) | x(?P<hex>[0-9A-Fa-f]{2}) | (?P<octal>[0-7]{3}) |
        u(?P<short>[0-9A-Fa-f]{4}) | U(?P<long>[0-9A-Fa-f]{8}) | (?P<bad>)
    ) | (?P<raw>["\n])""",
    re.VERBOSE,
)


def name_bytes(node: Node) -> bytes:
    """Return the name of ``node`` as the kernel knows it.

    Raises:
        Foreign: The escapes in the name are none that Go writes.
    """
    return unquote(node.name)


def unquote(name: str) -> bytes:
    """Undo ``quote``.

    Raises:
        Foreign: The escapes in ``name`` are none that Go writes.
    """
    try:
        if "\\" not in name and '"' not in name and "\n" not in name:
            return name.encode()
        return _unescape(name)
    except (ValueError, OverflowError) as error:
        raise Foreign(f"a name in a tree breaks its escaping: {name[:80]!r} ({error})") from error


def _unescape(name: str) -> bytes:
    parts: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(name):
        parts.append(name[at : match.start()].encode())
        parts.append(_escaped(match))
        at = match.end()
    parts.append(name[at:].encode())
    return b"".join(parts)


def _escaped(match: re.Match[str]) -> bytes:
    kind, digits = match.lastgroup, match[match.lastgroup or 0]
    if kind == "letter":
        return bytes((_LETTERS[digits],))
    if kind == "hex":
        return bytes((int(digits, 16),))
    if kind == "octal":
        return bytes((int(digits, 8),))  # beyond \377 bytes() refuses, as Go does
    if kind in ("short", "long"):
        return chr(int(digits, 16)).encode()  # a surrogate does not encode, as in Go
    raise ValueError("a quote, line end or backslash that stands for nothing")


def quote(name: bytes) -> str:
    """Spell ``name`` the way ``strconv.Quote`` does, without the quotes around it.

    Which code points count as printable follows the Unicode tables of this Python; Go's may be some years older or
    newer. Either spelling reads back as the same bytes.
    """
    text = name.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text and '"' not in text:
        return text
    return "".join(map(_spell, text))


def _spell(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if char in _SPELLED:
        return _SPELLED[char]
    if char.isprintable():
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
