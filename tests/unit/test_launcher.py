"""The launcher itself: one file for any Python from 3.8 on, which believes no server and writes in its folder only."""

from __future__ import annotations

import ast
import hashlib
import json
import random
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from launch_server import Answers, answering
from release_images import authorities

from vml_jupyter.launcher import script, written
from vml_jupyter.launcher.script import Folder, Launch, Refused, Server, options_of
from vml_jupyter.machine.accelerator import boot_sector
from vml_jupyter.machine.domain_xml import cpu_model

IMAGE = (
    bytes.fromhex("baf803 b056 ee fb f4 ebfd").ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20)
)  # says V and halts
CONTEXT = b"a context" + bytes(39_991)
AREA = random.Random(1).randbytes(3 << 20)
MACHINE = "k3v9k3v9k3v9"


def config(server: str, **changes: Any) -> dict[str, Any]:
    return {
        "entry": "e1e1e1e1e1e1",
        "title": "Fit",
        "notebook": "fit.ipynb",
        "label": "CernVM 4.5.0.1",
        "image": {"sha256": hashlib.sha256(IMAGE).hexdigest(), "size_bytes": len(IMAGE), "cd": False},
        "shape": {"cpus": 1, "memory_mib": 128, "scratch_gib": 1},
        "servers": [server],
        "certificate": "",
        "mirrors": [],
        "pairing": "the-pairing-token-of-this-script",
        "expires": 2000000000,
        "cpu": {"kvm": "host", "tcg": "max"},
        "channels": ["org.vml.agent.0", "org.vml.changes.0"],
        "mac": "52:54:00:12:34:56",
        "probe": boot_sector()[:512].hex(),
        **changes,
    }


def told(**changes: Any) -> dict[str, Any]:
    return {
        "machine": MACHINE,
        "jupyter_token": "the-token-of-jupyter-in-there",
        "context": {"sha256": hashlib.sha256(CONTEXT).hexdigest(), "size_bytes": len(CONTEXT)},
        "area_bytes": len(AREA),
        **changes,
    }


@pytest.fixture
def server() -> Iterator[Answers]:
    with answering() as answers:
        answers.files = {"context.iso": CONTEXT, "area.iso": AREA, "image": IMAGE}
        answers.documents = {"launches": told()}
        yield answers


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wait shortly, and have a home with nothing in it."""
    (tmp_path / "home" / "Downloads").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(script, "PAUSE_S", 0.01)
    monkeypatch.setattr(script.patiently, "__defaults__", (2.0,))
    monkeypatch.setattr(script, "accelerator", lambda: ("tcg", "as a test wants it"))


@contextmanager
def launch(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str, **changes: Any) -> Iterator[Launch]:
    with monkeypatch.context() as patched:
        patched.setattr(script, "CONFIG", config(**changes))
        yield Launch(options_of(["--folder", str(folder), "--yes", "--no-browser", "--allow-root", *words]))


def everything(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}


def test_is_one_file_for_old_pythons_with_nothing_but_the_standard_library() -> None:
    text = written(config("http://127.0.0.1:1/")).text

    tree = ast.parse(text, feature_version=(3, 8))
    names = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {
        (node.module or "").partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }
    assert names <= set(sys.stdlib_module_names)


def test_asks_of_python_nothing_that_came_after_3_8() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("vermin"), "-t=3.8-", "--no-tips", "--violations", script.__file__],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Minimum required versions: 3." in done.stdout


@given(st.text(), st.text())
def test_no_title_gets_out_of_its_quotes(title: str, notebook: str) -> None:
    told_it = config("http://x'''/", title=title, notebook=notebook)

    text = written(told_it).text

    scope: dict[str, Any] = {"__name__": "launched", "__file__": "x"}
    exec(compile(text, "launcher", "exec"), scope)
    assert scope["CONFIG"] == told_it


def test_says_what_it_will_do_and_does_nothing(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with launch(monkeypatch, tmp_path / "vml", "--dry-run", server=server.url, title="Fit\x1b[2J") as one:
        assert one.start() == 0

    said = capsys.readouterr().out
    assert "CernVM 4.5.0.1" in said
    assert server.url in said
    assert "\x1b" not in said
    assert server.asked == []
    assert not (tmp_path / "vml").exists()


def test_who_does_not_agree_gets_nothing(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "n")
    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one:
        one.options.yes = False
        assert one.start() == 1
    assert server.asked == []
    assert not (tmp_path / "vml").exists()


def test_what_is_missing_here_is_said_with_advice(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        launch(monkeypatch, tmp_path / "vml", "--memory", "9" * 8, server=server.url) as one,
        pytest.raises(Refused),
    ):
        one.start()

    said = capsys.readouterr().out
    assert "apt install qemu-system-x86" in said
    assert "--memory MIB" in said
    assert server.asked == []


def test_pairs_and_fetches_all_that_a_machine_needs(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one:
        one.make("tcg")

    folder = tmp_path / "vml"
    assert everything(folder) == {"launch.json", "context.iso", "image.hdd", "scratch.raw"}
    assert (folder / "image.hdd").read_bytes() == IMAGE
    assert (folder / "context.iso").read_bytes() == CONTEXT
    for name in ("launch.json", "context.iso"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    (pairing,) = [body for method, path, body in server.asked if path.endswith("/launches")]
    own = hashlib.sha256(Path(script.__file__).read_bytes()).hexdigest()
    assert json.loads(pairing) == {
        "token": json.loads((folder / "launch.json").read_bytes())["token"],
        "script": own,
    }


def test_an_image_that_is_here_is_found_by_content(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, words in (
        (tmp_path / "home" / "Downloads", ()),
        (tmp_path / "usb", ("--images", str(tmp_path / "usb"))),
    ):
        place.mkdir(exist_ok=True)
        (place / "holiday.bin").write_bytes(IMAGE)
        (place / "another.bin").write_bytes(IMAGE[:-1] + b"x")
        with launch(monkeypatch, tmp_path / "vml", *words, server=server.url) as one:
            one.make("tcg")
            assert one.record["image"]["file"]["filename"] == str(place / "holiday.bin")
            one.remove()
        (place / "holiday.bin").unlink()


def test_a_server_that_lies_about_the_image_is_refused_and_a_mirror_serves(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering() as mirror:
        mirror.files["image.hdd"] = IMAGE
        server.files["image"] = IMAGE[:-1] + b"!"
        with (
            launch(monkeypatch, tmp_path / "vml", server=server.url) as one,
            pytest.raises(Refused, match="SHA-256"),
        ):
            one.make("tcg")
        assert not (tmp_path / "vml" / "image.part").exists()
        with launch(
            monkeypatch, tmp_path / "vml", server=server.url, mirrors=[f"{mirror.url}image.hdd"]
        ) as one:
            one.make("tcg")
    assert (tmp_path / "vml" / "image.hdd").read_bytes() == IMAGE


def test_a_server_that_lies_about_the_context_is_refused(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["context.iso"] = CONTEXT[:-1] + b"!"
    why = pytest.raises(Refused, match="not the one that the server named")
    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one, why:
        one.make("tcg")
    assert not (tmp_path / "vml" / "context.iso").exists()


def test_a_download_goes_on_where_it_broke_off(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = {"image": 2}

    def odd(path: str) -> bytes | None:
        if path.endswith("/image") and cut["image"]:
            cut["image"] -= 1
            return (
                b"HTTP/1.1 206 OK\r\nContent-Length: %d\r\n\r\n" % len(IMAGE) + IMAGE[:300_000]
                if cut["image"]
                else b""
            )
        return None

    server.odd = odd
    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one:
        one.make("tcg")

    assert (tmp_path / "vml" / "image.hdd").read_bytes() == IMAGE
    assert "answers again" in capsys.readouterr().out


def test_a_server_that_is_away_is_waited_for_at_every_stage(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away: dict[str, int] = {}

    def odd(path: str) -> bytes | None:
        name = path.rpartition("/")[2]
        away[name] = away.get(name, 0) + 1
        return b"" if away[name] <= 3 else None

    server.odd = odd
    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one:
        one.make("tcg")

    assert {"launches", "context.iso", "image"} <= away.keys()
    assert capsys.readouterr().out.count("answers again") >= 3


def test_what_a_server_refuses_is_said_with_its_reason(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"message": "this launcher was used already", "hint": "Get a new one."}'
    server.odd = lambda path: b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one, pytest.raises(Refused) as caught:
        one.make("tcg")
    assert str(caught.value) == "this launcher was used already"
    assert caught.value.hint == "Get a new one."


def test_http_is_for_this_computer_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = "http://vml.example.org/"
    why = pytest.raises(Refused, match="neither this computer nor https")
    with launch(monkeypatch, tmp_path / "vml", server=away) as one, why:
        one.make("tcg")


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Answers]:
    from cryptography.hazmat.primitives import serialization

    signer = authorities()[2]
    key = signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "tls.pem").write_bytes(key + signer.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")
    with answering(wrap=lambda plain: context.wrap_socket(plain, server_side=True)) as answers:
        answers.files = {"context.iso": CONTEXT, "area.iso": AREA, "image": IMAGE}
        answers.documents = {"launches": told()}
        yield answers


def test_only_the_certificate_that_was_pinned_will_do(
    tls: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    der = ssl.PEM_cert_to_DER_cert(authorities()[2].pem.decode())
    right, wrong = hashlib.sha256(der).hexdigest(), hashlib.sha256(b"another").hexdigest()

    with launch(monkeypatch, tmp_path / "a", server=tls.url, certificate=right) as one:
        one.make("tcg")
    asked = len(tls.asked)
    why = pytest.raises(Refused, match="another certificate")
    with launch(monkeypatch, tmp_path / "b", server=tls.url, certificate=wrong) as one, why:
        one.make("tcg")
    with (
        launch(monkeypatch, tmp_path / "c", server=tls.url) as one,
        pytest.raises(Refused, match="not to be trusted"),
    ):
        one.make("tcg")
    assert len(tls.asked) == asked


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(["../../evil", "/etc/passwd", "a" * 12, "\0", "-", "0" * 64, "k3v9k3v9k3v9"]),
)


@tuned(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "machine": ODD,
            "jupyter_token": ODD,
            "context": ODD | st.fixed_dictionaries({"sha256": ODD, "size_bytes": ODD}),
            "area_bytes": ODD,
        },
    ),
    st.binary(max_size=200),
    st.sampled_from(["launches", "context.iso", "image", "nothing"]),
)
def test_hostile_answers_never_lead_out_of_the_folder(
    server: Answers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Any],
    raw: bytes,
    where: str,
) -> None:
    monkeypatch.setattr(script.patiently, "__defaults__", (0.0,))
    server.documents = {"launches": told(**said)}
    server.odd = lambda path: raw if path.endswith(where) else None
    before = everything(tmp_path)

    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one:
        with suppress(Refused):
            one.make("tcg")
        assert everything(tmp_path) - before <= {f"vml/{name}" for name in script.FILES}
        one.remove()
    assert everything(tmp_path) == before
    assert not (tmp_path / "vml").exists()


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b"{", b"[" * 100_000, b'"' + b"x" * (2 << 20) + b'"', b"\xff\xfe"]
)
def test_answers_that_are_none_are_refused(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    server.documents = {"launches": body}

    with launch(monkeypatch, tmp_path / "vml", server=server.url) as one, pytest.raises(Refused):
        one.make("tcg")


@pytest.fixture
def relayed(server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a relay that runs as a process of its own would, for one client after another."""
    folder = tmp_path / "relay"
    folder.mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "area.sock"))
    listener.listen(4)
    area = script.Area(Server(config(server.url), "token"), f"/{MACHINE}/area.iso", len(AREA))

    def run() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                try:
                    script.serve(link, area)
                except EOFError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"nbd+unix:///?socket={folder}/area.sock"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def test_qemu_reads_the_relay(relayed: str, tmp_path: Path) -> None:
    told_it = json.loads(
        subprocess.run(["qemu-img", "info", "--output=json", relayed], capture_output=True, check=True).stdout
    )
    assert told_it["virtual-size"] == len(AREA)

    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "raw", relayed, tmp_path / "copy"], check=True)

    assert (tmp_path / "copy").read_bytes() == AREA


def test_the_relay_waits_for_a_server_that_is_away(relayed: str, server: Answers, tmp_path: Path) -> None:
    count = {"asked": 0}

    def odd(path: str) -> bytes | None:
        count["asked"] += 1
        return b"" if count["asked"] % 3 else None

    server.odd = odd
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "raw", relayed, tmp_path / "copy"], check=True)

    assert (tmp_path / "copy").read_bytes() == AREA


@pytest.mark.parametrize(
    "said", [b"", b"\0" * 3, b"\0\0\0\3" + b"x" * 16, b"\0\0\0\3IHAVEOPT\0\0\0\1\0\0\0\0" + b"y" * 28]
)
def test_the_relay_bears_clients_that_speak_nonsense(relayed: str, said: bytes, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(relayed.partition("socket=")[2])
        link.sendall(said)
        link.shutdown(socket.SHUT_WR)
        while link.recv(4096):
            pass

    subprocess.run(["qemu-img", "info", relayed], check=True, capture_output=True)


def test_a_machine_starts_is_suspended_goes_on_and_leaves_nothing(
    server: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest of one boot sector, in a real QEMU, by a real relay: all but waiting for its Jupyter."""
    made = written(config(server.url))
    file = tmp_path / "launch.py"
    file.write_text(made.text)
    monkeypatch.setattr(script, "__file__", str(file))
    monkeypatch.setattr(script, "await_ready", lambda folder, record, patience_s: None)
    folder = tmp_path / ("x" * 100)  # longer than a socket's path may be
    try:
        with launch(monkeypatch, folder, server=server.url) as one:
            one.start()
            first = one.folder.pid("qemu")
            assert first
            assert one.folder.pid("relay")
            assert script.wait(lambda: b"V" in (folder / "console.log").read_bytes(), 30)
            assert script.qmp(one.folder, "query-status")["status"] == "running"
            assert one.start() == 0
            assert one.folder.pid("qemu") == first
            one.suspend()
            assert (folder / "memory").stat().st_size > 1000
            assert not one.folder.pid("qemu")
            assert not one.folder.pid("relay")
        with launch(monkeypatch, folder, server=server.url) as one:
            one.start()
            assert script.wait(lambda: script.qmp(one.folder, "query-status")["status"] == "running", 30)
            assert not (folder / "memory").exists()
            one.remove()
        assert not folder.exists()
    finally:
        end = Folder(folder)
        for name in ("qemu", "net", "relay"):
            end.end(name)
        shutil.rmtree(folder, ignore_errors=True)
    stages = [json.loads(body)["stage"] for _, path, body in server.asked if path.endswith("/status")]
    assert stages[-1] == "removed"
    assert {"image", "fetch", "start", "ready", "running", "suspended"} <= set(stages)


def test_the_processor_is_the_one_that_libvirt_gives() -> None:
    assert cpu_model("kvm") == "host"
    assert cpu_model("tcg") == "max,erms=off,fsrm=off,la57=off"
