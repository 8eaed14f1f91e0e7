"""The list of what can be had, with and without network."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from vml_jupyter.progress import SILENT, Stopwatch
from vml_jupyter.release import PRODUCTION, available, find_local
from vml_jupyter.release.digests import digest
from vml_jupyter.release.mirror import served
from vml_jupyter.release.names import ImageName

SYSTEMS = {"4.4.0.0": 1591000000, "4.5.0.1": 1611705600, "3.7.2.0": 1611705600}
IMAGE = ImageName(flavour="v4prod", bootloader="2021.05-1")
GONE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("site")
    (root / IMAGE.path()).parent.mkdir(parents=True)
    (root / IMAGE.path()).write_bytes(b"an image")
    (root / f"{IMAGE.path()}.sha256").write_text(f"{'a' * 64}\n")
    (root / "releases" / "latest").write_text("2021.05-1\n")
    file = root / "made.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE tags (name, hash, revision, timestamp, channel, description)")
        rows = [(f"cernvm-system-{system}", "ab" * 20, 1, time, 0, "") for system, time in SYSTEMS.items()]
        connection.executemany("INSERT INTO tags VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.commit()
    packed = zlib.compress(file.read_bytes())
    digest = hashlib.sha1(packed, usedforsecurity=False).hexdigest()
    stratum = root / "cvmfs" / PRODUCTION
    (stratum / "data" / digest[:2]).mkdir(parents=True)
    (stratum / "data" / digest[:2] / f"{digest[2:]}H").write_bytes(packed)
    (stratum / ".cvmfspublished").write_text(f"H{digest}\n--\n")
    with served(root) as url:
        yield url


def image(file: Path, bootloader: str = "2021.05-1", flavour: str = "v4prod") -> Path:
    text = json.dumps({"ucernvm-version": f"{bootloader}.cernvm.x86_64", "os-repo": flavour})
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bytes(100_000) + text.encode().ljust(32768, b"\0") + b"{}".ljust(32768, b"\0"))
    return file


def test_what_a_repository_offers(site: str, tmp_path: Path) -> None:
    found = available([tmp_path], [site], tmp_path / "cache")
    assert [line.release.system for line in found] == ["4.5.0.1", "4.4.0.0"], "no image boots CernVM 3 there"
    newest = found[0]
    assert (newest.state, newest.published) == ("downloadable", "2021-01-27")
    assert newest.url == f"{site}/{IMAGE.path()}"
    assert newest.release.image_sha256 == "a" * 64
    assert (newest.release.bootloader, newest.release.flavour) == ("2021.05-1", "v4prod")


def test_what_is_here_says_where(site: str, tmp_path: Path) -> None:
    here = image(tmp_path / "mine.img", "2020.07-1")
    image(tmp_path / "other.img", flavour="v4testing")
    found = available([tmp_path], [site])
    assert {(line.state, line.path, line.release.bootloader) for line in found} == {
        ("here", str(here), "2020.07-1")
    }
    image_found = find_local(found[0].release, [tmp_path])
    assert image_found is not None
    assert image_found.path == here
    assert found[0].release.image_sha256 == "", "listing reads no image"
    known = digest(here, tmp_path / "cache")
    assert available([tmp_path], [site], tmp_path / "cache")[0].release.image_sha256 == known


def test_without_network_the_last_list_counts(site: str, tmp_path: Path) -> None:
    cache, images = tmp_path / "cache", tmp_path / "images"
    assert len(available([images], [site], cache)) == 2
    remembered = next(cache.glob("catalog-*.json"))
    remembered.rename(cache / f"catalog-{hashlib.sha256(GONE.encode()).hexdigest()[:16]}.json")
    image(images / "a.hdd")
    watch = Stopwatch(SILENT)
    found = available([images], [GONE], cache, watch)
    assert [line.state for line in found] == ["here", "here"]
    assert len(watch.notes) == 1
    assert "last time" in watch.notes[0]


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"offers": {}, "systems": [["x", 1]]}'])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, damaged: str) -> None:
    (tmp_path / f"catalog-{hashlib.sha256(GONE.encode()).hexdigest()[:16]}.json").write_text(damaged)
    assert available([], [GONE], tmp_path) == []


def test_images_of_unknown_systems_are_mentioned(tmp_path: Path) -> None:
    image(tmp_path / "a.hdd")
    watch = Stopwatch(SILENT)
    assert available([tmp_path], [GONE], None, watch) == []
    assert any("a.hdd" in note for note in watch.notes)


def test_the_first_repository_wins_and_a_dead_one_does_not_matter(site: str, tmp_path: Path) -> None:
    found = available([tmp_path], [GONE, site, f"{site}/"])
    assert {line.source for line in found} == {site}
