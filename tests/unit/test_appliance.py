"""The VML VM as a file: what goes into it, when it is built again, how it is packed, which disk it takes for its own.

That it boots, and does what it is for, is in the tests with machines.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.requirements import Requirement

from vml_jupyter import appliance
from vml_jupyter.appliance import builder, own, pins, recipe
from vml_jupyter.building.wheels import PACKAGES
from vml_jupyter.errors import HostError, NotFound, ToolMissing, Usage, WouldOverwrite
from vml_jupyter.flows import appliance as flow
from vml_jupyter.flows.settings import Settings

SCRIPT = recipe.IMAGE_DATA / "rootfs/usr/lib/vml/data-disk"
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"


def test_the_packages_are_those_that_run_here() -> None:
    found = {Requirement(line).name: line for line in pins.pins()}
    for name in ("jupyterlab", "ipykernel", "msgspec", "tornado"):
        assert found[name] == f"{name}=={metadata.version(name)}"
    assert not {"libvirt-python", "vml-jupyter", "vml_jupyter", "pywinpty", "pytest"} & set(found)


def test_this_very_vml_is_laid_out_and_runs(tmp_path: Path) -> None:
    own.lay(tmp_path)
    packages = tmp_path / PACKAGES[1:]
    code = (
        "import vml_jupyter, importlib.metadata as m; print(vml_jupyter.__file__, m.version('vml_jupyter'))"
    )
    environ = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(packages / "vml_jupyter/__init__.py"), metadata.version("vml_jupyter")]
    command = [sys.executable, str(tmp_path / "usr/local/bin/vml"), "--version"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == f"vml {metadata.version('vml_jupyter')}\n"
    assert os.access(command[1], os.X_OK)
    lab = tmp_path / "usr/local/share/jupyter/labextensions/vml-jupyter"
    assert (lab / "package.json").is_file()
    assert list(lab.rglob("*.map")) == []
    assert not list(tmp_path.rglob("__pycache__"))


def test_it_is_not_built_without_the_part_for_jupyterlab(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(ToolMissing, match="part for JupyterLab"):
        own.files()


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stand in for the minutes of work; the list tells how often it was done, and where."""
    done: list[Path] = []

    def quick(scratch: Path, base: Path, runner: object) -> Path:
        done.append(scratch)
        (scratch / "made").mkdir()
        (scratch / "made" / "vml-vm.qcow2").write_bytes(b"image")
        return scratch / "made"

    monkeypatch.setattr(builder, "_base", lambda home, pinned, runner: home)
    monkeypatch.setattr(builder, "_build", quick)
    monkeypatch.setattr(builder, "_require_tools", lambda: None)
    return done


def test_it_is_built_once(tmp_path: Path, builds: list[Path]) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(appliance.build(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {*found, appliance.build(tmp_path)} == {
        tmp_path / "appliance" / recipe.digest(pins.pins()) / "vml-vm.qcow2"
    }
    assert len(builds) == 1


def test_it_is_built_again_where_anything_of_it_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, base = recipe.digest(["a==1"]), recipe.base_digest(["a==1"])
    assert (recipe.digest(["a==2"]), recipe.base_digest(["a==2"])) != (before, base)
    changed = tmp_path / "file"
    changed.write_text("other")
    files = own.files()
    monkeypatch.setattr(own, "files", lambda: {**files, next(iter(files)): changed})
    assert recipe.digest(["a==1"]) != before
    assert recipe.base_digest(["a==1"]) == base


def test_former_images_go_when_nobody_asked_for_them_in_a_week(tmp_path: Path, builds: list[Path]) -> None:
    old, recent, left = (tmp_path / "appliance" / name for name in ("old", "recent", ".building-killed"))
    for folder in (old, recent, left):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 8 * 86_400,) * 2)
    image = appliance.build(tmp_path)
    assert sorted(path.name for path in (tmp_path / "appliance").iterdir()) == sorted(
        [".lock", "recent", image.parent.name]
    )


def test_a_failed_build_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, builds: list[Path]
) -> None:
    def fail(*_: object) -> Path:
        raise HostError("no room")

    monkeypatch.setattr(builder, "_build", fail)
    with pytest.raises(HostError):
        appliance.build(tmp_path)
    assert [path.name for path in (tmp_path / "appliance").iterdir()] == [".lock"]


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A small disk in the place of the one that takes minutes."""
    raw, image = tmp_path / "disk.raw", tmp_path / "built.qcow2"
    raw.write_bytes(os.urandom(1 << 20) + bytes(3 << 20))
    subprocess.run(
        ["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", str(raw), str(image)], check=True
    )
    monkeypatch.setattr(appliance, "build", lambda data, progress: image)
    return image


def test_the_image_is_written_with_its_digest(settings: Settings, image: Path, tmp_path: Path) -> None:
    built = flow.build(settings, tmp_path / "out.qcow2")
    assert built.path.read_bytes() == image.read_bytes()
    assert built.bytes == image.stat().st_size
    assert built.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    subprocess.run(["sha256sum", "--check", "--quiet", "out.qcow2.sha256"], cwd=tmp_path, check=True)


def test_nothing_is_overwritten_unasked(settings: Settings, image: Path, tmp_path: Path) -> None:
    for name in ("out.qcow2", "out.qcow2.sha256"):
        there = tmp_path / name
        there.write_text("mine")
        with pytest.raises(WouldOverwrite):
            flow.build(settings, tmp_path / "out.qcow2")
        assert there.read_text() == "mine"
        there.unlink()
    (tmp_path / "out.qcow2").write_text("mine")
    flow.build(settings, tmp_path / "out.qcow2", overwrite=True)
    assert (tmp_path / "out.qcow2").read_bytes() == image.read_bytes()


@pytest.mark.parametrize(("name", "kind"), [("vm.iso", Usage), ("vm", Usage), ("no/vm.ova", NotFound)])
def test_a_name_that_will_not_do_is_refused_first(
    settings: Settings, tmp_path: Path, name: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        flow.build(settings, tmp_path / name)


def test_the_ova_holds_what_its_description_says(settings: Settings, image: Path, tmp_path: Path) -> None:
    built = flow.build(settings, tmp_path / "vm.ova")
    with tarfile.open(built.path) as archive:
        names = archive.getnames()
        archive.extractall(tmp_path / "open", filter="data")
    assert names == ["vml-vm.ovf", "vml-vm.mf", "vml-vm-system.vmdk", "vml-vm-data.vmdk"]
    subprocess.run(["sha256sum", "--check", "--quiet", "vm.ova.sha256"], cwd=tmp_path, check=True)
    for line in (tmp_path / "open" / "vml-vm.mf").read_text().splitlines():
        name, _, digest = line.removeprefix("SHA256(").partition(")= ")
        assert digest == hashlib.sha256((tmp_path / "open" / name).read_bytes()).hexdigest()
    described = ElementTree.parse(tmp_path / "open" / "vml-vm.ovf").getroot()
    for file in described.iter(f"{OVF}File"):
        assert (
            int(file.attrib[f"{OVF}size"]) == (tmp_path / "open" / file.attrib[f"{OVF}href"]).stat().st_size
        )
    capacities = [disk.attrib[f"{OVF}capacity"] for disk in described.iter(f"{OVF}Disk")]
    assert capacities == [str(4 << 20), "100"]
    same = ["qemu-img", "compare", "-q", str(image), str(tmp_path / "open" / "vml-vm-system.vmdk")]
    subprocess.run(same, check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Callable[..., Path]:
    """Make a disk as the kernel shows it: a device, and what is told of it."""

    def make(name: str, *, ro: str = "0", gib: int = 2, partition: bool = False) -> Path:
        told = tmp_path / "sys" / name
        told.mkdir(parents=True)
        (told / "ro").write_text(f"{ro}\n")
        (told / "size").write_text(f"{gib * 2097152}\n")
        if partition:
            (told / f"{name}1").mkdir()
            (told / f"{name}1" / "partition").write_text("1\n")
        device = tmp_path / "dev" / name
        device.parent.mkdir(exist_ok=True)
        with device.open("wb") as file:
            file.truncate(gib << 30)
        return device

    return make


def chosen(tmp_path: Path) -> str:
    """Return what the VML VM would make its data disk of."""
    environ = {**os.environ, "SYS": str(tmp_path / "sys"), "DEV": str(tmp_path / "dev")}
    environ |= {"VML_DATA_DISK_SOURCED": "1", "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-c", f". {SCRIPT}; new_disk"], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_new_disk_is_taken(tmp_path: Path, disk: Callable[..., Path]) -> None:
    disk("sda", partition=True)
    assert chosen(tmp_path) == ""
    blank = disk("sdb")
    assert chosen(tmp_path) == str(blank)


def test_a_disk_with_anything_on_it_is_left_alone(tmp_path: Path, disk: Callable[..., Path]) -> None:
    disk("sr0")
    disk("vda", ro="1")
    disk("vdb", gib=0)
    disk("vdc", partition=True)
    with disk("vdd").open("r+b") as file:
        file.seek(9 << 20)
        file.write(b"\n")
    with disk("vde").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    environ = {**os.environ, "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
    subprocess.run(["mke2fs", "-q", "-F", str(disk("vdf"))], env=environ, check=True)
    assert chosen(tmp_path) == ""
