"""Describing root file systems as CernVM 3, 4 and 5 leave them, and this very process."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from vml_jupyter.environment import describe, running_release
from vml_jupyter.environment.describe import kernelspec_of
from vml_jupyter.environment.packages import interpreter_of, packages_here, packages_of
from vml_jupyter.model import Environment, Release

HASH = "0123456789abcdef0123456789abcdef01234567"
CERNVM_4 = {
    "etc/cernvm-release": "CERN Virtual Machine, version 4.5.0.1\n",
    ".installed_cernvm-system-4.4.0.0": "CERN Virtual Machine 4.4.0.0\n",
    ".installed_cernvm-system-4.5.0.1": "CERN Virtual Machine 4.5.0.1\n",
    "etc/os-release": 'NAME="Scientific Linux"\nPRETTY_NAME="Scientific Linux 7.9 (Nitrogen)"\nID="rhel"\n',
    "mnt/.rw/aux/ucernvm-version": "2021.05-1.cernvm.x86_64\n",
    "mnt/.rw/aux/cvmfs_snapshot": f"{HASH}\ncernvm-system-4.5.0.1\n",
    "mnt/.rw/context/ucontext": "_UCONTEXT_CVMFS_TAG=cernvm-system-4.5.0.1\n_UCONTEXT_CERNVM_PATH=cvm4\n",
    "proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) CPU E5\n",
}
CERNVM_3 = {
    "etc/issue": "Welcome to CERN Virtual Machine, version 3.5.1.4\n  based on Scientific Linux release 6.6 (Carbon)\n",
    "etc/redhat-release": "Scientific Linux release 6.6 (Carbon)\n",
    "mnt/.rw/aux/ucernvm-version": "2.2-0.cernvm.x86_64",
}
RELEASE_4 = Release(
    system="4.5.0.1",
    bootloader="2021.05-1",
    repository="cernvm-prod.cern.ch",
    path="cvm4",
    root_hash=HASH,
)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_cernvm_4(tmp_path: Path) -> None:
    found = describe(tree(tmp_path, CERNVM_4), {})
    assert found.release == RELEASE_4
    assert not found.release_chosen
    assert (found.os, found.cpu) == ("Scientific Linux 7.9 (Nitrogen)", "Intel(R) Xeon(R) CPU E5")


def test_before_the_release_file_is_written_the_newest_marker_counts(tmp_path: Path) -> None:
    files = {name: text for name, text in CERNVM_4.items() if name != "etc/cernvm-release"}
    assert running_release(tree(tmp_path, files)) == RELEASE_4


def test_after_an_older_system_was_booted_the_release_file_counts(tmp_path: Path) -> None:
    files = {**CERNVM_4, "etc/cernvm-release": "CERN Virtual Machine, version 4.4.0.0\n"}
    found = running_release(tree(tmp_path, files))
    assert found is not None
    assert found.system == "4.4.0.0"


def test_cernvm_3(tmp_path: Path) -> None:
    found = describe(tree(tmp_path, CERNVM_3), {})
    assert found.release == Release(
        system="3.5.1.4", bootloader="2.2-0", repository="cernvm-prod.cern.ch", path="cvm3"
    )
    assert found.os == "Scientific Linux release 6.6 (Carbon)"


def test_another_repository_is_named(tmp_path: Path) -> None:
    context = '_UCONTEXT_CVMFS_BRANCH=cernvm-sl7.cern.ch\n_UCONTEXT_CVMFS_HTTP_PROXY="a;b"\n'
    found = running_release(tree(tmp_path, {**CERNVM_4, "mnt/.rw/context/ucontext": context}))
    assert found is not None
    assert (found.repository, found.path) == ("cernvm-sl7.cern.ch", "cvm4")


def test_what_cernvmfs_says_goes_first(tmp_path: Path) -> None:
    mount = tree(tmp_path, CERNVM_4) / "mnt/.ro"
    mount.mkdir()
    try:
        os.setxattr(mount, "user.fqrn", b"cernvm-devel.cern.ch")
        os.setxattr(mount, "user.root_hash", b"f" * 40)
    except OSError:
        pytest.skip("this file system keeps no extended attributes")
    found = running_release(tmp_path)
    assert found is not None
    assert (found.repository, found.root_hash) == ("cernvm-devel.cern.ch", "f" * 40)


def five(root: Path, script: str) -> dict[str, str]:
    """Make a CernVM 5 whose ``rpm`` is the given shell script; return its environment variables."""
    tree(root, {"etc/cernvm/cernvm_config": "", "bin/rpm": f"#!/bin/sh\n{script}\n"})
    (root / "bin/rpm").chmod(0o755)
    return {"PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def test_cernvm_5_is_what_its_package_says(tmp_path: Path) -> None:
    environ = five(tmp_path, 'case "$*" in *"-q --qf %{VERSION} cernvm-system-default"*) printf 1.0.1;; esac')
    assert running_release(tmp_path, environ) == Release(system="5-1.0.1", flavour="five")


@pytest.mark.parametrize("script", ["echo package is not installed; exit 1", "echo '<html>'", "exit 0"])
def test_a_cernvm_5_that_does_not_say_is_none(tmp_path: Path, script: str) -> None:
    assert running_release(tmp_path, five(tmp_path, script)) is None


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"etc/issue": "Debian GNU/Linux 12 \\n \\l\n"},
        {"etc/cernvm-release": "CERN Virtual Machine, version unknown\n"},
        {".installed_cernvm-system-latest": ""},
        {"etc/cernvm-release": "\x00" * 100},
    ],
)
def test_other_computers_are_none(tmp_path: Path, files: dict[str, str]) -> None:
    assert running_release(tree(tmp_path, files)) is None


def test_a_user_chooses_only_where_nothing_is_detected(tmp_path: Path) -> None:
    chosen = Release(system="4.4.0.0")
    found = describe(tmp_path, {}, chosen=chosen)
    assert (found.release, found.release_chosen) == (chosen, True)
    inside = describe(tree(tmp_path, CERNVM_4), {}, chosen=chosen)
    assert (inside.release, inside.release_chosen) == (RELEASE_4, False)


def test_strange_pins_are_left_out(tmp_path: Path) -> None:
    files = {
        **CERNVM_4,
        "mnt/.rw/aux/ucernvm-version": "<html>",
        "mnt/.rw/aux/cvmfs_snapshot": "\n\n",
    }
    found = running_release(tree(tmp_path, files))
    assert found is not None
    assert (found.bootloader, found.root_hash) == ("", "")


def test_this_process() -> None:
    found = describe()
    assert isinstance(found, Environment)
    assert (found.python, found.kernel) == (platform.python_version(), platform.release())
    assert found.architecture == platform.machine()
    assert found.os
    for name in ("msgspec", "numpy", "pytest"):
        assert found.packages[name] == metadata.version(name)


def test_describing_costs_less_than_the_standard_librarys_own_list_of_packages() -> None:
    def quickest(work: Callable[[], object]) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    own = quickest(describe)
    assert own < quickest(lambda: [(each.name, each.version) for each in metadata.distributions()])


def notebook(folder: Path, text: str) -> Path:
    file = folder / "a.ipynb"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            json.dumps({"cells": [{"source": "x"}], "metadata": {"kernelspec": {"name": "python3"}}}),
            "python3",
        ),
        (json.dumps({"metadata": {}}), ""),
        (json.dumps({"metadata": {"kernelspec": {"display_name": "x"}}}), ""),
        (json.dumps({"metadata": {"kernelspec": 5}}), ""),
        ("{", ""),
        ("", ""),
    ],
)
def test_the_kernel_of_a_notebook(tmp_path: Path, text: str, name: str) -> None:
    assert kernelspec_of(notebook(tmp_path, text)) == name


def test_an_absent_notebook_has_no_kernel(tmp_path: Path) -> None:
    assert kernelspec_of(tmp_path / "absent.ipynb") == ""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel whose interpreter is another one: a virtual environment with one package."""
    home = tmp_path / "venv"
    tree(
        home,
        {
            "pyvenv.cfg": f"home = {Path(sys.base_prefix) / 'bin'}\ninclude-system-site-packages = false\n",
            f"lib/python3.{sys.version_info.minor}/site-packages/Uproot_4-4.3.7.dist-info/METADATA": (
                "Metadata-Version: 2.1\nName: Uproot-4\nVersion: 4.3.7\n\nVersion: not this one\n"
            ),
        },
    )
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(Path(sys.executable).resolve())
    spec = {"argv": [str(home / "bin/python3"), "-m", "ipykernel_launcher"], "display_name": "x"}
    tree(tmp_path / "data", {"kernels/analysis/kernel.json": json.dumps(spec)})
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    return home / "bin/python3"


def test_the_packages_are_those_of_the_notebooks_kernel(tmp_path: Path, kernel: Path) -> None:
    file = notebook(tmp_path, json.dumps({"metadata": {"kernelspec": {"name": "analysis"}}}))
    found = describe(notebook=file)
    assert found.kernelspec == "analysis"
    assert found.packages == {"Uproot-4": "4.3.7"}
    assert found.python == platform.python_version()


@pytest.mark.parametrize("name", ["absent", "../analysis", "", "a/b", "-x"])
def test_a_kernel_that_is_none_is_this_python(tmp_path: Path, kernel: Path, name: str) -> None:
    assert interpreter_of(name) is None
    file = notebook(tmp_path, json.dumps({"metadata": {"kernelspec": {"name": name}}}))
    assert describe(notebook=file).packages == packages_here()


@pytest.mark.parametrize("script", ["exit 1", "echo not JSON", "echo '[1, 2]'"])
def test_an_interpreter_that_does_not_answer_is_none(tmp_path: Path, script: str) -> None:
    tree(tmp_path, {"python": f"#!/bin/sh\n{script}\n"})
    (tmp_path / "python").chmod(0o755)
    assert packages_of(tmp_path / "python") is None


class TestRemembered:
    """The list of packages is kept until a folder that they lie in changes."""

    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        site = tmp_path / "site"
        install(site, "one", "1.0")
        monkeypatch.setattr(sys, "path", [str(site), str(tmp_path / "absent")])
        return site

    def test_until_something_is_installed(self, site: Path, tmp_path: Path) -> None:
        cache = tmp_path / "cache"
        assert packages_here(cache) == {"one": "1.0"}
        (site / "one-1.0.dist-info/METADATA").unlink()
        assert packages_here(cache) == {"one": "1.0"}, "nothing is read again"
        assert packages_here() == {}
        install(site, "two", "2.0")
        assert packages_here(cache) == {"two": "2.0"}

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b'{"format":9,"stamps":[],"packages":{}}', b"\xff"]
    )
    def test_a_damaged_file_is_as_good_as_none(self, site: Path, tmp_path: Path, content: bytes) -> None:
        packages_here(tmp_path)
        (tmp_path / "packages.json").write_bytes(content)
        assert packages_here(tmp_path) == {"one": "1.0"}

    def test_not_what_may_change_in_place(self, site: Path, tmp_path: Path) -> None:
        tree(site, {"three.egg-info/PKG-INFO": "Name: three\nVersion: 3.0\n"})
        age(site)
        assert packages_here(tmp_path)["three"] == "3.0"
        tree(site, {"three.egg-info/PKG-INFO": "Name: three\nVersion: 3.1\n"})
        assert packages_here(tmp_path)["three"] == "3.1"

    def test_not_while_something_is_being_installed(self, site: Path, tmp_path: Path) -> None:
        os.utime(site)
        packages_here(tmp_path)
        assert not (tmp_path / "packages.json").exists()


def install(site: Path, name: str, version: str) -> None:
    tree(site, {f"{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n"})
    age(site)


def age(site: Path) -> None:
    """Let a folder have changed an hour ago, and at another time than before."""
    changed = site.stat().st_mtime_ns
    os.utime(site, ns=(changed, changed - 3_600_000_000_000))
