"""The small languages of the format: names, times, modes, seals, documents, the polynomial."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import Foreign
from vml_jupyter.repository import encoding, gomode, polynomial
from vml_jupyter.repository.cipher import Forged, Key
from vml_jupyter.repository.gonames import quote_name, unquote_name
from vml_jupyter.repository.gotime import format_time, parse_time
from vml_jupyter.repository.node import Node, decode_tree, encode_tree

KEY = Key.generate()
NAMES = st.binary(min_size=1, max_size=40) | st.text(min_size=1).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)


@given(NAMES)
def test_a_name_comes_back(name: bytes) -> None:
    assert unquote_name(quote_name(name)) == name
    assert quote_name(name).isprintable()


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        (b"plain file.txt", "plain file.txt"),
        (b'say "hi"', '\\"'.join(("say ", "hi", ""))),
        (b"back\\slash", "back\\\\slash"),
        (b"caf\xe9", "caf\\xe9"),
        ("café µ 物理".encode(), "café µ 物理"),
        (b"a\nb\tc\x00\x7f", "a\\nb\\tc\\x00\\x7f"),
        ("zero\u200bwidth\u2028".encode(), "zero\\u200bwidth\\u2028"),
        ("\U000e0001".encode(), "\\U000e0001"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
    ],
)
def test_names_are_quoted_as_go_does(name: bytes, quoted: str) -> None:
    assert quote_name(name) == quoted
    assert unquote_name(quoted) == name


@pytest.mark.parametrize("quoted", ["\\101", "\\U00000041", "\\u0041", "\\x41", "A"])
def test_every_escape_of_go_is_understood(quoted: str) -> None:
    assert unquote_name(quoted) == b"A"


@pytest.mark.parametrize("quoted", ["\\", "\\q", "\\x4", "\\u12", "\\U00110000", "a\\", "\\ud800"])
def test_other_escapes_are_foreign(quoted: str) -> None:
    with pytest.raises(Foreign):
        unquote_name(quoted)


@given(st.integers(-62_167_219_200 * 10**9, 253_402_300_799 * 10**9 + 999_999_999))
def test_a_time_comes_back(time_ns: int) -> None:
    assert parse_time(format_time(time_ns)) == time_ns


def test_times_are_written_as_go_does() -> None:
    assert format_time(1_290_000_000_500_000_000) == "2010-11-17T13:20:00.5Z"
    assert format_time(-1) == "1969-12-31T23:59:59.999999999Z"
    assert parse_time("2014-12-22T14:47:59.912418701+01:00") == 1_419_256_079_912_418_701
    assert format_time(10**22) == "9999-12-31T23:59:59Z"
    with pytest.raises(Foreign):
        parse_time("yesterday")
    with pytest.raises(Foreign):
        parse_time("2014-13-22T14:47:59Z")


@given(st.sampled_from(sorted(gomode._TYPES)), st.integers(0, 0o7777))
def test_a_mode_comes_back(kind: int, permissions: int) -> None:
    assert gomode.to_stat(gomode.from_stat(kind | permissions)) == kind | permissions


def test_modes_are_those_of_go() -> None:
    assert gomode.from_stat(stat.S_IFDIR | 0o755) == 2147484141
    assert gomode.from_stat(stat.S_IFLNK | 0o777) == 134218239


@given(st.binary(max_size=5000))
def test_a_seal_opens_again(plain: bytes) -> None:
    assert KEY.open(b"".join(KEY.seal(plain))) == plain


@given(st.binary(max_size=200), st.integers(min_value=0), st.integers(1, 255))
def test_an_altered_seal_does_not_open(plain: bytes, position: int, change: int) -> None:
    sealed = bytearray(b"".join(KEY.seal(plain)))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(Forged):
        KEY.open(bytes(sealed))


@given(st.binary(max_size=31))
def test_what_is_too_short_is_no_seal(raw: bytes) -> None:
    with pytest.raises(Forged):
        KEY.open(raw)


def test_a_key_comes_back() -> None:
    assert Key.from_json(KEY.to_json()) == KEY


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_blobs_compressed_together_open_one_by_one(blobs: list[bytes]) -> None:
    together = encoding.compress_all(blobs)
    assert [
        encoding.decompress(bytes(small), len(blob)) for small, blob in zip(together, blobs, strict=True)
    ] == blobs


def test_frames_that_lie_about_their_size_are_unreadable() -> None:
    """python-zstandard destroys the heap with these, asked for several without a size."""
    liar = bytes.fromhex("28b52ffde5") + b"\xe5" * 40
    for _ in range(100):
        with pytest.raises(encoding.Unreadable):
            encoding.decompress_all([liar] * 3, [0] * 3)


@pytest.mark.parametrize("version", [1, 2])
def test_a_document_comes_back(version: int) -> None:
    json = b'{"packs":[]}'
    assert encoding.decode_document(encoding.encode_document(json, version)) == json


@pytest.mark.parametrize("raw", [b"", b"\x03abc", b"\x02not zstd"])
def test_other_documents_are_unreadable(raw: bytes) -> None:
    with pytest.raises(encoding.Unreadable):
        encoding.decode_document(raw)


def test_the_polynomial_is_irreducible() -> None:
    assert polynomial.is_irreducible(0x25B468838DCB75)  # of restic's own documentation
    assert polynomial.is_irreducible(0x3DA3358B4DC173)
    assert not polynomial.is_irreducible(0x25B468838DCB77)
    assert polynomial.random_irreducible().bit_length() == polynomial.DEGREE + 1


def test_a_tree_is_sorted_by_the_bytes_of_its_names() -> None:
    nodes = [Node(name=name, type="file", content=[]) for name in ("b", "\\xff", "ä", "B", "a")]
    assert [node.name for node in decode_tree(encode_tree(nodes))] == ["B", "a", "b", "ä", "\\xff"]
