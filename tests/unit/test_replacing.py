"""Files that are replaced as a whole, and are on the disk when that was asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vml_jupyter.replacing import replace_file


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the disk, in its order."""
    done: list[str] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def noted(what: Callable[..., None], name: str) -> Callable[..., None]:
        def call(*words: object) -> None:
            of = Path(os.readlink(f"/proc/self/fd/{words[0]}")) if isinstance(words[0], int) else None
            done.append(f"{name} folder" if of and of.is_dir() else name)
            what(*words)

        return call

    monkeypatch.setattr(os, "fsync", noted(fsync, "sync"))
    monkeypatch.setattr(Path, "replace", lambda self, to: noted(replace, "rename")(str(self), str(to)))
    monkeypatch.setattr(os, "link", noted(link, "link"))
    return done


@pytest.mark.parametrize(("new", "named"), [(False, "rename"), (True, "link")])
def test_what_lasts_is_on_the_disk_before_it_has_its_name(
    order: list[str], tmp_path: Path, new: bool, named: str
) -> None:
    replace_file(tmp_path / "record", [b"one", b"two"], lasts=True, new=new)
    assert order == ["sync", named, "sync folder"]
    assert (tmp_path / "record").read_bytes() == b"onetwo"
    assert list(tmp_path.iterdir()) == [tmp_path / "record"]


def test_what_can_be_made_again_waits_for_no_disk(order: list[str], tmp_path: Path) -> None:
    replace_file(tmp_path / "cache", [b"1"])
    replace_file(tmp_path / "cache", [b"2"])
    assert order == ["rename", "rename"]
    assert (tmp_path / "cache").read_bytes() == b"2"


def test_of_several_who_write_a_new_file_one_does(tmp_path: Path) -> None:
    wrote: list[bytes] = []

    def write(number: int) -> None:
        try:
            replace_file(tmp_path / "used", [b"%d" % number], new=True)
        except FileExistsError:
            return
        wrote.append(b"%d" % number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrote == [(tmp_path / "used").read_bytes()]
    assert list(tmp_path.iterdir()) == [tmp_path / "used"]
