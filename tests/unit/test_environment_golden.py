"""The record of each kind of computer, compared with a file that a person has read.

``VML_RENEW_GOLDEN=1 pytest tests/unit/test_environment_golden.py`` writes the files in ``golden/`` anew; read what
changed before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from environment_trees import KINDS, commit, write

from vml_jupyter.environment import describe
from vml_jupyter.model import Environment, Release
from vml_jupyter.release.mini import recipe

GOLDEN = Path(__file__).parent / "golden"
RENEW = bool(os.environ.get("VML_RENEW_GOLDEN"))


def record(kind: str, root: Path) -> bytes:
    """Describe a computer, and write its own place as ``$ROOT``."""
    environ = write(KINDS[kind], root)
    commit(root / "area")
    described = describe(
        root,
        environ,
        area=root / "area",
        notebook=root / "area/analysis.ipynb",
        chosen=Release(system="4.5.0.1"),
        cache=root / "cache",
    )
    text = msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"
    return text.replace(bytes(root), b"$ROOT")


@pytest.mark.parametrize("kind", KINDS)
def test_the_record_is_the_golden_one(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    file = GOLDEN / f"environment-{kind}.json"
    found = record(kind, tmp_path)
    if RENEW:
        file.write_bytes(found)
        pytest.skip("the golden file was written anew, by request")
    assert found.decode() == file.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_golden_record_can_be_read_again_and_holds_no_secret(kind: str) -> None:
    raw = (GOLDEN / f"environment-{kind}.json").read_bytes()
    read = msgspec.json.decode(raw, type=Environment)
    assert read.cernvm is (kind not in ("swan", "bare"))
    assert read.release_chosen is not read.cernvm
    for secret in (b"hunter2", b"TOKEN", b"SECRET", b"secret", b"KRB5"):
        assert secret not in raw


def test_the_golden_mini_is_as_the_recipe_publishes_it() -> None:
    raw = (GOLDEN / "environment-mini.json").read_bytes()
    read = msgspec.json.decode(raw, type=Environment)
    system, software, newest = recipe.SYSTEMS[-1], recipe.REVISIONS[-1], recipe.BOOTLOADERS[-1]
    assert read.release is not None
    assert (read.release.system, read.release.bootloader) == (system.version, newest.version)
    assert read.release_tag == system.tag
    assert {mount.path: (mount.fqrn, mount.revision, mount.tag) for mount in read.cvmfs} == {
        f"/cvmfs/{software.fqrn}": (software.fqrn, software.revision, software.tag),
        "/mnt/.ro": (recipe.REPOSITORY, system.revision, system.tag),
    }
    assert all(mount.root_hash and not mount.unknown for mount in read.cvmfs)
