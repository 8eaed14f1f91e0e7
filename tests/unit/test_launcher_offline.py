"""An export that holds its release starts without any server: the same launcher, all from one file."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from release_images import publish, signed_disk

import vml_jupyter as vml
from vml_jupyter.errors import NotFound, WouldOverwrite
from vml_jupyter.flows.areas import GUEST_ID
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries, opened
from vml_jupyter.flows.export import export
from vml_jupyter.flows.importing import import_file
from vml_jupyter.flows.settings import Settings
from vml_jupyter.launcher import script
from vml_jupyter.launcher.script import Bundle, Launch, Refused, options_of
from vml_jupyter.progress import SILENT, Stopwatch
from vml_jupyter.release.mirror import served
from vml_jupyter.snapshot.image import AreaImage


@pytest.fixture
def user(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(script, "accelerator", lambda: ("tcg", "as a test wants it"))
    site = tmp_path / "site"
    site.mkdir()
    publish(site, {"4.5.0.1": 1611705600}, {"2021.05-1": signed_disk()})
    with served(site) as url:
        yield settings.using(release_urls=(url,))


@pytest.fixture
def bundle(user: Settings, tmp_path: Path) -> Path:
    area = tmp_path / "area"
    area.mkdir()
    (area / "fit.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (area / "data.bin").write_bytes(os.urandom(100_000))
    entry = capture(user, area, notebook="fit.ipynb", title="Fit", release="4.5.0.1")
    file = tmp_path / "fit.vml"
    export(user, [entry.id], file, with_release=True)
    return file


def member(file: Path, name: str) -> bytes:
    with tarfile.open(file) as archive:
        content = archive.extractfile(name)
        assert content
        return content.read()


def launch(bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    text = member(bundle, "launch.py").decode()
    scope: dict[str, object] = {"__name__": "launched", "__file__": "launch.py"}
    exec(compile(text, "launch.py", "exec"), scope)
    monkeypatch.setattr(script, "CONFIG", scope["CONFIG"])
    words = ["--folder", str(folder), "--yes", "--no-browser", "--allow-root", "--offline", str(bundle)]
    return Launch(options_of(words))


def test_all_that_a_machine_needs_is_in_it(
    bundle: Path, user: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = launch(bundle, tmp_path / "vml", monkeypatch)
    one.make("tcg")

    assert {file.name for file in (tmp_path / "vml").iterdir()} == {
        "launch.json",
        "context.iso",
        "scratch.raw",
    }
    assert script.CONFIG["servers"] == []
    assert b"launch.py --offline fit.vml" in member(bundle, "README.txt")
    raw = bundle.read_bytes()
    image, area = one.record["image"], one.record["area"]
    assert raw[image["offset"] : image["offset"] + image["size"]] == signed_disk()
    (entry,) = list_entries(user)
    with opened(user) as logbook:
        found = logbook.find(entry.id)
        root = logbook.area_node(found)
        with AreaImage(logbook.repository, found.tree, uid=GUEST_ID, gid=GUEST_ID, root=root) as whole:
            assert raw[area["offset"] : area["offset"] + area["size"]] == whole.read(0, whole.size)


def test_what_was_left_open_is_said_when_it_is_written(user: Settings, tmp_path: Path) -> None:
    """Of an entry that records no bootloader the newest boots."""
    (tmp_path / "area").mkdir()
    entry = capture(user, tmp_path / "area", release="4.5.0.1")
    environment = entry.environment
    assert environment.release
    release = structs.replace(environment.release, bootloader="", flavour="", image_sha256="")
    with opened(user) as logbook:
        environment = structs.replace(environment, release=release)
        logbook.edit(structs.replace(logbook.find(entry.id), environment=environment))
    watch = Stopwatch(SILENT)
    export(user, [entry.id], tmp_path / "open.vml", with_release=True, progress=watch)
    assert any("it boots by 2021.05-1, the newest found" in note for note in watch.notes)
    assert len(set(watch.notes)) == len(watch.notes), "each but once"


def test_its_token_is_made_where_it_is_started(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads(member(bundle, "machine/launch.json"))
    tokens = set()
    for name in ("a", "b"):
        one = launch(bundle, tmp_path / name, monkeypatch)
        one.make("tcg")
        context = (tmp_path / name / "context.iso").read_bytes()
        packed = context[told["pickup_offset"] : told["pickup_offset"] + told["pickup_bytes"]]
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(packed))) as pickup:
            content = pickup.extractfile("etc/vml/machine.json")
            assert content
            config = json.loads(content.read())
        assert config["token"] == one.record["jupyter_token"]
        tokens.add(config["token"])
        listed = subprocess.run(
            ["isoinfo", "-R", "-x", "/cernvm/pickup.tar.gz", "-i", tmp_path / name / "context.iso"],
            capture_output=True,
            check=True,
        )
        assert listed.stdout == packed
    assert len(tokens) == 2
    assert told["placeholder"] not in tokens


def test_the_same_file_is_imported_too(bundle: Path, user: Settings, tmp_path: Path) -> None:
    other = user.using(
        data=tmp_path / "other", config=tmp_path / "o", logbook=str(tmp_path / "other" / "logbook")
    )

    done = import_file(other, bundle, with_release=True)

    assert [each.outcome for each in done.entries] == ["new"]
    (image,) = done.images
    assert image.read_bytes() == signed_disk()
    assert image.is_relative_to(other.releases)
    assert import_file(other, bundle).offered == ("CernVM 4.5.0.1",)


def test_an_image_that_was_altered_is_not_taken(bundle: Path, user: Settings, tmp_path: Path) -> None:
    raw = bytearray(bundle.read_bytes())
    place = raw.index(signed_disk())
    raw[place + 1000] ^= 1
    changed = tmp_path / "changed.vml"
    changed.write_bytes(raw)
    other = user.using(
        data=tmp_path / "other", config=tmp_path / "o", logbook=str(tmp_path / "other" / "logbook")
    )

    with pytest.raises(Exception, match="not the one that the manifest names"):
        import_file(other, changed, with_release=True)
    assert not [file for file in other.releases.rglob("*") if file.is_file()]


@pytest.mark.parametrize("cut", [0, 100, 512, 5000])
def test_a_file_that_was_cut_is_refused(bundle: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "cut.vml").write_bytes(bundle.read_bytes()[:cut])

    with pytest.raises(Refused, match="cut"):
        Bundle(tmp_path / "cut.vml")


def test_a_file_of_another_entry_is_refused(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = launch(bundle, tmp_path / "vml", monkeypatch)
    script.CONFIG["entry"] = "another"

    with pytest.raises(Refused, match="another entry"):
        one.make("tcg")


def test_a_file_that_is_there_is_refused_before_anything_is_fetched(user: Settings, tmp_path: Path) -> None:
    (tmp_path / "area").mkdir()
    entry = capture(user, tmp_path / "area", release="4.5.0.1")
    file = tmp_path / "fit.py"
    file.write_text("mine")
    with pytest.raises(WouldOverwrite):
        vml.launcher(entry.id, to=file, settings=user)
    assert file.read_text() == "mine"
    assert not user.releases.exists()
    assert not (user.data / "launches" / "pairings").exists(), "nobody has its token"
    file.unlink()
    with pytest.raises(NotFound):
        vml.launcher("zzzz", to=file, settings=user)
    assert not file.exists()
    made = vml.launcher(entry.id, to=file, settings=user)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == made.sha256
