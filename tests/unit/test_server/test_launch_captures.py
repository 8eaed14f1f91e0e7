"""A machine elsewhere is captured: a real launcher, server, and teller of a real overlay, but no machine boots."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import queue
import secrets
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from overlay_scene import Scene, overlaid

from vml_jupyter.flows.entries import list_entries, opened
from vml_jupyter.flows.launch_records import Records
from vml_jupyter.launcher import script
from vml_jupyter.launcher.script import Launch, Refused, Server, Unreachable, options_of
from vml_jupyter.model import Entry

from .launch_scene import CLIENT, Ask, made, paired

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount an overlay")
WISH = "0123456789abcdef"


class Guest:
    """What lies behind the two ports of a machine; ``nonces`` are the words that tellers were told to begin with."""

    def __init__(self, folder: Path, scene: Scene) -> None:
        self.nonces: list[str] = []
        self._scene = scene
        self._links: queue.Queue[socket.socket] = queue.Queue()
        self._tellers: list[subprocess.Popen[bytes]] = []
        self._ports = [self._port(folder / name) for name in ("agent.sock", "tell.sock")]
        works = (self._answer, lambda link: self._links.put(link))
        self._threads = [
            threading.Thread(target=self._serve, args=pair, daemon=True)
            for pair in zip(self._ports, works, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        for port in self._ports:
            port.shutdown(socket.SHUT_RDWR)
            port.close()
        for thread in self._threads:
            thread.join(10)
        self._end_teller()

    def _port(self, path: Path) -> socket.socket:
        port = socket.socket(socket.AF_UNIX)
        port.bind(str(path))
        port.listen(4)
        return port

    def _serve(self, port: socket.socket, work: Callable[[socket.socket], None]) -> None:
        with contextlib.suppress(OSError):
            while True:
                work(port.accept()[0])

    def _answer(self, link: socket.socket) -> None:
        with link, link.makefile("rwb") as stream:
            asked = json.loads(stream.readline())
            assert asked["do"] == "tell"
            assert asked["patience"] > 600
            self.nonces.append(asked["nonce"])
            self._end_teller()
            with self._links.get(timeout=10) as port:
                self._tellers.append(self._scene.teller(port, asked["nonce"]))
            stream.write(json.dumps({"v": 1, "id": asked["id"], "done": True}).encode() + b"\n")

    def _end_teller(self) -> None:
        for teller in self._tellers:
            teller.kill()
            teller.wait()
        self._tellers.clear()


class Elsewhere:
    """A computer on which an entry was launched; its machine is an overlay."""

    def __init__(self, scene: Scene, machine: str, nonces: list[str], capture: Callable[..., str]) -> None:
        self.scene, self.machine, self.nonces, self._capture = scene, machine, nonces, capture

    async def capture(self, *words: str) -> str:
        """Run the launcher's verb, and return what it said."""
        return await asyncio.to_thread(self._capture, *words)


@asynccontextmanager
async def launched(
    ask: Ask, entry: Entry, vml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Elsewhere]:
    digest, config = await made(ask, entry)
    said = await ask("POST", "vml/launches", config["pairing"], {"token": CLIENT, "script": digest})
    machine = json.loads(said.body)["machine"]
    folder, disks = tmp_path / "launch", tmp_path / "disks"
    folder.mkdir()
    (disks / "lower").mkdir(parents=True)
    subprocess.run(["cp", "-a", f"{tmp_path}/area/.", disks / "lower"], check=True)
    record = {"entry": entry.id, "machine": machine, "token": CLIENT, "paired": True, "made": True}
    (folder / "launch.json").write_text(json.dumps(record))
    monkeypatch.setattr(script, "CONFIG", config)
    monkeypatch.setattr(script, "PAUSE_S", 0.01)
    monkeypatch.setattr(script.Folder, "pid", lambda *_: 1)
    heard: list[str] = []
    monkeypatch.setattr(script, "say", heard.append)

    def capture(*words: str) -> str:
        heard.clear()
        Launch(options_of(["capture", "--folder", str(folder), "--allow-root", *words])).capture()
        return "\n".join(heard)

    with (
        opened(vml.user_settings) as logbook,
        overlaid(logbook.repository, disks) as scene,
        Guest(folder, scene) as machine_there,
    ):
        yield Elsewhere(scene, machine, machine_there.nonces, capture)


def entries(vml: Any) -> list[Entry]:
    return list_entries(vml.user_settings)


async def test_what_changed_becomes_an_entry_of_the_one_that_was_launched(
    ask: Ask, entry: Entry, vml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with launched(ask, entry, vml, tmp_path, monkeypatch) as there:
        (there.scene.area / "new.txt").write_text("new")
        (there.scene.area / "fit.ipynb").unlink()
        said = await there.capture("-m", "Fit, better", "--note", "from elsewhere")

        (first,) = [each for each in entries(vml) if each.id != entry.id]
        assert f"as entry {first.id}" in said
        assert "Writing what changed into the logbook" in said
        assert (first.title, first.note, first.parent) == ("Fit, better", "from elsewhere", entry.id)
        assert (first.machine, first.files) == (there.machine, 2)
        assert first.bytes == 50_003
        assert first.new_bytes < 10_000, "only what changed"
        assert first.environment.os, "as the machine tells it"
        assert first.id not in vml.trusted
        assert not vml.trusted.is_foreign(first.id)
        (launch,) = json.loads((await ask("GET", "vml/api/launches")).body)["launches"]
        assert [each["name"] for each in launch["stages"]] == ["capture", "captured"]
        (job,) = json.loads((await ask("GET", "vml/api/jobs")).body)["jobs"]
        assert (job["kind"], job["state"], job["result"]["entry"]) == ("capture", "done", first.id)

        (there.scene.area / "more.txt").write_text("more")
        await there.capture()
        (second,) = [each for each in entries(vml) if each.id not in (entry.id, first.id)]
        assert (second.parent, second.title, second.files) == (first.id, "Fit, better", 3)
    folders = [file.name for file in Records(vml.user_settings).folder.iterdir() if file.is_dir()]
    assert folders == ["pairings"], "nothing is left of what was spooled"


async def test_answers_that_are_lost_cost_nothing(
    ask: Ask, entry: Entry, vml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three answers one arrives: each question is asked again, and none counts twice."""
    content = os.urandom(3 << 20)
    count = {"asked": 0}
    ask_once = Server.ask

    @contextmanager
    def lossy(self: Server, method: str, path: str, *words: Any, **more: Any) -> Iterator[Any]:
        with ask_once(self, method, path, *words, **more) as answer:
            if "/captures" in path:
                count["asked"] += 1
                if count["asked"] % 3:
                    raise Unreachable("it was lost")
            yield answer

    async with launched(ask, entry, vml, tmp_path, monkeypatch) as there:
        (there.scene.area / "data.bin").write_bytes(content)
        monkeypatch.setattr(Server, "ask", lossy)
        said = await there.capture()

    assert "answers again" in said
    (made_it,) = [each for each in entries(vml) if each.id != entry.id]
    with opened(vml.user_settings) as logbook:
        (node,) = [each for each in logbook.repository.tree(made_it.tree) if each.name == "data.bin"]
        assert b"".join(logbook.repository.blob(blob) for blob in node.content or ()) == content


async def test_a_server_that_was_restarted_in_the_middle_captures_once(
    ask: Ask, entry: Entry, vml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vml_jupyter.flows.launch_capture._PATIENCE_S", 0.01)
    ask_once = Server.ask
    count = {"asked": 0}

    def forgetful(self: Server, method: str, path: str, *words: Any, **more: Any) -> Any:
        count["asked"] += "?at=" in path
        if count["asked"] == 4:  # what a new server knows of talks is nothing
            for job, talk in vml.launches._talks.values():
                vml.desk.cancel(job)
                talk.close()
            vml.launches._talks.clear()
        return ask_once(self, method, path, *words, **more)

    async with launched(ask, entry, vml, tmp_path, monkeypatch) as there:
        (there.scene.area / "data.bin").write_bytes(os.urandom(3 << 20))
        monkeypatch.setattr(Server, "ask", forgetful)
        said = await there.capture()
        assert len(set(there.nonces)) == 2

    assert "beginning anew" in said
    assert len(entries(vml)) == 2


async def test_the_same_wish_is_granted_once(
    ask: Ask, entry: Entry, vml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always = SimpleNamespace(token_hex=lambda size: "ab" * size, randbelow=secrets.randbelow)
    monkeypatch.setattr(script, "secrets", always)
    async with launched(ask, entry, vml, tmp_path, monkeypatch) as there:
        first = await there.capture()
        again = await there.capture()
        assert len(there.nonces) == 1, "nobody was asked again"

    assert again.splitlines()[-1] == first.splitlines()[-1]
    assert len(entries(vml)) == 2


async def test_what_comes_of_a_foreign_entry_is_foreign(
    ask: Ask, entry: Entry, vml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vml.trusted.add_foreign(entry.id)
    async with launched(ask, entry, vml, tmp_path, monkeypatch) as there:
        await there.capture()

    (made_it,) = [each for each in entries(vml) if each.id != entry.id]
    assert vml.trusted.is_foreign(made_it.id)


async def test_a_machine_that_talks_nonsense_writes_nothing(
    ask: Ask, entry: Entry, vml: Any, ended: Any, flows: Any
) -> None:
    machine = (await paired(ask, entry))["machine"]
    base = f"vml/launches/{machine}/captures"
    begun = json.loads((await ask("POST", base, CLIENT, {"wish": WISH})).body)
    path = f"{base}/{begun['capture']}"
    hello = b"VMLT" + begun["nonce"].encode()
    evil = json.dumps({"v": 1, "how": "upper", "top": ["..", "f", 511, 1, 1, 1, 1, 1]}).encode()
    said = hello + b"h" + len(evil).to_bytes(4, "big") + evil
    await ask("POST", path, CLIENT, said, params={"at": "0", "heard": "0"})

    job = await ended(begun["capture"])
    assert job["state"] == "failed"
    told = json.loads((await ask("POST", path, CLIENT, b"", params={"at": "0", "heard": "0"})).body)
    assert (told["state"], told["message"]) == ("failed", job["error"]["message"])
    assert base64.b64decode(told["said"]).startswith(b"VMLH"), "it is said again to who did not hear it"
    assert len(entries(vml)) == 1


async def test_only_the_machines_own_token_captures_it(ask: Ask, entry: Entry, vml: Any) -> None:
    machine = (await paired(ask, entry))["machine"]
    base = f"vml/launches/{machine}/captures"
    begun = json.loads((await ask("POST", base, CLIENT, {"wish": WISH})).body)
    path = f"{base}/{begun['capture']}"
    start = {"at": "0", "heard": "0"}

    for other in ("", "x" * 30):
        assert (await ask("POST", base, other, {"wish": WISH})).code == 403
        assert (await ask("POST", path, other, b"", params=start)).code == 403
        assert (await ask("DELETE", path, other)).code == 403
    assert (await ask("POST", f"{base}/{'0' * 16}", CLIENT, b"", params=start)).code == 404
    assert (await ask("POST", base, CLIENT, {"wish": "../../etc"})).code == 400
    for odd in (
        {"at": "5", "heard": "0"},
        {"at": "0", "heard": "5"},
        {"at": "-1", "heard": "0"},
        {"at": "x"},
    ):
        assert (await ask("POST", path, CLIENT, b"", params=odd)).code == 400
    assert (await ask("POST", path, CLIENT, bytes((1 << 20) + 1), params=start)).code == 400

    assert (await ask("DELETE", path, CLIENT)).code == 200
    assert len(entries(vml)) == 1


async def test_a_server_that_ends_is_no_reason_to_give_up(ask: Ask, entry: Entry, vml: Any) -> None:
    """Its jobs are cancelled then; the launcher is told to come again."""
    machine = (await paired(ask, entry))["machine"]
    base = f"vml/launches/{machine}/captures"
    begun = json.loads((await ask("POST", base, CLIENT, {"wish": WISH})).body)
    vml.launches.ending = True

    said = await ask("POST", f"{base}/{begun['capture']}", CLIENT, b"", params={"at": "0", "heard": "0"})
    assert said.code == 503
    vml.desk.cancel(begun["capture"])


def test_without_a_server_there_is_nowhere_to_capture_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        script, "CONFIG", {"entry": "e", "shape": {"cpus": 1, "memory_mib": 1}, "servers": []}
    )
    (tmp_path / "launch.json").write_text('{"entry": "e", "offline": true, "made": true}')
    one = Launch(options_of(["capture", "--folder", str(tmp_path)]))
    with pytest.raises(Refused, match="without a server"):
        one.capture()
