"""Building once, one at a time, and leaving nothing behind; the parts that take minutes are stood in for."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from vml_jupyter.building import programs
from vml_jupyter.errors import Cancelled, HostError, ToolMissing
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mini import builder, recipe


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stand in for the minutes of work; the list tells how often it was done, and where."""
    done: list[Path] = []

    def quick(scratch: Path, progress: object, lock: int) -> Path:
        done.append(scratch)
        (scratch / "repository").mkdir()
        return scratch / "repository"

    monkeypatch.setattr(builder, "_build", quick)
    monkeypatch.setattr(builder, "_require_tools", lambda: None)
    return done


def test_second_build_returns_what_the_first_built(tmp_path: Path, builds: list[Path]) -> None:
    first = mini.build(tmp_path)
    assert first == mini.build(tmp_path) == tmp_path / "mini" / recipe.digest()
    assert first.is_dir()
    assert len(builds) == 1


def test_two_builds_at_once_build_once(tmp_path: Path, builds: list[Path]) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(mini.build(tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(builds) == 1


def test_what_a_killed_build_left_is_removed(tmp_path: Path, builds: list[Path]) -> None:
    left = tmp_path / "mini" / ".building-killed"
    (left / "tree" / "base").mkdir(parents=True)
    mini.build(tmp_path)
    assert sorted(path.name for path in (tmp_path / "mini").iterdir()) == sorted([".lock", recipe.digest()])


def test_failed_build_leaves_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scratch: Path, progress: object, lock: int) -> Path:
        raise HostError("no room")

    monkeypatch.setattr(builder, "_build", fail)
    monkeypatch.setattr(builder, "_require_tools", lambda: None)
    with pytest.raises(HostError):
        mini.build(tmp_path)
    assert [path.name for path in (tmp_path / "mini").iterdir()] == [".lock"]


def test_missing_programs_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "SBIN", str(tmp_path))
    with pytest.raises(ToolMissing) as caught:
        programs.require(("mmdebstrap", "mke2fs", "debugfs"))
    assert "mmdebstrap, mke2fs, debugfs is not installed" in caught.value.message
    assert caught.value.hint == "Install it: apt-get install e2fsprogs mmdebstrap"


def test_failing_program_tells_its_last_lines(tmp_path: Path) -> None:
    runner = programs.Runner(log_folder=tmp_path, progress=SILENT)
    with pytest.raises(HostError, match=re.escape("sh failed with status 3\nno mirror")):
        runner.run("sh", ["sh", "-c", "echo no mirror >&2; exit 3"])


def test_program_is_ended_when_the_job_is_cancelled(tmp_path: Path) -> None:
    class Ending:
        def stage(self, name: str, title: str) -> None: ...

        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            raise Cancelled

        def note(self, text: str) -> None: ...

    with pytest.raises(Cancelled):
        programs.Runner(log_folder=tmp_path, progress=Ending()).run("sleep", ["sleep", "60"])


def test_output_goes_where_it_is_wanted(tmp_path: Path) -> None:
    runner = programs.Runner(log_folder=tmp_path, progress=SILENT)
    runner.run("echo", ["sh", "-c", "echo out; echo err >&2"], stdout=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "out\n"
    assert (tmp_path / "echo.log").read_text() == "err\n"


def test_digest_names_the_recipe() -> None:
    assert re.fullmatch("[0-9a-f]{16}", recipe.digest())
    assert len({system.root_hash for system in recipe.SYSTEMS}) == len(recipe.SYSTEMS)


@pytest.mark.parametrize("system", recipe.SYSTEMS, ids=lambda system: system.version)
def test_every_package_is_pinned_by_version_and_digest(system: recipe.System) -> None:
    lines = [line for line in system.lock_file.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 90
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]* --hash=sha256:[0-9a-f]{64}", line)
