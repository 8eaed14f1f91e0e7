"""What a machine tells of itself becomes the record that it would make itself, as far as that can be told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from environment_trees import KINDS, ROOT_HASH, SFT_HASH, Kind, commit, program

from vml_jupyter.environment import elsewhere
from vml_jupyter.environment.elsewhere import describe_told
from vml_jupyter.environment.git import WorkingTree, checkout_told
from vml_jupyter.flows.told_entry import git_of
from vml_jupyter.guest import teller
from vml_jupyter.guest.changes import Surroundings
from vml_jupyter.model import Checkout, Entry, Environment, Mount, Release
from vml_jupyter.repository import Repository
from vml_jupyter.snapshot import take

MADE_OF = Release(system="4.5.0.1", bootloader="2021.05-1")


def told_by(kind: Kind, **more: str) -> Surroundings:
    """Return what a teller in such a computer tells of its release."""
    texts = {name: text for name, text in kind.files.items() if name in teller.TEXTS}
    values = {f"/{path}": told for path, told in kind.attributes.items()}
    mounts = [
        (path, *(told.get(name, "") for name in ("fqrn", "revision", "root_hash", "tag")))
        for path, told in values.items()
    ]
    said = {"texts": texts, "mounts": mounts, "python": kind.python, **more}
    return msgspec.json.decode(msgspec.json.encode(said), type=Surroundings)


def test_the_teller_is_asked_for_all_that_is_read() -> None:
    assert set(teller.TEXTS) == set(elsewhere._TEXTS)


def test_a_micro_cernvm_is_detected() -> None:
    found = describe_told(told_by(KINDS["mini"]), MADE_OF)
    assert (found.cernvm, found.release_chosen, found.release_tag) == (True, False, "cernvm-system-4.5.1.0")
    assert found.release == Release(
        system="4.5.1.0",
        bootloader="2021.05-1",
        repository="cernvm-prod.cern.ch",
        path="cvm4",
        root_hash=ROOT_HASH,
    )
    software = Mount(
        path="/cvmfs/sft.cern.ch", fqrn="sft.cern.ch", revision=1060, root_hash=SFT_HASH, tag="LCG_106"
    )
    assert software in found.cvmfs


def test_a_cernvm_5_is_detected() -> None:
    made_of = Release(system="5-1.0.0", flavour="five")
    found = describe_told(told_by(KINDS["cernvm-5"], five="1.0.1"), made_of)
    assert (found.cernvm, found.release_chosen) == (True, False)
    assert found.release == Release(system="5-1.0.1", flavour="five")
    assert found.os == "CentOS Stream 9"


@pytest.mark.parametrize("said", ["", "package is not installed", "1.0.1; reboot", "1" * 50, "1.0.1\n2"])
def test_a_cernvm_5_that_does_not_say_is_what_it_was_made_as(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(
        tmp_path / "rpm", f"echo asked >{tmp_path}/asked; printf 9.9"
    )  # this computer's must not be asked
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = describe_told(told_by(KINDS["cernvm-5"], five=said), MADE_OF)
    assert (found.cernvm, found.release_chosen, found.release) == (False, True, MADE_OF)
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ('case "$*" in "-q --qf %{VERSION} cernvm-system-default") printf 1.0.1;; esac', "1.0.1"),
        ("printf 'package is not installed'; exit 1", ""),
        ("exec sleep 60", ""),
    ],
)
def test_a_teller_asks_rpm_in_a_cernvm_5(
    script: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "rpm", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(teller, "RPM_S", 1.0)
    assert teller.version_five() == "", "this is none"
    (tmp_path / "cernvm_config").touch()
    monkeypatch.setattr(teller, "FIVE", str(tmp_path / "cernvm_config"))
    assert teller.version_five() == version


# --- the commit of a captured working area


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """A git checkout with one commit, and one file that git does not know."""
    area = tmp_path / "area"
    area.mkdir()
    (area / "a.txt").write_text("a")
    commit(area)
    return area


def run(area: Path, *words: str) -> str:
    environ = {**os.environ, "HOME": str(area), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *words], cwd=area, env=environ, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def entry(git: Checkout | None = None) -> Entry:
    return Entry(id="e", time="", title="", area="/home/alice/fits", environment=Environment(git=git))


def checkout_in(
    repository: Repository, area: Path, restored: Entry | None = None
) -> tuple[Checkout | None, list[str]]:
    with repository.lock():
        return git_of(repository, take(repository, area).tree, restored)


def plain(area: Path) -> None:
    return None


def packed(area: Path) -> None:
    run(area, "pack-refs", "--all")


def detached(area: Path) -> None:
    run(area, "checkout", "-q", "--detach")


@pytest.mark.parametrize("change", [plain, packed, detached])
def test_a_captured_area_keeps_its_commit_and_branch(
    repository: Repository, area: Path, change: Callable[[Path], None]
) -> None:
    change(area)
    branch = "" if change is detached else "main"
    found, notes = checkout_in(repository, area, entry())
    assert found == Checkout(
        folder="/home/alice/fits",
        commit=run(area, "rev-parse", "HEAD"),
        branch=branch,
        state="unknown",
        unknown="git could not be asked where it lies",
    )
    assert notes == []
    with WorkingTree(area, os.environ) as tree:
        here = tree.told()
    assert here is not None
    assert (here.commit, here.branch) == (found.commit, found.branch), "as where git lies beside"
    described = describe_told(told_by(KINDS["mini"]), MADE_OF, found, notes)
    assert described.git == found
    assert "whether the working area differs from its commit is not known" in described.notes[-1]


def test_a_worktree_says_that_its_repository_is_elsewhere(
    repository: Repository, area: Path, tmp_path: Path
) -> None:
    run(area, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    found, _ = checkout_in(repository, tmp_path / "side", entry())
    assert found is not None
    assert (found.commit, found.state) == ("", "unknown")
    assert found.unknown == "its git directory is not in the working area"


def test_an_area_inside_a_checkout_says_what_it_was_of(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    before = Checkout(folder="/home/alice", commit="0123456789abcdef" * 2 + "01234567", state="clean")
    found, [note] = checkout_in(repository, tmp_path / "part", entry(before))
    assert found is None
    assert "commit 0123456789ab" in note
    assert describe_told(told_by(KINDS["mini"]), MADE_OF, None, [note]).notes == (note,)
    assert checkout_in(repository, tmp_path / "part", entry()) == (None, [])
    assert checkout_in(repository, tmp_path / "part") == (None, [])


@pytest.mark.parametrize(
    ("head", "more", "found"),
    [
        ("", {}, None),
        ("\xff" * 1000, {}, ("", "")),
        ("ref: refs/heads/../../../../etc/passwd\n", {}, ("", "")),
        ("ref: /etc/passwd\n", {}, ("", "")),
        ("ref: refs/heads/a b\n", {}, ("", "")),
        ("ref: refs/heads/main\n", {"refs/heads/main": "x" * 100_000}, ("", "main")),
        ("ref: refs/heads/main\n", {"packed-refs": f"{'a' * 40} refs/heads/mainly\n"}, ("", "main")),
        ("ref: refs/heads/main\n", {"packed-refs": f"{'a' * 40} refs/heads/main\n"}, ("a" * 40, "main")),
        ("ref: " + "refs/heads" + "/a" * 20_000, {}, ("", "a/" * 499 + "a…")),
        ("b" * 40, {"refs/heads/main": "a" * 40}, ("b" * 40, "")),
    ],
)
def test_a_hostile_repository_leads_nowhere(
    repository: Repository, tmp_path: Path, head: str, more: dict[str, str], found: tuple[str, str] | None
) -> None:
    area = tmp_path / "area"
    for name, text in {"HEAD": head, **more}.items():
        (area / ".git" / name).parent.mkdir(parents=True, exist_ok=True)
        (area / ".git" / name).write_text(text)
    told, _ = checkout_in(repository, area)
    assert (told and (told.commit, told.branch)) == found
    assert msgspec.json.decode(msgspec.json.encode(told), type=Checkout | None) == told, (
        "it fits into a record"
    )


def test_links_and_pipes_in_a_git_directory_are_not_followed(repository: Repository, tmp_path: Path) -> None:
    area = tmp_path / "area"
    (area / ".git/refs").mkdir(parents=True)
    (tmp_path / "secret").write_text("c" * 40)
    (area / ".git/HEAD").symlink_to("../../secret")
    os.mkfifo(area / ".git/packed-refs")
    assert checkout_in(repository, area) == (None, [])
    (area / ".git/HEAD").unlink()
    (area / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (area / ".git/refs/heads").symlink_to("../../../elsewhere")
    told, _ = checkout_in(repository, area)
    assert told is not None
    assert (told.commit, told.branch) == ("", "main")


def test_no_more_is_read_than_a_reference_can_be() -> None:
    asked: list[tuple[str, int]] = []

    def read(path: str, limit_bytes: int) -> str:
        asked.append((path, limit_bytes))
        return "ref: refs/heads/main" if path == ".git/HEAD" else ""

    told = checkout_told("/a", read)
    assert told is not None
    assert [path for path, _ in asked] == [
        ".git",
        ".git/HEAD",
        ".git/HEAD",
        ".git/refs/heads/main",
        ".git/packed-refs",
    ]
    assert max(limit for _, limit in asked) <= 16 << 20
