"""``vml image`` writes what machines are served; 7z, which knows Rock Ridge, reads the working area back from it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from vml_jupyter.cli.main import main
from vml_jupyter.flows import areas
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import load


@pytest.fixture
def area(tmp_path: Path) -> Path:
    folder = tmp_path / "area"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "data.bin").write_bytes(bytes(range(256)) * 5000)
    (folder / "naïve name.txt").write_text("text\n")
    (folder / "empty").touch()
    (folder / ("long" * 22)).write_text(
        "a long name"
    )  # 7z follows no continuation, so it shows 100 bytes at most
    folder.chmod(0o750)
    return folder


@pytest.fixture
def entry(area: Path, capfd: pytest.CaptureFixture[str]) -> str:
    assert main(["snapshot", str(area), "--json"]) == 0
    return str(json.loads(capfd.readouterr().out)["entry"])


def test_it_is_what_machines_are_served(entry, tmp_path, capfd):
    settings = load()
    file = tmp_path / "out.iso"
    assert main(["image", entry, "-o", str(file), "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    with opened(settings) as logbook:
        found = logbook.find(entry)
        source = areas.source_in(settings, logbook, found)
    with areas.image_of(settings, source) as image:
        assert file.read_bytes() == image.read(0, image.size)
        assert (told["bytes"], told["etag"], told["files"]) == (image.size, image.etag, 4)
    assert source.root is not None
    assert source.root.st_mode & 0o777 == 0o750, "the mode of the area's own folder is shown"


def test_7z_reads_the_area_back(entry, area: Path, tmp_path, capfd):
    program = shutil.which("7zz") or shutil.which("7z")
    assert program
    file, out = tmp_path / "out.iso", tmp_path / "out"
    assert main(["image", entry, "-o", str(file)]) == 0
    subprocess.run([program, "x", f"-o{out}", file], check=True, stdout=subprocess.DEVNULL, timeout=60)
    found = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert found == {path.relative_to(area): path.read_bytes() for path in area.rglob("*") if path.is_file()}


def test_a_file_is_only_replaced_when_told(entry, tmp_path, capfd):
    file = tmp_path / "mine.iso"
    file.write_text("mine")
    assert main(["image", entry, "-o", str(file)]) == 1
    assert "already" in capfd.readouterr().err
    assert file.read_text() == "mine"
    assert main(["image", entry, "-o", str(file), "--force"]) == 0
    assert file.read_bytes()[32769:32774] == b"CD001"
    assert sorted(path.name for path in tmp_path.glob("*mine*")) == ["mine.iso"]


def test_a_folder_is_never_replaced(entry, tmp_path, capfd):
    (tmp_path / "folder").mkdir()
    assert main(["image", entry, "-o", str(tmp_path / "folder"), "--force"]) == 1
    assert (tmp_path / "folder").is_dir()


def test_a_disk_without_room_is_said_before(entry, tmp_path, capfd, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert main(["image", entry, "-o", str(tmp_path / "out.iso")]) == 1
    assert "room" in capfd.readouterr().err
    assert not list(tmp_path.glob("*out.iso*"))
