"""What stays out of a snapshot."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from vml_jupyter.errors import BadArea
from vml_jupyter.snapshot import survey
from vml_jupyter.snapshot.findings import Findings
from vml_jupyter.snapshot.ignore import DEFAULTS, FILE_NAME, Rules
from vml_jupyter.snapshot.walk import open_area, walk


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


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders in three floors, each with the same few files, under git's eye and with our defaults as its own."""
    top = tmp_path_factory.mktemp("tree")
    folders = [top, *(top / one for one in FOLDERS), *(top / one / two for one in FOLDERS for two in FOLDERS)]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for name in FILES:
            (folder / name).touch()
    subprocess.run(["git", "init", "-q"], cwd=top, check=True)
    (top / ".git/info/exclude").write_text("\n".join(DEFAULTS) + "\n.git/\n")
    return top


FOLDERS = ("a", "b", "a.b", "build", "__pycache__", "sp ce")
FILES = ("a", "x.py", "x.pyc", "x.root", ".hidden", "#x", "!x", "c d ", "[x]", "\\y", "caf\u00e0", "n\nl")
FILES = tuple(name for name in FILES if name not in FOLDERS)
WORDS = r"""* ** a b a.b x.* *.py *.py? x* ? ?? [ab] [!a] [^x]* [ build __pycache__ .* #x \#x \!x !x n* n?l
*.* a[!x]b a[!x]* *x*p* *x*.*p* a*b **.p** *a*a* sp\ ce \[x] cafà [[:alpha:]]* *.r??t \\y x\.py [a-b] .vmlignore"""
_parts = st.sampled_from([*WORDS.split(), "c d ", "c d\\ ", "sp ce"])
_patterns = st.builds(
    lambda bang, root, parts, end, tail: f"{bang}{root}{'/'.join(parts)}{end}{tail}",
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "", "/"]),
    st.lists(_parts, min_size=1, max_size=4),
    st.sampled_from(["", "", "/"]),
    st.sampled_from(["", "", "", " ", "  ", "\r"]),
)
_patterns = _patterns.filter(
    lambda line: not re.search(r"\[[^]]*/", line)
)  # a bracket over two folders: no use
_files = st.lists(_patterns, max_size=5).map("\n".join)


@hypothesis.given(
    rules=st.dictionaries(st.sampled_from(["", "a/", "build/", "a/b/"]), _files, min_size=1, max_size=3)
)
@hypothesis.settings(max_examples=150)
def test_git_agrees(tree: Path, rules: dict[str, str]) -> None:
    """git is the judge of its own language."""
    for folder in ("", "a/", "build/", "a/b/"):
        for name in (FILE_NAME, ".gitignore"):
            (tree / folder / name).unlink(missing_ok=True)
    for folder, text in rules.items():
        for name in (FILE_NAME, ".gitignore"):
            (tree / folder / name).write_text(text)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard"], cwd=tree, check=True, capture_output=True
    )
    ours = [name for name in kept(tree) if not name.startswith(".git/")]
    assert ours == sorted(filter(None, os.fsdecode(listed.stdout).split("\0")))


@pytest.mark.parametrize("rule", ["a[!x]a", "/a[!x]a", "/a[!x]*a", "/a[+-9]a", "a[!x]a/", "/*/a[^]]a"])
def test_a_bracket_means_no_slash(rule: str) -> None:
    """As git has it, be there stars beside it or not."""
    rules = Rules([rule])
    assert not rules.ignores("a/a", is_folder=True)
    assert not rules.ignores("b/a/a", is_folder=True)
    other = "b/a.a" if rule.startswith("/*") else "a.a"
    assert rules.ignores(other, is_folder=True), "what it does mean is left out"


@pytest.mark.parametrize(
    "rule", ["[z-a]", "[!z-a]*", "/x/[b-a]", "[[:alpha:]-1]", "x\\", "[", "**[z-a]**", "\0"]
)
def test_a_rule_that_makes_no_sense_hides_no_other(area: Path, rule: str) -> None:
    (area / FILE_NAME).write_text(f"{rule}\n*.root\n")
    assert not [name for name in kept(area) if name.endswith(".root")]
    assert "a.py" in kept(area)


LONG = "a" * 255
DEEP = "a/" * 1000


@pytest.mark.timeout(20)
@pytest.mark.parametrize("bang", ["", "!"])
@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("*a" * 14 + "b", "a" * 60),
        ("*a" * 100 + "b", LONG),
        ("a*" * 100 + "b", LONG),
        ("*[ab]?" * 60 + "b", LONG),
        ("**a" * 60 + "b", LONG),
        ("*a" * 100 + "b/", LONG),
        ("x/" + "*a" * 100 + "b", f"x/{LONG}"),
        ("**/a/" * 60 + "b", DEEP + "a"),
        ("/a/**/" * 60 + "b", DEEP + "a"),
        ("*/**/" * 60 + "b", DEEP + "a"),
        ("**/a*a*/" * 60 + "b", DEEP + "a"),
        ("**/" + "*a" * 60 + "b/**", f"{DEEP}{LONG}"),
    ],
)
def test_no_rule_takes_longer_than_its_stars(bang: str, rule: str, path: str) -> None:
    """A foreign area's rules once took four times as long with each star, and hours with fourteen."""
    rules = Rules([bang + rule])
    assert not rules.ignores(path, is_folder=False)
    assert not rules.ignores(path, is_folder=True)
    last = rule.rstrip("/*").rpartition("/")[2].replace("*", "").replace("?", "a").replace("[ab]", "a")
    folders, _, _ = rule.rstrip("/*").rpartition("/")
    whole = f"{folders.replace('**', 'a').replace('*', 'a')}/{last}".lstrip("/")
    assert rules.ignores(whole + ("/b" if rule.endswith("**") else ""), is_folder=True) is not bool(bang)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["*a" * 2047 + "b\n" + "*a" * 2000, "*a*b\n" * 2_500, "?" * 4_000, "name\n" * 10_000]
)
def test_a_file_as_full_as_may_be(tmp_path: Path, text: str) -> None:
    for number in range(20):
        (tmp_path / f"{number:a>255}").touch()
    (tmp_path / FILE_NAME).write_text("# " + "*" * 10_000 + "\n" + "\n" * 20_000 + text)
    assert len(kept(tmp_path)) == 21


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name\n" * 10_001, "10000 rules"),
        ("x" * 4_097, "4096 bytes"),
        ("[[:a:]" * 170_000, "4096 bytes"),
        ("*a*b\n" * 2_501, "5000 wildcards"),
    ],
)
def test_more_than_anybody_writes_is_refused_at_once(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(BadArea, match=f"^{FILE_NAME} has .*{what}"):
        kept(tmp_path)


@pytest.mark.timeout(20)
def test_rules_of_folders_above_count(tmp_path: Path) -> None:
    folder = tmp_path
    for number in range(6):
        (folder / FILE_NAME).write_text("*a\n" * 900)
        (folder / f"beside {number}").mkdir()
        (folder / f"beside {number}" / FILE_NAME).write_text("*b\n" * 400)
        folder = folder / "sub"
        folder.mkdir()
    with pytest.raises(BadArea, match=r"^sub/sub/sub/sub/sub/\.vmlignore has more than 5000 wildcards"):
        kept(tmp_path)
