"""The functions of the initial RAM disk, run by the shell of this machine as busybox would run them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vml_jupyter.release.mini import disk, recipe, stacks

SCRIPT = recipe.IMAGE_DATA / "rootfs/etc/initramfs-tools/scripts/mini"
OLDEST, OLD, NEW = recipe.SYSTEMS


def shell(commands: str, **variables: str) -> str:
    prologue = f". {SCRIPT}\n" + "".join(f"{name}='{value}'\n" for name, value in variables.items())
    done = subprocess.run(["sh", "-c", prologue + commands], capture_output=True, text=True)
    assert not done.stderr
    return done.stdout


def parsed(user_data: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "user-data"
    file.write_bytes(user_data.encode())
    return shell(f"parse_context {file}").splitlines()


def test_keys_become_upper_case_and_switches_numbers(tmp_path: Path) -> None:
    block = (
        "[ucernvm-begin]\ncvmfs_tag=cernvm-system-4.5.0.1\nresize_rootfs=off\nuse_boothd=yes\n[ucernvm-end]\n"
    )
    assert parsed(block, tmp_path) == [
        "_UCONTEXT_CVMFS_TAG=cernvm-system-4.5.0.1",
        "_UCONTEXT_RESIZE_ROOTFS=0",
        "_UCONTEXT_USE_BOOTHD=1",
    ]


def test_value_is_all_after_the_first_equals_sign_and_copied_raw(tmp_path: Path) -> None:
    block = '[ucernvm-begin]\ncvmfs_http_proxy="http://p:3128;DIRECT?a=b"\n[ucernvm-end]\n'
    assert parsed(block, tmp_path) == ['_UCONTEXT_CVMFS_HTTP_PROXY="http://p:3128;DIRECT?a=b"']


@pytest.mark.parametrize(
    "user_data",
    [
        "[ucernvm-begin]\r\ncvmfs_tag=a\r\n[ucernvm-end]\r\n",
        " [ucernvm-begin]\ncvmfs_tag=a\n[ucernvm-end]\n",
        "[ucernvm-begin]\ncvmfs_tag=a",
        "cvmfs_tag=a\n",
        "",
    ],
    ids=["carriage return", "indented marker", "no last newline", "no marker", "empty"],
)
def test_what_micro_cernvm_does_not_see_is_not_seen(user_data: str, tmp_path: Path) -> None:
    assert parsed(user_data, tmp_path) == []


def test_only_the_first_block_counts_wherever_it_stands(tmp_path: Path) -> None:
    block = "[ucernvm-begin]\nk={}\n[ucernvm-end]\n"
    mime = f"Content-Type: text/ucernvm\n\n{block.format('first')}--end\n{block.format('second')}"
    assert parsed(mime, tmp_path) == ["_UCONTEXT_K=first"]


@pytest.mark.parametrize(
    ("named", "system"),
    [(OLDEST.tag, OLDEST), (OLD.tag, OLD), (NEW.tag, NEW), (OLD.root_hash, OLD), ("HEAD4", NEW)],
    ids=["oldest tag", "old tag", "new tag", "root hash", "rolling tag"],
)
def test_system_is_found_by_tag_hash_and_rolling_tag(
    named: str, system: recipe.System, tmp_path: Path
) -> None:
    (tmp_path / "systems").write_text(disk.systems_table())
    found = shell(f"resolve_system {named} && echo $TAG $HASH $REVISION", RO=str(tmp_path))
    assert found.split() == [system.tag, system.root_hash, str(system.revision)]


@pytest.mark.parametrize("named", [recipe.GONE.tag, recipe.GONE.root_hash, "cernvm-system-4.5", ""])
def test_unknown_system_is_not_replaced_by_another(named: str, tmp_path: Path) -> None:
    (tmp_path / "systems").write_text(disk.systems_table())
    assert shell(f"resolve_system '{named}' || echo none:$TAG", RO=str(tmp_path)) == "none:\n"


def test_pins_win_in_the_order_of_micro_cernvm(tmp_path: Path) -> None:
    (tmp_path / "aux").mkdir()
    ask = "kernel_option() { echo from-kernel; }; wanted_system"
    assert shell(ask, RW=str(tmp_path)) == "from-kernel\n"
    assert shell(ask, RW=str(tmp_path), _UCONTEXT_CVMFS_TAG="from-context") == "from-context\n"
    (tmp_path / "aux" / "cvmfs_snapshot").write_text("from-snapshot\nHEAD4\n")
    assert shell(ask, RW=str(tmp_path), _UCONTEXT_CVMFS_TAG="from-context") == "from-snapshot\n"
    (tmp_path / "aux" / "cvmfs_force_tag").write_text("forced")
    assert shell(ask, RW=str(tmp_path), _UCONTEXT_CVMFS_TAG="from-context") == "forced\n"


@pytest.mark.parametrize("system", recipe.SYSTEMS, ids=lambda system: system.version)
def test_a_system_is_stacked_from_its_folders(system: recipe.System, tmp_path: Path) -> None:
    (tmp_path / "systems").write_text(disk.systems_table())
    below = shell(f"resolve_system {system.tag}; shared_folders", RO=str(tmp_path))
    assert below == "".join(f"{tmp_path}/{folder}:" for folder in stacks.stack(system)[1:])


OLDER, NEWER = recipe.REVISIONS


@pytest.mark.parametrize(
    ("told", "mounted"),
    [
        ({}, NEWER.folder),
        ({"local": f"CVMFS_ROOT_HASH={OLDER.root_hash}"}, OLDER.folder),
        ({"local": f"CVMFS_ROOT_HASH='{OLDER.root_hash}'"}, OLDER.folder),
        ({"local": f'CVMFS_REPOSITORY_TAG="{OLDER.tag}"'}, OLDER.folder),
        (
            {"conf": f"CVMFS_REPOSITORY_TAG={NEWER.tag}", "local": f"CVMFS_REPOSITORY_TAG={OLDER.tag}"},
            OLDER.folder,
        ),
        ({"local": f"CVMFS_REPOSITORY_TAG={NEWER.tag}\nCVMFS_ROOT_HASH={OLDER.root_hash}"}, OLDER.folder),
        ({"local": f"CVMFS_ROOT_HASH={recipe.GONE_REVISION.root_hash}"}, ""),
        ({"local": f"CVMFS_REPOSITORY_TAG={recipe.GONE_REVISION.tag}"}, ""),
    ],
    ids=["no pin", "hash", "quoted hash", "tag", "local wins", "hash wins", "hash is gone", "tag is gone"],
)
def test_a_repository_is_mounted_as_its_client_is_told(
    told: dict[str, str], mounted: str, tmp_path: Path
) -> None:
    (tmp_path / "repositories").write_text(disk.repositories_table())
    config = tmp_path / "etc/cvmfs/config.d"
    config.mkdir(parents=True)
    for suffix, text in told.items():
        (config / f"{OLDER.fqrn}.{suffix}").write_text(f"# ours\n{text}\n")
    found = shell(f"pinned_revision {OLDER.fqrn}", RO=str(tmp_path), rootmnt=str(tmp_path))
    assert found.strip() == mounted
