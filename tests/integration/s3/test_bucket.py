"""A logbook in a bucket of a real S3 server: what restic makes of it, and what it costs."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from durability.ground import manifest
from restic_judge import Restic
from s3_proxy import Fault, Traffic
from test_repository_store import (  # noqa: F401 - the suite that every store passes
    test_deleting_twice_is_no_error,
    test_listing_names_files_below_a_folder,
    test_putting_again_replaces_whole,
    test_ranges_of_a_large_file,
    test_what_is_missing_is_said_to_be,
    test_what_is_there_is_not_created_again,
    test_what_was_put_is_got,
)

from integration.s3.scene import MIB, PASSWORD, Run, entry_of
from vml_jupyter.repository import open_store
from vml_jupyter.repository.bucket import open_bucket, parse_url
from vml_jupyter.repository.store import Store


@pytest.fixture
def store(place: str) -> Store:
    return open_store(place)


def test_both_ways_with_restic(vml: Run, place: str, area: Path, tmp_path: Path) -> None:
    entry = entry_of(vml("snapshot", area))
    vml("restore", entry, "--to", tmp_path / "out")
    assert manifest(tmp_path / "out") == manifest(area)

    restic = Restic(place, PASSWORD)  # type: ignore[arg-type]  # a URL does as well
    restic.check()
    [snapshot] = restic.json("snapshots")
    restic.run("restore", snapshot["id"], "--target", tmp_path / "by restic")
    assert manifest(tmp_path / "by restic" / "area") == manifest(area)

    restic.run("backup", area / "package 1")
    assert [item["id"] for item in json.loads(vml("list").stdout)["entries"]] == [entry]
    (area / "package 1" / "new").touch()
    vml("snapshot", area)
    vml("forget", entry)
    restic.run("prune")
    restic.check()


def test_one_changed_megabyte_costs_little(
    vml: Run, area: Path, traffic: Traffic, capsys: pytest.CaptureFixture[str]
) -> None:
    vml("snapshot", area)
    (area / "changing.bin").write_bytes(os.urandom(1_000_000))
    traffic.clear()
    vml("snapshot", area)
    with capsys.disabled():
        print(f"\n  an entry with 1 MB changed: {traffic.summary()}, {len(traffic.writes)} that write")
    assert traffic.sent_bytes <= 1_100_000 + 64 * 1024
    assert len(traffic.writes) <= 10


def test_a_notebook_is_served_with_few_requests(
    vml: Run, place: str, area: Path, traffic: Traffic, capsys: pytest.CaptureFixture[str]
) -> None:
    from vml_jupyter.logbook import Logbook
    from vml_jupyter.snapshot.image import AreaImage

    entry = entry_of(vml("snapshot", area, "--notebook", "analysis.ipynb"))
    logbook = Logbook.open(place, PASSWORD)
    traffic.clear()
    with AreaImage(logbook.repository, logbook.find(entry).tree) as image:
        opened = traffic.summary()
        traffic.clear()
        content = (area / "analysis.ipynb").read_bytes()
        found = _read_file(image, content)
    with capsys.disabled():
        print(f"\n  the area's disk: {opened}\n  a notebook of {len(content)} bytes: {traffic.summary()}")
    assert found == content
    assert len(traffic.requests) <= 6
    logbook.close()


def _read_file(image: object, content: bytes) -> bytes:
    """Find a file in an image by its first block, reading as a guest does: 64 KiB at a time."""
    offset = next(at for at in _offsets(image, len(content)) if image.read(at, 2048) == content[:2048])  # type: ignore[attr-defined]
    step = 64 << 10
    parts = (
        image.read(offset + at, min(step, len(content) - at))  # type: ignore[attr-defined]
        for at in range(0, len(content), step)
    )
    return b"".join(parts)


def _offsets(image: object, length: int) -> Iterator[int]:
    """Yield where files of that length begin, as the image's own directory records say."""
    both = length.to_bytes(4, "little") + length.to_bytes(4, "big")
    metadata = image.read(0, image.data_start)  # type: ignore[attr-defined]
    at = metadata.find(both)
    while at >= 0:
        yield int.from_bytes(metadata[at - 8 : at - 4], "little") * 2048
        at = metadata.find(both, at + 1)


def test_a_connection_that_breaks_once_is_made_good(
    vml: Run, place: str, area: Path, traffic: Traffic
) -> None:
    """Each request of a snapshot goes wrong at its first try, each in another way; restic calls it clean after."""
    vml("snapshot", area)
    ways = itertools.cycle((Fault.CUT_UPLOAD, Fault.CUT_DOWNLOAD, Fault.LOST_ANSWER, Fault.SLOW_DOWN))
    tried: set[tuple[str, str]] = set()

    def first_try(method: str, path: str) -> Fault | None:
        if (method, path) in tried:
            return None
        tried.add((method, path))
        return next(ways)

    (area / "changing.bin").write_bytes(os.urandom(1_000_000))
    traffic.fault = first_try
    vml("snapshot", area)
    assert traffic.faults == len(tried) > 10
    traffic.fault = lambda method, path: None
    assert len(json.loads(vml("list").stdout)["entries"]) == 2
    Restic(place, PASSWORD).check()  # type: ignore[arg-type]  # a URL does as well


def test_a_no_that_is_cut_off_is_asked_for_again(vml: Run, area: Path, traffic: Traffic) -> None:
    """The first request of a first snapshot asks for a file that is not there."""
    with traffic.failing(Fault.CUT_DOWNLOAD, 1):
        vml("snapshot", area)
    assert traffic.faults == 1
    assert traffic.requests[0].status == 404


def test_a_prune_gives_the_room_back(
    vml: Run,
    place: str,
    area: Path,
    traffic: Traffic,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The repository then takes what it takes where nothing was ever removed, and restic calls it clean."""
    (area / "gone.bin").write_bytes(os.urandom(3 * MIB))
    first = entry_of(vml("snapshot", area))
    (area / "gone.bin").unlink()
    kept = entry_of(vml("snapshot", area))
    fresh = f"{place} without garbage"
    vml("snapshot", area, "--logbook", fresh)
    garbage = sum(sizes(place).values())
    vml("forget", first)
    vml("bin", "empty")
    traffic.clear()
    done = json.loads(vml("prune", "--max-unused", "0").stdout)
    with capsys.disabled():
        print(f"\n  a prune: {traffic.summary()}")
    left, reference = sizes(place), sizes(fresh)
    assert done["freed_bytes"] > 3 * MIB
    assert garbage - sum(left.values()) > 3 * MIB - 64 * 1024
    assert abs(sum(left.values()) - sum(reference.values())) < 64 * 1024
    assert not [name for name in left if name.startswith("locks/")]
    Restic(place, PASSWORD).check()  # type: ignore[arg-type]
    vml("restore", kept, "--to", tmp_path / "out")
    assert manifest(tmp_path / "out") == manifest(area)


def test_what_is_unchanged_asks_for_little(
    vml: Run,
    area: Path,
    traffic: Traffic,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """However many entries there are: index files were fetched before, and what was written here is known here."""
    for number in range(6):
        (area / "changing.bin").write_bytes(os.urandom(1000 + number))
        vml("snapshot", area)
    asked = {}
    for verb in ("snapshot", "list"):
        traffic.clear()
        vml(verb, *[area] * (verb == "snapshot"))
        asked[verb] = len(traffic.requests)
        with capsys.disabled():
            print(f"\n  {verb}, nothing changed: {traffic.summary()}")
        assert not [
            request for request in traffic.requests if "/index/" in request.path and request.method == "GET"
        ]
    assert asked["snapshot"] <= 14
    assert asked["list"] <= 4


def sizes(url: str) -> dict[str, int]:
    return {
        item["path"]: item["size"] for batch in obstore.list(open_bucket(parse_url(url))) for item in batch
    }
