"""Which CernVM a root file system is, what else is told of a computer, and the record's own form."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import msgspec
import pytest
from environment_trees import KINDS, ROOT_HASH, attributes, program, tree, write

from vml_jupyter.environment import describe
from vml_jupyter.environment.software import software
from vml_jupyter.environment.system import container, processor
from vml_jupyter.environment.variables import ALLOWED, allowed
from vml_jupyter.errors import ReleaseNotFound
from vml_jupyter.model import Environment, Release, Software

CERNVM_4 = KINDS["cernvm-4"].files
RELEASE_4 = Release(
    system="4.5.0.1",
    bootloader="2021.05-1",
    repository="cernvm-prod.cern.ch",
    path="cvm4",
    root_hash=ROOT_HASH,
)


def described(root: Path, files: dict[str, str]) -> Environment:
    return describe(tree(root, {name: text for name, text in files.items() if name != "proc/mounts"}), {})


def release(root: Path, files: dict[str, str]) -> Release:
    found = described(root, files).release
    assert found is not None
    return found


def test_before_the_release_file_is_written_the_newest_marker_counts(tmp_path: Path) -> None:
    files = {name: text for name, text in CERNVM_4.items() if name != "etc/cernvm-release"}
    assert release(tmp_path, {**files, ".installed_cernvm-system-4.10.0.0": ""}).system == "4.10.0.0"


def test_after_an_older_system_was_booted_the_release_file_counts(tmp_path: Path) -> None:
    files = {**CERNVM_4, "etc/cernvm-release": "CERN Virtual Machine, version 4.4.0.0\n"}
    assert release(tmp_path, files).system == "4.4.0.0"


def test_another_repository_is_named(tmp_path: Path) -> None:
    context = '_UCONTEXT_CVMFS_BRANCH=cernvm-sl7.cern.ch\n_UCONTEXT_CVMFS_HTTP_PROXY="a;b"\n'
    found = release(tmp_path, {**CERNVM_4, "mnt/.rw/context/ucontext": context})
    assert (found.repository, found.path) == ("cernvm-sl7.cern.ch", "cvm4")


def test_what_cernvmfs_says_goes_before_what_was_written_at_boot(tmp_path: Path) -> None:
    tree(tmp_path, CERNVM_4)
    attributes(tmp_path / "mnt/.ro", {"fqrn": "cernvm-devel.cern.ch", "root_hash": "f" * 40, "tag": "HEAD4"})
    found = describe(tmp_path, {})
    assert found.release is not None
    assert (found.release.repository, found.release.root_hash) == ("cernvm-devel.cern.ch", "f" * 40)
    assert found.release_tag == "HEAD4"


@pytest.mark.parametrize("script", ["echo package is not installed; exit 1", "echo '<html>'", "exit 0"])
def test_a_cernvm_5_that_does_not_say_is_none(tmp_path: Path, script: str) -> None:
    environ = write(KINDS["cernvm-5"], tmp_path)
    program(tmp_path / "bin/rpm", script)
    assert describe(tmp_path, environ).cernvm is False


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
    found = described(tmp_path, files)
    assert (found.cernvm, found.release) == (False, None)
    assert msgspec.to_builtins(found)["cernvm"] is False, "the record has to say so"


def test_a_user_chooses_only_where_nothing_is_detected(tmp_path: Path) -> None:
    chosen = Release(system="4.4.0.0")
    found = describe(tmp_path, {}, chosen=chosen)
    assert (found.release, found.release_chosen, found.cernvm) == (chosen, True, False)
    (tmp_path / "inside").mkdir()
    inside = describe(tree(tmp_path / "inside", CERNVM_4), {}, chosen=chosen)
    assert (inside.release_chosen, inside.cernvm) == (False, True)
    assert inside.release is not None
    assert inside.release.system == "4.5.0.1"


def test_what_a_user_chose_is_looked_for_only_where_it_counts(tmp_path: Path) -> None:
    def look() -> Release:
        raise ReleaseNotFound("there is no network")

    inside = describe(tree(tmp_path / "inside", CERNVM_4), {}, chosen=look)
    assert (inside.cernvm, inside.release_chosen) == (True, False)
    (tmp_path / "outside").mkdir()
    with pytest.raises(ReleaseNotFound):
        describe(tmp_path / "outside", {}, chosen=look)
    found = describe(tmp_path / "outside", {}, chosen=lambda: RELEASE_4)
    assert (found.release, found.release_chosen) == (RELEASE_4, True)


def test_strange_pins_are_left_out(tmp_path: Path) -> None:
    files = {
        **CERNVM_4,
        "mnt/.rw/aux/ucernvm-version": "<html>",
        "mnt/.rw/aux/cvmfs_snapshot": "\n$(reboot)\n",
    }
    found = described(tmp_path, files)
    assert found.release is not None
    assert (found.release.bootloader, found.release.root_hash, found.release_tag) == ("", "", "")


def test_this_process() -> None:
    found = describe()
    assert (found.python, found.kernel) == (platform.python_version(), platform.release())
    assert (found.architecture, found.interpreter) == (platform.machine(), sys.executable)
    assert found.os
    for name in ("msgspec", "numpy", "pytest", "jupyter-server"):
        assert found.packages[name] == metadata.version(name)


def test_describing_costs_less_than_the_standard_librarys_own_list_of_packages() -> None:
    def quickest(work: Callable[[], object]) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    own = quickest(lambda: describe(area=Path.cwd()))
    assert own < quickest(lambda: [(each.name, each.version) for each in metadata.distributions()])


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, []),
        (
            {"PATH": "/usr/bin:/cvmfs/sft.cern.ch/lcg/views/LCG_104/x86_64-centos7-gcc11-opt/bin:/bin"},
            [("LCG view", "LCG_104", "x86_64-centos7-gcc11-opt")],
        ),
        (
            {"ROOTSYS": "/cvmfs/sft-nightlies.cern.ch/lcg/views/dev3/latest/x86_64-el9-gcc13-opt"},
            [("LCG view", "dev3 latest", "x86_64-el9-gcc13-opt")],
        ),
        (
            {"LCG_VERSION": "LCG_102b_ATLAS_23", "LCG_PLATFORM": "x86_64-centos7-gcc12-opt"},
            [("LCG", "LCG_102b_ATLAS_23", "x86_64-centos7-gcc12-opt")],
        ),
        (
            {
                "AtlasProject": "AthAnalysis",
                "AtlasVersion": "25.2.3",
                "AthAnalysis_PLATFORM": "x86_64-el9-gcc13-opt",
            },
            [("ATLAS AthAnalysis", "25.2.3", "x86_64-el9-gcc13-opt")],
        ),
        (
            {
                "CMSSW_VERSION": "CMSSW_13_0_10",
                "SCRAM_ARCH": "el8_amd64_gcc11",
                "CMSSW_BASE": "/home/a/CMSSW",
            },
            [("CMSSW", "CMSSW_13_0_10", "el8_amd64_gcc11")],
        ),
        (
            {"LBENV_SOURCED": "2.1.8", "BINARY_TAG": "x86_64_v2-el9-gcc13-opt"},
            [("LHCb LbEnv", "2.1.8", "x86_64_v2-el9-gcc13-opt")],
        ),
        (
            {"LBENV_SOURCED": "2.1.8", "GAUDIAPPNAME": "DaVinci", "GAUDIAPPVERSION": "v45r8"},
            [("LHCb DaVinci", "v45r8", "")],
        ),
        (
            {
                "KEY4HEP_STACK": "/cvmfs/sw.hsf.org/key4hep/releases/2024-03-10/x86_64-almalinux9-gcc11.3.0-opt/x"
            },
            [("Key4hep", "2024-03-10", "x86_64-almalinux9-gcc11.3.0-opt")],
        ),
        (
            {"CONDA_PREFIX": "/opt/conda/envs/hep", "CONDA_DEFAULT_ENV": "hep", "VIRTUAL_ENV": "/home/a/v"},
            [("Python virtual environment", "", ""), ("conda", "hep", "")],
        ),
    ],
)
def test_software(environ: dict[str, str], found: list[tuple[str, str, str]]) -> None:
    assert [(each.name, each.version, each.platform) for each in software(environ)] == found


def test_a_view_is_known_by_the_kernels_python_too() -> None:
    path = "/cvmfs/sft.cern.ch/lcg/views/LCG_105/x86_64-el9-gcc13-opt"
    expected = Software(name="LCG view", version="LCG_105", platform="x86_64-el9-gcc13-opt", path=path)
    assert software({}, f"{path}/bin/python3") == (expected,)


SECRETS = {
    "JUPYTERHUB_API_TOKEN": "t0ken",
    "AWS_SECRET_ACCESS_KEY": "t0ken",
    "VML_LOGBOOK_PASSWORD": "t0ken",
    "KRB5CCNAME": "t0ken",
    "X509_USER_PROXY": "t0ken",
    "SSH_AUTH_SOCK": "t0ken",
}


@pytest.mark.parametrize(
    ("name", "value", "recorded"),
    [
        ("http_proxy", "http://me:t0ken@proxy:3128", "proxy:3128"),
        ("http_proxy", "me:t0ken@proxy:3128", "proxy:3128"),
        ("HTTPS_PROXY", "http://me:t0k/en@x@proxy:3128/", "proxy:3128/"),
        ("CVMFS_HTTP_PROXY", "http://squid:3128;DIRECT", "http://squid:3128;DIRECT"),
        ("FRONTIER_SERVER", "(serverurl=http://me:t0ken@a:8000/x)", "(serverurl=http://a:8000/x)"),
        ("LANG", "C.UTF-8", "C.UTF-8"),
        ("LANG", os.fsdecode(b"caf\xe9"), "caf�"),
        ("PATH", "/bin:" * 4000, ("/bin:" * 2000)[:-1] + "…"),
    ],
)
def test_variables_without_secrets(name: str, value: str, recorded: str) -> None:
    assert allowed({**SECRETS, name: value}) == {name: recorded}


def test_no_variable_is_allowed_whose_name_speaks_of_a_secret() -> None:
    words = ("TOKEN", "PASS", "SECRET", "CRED", "AUTH", "COOKIE", "KEY")
    assert [name for name in ALLOWED - {"KEY4HEP_STACK"} if any(word in name.upper() for word in words)] == []


@pytest.mark.parametrize(
    ("files", "environ", "found"),
    [
        ({}, {}, ("", "")),
        (
            {"run/.containerenv": 'engine="podman-4.3.1"\nname="x"\nimage="quay.io/a/b:1"\n'},
            {},
            ("podman", "quay.io/a/b:1"),
        ),
        ({".dockerenv": ""}, {}, ("docker", "")),
        ({"run/systemd/container": "lxc\n"}, {}, ("lxc", "")),
        (
            {},
            {"APPTAINER_CONTAINER": "/cvmfs/unpacked.cern.ch/x"},
            ("apptainer", "/cvmfs/unpacked.cern.ch/x"),
        ),
    ],
)
def test_containers(
    tmp_path: Path, files: dict[str, str], environ: dict[str, str], found: tuple[str, str]
) -> None:
    assert container(tree(tmp_path, files), environ) == found


def test_the_processor_of_another_architecture(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd sha2\nCPU part\t: 0xd0c\n"})
    assert processor(tmp_path) == ("", "fp asimd sha2")


def test_a_record_of_before_is_still_understood() -> None:
    before = {
        "release": {"system": "4.5.0.1"},
        "release_chosen": True,
        "os": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0-28-amd64",
        "architecture": "x86_64",
        "cpu": "Intel(R) Xeon(R)",
        "python": "3.11.2",
        "kernelspec": "python3",
        "packages": {"Jinja2": "3.1.4"},
    }
    read = msgspec.json.decode(json.dumps(before), type=Environment)
    assert read.cernvm is None
    assert msgspec.to_builtins(read) == before


def test_a_long_path_does_not_take_long() -> None:
    value = "/cvmfs/" + "a" * 1_000_000
    begun = time.process_time()
    allowed(dict.fromkeys(ALLOWED, value))
    software(dict.fromkeys(ALLOWED, value))
    cost = time.process_time() - begun
    begun = time.process_time()
    for _ in ALLOWED:
        value.encode("utf-16").decode("utf-16")
    assert cost < 50 * (time.process_time() - begun)


def test_whatever_is_described_can_be_written_and_read_again(tmp_path: Path) -> None:
    huge = {"etc/os-release": f'PRETTY_NAME="{"x" * 5000}"\n', "proc/cpuinfo": f"flags : {'f ' * 30000}\n"}
    environ = dict.fromkeys(ALLOWED, "y\udcff" * 20000)
    found = describe(tree(tmp_path, huge), environ)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Environment) == found
