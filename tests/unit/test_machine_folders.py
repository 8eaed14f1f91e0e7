"""The folders of machines: kept when the making succeeds, gone when not, never outside their place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import HostError, NotFound
from vml_jupyter.machine import folders, runtime

ID = "abcdefghjkmn"


@pytest.fixture(autouse=True)
def private_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_a_folder_is_private_and_kept_on_success(tmp_path: Path) -> None:
    with folders.new_folder(tmp_path / "machines", ID) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        assert not folders.is_left_over(folder)
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_a_folder_is_removed_on_failure(tmp_path: Path) -> None:
    made: list[Path] = []

    def break_off() -> None:
        with folders.new_folder(tmp_path / "machines", ID) as folder:
            made.append(folder)
            (folder / "file").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert not made[0].exists()


def test_what_a_crash_left_is_recognised(tmp_path: Path) -> None:
    folder = tmp_path / ID
    folder.mkdir()
    assert not folders.is_left_over(folder)
    os.utime(folder, (0, 0))
    assert folders.is_left_over(folder)
    (folder / "machine.json").write_text("{}")
    assert not folders.is_left_over(folder)


@pytest.mark.parametrize(
    "machine_id", ["", ".", "..", "../../etc", "a" * 11, "A" * 12, "abcdefghjkm/", "abcdefghjkm\n"]
)
def test_an_id_that_is_none_becomes_no_path(tmp_path: Path, machine_id: str) -> None:
    with pytest.raises(NotFound):
        folders.folder_of(tmp_path, machine_id)


def test_only_folders_of_machines_are_listed(tmp_path: Path) -> None:
    (tmp_path / ID).mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / ("b" * 12)).write_text("a file")
    assert [folder.name for folder in folders.all_folders(tmp_path)] == [ID]
    assert folders.all_folders(tmp_path / "absent") == []


def test_the_consoles_end_is_plain_text(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_bytes(
        b"old\r\n" * 100_000 + b"\x1b[32m  OK  \x1b[0m Started\x07\r\n\r\n\x1b]0;title\x07last \xff\r\n"
    )
    assert folders.console_tail(console, 2) == "  OK   Started\nlast \ufffd"
    assert folders.console_tail(tmp_path / "absent", 5) == ""


@given(st.binary(max_size=300))
def test_no_console_can_steer_a_terminal(tmp_path_factory: pytest.TempPathFactory, said: bytes) -> None:
    console = tmp_path_factory.getbasetemp() / "steering.log"
    console.write_bytes(said)
    shown = folders.console_tail(console, 100)
    assert not [c for c in shown if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160]


def test_the_runtime_folder_is_private(tmp_path: Path) -> None:
    assert runtime.runtime_folder() == tmp_path / "vml"
    (tmp_path / "vml").chmod(0o755)
    with pytest.raises(HostError, match="not private"):
        runtime.runtime_folder()


def test_a_runtime_folder_too_deep_for_sockets_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(HostError, match="too deep"):
        runtime.runtime_folder()


def test_without_a_session_a_runtime_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert runtime._choose() == tmp_path / "c" / "vml" / "run"
