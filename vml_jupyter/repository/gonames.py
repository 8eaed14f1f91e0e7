r"""File names in JSON, escaped the way Go's ``strconv.Quote`` does, without the surrounding quotes.

    b"plain.txt"   <->  plain.txt
    b'say "hi"'    <->  say \"hi\"
    b"caf\xe9"     <->  caf\xe9        (Latin-1, no UTF-8)
    b"a\nb"        <->  a\nb
    U+200B         <->  \u200b         (a character that does not print)

Go prints what Unicode calls letter, mark, number, punctuation, symbol, and the ASCII space; so does
Python's ``str.isprintable``.
"""

from __future__ import annotations

import re

from vml_jupyter.errors import Foreign

_PLAIN = re.compile(rb"[ !#-\[\]-~]*")
_SHORT = {7: "a", 8: "b", 12: "f", 10: "n", 13: "r", 9: "t", 11: "v", 0x5C: "\\", 0x22: '"'}
_LONG = {letter: code for code, letter in _SHORT.items()} | {"'": 0x27}
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)


def quote_name(raw: bytes) -> str:
    """Return ``raw`` as it stands in a tree."""
    if _PLAIN.fullmatch(raw):
        return raw.decode("ascii")
    return "".join(map(_quote_character, raw.decode("utf-8", "surrogateescape")))


def _quote_character(character: str) -> str:
    code = ord(character)
    if code in _SHORT:
        return "\\" + _SHORT[code]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote_name(quoted: str) -> bytes:
    """Return the bytes that ``quoted`` stands for.

    Raises:
        Foreign: An escape is none of Go's.
    """
    if "\\" not in quoted:
        return _encode(quoted, quoted)
    pieces: list[bytes] = []
    end = 0
    for match in _ESCAPE.finditer(quoted):
        pieces.append(_encode(quoted[end : match.start()], quoted))
        pieces.append(_unescape(match, quoted))
        end = match.end()
    pieces.append(_encode(quoted[end:], quoted))
    return b"".join(pieces)


def _unescape(match: re.Match[str], quoted: str) -> bytes:
    byte, short, long, octal, letter = match.groups()
    if byte or octal:
        return bytes([int(byte, 16) if byte else int(octal, 8)])
    if letter:
        if letter not in _LONG:
            raise _foreign(quoted)
        return bytes([_LONG[letter]])
    code = int(short or long, 16)
    if code > 0x10FFFF:
        raise _foreign(quoted)
    return _encode(chr(code), quoted)


def _encode(text: str, quoted: str) -> bytes:
    """Encode what stands between escapes; a backslash left there belongs to no escape."""
    if "\\" in text:
        raise _foreign(quoted)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _foreign(quoted) from None


def _foreign(quoted: str) -> Foreign:
    return Foreign(
        f"the name {quoted!a} in a tree is not escaped as the format demands",
        "The snapshot was not written by restic or VML; do not restore it",
    )
