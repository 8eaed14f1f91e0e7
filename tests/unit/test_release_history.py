"""The list of systems, from honest and from hostile servers."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from vml_jupyter.errors import Foreign, ReleaseNotFound
from vml_jupyter.release import PRODUCTION, STRATUM_ONES, systems
from vml_jupyter.release import history as room
from vml_jupyter.release.history import Tag, stratum_ones, tags
from vml_jupyter.release.mirror import served

TABLE = (
    "CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER,"
    " channel INTEGER, description TEXT)"
)
ROOT = "ab" * 20

Publish = Callable[..., None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.getbasetemp()) as url:
        yield url


@pytest.fixture
def base(world: str, tmp_path: Path) -> str:
    return f"{world}/{tmp_path.name}"


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Publish a repository whose history is the database that the given statements make."""

    def publish(
        *statements: str,
        packed: bytes | None = None,
        suffix: str = "",
        name: str | None = None,
        manifest: str = f"C{ROOT}\nN{PRODUCTION}\nH%s\n--\nsignature",
    ) -> None:
        root = tmp_path / "cvmfs" / PRODUCTION
        if packed is None:
            packed = zlib.compress(_database(tmp_path / "made.sqlite", statements))
        found = (
            hashlib.shake_128(packed).hexdigest(20)
            if suffix == "-shake128"
            else hashlib.sha1(packed, usedforsecurity=False).hexdigest()
        )
        digest = name or found + suffix
        file = root / "data" / digest[:2] / f"{digest[2:]}H"
        file.parent.mkdir(parents=True)
        file.write_bytes(packed)
        (root / ".cvmfspublished").write_text(manifest.replace("%s", digest))

    return publish


def _database(file: Path, statements: tuple[str, ...]) -> bytes:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return file.read_bytes()


def _row(name: str, time: int = 1600000000) -> str:
    return f"INSERT INTO tags VALUES ('{name}', '{ROOT}', 7, {time}, 0, 'a description')"


@pytest.mark.parametrize("suffix", ["", "-shake128"])
def test_the_systems_are_listed_newest_first(base: str, publish: Publish, suffix: str) -> None:
    publish(
        TABLE,
        *map(_row, ("cernvm-system-4.5.0.1", "HEAD4", "cernvm-system-4.10.0.0", "cernvm-system-3.7.2.0")),
        suffix=suffix,
    )
    found = systems(base)
    assert [release.system for release in found] == ["4.10.0.0", "4.5.0.1", "3.7.2.0"]
    assert [release.path for release in found] == ["cvm4", "cvm4", "cvm3"]
    assert {release.repository for release in found} == {PRODUCTION}
    assert {release.root_hash for release in found} == {ROOT}
    assert found[0].tag == "cernvm-system-4.10.0.0"


def test_other_tags_are_kept_with_their_time(base: str, publish: Publish) -> None:
    publish(TABLE, _row("HEAD4", 1700000000))
    assert tags(base) == [
        Tag(name="HEAD4", root_hash=ROOT, revision=7, time=1700000000, description="a description")
    ]
    assert systems(base) == []


def test_an_absent_repository_is_not_found(base: str) -> None:
    with pytest.raises(ReleaseNotFound):
        systems(base)


@pytest.mark.parametrize(
    "manifest",
    ["", "H../../etc/passwd\n--\n", f"H{ROOT}x\n--\n", "--\nH%s\n", "Nother.cern.ch\nH%s\n--\n", "<html>"],
)
def test_a_manifest_that_names_no_history_is_refused(base: str, publish: Publish, manifest: str) -> None:
    publish(TABLE, manifest=manifest)
    with pytest.raises(Foreign):
        systems(base)


def test_a_history_under_a_false_name_is_refused(base: str, publish: Publish) -> None:
    publish(TABLE, _row("cernvm-system-4.5.0.1"), name="0" * 40)
    with pytest.raises(Foreign, match="digest"):
        systems(base)


@pytest.mark.parametrize(
    "packed",
    [b"", b"not zlib", zlib.compress(b"not SQLite"), zlib.compress(b"x" * 5000)[:-6], zlib.compress(b"")],
)
def test_a_history_that_is_none_is_refused(base: str, publish: Publish, packed: bytes) -> None:
    publish(packed=packed)
    with pytest.raises(Foreign):
        systems(base)


def test_a_bomb_is_not_inflated(base: str, publish: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_DATABASE_LIMIT", 1 << 20)
    publish(packed=zlib.compress(bytes(2 << 20)))
    with pytest.raises(Foreign, match="large"):
        systems(base)


def test_tags_that_say_too_much_together(
    base: str, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a hostile database may share one text of many megabytes."""
    rows = [_row(f"tag {number}").replace("a description", "x" * 1000) for number in range(20)]
    publish(TABLE, *rows)
    assert len(tags(base)) == 20
    monkeypatch.setattr(room, "_TEXT_LIMIT", 20_000)
    with pytest.raises(Foreign, match="more than can be kept"):
        tags(base)


def test_a_large_answer_is_not_read_to_its_end(
    base: str, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_HISTORY_LIMIT", 1000)
    publish(packed=bytes(5000))
    with pytest.raises(Foreign, match="larger"):
        systems(base)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.mark.parametrize(
    "statements",
    [
        [],
        ["CREATE TABLE other (name TEXT)"],
        ["CREATE TABLE tags (name TEXT)"],
        [f"CREATE VIEW tags AS SELECT ({ENDLESS}) AS name, 1 hash, 1 revision, 1 timestamp, 1 description"],
        [
            "CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER,"
            " description TEXT GENERATED ALWAYS AS (hex(zeroblob(40000000))) VIRTUAL)",
            "INSERT INTO tags (name) VALUES ('a')",
        ],
    ],
)
def test_a_hostile_database_is_refused(base: str, publish: Publish, statements: list[str]) -> None:
    publish(*statements)
    with pytest.raises(Foreign):
        systems(base)


def test_odd_values_are_harmless(base: str, publish: Publish) -> None:
    publish(
        TABLE,
        "INSERT INTO tags VALUES (NULL, NULL, NULL, NULL, NULL, NULL)",
        "INSERT INTO tags VALUES ('cernvm-system-4.5.0.1', x'00ff', 'many', 1e300, 0, 5)",
    )
    (found,) = systems(base)
    assert (found.system, found.root_hash) == ("4.5.0.1", "")


def test_cernvms_own_site_has_its_systems_elsewhere() -> None:
    assert stratum_ones("https://cernvm.cern.ch/") == STRATUM_ONES
    assert stratum_ones("http://mirror.example:8000") == ("http://mirror.example:8000",)
