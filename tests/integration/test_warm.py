"""Warm states: made once, then many machines of it that share no secret and no identity; and what goes wrong with one.

One state for all of them, because making it takes a minute. The order counts: the last test spoils it.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from vml_jupyter.errors import Cancelled, LimitReached
from vml_jupyter.flows import life, machines, warming
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.doctor import doctor
from vml_jupyter.flows.restore import Restored, restore
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.guest.notebook import _connected
from vml_jupyter.machine import session
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.model import Entry
from vml_jupyter.progress import SILENT

from .conftest import processes_naming

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"

TELL = """
import json, os, random, socket, time, numpy
from pathlib import Path
runtime = Path.home() / ".local/share/jupyter/runtime"
text = lambda path: Path(path).read_text().strip()
print(json.dumps({
    "machine-id": text("/etc/machine-id"),
    "boot id": text("/proc/sys/kernel/random/boot_id"),
    "host name": socket.gethostname(),
    "random": os.urandom(16).hex(),
    "random of Python": random.random(),
    "random of numpy": numpy.random.random(),
    "uuid": text("/proc/sys/kernel/random/uuid"),
    "cookie secret": text(runtime / "jupyter_cookie_secret"),
    "host keys": [text(path) for path in sorted(Path("/etc/ssh").glob("ssh_host_*"))] or os.urandom(4).hex(),
    "time": time.time(),
    "files": sorted(os.listdir(".")),
    "folder": os.getcwd(),
}))
"""
SAME = ("time", "files", "folder")


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, release_url: str, mini_repository: Path, kept: Path
) -> Iterator[tuple[Settings, Entry]]:
    top = tmp_path_factory.mktemp("warm")
    said = {"VML_DATA": str(top / "data"), "VML_CONFIG": str(top / "config"), "VML_RELEASE_URLS": release_url}
    settings = load(said).using(release_ca=mini_repository / "mini-ca.crt")
    settings.data.mkdir(parents=True)
    settings.releases.symlink_to(kept / "releases")
    settings.cache.symlink_to(kept / "cache")
    area = top / "dimuon"
    area.mkdir()
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, area)
    entry = capture(
        settings, area, notebook="dimuon.ipynb", title="", note="", release="4.5.1.0", progress=SILENT
    )
    warming.warm(settings, "4.5.1.0")
    try:
        yield settings, entry
    finally:
        for machine in machines.list_machines(settings):
            machines.delete(settings, machine.id)
        left = [*settings.machines.glob("*"), *settings.warm.glob("making/*"), *settings.warm.glob(".*-*")]
        left += (settings.data / "libvirt").rglob("vml-*")
        running = processes_naming(settings.data / "machines") + processes_naming(settings.warm)
        if os.geteuid() == 0:
            session.end_daemon(settings.data)
        assert (left, running) == ([], [])


def told_by(settings: Settings, restored: Restored) -> dict[str, Any]:
    """Return what a kernel inside a machine says of it."""
    machine = restored.machine
    token, url = machines.machine_token(settings, machine.id), f"http://127.0.0.1:{machine.port}"
    wish = {"name": "python3", "path": "dimuon.ipynb"}
    headers = {"Authorization": f"token {token}"}
    kernel = requests.post(f"{url}/api/kernels", json=wish, headers=headers, timeout=120).json()["id"]
    for _ in range(
        5
    ):  # on a busy computer an emulated Jupyter loses the first output of a connection now and then
        try:
            with _connected(f"{url}/", token, kernel) as client:
                reply = client.execute(TELL, timeout=60)
        except (TimeoutError, RuntimeError):
            continue
        assert reply["status"] == "ok", reply
        if reply["outputs"]:
            return dict(json.loads(reply["outputs"][0]["text"]), token=token, kernel=kernel)
    raise AssertionError("the kernel does not answer")


def test_machines_of_one_warm_state_share_no_secret_and_no_identity(scene: tuple[Settings, Entry]) -> None:
    settings, entry = scene
    [kept] = warming.states(settings)
    assert kept.state.jupyter
    assert "CernVM 4.5.1.0" in {each.what: each.why for each in doctor(settings).findings}["warm states"]
    both: list[Restored | BaseException] = []
    threads = [threading.Thread(target=collected, args=(both, settings, entry)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, other = both
    assert isinstance(one, Restored), one
    assert isinstance(other, Restored), other
    assert (one.warm, other.warm, one.notes, other.notes) == (True, True, one.notes, one.notes)
    assert (one.recipe, "wake" in one.seconds, "start" in one.seconds) == (None, True, False)

    before = time.time()
    first, second = told_by(settings, one), told_by(settings, other)
    assert {name for name in first if first[name] == second[name]} <= set(SAME)
    for told, restored in ((first, one), (second, other)):
        assert before - 5 < told["time"] < time.time() + 5
        assert told["files"] == ["dimuon.csv", "dimuon.ipynb"]
        assert told["folder"].endswith("/dimuon")
        assert told["host name"] == f"vml-{restored.machine.id}"
    for mine, others in ((one, second), (other, first)):
        assert status(mine, others["token"]) == 403
        assert requests.get(mine.url.replace(f"{mine.machine.id}.localhost", "127.0.0.1"), timeout=60).ok
    machines.delete(settings, other.machine.id)

    # What was woken is a machine like any other.
    life.suspend(settings, one.machine.id)
    assert life.resume(settings, one.machine.id).state == "running"
    machines.stop(settings, one.machine.id)
    again = machines.start(settings, one.machine.id)
    booted = told_by(
        settings, Restored(machine=again, url=again.url, accelerator="", warm=False, seconds={}, notes=[])
    )
    assert [booted[name] for name in ("host name", "machine-id", "token", "files")] == [
        first[name] for name in ("host name", "machine-id", "token", "files")
    ]
    machines.delete(settings, one.machine.id)


def collected(into: list[Restored | BaseException], settings: Settings, entry: Entry) -> None:
    try:
        into.append(restore(settings, entry.id))
    except BaseException as error:  # noqa: BLE001  # the test shows it
        into.append(error)


def status(restored: Restored, token: str) -> int:
    url = f"http://127.0.0.1:{restored.machine.port}/api/contents"
    return requests.get(url, headers={"Authorization": f"token {token}"}, timeout=60).status_code


def test_a_machine_behind_a_proxy_has_its_own_base_url(scene: tuple[Settings, Entry]) -> None:
    settings, entry = scene
    restored = restore(settings, entry.id, base_url="/user/someone/vml/machines/{machine}/")
    assert restored.warm
    token = machines.machine_token(settings, restored.machine.id)
    page = f"http://127.0.0.1:{restored.machine.port}{restored.machine.base_url}lab?token={token}"
    assert restored.machine.id in restored.machine.base_url
    assert f'"baseUrl": "{restored.machine.base_url}"' in requests.get(page, timeout=60).text
    machines.delete(settings, restored.machine.id)


def test_making_gives_way_to_a_machine_that_somebody_waits_for(scene: tuple[Settings, Entry]) -> None:
    settings, entry = scene
    [kept] = warming.states(settings)
    ended: list[str] = []
    tight = settings.using(machines_max=1)
    maker = threading.Thread(target=made, args=(ended, tight))
    maker.start()
    assert wait_until(lambda: bool(list(settings.warm.glob("making/*/claim"))), 60)
    restored = restore(tight, entry.id)
    maker.join()
    assert ended == ["cancelled"]
    assert restored.warm, "the state that is there serves until a new one is whole"
    with pytest.raises(LimitReached):
        warming.warm(tight, "4.5.1.0", again=True)
    machines.delete(settings, restored.machine.id)
    assert warming.states(settings)[0].key == kept.key


def made(ended: list[str], settings: Settings) -> None:
    try:
        warming.warm(settings, "4.5.1.0", again=True)
        ended.append("made")
    except Cancelled:
        ended.append("cancelled")


def test_a_spoilt_state_is_noticed_and_the_machine_is_booted(scene: tuple[Settings, Entry]) -> None:
    settings, entry = scene
    [kept] = warming.states(settings)
    memory = settings.warm / kept.key / "memory"
    before = memory.stat()
    with memory.open("r+b") as file:  # as a disk does that goes bad: neither size nor time tell
        file.seek(before.st_size - 5000)
        file.write(b"not what was saved")
    os.utime(memory, ns=(before.st_atime_ns, before.st_mtime_ns))
    restored = restore(settings, entry.id)
    assert not restored.warm
    assert restored.recipe is not None
    assert any("could not be used and was removed" in note for note in restored.notes)
    assert warming.states(settings) == []
    assert told_by(settings, restored)["files"] == ["dimuon.csv", "dimuon.ipynb"]
    machines.delete(settings, restored.machine.id)
