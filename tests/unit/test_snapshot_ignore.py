"""What stays out of a snapshot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from vml_jupyter.snapshot import survey
from vml_jupyter.snapshot.ignore import DEFAULTS, FILE_NAME, Rules
from vml_jupyter.snapshot.walk import Findings, open_area, walk


def kept(area: Path) -> list[str]:
    found: list[str] = []
    for folder in walk(open_area(area), Rules.of(area), Findings()):
        found += [folder.relative + item.name for item in folder.items]
    return sorted(found)


@pytest.fixture
def area(tmp_path: Path) -> Path:
    for name in (
        "a.py",
        "__pycache__/a.pyc",
        "sub/b.pyc",
        "sub/.ipynb_checkpoints/n.ipynb",
        ".cache/x",
        ".vmlrc",
        "data/big.root",
        "data/keep.root",
        "data/.hidden",
        "build/out",
        "sub/build/out",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_the_defaults(area: Path) -> None:
    assert kept(area) == [
        ".vmlrc",
        "a.py",
        "build/out",
        "data/.hidden",
        "data/big.root",
        "data/keep.root",
        "sub/build/out",
    ]
    assert survey(area).ignored == 4


def test_rules_of_the_area(area: Path) -> None:
    (area / FILE_NAME).write_text("# large\n*.root\n!keep.root\n/build/\n!__pycache__/\n!*.pyc\n")
    assert kept(area) == [
        FILE_NAME,
        ".vmlrc",
        "__pycache__/a.pyc",
        "a.py",
        "data/.hidden",
        "data/keep.root",
        "sub/b.pyc",
        "sub/build/out",
    ]


def test_names_that_are_not_utf8(area: Path) -> None:
    raw = os.fsencode(area)
    for name in (b"/caf\xe9.log", b"/caf\xe9.txt", "/é.tmp".encode()):
        Path(os.fsdecode(raw + name)).touch()
    (area / FILE_NAME).write_bytes(b"*.log\ncaf\xe9.*\n" + "é.tmp\n".encode())
    assert not [name for name in kept(area) if name.endswith((".log", ".txt", ".tmp"))]


def test_git_agrees(area: Path) -> None:
    """git is the judge of its own language."""
    rules = "*.root\n!keep.root\n/build\ndata/.h*\n**/sub/*.py\n[a-b].py\n\\!odd\nspace\\ \n"
    for name in ("!odd", "space ", "b.py", "c.py", "sub/x.py"):
        (area / name).touch()
    (area / FILE_NAME).write_text(rules)
    (area / ".gitignore").write_text("\n".join(DEFAULTS) + "\n" + rules)
    subprocess.run(["git", "init", "-q"], cwd=area, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard"], cwd=area, check=True, capture_output=True
    )
    ours = [name for name in kept(area) if not name.startswith(".git/")]
    assert ours == sorted(filter(None, listed.stdout.decode().split("\0")))
