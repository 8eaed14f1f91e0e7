"""What a launcher finds on its computer, and how it bears what is not as it should be there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from launch_server import Answers, answering
from test_launcher import IMAGE, MACHINE, config, everything, launch, quick, server

from vml_jupyter.launcher import script
from vml_jupyter.launcher.script import Folder, Refused, Server, Unreachable, patiently

__all__ = ["quick", "server"]  # fixtures


def pool(home: Path, folder: Path, name: str = "mine") -> None:
    """Describe a storage pool as libvirt does."""
    place = home / ".config" / "libvirt" / "storage"
    place.mkdir(parents=True, exist_ok=True)
    shown = str(folder).replace("&", "&amp;")
    (place / f"{name}.xml").write_text(
        f"<pool type='dir'>\n  <name>{name}</name>\n  <target>\n    <path>{shown}</path>\n  </target>\n</pool>\n"
    )


def test_an_image_in_a_storage_pool_of_libvirt_is_found(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pools & more"
    folder.mkdir()
    (folder / "any.img").write_bytes(IMAGE)
    pool(tmp_path / "home", folder)
    pool(tmp_path / "home", tmp_path / "gone", "gone")
    (tmp_path / "home/.config/libvirt/storage/odd.xml").write_bytes(
        b"\xff<target><path>relative</path></target>"
    )
    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one:
        one.make("tcg")
        assert one.record["image"]["file"]["filename"] == str(folder / "any.img")
    assert not [path for _, path, _ in server.asked if path.endswith("/image")]


def test_an_image_that_went_away_is_looked_for_again(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tmp_path / "home" / "Downloads" / "any.img"
    for spoil in (found.unlink, lambda: found.write_bytes(IMAGE[:-1] + b"!")):
        found.write_bytes(IMAGE)
        with launch(monkeypatch, tmp_path / "vml", server=server.url) as one:
            one.make("tcg")
            monkeypatch.setattr(one, "bring_up", lambda: 0)
            assert one.resume() == 0
            assert one.record["image"]["file"]["filename"] == str(found)
            spoil()
            assert one.resume() == 0
            assert one.record["image"]["file"]["filename"] == str(tmp_path / "vml" / "image.hdd")
            one.remove()
        found.unlink(missing_ok=True)


def test_preflight_tells_the_accelerator_before_anything_is_done(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with launch(monkeypatch, tmp_path / "vml", "--dry-run", server=server.url) as one:
        assert one.start() == 0
    assert "Accelerator: tcg, as as a test wants it" in capsys.readouterr().out

    def none() -> tuple[str, str]:
        raise Refused("QEMU runs no guest here", "Install QEMU again.")

    monkeypatch.setattr(script, "accelerator", none)
    with launch(monkeypatch, tmp_path / "vml", "--dry-run", server=server.url) as one:
        assert one.start() == 1
    assert "In the way: QEMU runs no guest here" in capsys.readouterr().out


def test_what_is_not_as_recorded_is_said_before(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"differs": ["sft.cern.ch newest instead of revision 7"], "signature": "signed by CERN"}
    with launch(monkeypatch, tmp_path / "vml", "--dry-run", server=server.url, **told) as one:
        one.start()
    said = capsys.readouterr().out
    assert "not as recorded: sft.cern.ch newest instead of revision 7" in said
    assert "found: signed by CERN" in said


@pytest.mark.parametrize(
    ("version", "newer"), [("7.2.15", True), ("6.2.0", False), ("10.0.0", True), ("x", False)]
)
def test_an_old_qemu_is_given_its_own_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, newer: bool
) -> None:
    """passt is joined by a way that QEMU has since 7.2."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("qemu-system-x86_64", f"QEMU emulator version {version} (Debian)"), ("passt", "")):
        (tools / name).write_text(f"#!/bin/sh\necho '{text}'\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(script, "wait", lambda *_: True)
    monkeypatch.setattr(Folder, "begin", lambda *_: None)
    monkeypatch.setattr(Folder, "pid", lambda *_: 1)
    assert script.start_network(Folder(tmp_path), 4000).startswith("stream," if newer else "user,")


def test_a_process_that_ended_is_not_taken_for_one_that_runs(tmp_path: Path) -> None:
    """One of which nobody has asked how it ended stays, without the words that it was begun with."""
    folder = Folder(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "pass", str(tmp_path)])
    (tmp_path / "qemu.pid").write_text(f"{child.pid}\n")
    deadline = time.monotonic() + 30
    while Path(f"/proc/{child.pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert folder.pid("qemu") == 0
    child.wait()


def test_patience_counts_from_the_last_byte_that_came(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"s": 0.0}
    clock = SimpleNamespace(monotonic=lambda: now["s"], sleep=lambda _: None)
    monkeypatch.setattr(script, "time", clock)
    count = {"left": 50}

    def work() -> str:
        now["s"] += 60.0
        count["left"] -= 1
        if count["left"]:
            raise Unreachable("it broke off", some_came=True)
        return "all"

    assert patiently(work, "it", 100.0) == "all"

    def silent() -> None:
        now["s"] += 60.0
        raise Unreachable("nothing came")

    with pytest.raises(Refused, match="it does not answer: nothing came"):
        patiently(silent, "it", 100.0)


def test_an_answer_after_silence_is_told_also_where_it_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "PAUSE_S", 0.0)
    answers = iter([Unreachable("it broke off"), Refused("it knows nothing of that", status=404)])

    def work() -> None:
        raise next(answers)

    with pytest.raises(Refused, match="knows nothing"):
        patiently(work, "it")
    assert capsys.readouterr().out.splitlines() == [
        "it does not answer (it broke off); waiting for it ...",
        "it answers again.",
    ]


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


def test_what_a_server_cannot_do_is_not_asked_for_again_and_again(server: Answers) -> None:
    """A damaged logbook is one thing, a proxy whose server is away another."""
    damaged = b'{"code": "logbook-damaged", "message": "a blob is absent", "hint": "See vml check."}'
    server.odd = lambda path: answer(500, damaged)
    with (
        pytest.raises(Refused, match="a blob is absent"),
        Server(config(server.url), "t").ask("GET", "/x/image"),
    ):
        pass
    for status, body in (
        (500, b""),
        (500, b'{"code": "unexpected"}'),
        (502, damaged),
        (503, b"<html>"),
        (429, b""),
    ):
        server.odd = lambda path, status=status, body=body: answer(status, body)  # type: ignore[misc]
        with pytest.raises(Unreachable), Server(config(server.url), "t").ask("GET", "/x/image"):
            pass


def test_the_relay_tells_the_guest_where_a_server_says_no_for_good(server: Answers, tmp_path: Path) -> None:
    server.files.pop("area.iso")
    area = script.Area(Server(config(server.url), "token"), f"/{MACHINE}/area.iso", 1 << 20)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=script.serve, args=(theirs, area), daemon=True)
        thread.start()
        ours.recv(18)
        ours.sendall(b"\0\0\0\3" + b"IHAVEOPT" + b"\0\0\0\1" + b"\0\0\0\0")
        ours.recv(10)
        for kind in (0, 2):
            ours.sendall(script.struct.pack(">IHHQQI", 0x25609513, 0, kind, 7, 0, 512))
        assert script.struct.unpack(">IIQ", script.receive(ours, 16)) == (0x67446698, 5, 7)
        thread.join(10)
        assert not thread.is_alive()


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(
        ["../../evil", "/etc/passwd", "done", "failed", "running", "0" * 16, "ab" * 16, "====", "AAAA"]
    ),
)
FIELDS = ("taken", "said", "state", "stage", "entry", "message", "hint", "capture", "nonce")


@tuned(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, ODD)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, ODD)),
)
def test_a_hostile_server_gets_nothing_out_of_a_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: dict[str, Any], going: dict[str, Any]
) -> None:
    """It ends in a refusal or an entry's id, and nothing is written; the machine is told nothing but bytes."""
    monkeypatch.setattr(script.patiently, "__defaults__", (0.0,))
    monkeypatch.setattr(Folder, "pid", lambda *_: 1)
    monkeypatch.setattr(script, "agent", lambda *_, **__: {"done": True})
    folder = tmp_path / "vml"
    folder.mkdir(exist_ok=True)
    record = {"entry": "e1e1e1e1e1e1", "machine": MACHINE, "token": "t" * 20, "paired": True, "made": True}
    (folder / "launch.json").write_text(json.dumps(record))
    with answering() as hostile, socket.socket(socket.AF_UNIX) as port:
        (folder / "tell.sock").unlink(missing_ok=True)
        port.bind(str(folder / "tell.sock"))
        port.listen(8)
        replies = iter(
            [{"capture": "0" * 16, "nonce": "ab" * 16, **begun}, *[{"taken": 0, "said": "", **going}] * 3]
        )
        hostile.odd = lambda path: (
            answer(200, json.dumps(next(replies, {})).encode()) if "/captures" in path else None
        )
        before = everything(tmp_path)
        with launch(monkeypatch, folder, server=hostile.url) as one, suppress(Refused):
            assert one.capture() == 0
    assert everything(tmp_path) == before


def accelerators(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tcg: str, kvm: str, there: bool = True
) -> str:
    """Try accelerators where QEMU does this with each, and return which is taken."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "qemu-system-x86_64").write_text(f'#!/bin/sh\ncase "$2" in tcg) {tcg} ;; kvm) {kvm} ;; esac\n')
    (tools / "qemu-system-x86_64").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(os, "access", lambda *_: there)
    monkeypatch.setattr(script, "CONFIG", config("http://127.0.0.1:9/"))
    return real_accelerator()[0]


real_accelerator = script.accelerator


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("tcg", "kvm", "there", "taken"),
    [
        ("sleep 0.5; exit 33", "exit 33", True, "kvm"),
        ("exec sleep 600", "exit 33", True, "kvm"),  # as slow as it likes, once KVM got through
        ("exit 1", "exit 33", True, "kvm"),
        ("exit 33", "exec sleep 600", True, "tcg"),  # it hangs, and nobody waits
        ("sleep 0.1; exit 33", "sleep 0.1; exit 33", True, "tcg"),
        ("exit 33", "exit 1", True, "tcg"),
        ("exit 33", "exit 33", False, "tcg"),
    ],
)
def test_the_accelerator_is_the_one_that_runs_a_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcg: str, kvm: str, there: bool, taken: str
) -> None:
    monkeypatch.setattr(script, "PROBE_S", 1e6)
    assert accelerators(tmp_path, monkeypatch, tcg, kvm, there) == taken


@pytest.mark.parametrize(
    "tcg",
    [
        "mkdir {folder}/crashed && kill -SEGV $$; exit 33",  # now and then, as it starts
        "exec sleep 60",  # a computer that is very busy
    ],
)
def test_emulation_that_runs_after_all_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcg: str
) -> None:
    monkeypatch.setattr(script, "PROBE_S", 1.0)
    assert accelerators(tmp_path, monkeypatch, tcg.format(folder=tmp_path), "exit 1") == "tcg"


def test_where_no_guest_runs_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="runs no guest here"):
        accelerators(tmp_path, monkeypatch, "exit 1", "exit 1")
