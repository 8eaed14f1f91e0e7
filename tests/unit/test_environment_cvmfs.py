"""Which CernVM-FS repositories are mounted, and what they say: by attributes of folders, and by FUSE itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from environment_trees import attributes, tree

from vml_jupyter.environment.cvmfs import Mounts, mount_points
from vml_jupyter.model import Mount

FUSE = Path(__file__).with_name("fuse_repositories.py")
HASH = "0123456789abcdef0123456789abcdef01234567"


def mounted(root: Path, *lines: str) -> Path:
    return tree(root, {"proc/mounts": "".join(f"{line} 0 0\n" for line in lines)})


def told(root: Path) -> tuple[Mount, ...]:
    with Mounts(root) as mounts:
        return mounts.told()


def test_what_counts_as_a_repository(tmp_path: Path) -> None:
    mounted(
        tmp_path,
        "/dev/vda1 / ext4 rw",
        "/etc/auto.cvmfs /cvmfs autofs rw,fd=7",
        "/etc/auto.cvmfs /cvmfs/idle.cern.ch autofs rw,fd=7",
        "cvmfs2 /cvmfs/sft.cern.ch fuse ro,nosuid",
        "cvmfs2 /cvmfs/sft.cern.ch fuse ro,nosuid",
        "server:/cvmfs/atlas.cern.ch /cvmfs/atlas.cern.ch nfs4 ro",
        "cvmfs2 /mnt/.ro fuse ro",
        r"cvmfs2 /srv/of\040mine fuse ro",
        "tmpfs /cvmfs/lhcb.cern.ch/inside tmpfs rw",
        "sshfs#me@there: /home/me/there fuse rw",
        "broken line",
    )
    found = ["/cvmfs/atlas.cern.ch", "/cvmfs/sft.cern.ch", "/mnt/.ro", "/srv/of mine"]
    assert mount_points(tmp_path) == found


def test_no_repository_no_question(tmp_path: Path) -> None:
    assert told(tmp_path) == ()
    assert told(mounted(tmp_path, "/etc/auto.cvmfs /cvmfs autofs rw")) == ()


def test_a_repository_names_itself(tmp_path: Path) -> None:
    mounted(tmp_path, "cvmfs2 /cvmfs/sft.cern.ch fuse ro")
    attributes(
        tmp_path / "cvmfs/sft.cern.ch",
        {"fqrn": "sft.cern.ch", "revision": "77", "root_hash": HASH, "tag": "LCG_105"},
    )
    expected = Mount(
        path="/cvmfs/sft.cern.ch", fqrn="sft.cern.ch", revision=77, root_hash=HASH, tag="LCG_105"
    )
    assert told(tmp_path) == (expected,)


@pytest.mark.parametrize(
    ("values", "revision", "root_hash", "tag"),
    [
        ({"revision": "-5", "root_hash": "<html>", "tag": "a\x1b[31m"}, 0, "", ""),
        ({"revision": "9" * 40, "root_hash": HASH + "-shake128", "tag": ""}, 0, HASH + "-shake128", ""),
        ({"revision": "9" * 18}, 999999999999999999, "", ""),
    ],
)
def test_strange_values_are_left_out(
    tmp_path: Path, values: dict[str, str], revision: int, root_hash: str, tag: str
) -> None:
    mounted(tmp_path, "cvmfs2 /cvmfs/sft.cern.ch fuse ro")
    attributes(tmp_path / "cvmfs/sft.cern.ch", {"fqrn": "sft.cern.ch", **values})
    [found] = told(tmp_path)
    assert (found.fqrn, found.revision, found.root_hash, found.tag) == (
        "sft.cern.ch",
        revision,
        root_hash,
        tag,
    )


def test_a_mount_that_tells_nothing_is_listed_with_the_reason(tmp_path: Path) -> None:
    mounted(tmp_path, "cvmfs2 /cvmfs/gone.cern.ch fuse ro", "server:/x /cvmfs/nfs.cern.ch nfs4 ro")
    (tmp_path / "cvmfs/nfs.cern.ch").mkdir(parents=True)
    gone, nfs = told(tmp_path)
    assert (gone.path, gone.fqrn) == ("/cvmfs/gone.cern.ch", "")
    assert "No such file" in gone.unknown
    assert nfs.unknown in ("No data available", "Operation not supported")


def in_fuse(root: Path, *repositories: str) -> dict[str, Any]:
    """Mount repositories of a real FUSE file system and return what is told of them."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    alone = ["unshare", *user, "--mount", "--propagation", "private"]
    if subprocess.run([*alone, "test", "-w", "/dev/fuse"], capture_output=True).returncode != 0:
        pytest.skip("this computer lets nobody but its administrator mount a file system")
    done = subprocess.run(
        [*alone, sys.executable, FUSE, root, *repositories], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_dead_repository_is_given_up_and_holds_up_none_of_the_others(tmp_path: Path) -> None:
    found = in_fuse(tmp_path, "dead:atlas.cern.ch", "live:sft.cern.ch", "stuck:cms.cern.ch")
    atlas, cms, sft = found["mounts"]
    assert found["left_behind"] == 1, "nothing was really dead here"
    assert atlas == {"path": "/cvmfs/atlas.cern.ch", "unknown": "did not answer within 2 s"}
    assert cms == {"path": "/cvmfs/cms.cern.ch", "unknown": "did not answer within 2 s"}
    assert (sft["fqrn"], sft["revision"], sft["tag"]) == ("sft.cern.ch", 12345, "trunk-previous")


def test_living_repositories_leave_nothing_behind(tmp_path: Path) -> None:
    found = in_fuse(tmp_path, "live:sft.cern.ch", "live:cernvm-prod.cern.ch")
    assert [mount["fqrn"] for mount in found["mounts"]] == ["cernvm-prod.cern.ch", "sft.cern.ch"]
    assert found["left_behind"] == 0
