"""How one booted machine rests and comes back: its kernel, variables, clock, address, token and files.

One machine for all of them, in this order, because it takes most of a minute to boot.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from vml_jupyter.errors import LimitReached, MachineRefused, Usage, VmlError
from vml_jupyter.flows import guest_context, life, machines, standard
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.doctor import doctor
from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.idle import IdleWatch, suspend_idle
from vml_jupyter.flows.machine_capture import capture_machine
from vml_jupyter.flows.restore import restore
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.guest import AgentClient
from vml_jupyter.guest.notebook import _connected
from vml_jupyter.jobs import JobDesk, Journal
from vml_jupyter.machine import Host, MachineSpec, session
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.progress import SILENT
from vml_jupyter.server.flows import Flows
from vml_jupyter.server.watch import look

from .conftest import processes_naming
from .test_main_job import taken

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]

# For the tests' sake the machine's user can kill what is root's.
AS_ROOT = "/var/lib/as-root"
SETUP = f"#!/bin/sh\ninstall -m 4755 $(command -v dash) {AS_ROOT}\n"
NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"


class Guest:
    """The machine of these tests, and one kernel in it that lives as long as they do."""

    def __init__(self, settings: Settings, machine: str) -> None:
        self.settings, self.id = settings, machine
        self.token = machines.machine_token(settings, machine)
        self.start_kernel()

    def start_kernel(self) -> None:
        asked = self.ask("POST", "kernels", json={"name": "python3", "path": "dimuon.ipynb"})
        self.kernel = asked.json()["id"]

    @property
    def spec(self) -> MachineSpec:
        with Host.connect(self.settings.libvirt_uri, self.settings.data) as host:
            return host.spec(self.id)

    @property
    def state(self) -> str:
        return machines.find_machine(self.settings, self.id).state

    def ask(self, verb: str, path: str, **more: Any) -> requests.Response:
        url = f"http://127.0.0.1:{self.spec.port}/api/{path}"
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(verb, url, headers=headers, timeout=180, **more)

    @property
    def answers(self) -> bool:
        try:
            return self.ask("GET", "status").ok
        except requests.RequestException:
            return False

    def run(self, code: str) -> str:
        """Execute code in the kernel and return what it printed; code that does no harm when it is run again.

        On a busy computer an emulated Jupyter loses the first output of a new connection now and then, whether its
        machine ever rested or not.
        """
        for _ in range(5):
            try:
                with _connected(f"http://127.0.0.1:{self.spec.port}/", self.token, self.kernel) as kernel:
                    reply = kernel.execute(code, timeout=30)
            except (TimeoutError, RuntimeError):
                continue
            assert reply["status"] == "ok", reply
            return "".join(output.get("text", "") for output in reply["outputs"]).strip()
        raise AssertionError("the kernel does not answer")

    def seconds_behind(self) -> float:
        """Return by how much its clock is behind ours, to a second."""
        return time.time() - parsedate_to_datetime(self.ask("GET", "status").headers["Date"]).timestamp()


@pytest.fixture(scope="module")
def guest(
    tmp_path_factory: pytest.TempPathFactory, release_url: str, mini_repository: Path, kept: Path
) -> Iterator[Guest]:
    top = tmp_path_factory.mktemp("life")
    said = {"VML_DATA": str(top / "data"), "VML_CONFIG": str(top / "config"), "VML_RELEASE_URLS": release_url}
    settings = load(said).using(release_ca=mini_repository / "mini-ca.crt", warm_quota_mib=0)
    settings.data.mkdir(parents=True)
    settings.releases.symlink_to(kept / "releases")
    settings.cache.symlink_to(kept / "cache")
    area = top / "dimuon"
    area.mkdir()
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, area)
    (area / "unread.txt").write_text("read after the rest\n")
    entry = capture(
        settings, area, notebook="dimuon.ipynb", title="", note="", release="4.5.1.0", progress=SILENT
    )
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(guest_context, "setup_of", lambda *_: SETUP)
            machine = restore(settings, entry.id).machine
        yield Guest(settings, machine.id)
    finally:
        for machine in machines.list_machines(settings):
            machines.delete(settings, machine.id)
        left = [*settings.machines.glob("*"), *(settings.data / "libvirt").rglob("vml-*")]
        running = processes_naming(settings.machines)
        if os.geteuid() == 0:
            session.end_daemon(settings.data)
        assert (left, running) == ([], [])


def test_a_machine_goes_on_where_it_was_though_another_took_its_port(guest: Guest) -> None:
    guest.run("answer = 42")
    before = guest.spec
    suspended = life.suspend(guest.settings, guest.id)
    asleep = time.monotonic()
    assert (suspended.state, suspended.port, suspended.url) == ("suspended", 0, "")
    assert machines.list_machines(guest.settings)[0].state == "suspended"
    assert processes_naming(guest.settings.machines) == []

    assert wait_until(lambda: time.monotonic() - asleep > 4, 10)
    with taken([before.port]):
        resumed = life.resume(guest.settings, guest.id)
        assert resumed.state == "running"
        assert resumed.port not in (0, before.port)
        assert guest.spec.area_url.startswith("nbd+unix:"), "which no other program can take"
        assert guest.run("print(answer)") == "42"
        assert guest.run("print(open('unread.txt').read())") == "read after the rest"
        assert abs(guest.seconds_behind()) < 3
    assert guest.token in resumed.url
    assert requests.get(resumed.url.replace(f"{guest.id}.localhost", "127.0.0.1"), timeout=60).ok


def test_starting_a_suspended_machine_resumes_it_and_resuming_one_that_runs_changes_nothing(
    guest: Guest,
) -> None:
    life.suspend(guest.settings, guest.id)
    assert machines.start(guest.settings, guest.id).state == "running"
    before = guest.spec
    assert life.resume(guest.settings, guest.id).port == before.port
    assert guest.run("print(answer)") == "42"


def test_a_machine_goes_back_to_a_standard_snapshot(guest: Guest) -> None:
    taken_ = standard.take(guest.settings, guest.id, "before")
    guest.run("answer = 43; open('later.txt', 'w').write('x')")
    standard.take(guest.settings, guest.id, "after")
    machine = standard.revert(guest.settings, guest.id, "before")
    assert (machine.state, guest.token in machine.url) == ("running", True)
    assert guest.run("import os; print(answer, os.path.exists('later.txt'))") == "42 False"
    assert abs(guest.seconds_behind()) < 3
    listed = standard.listing(guest.settings, guest.id)
    assert [(one.name, one.parent, one.current) for one in listed] == [
        ("before", "", True),
        ("after", "before", False),
    ]
    assert taken_.name == "before"
    standard.delete(guest.settings, guest.id, "before")
    standard.revert(guest.settings, guest.id, "after")
    assert guest.run("import os; print(answer, os.path.exists('later.txt'))") == "43 True"


CHANGES = """
import os, pathlib, shutil
pathlib.Path("fits/deep").mkdir(parents=True)
pathlib.Path("fits/deep/one.bin").write_bytes(bytes(range(256)) * 4096)
pathlib.Path("unread.txt").unlink()
with open("dimuon.csv", "a") as file:
    file.write("1,2,3\\n")
os.symlink("dimuon.csv", "newest")
"""
LISTING = """
import hashlib, os
for folder, _, files in sorted(os.walk(".")):
    for name in sorted(files):
        path = os.path.join(folder, name)
        if "checkpoints" not in path:
            print(path, hashlib.sha256(open(path, "rb").read()).hexdigest())
"""


def test_what_changed_in_it_is_captured_and_it_goes_on(guest: Guest, tmp_path: Path) -> None:
    guest.run(f"import os; None if os.path.exists('fits') else exec({CHANGES!r})")
    guest.run("kept = 43")
    first = capture_machine(guest.settings, guest.id, title="fitted")
    restored = guest.spec.entry
    assert (first.parent, first.machine, first.title) == (restored, guest.id, "fitted")
    environment = first.environment
    assert environment.release is not None
    assert (environment.release.system, environment.release_chosen) == ("4.5.1.0", False)
    assert environment.packages["numpy"]
    assert {mount.fqrn for mount in environment.cvmfs} >= {"sft.cern.ch"}
    restore_files(guest.settings, first.id, tmp_path / "files")
    here = subprocess.run(
        [sys.executable, "-c", LISTING], cwd=tmp_path / "files", capture_output=True, text=True, check=True
    )
    assert here.stdout.strip() == guest.run(LISTING)
    assert first.files == len(here.stdout.splitlines()) - 1  # the link is listed, too

    guest.run("open('after.txt', 'w').write('x' * 1000)")
    second = capture_machine(guest.settings, guest.id)
    assert (second.parent, second.title, second.files) == (first.id, "fitted", first.files + 1)
    assert second.new_bytes < 100_000
    assert guest.run("print(kept)") == "43"
    with pytest.raises(Usage, match=r"no elsewhere\.ipynb"):
        capture_machine(guest.settings, guest.id, notebook="elsewhere.ipynb")


@pytest.mark.parametrize("name", ["area", "net"])
def test_what_is_killed_beside_a_machine_is_told_and_mended(guest: Guest, name: str) -> None:
    before = guest.spec
    if name == "net" and before.network != "passt":
        pytest.skip("passt finds no outside interface to copy here")
    pid = int((before.folder / f"{name}.pid").read_text().partition('"pid":')[2].split(",")[0])
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: guest.state == "broken", 10)
    detail = machines.find_machine(guest.settings, guest.id).detail
    assert "resuming it mends that" in detail
    assert life.resume(guest.settings, guest.id).state == "running"
    assert guest.run("print(answer)") == "43"
    assert guest.run("print(len(open('dimuon.csv').read()) > 0)") == "True"


PROCESSES = """
import glob, os
for file in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        words = open(file).read().split("\\0")
    except OSError:
        continue
    if "/usr/lib/vml/agent.py" in words and "-c" not in words:
        print(file.split("/")[2], os.getppid(), os.getpid())
"""


def test_a_killed_agent_is_there_again_and_what_it_had_started_goes_on(guest: Guest) -> None:
    guest.run("lasting = 44")
    before = guest.run(PROCESSES).split()
    client = AgentClient(guest.spec.agent_socket)
    since = time.monotonic()
    guest.run(f"import subprocess; subprocess.run(['{AS_ROOT}', '-p', '-c', 'kill -9 {before[0]}'])")
    assert guest.state == "running", "its Jupyter answers"
    assert wait_until(lambda: stage_of(client) == "ready", 120, 0.2)
    print(f"the agent was back after {time.monotonic() - since:.1f} s")
    after = guest.run(PROCESSES).split()
    assert after[0] != before[0]
    assert after[1:] == before[1:], "the same Jupyter, the same kernel"
    assert guest.run("print(lasting)") == "44"
    assert guest.state == "running"
    life.suspend(guest.settings, guest.id)
    assert life.resume(guest.settings, guest.id).state == "running"
    assert abs(guest.seconds_behind()) < 3, "which the agent sees to"

    late = f"['{AS_ROOT}', '-p', '-c', 'sleep 2; kill -9 {after[1]}']"
    guest.run(f"import subprocess; subprocess.Popen({late}, start_new_session=True) and None")
    assert wait_until(lambda: not guest.answers, 60, 0.2)
    assert wait_until(lambda: guest.answers, 120, 0.5), "though it is not its own child, the agent notices"
    guest.start_kernel()


def stage_of(client: AgentClient) -> str:
    """Return the stage that an agent tells; '' while it is not there."""
    try:
        return client.state(timeout_s=2).stage
    except VmlError:
        return ""


def test_whoever_looks_notices_that_a_machine_came_up_though_nobody_waits(guest: Guest) -> None:
    guest.spec.ready.unlink()  # as after the end of the process that waited for it
    assert machines.list_machines(guest.settings)[0].state == "running"


def test_limits_are_told(guest: Guest) -> None:
    entry = guest.spec.entry
    with pytest.raises(LimitReached, match="1 machines run, and machines_max allows 1"):
        restore(guest.settings.using(machines_max=1), entry)
    with pytest.raises(LimitReached, match="2048 MiB of memory, this one wants 2048, and 4000 are allowed"):
        restore(guest.settings.using(machines_memory_mib=4000), entry)
    assert [machine.id for machine in machines.list_machines(guest.settings)] == [guest.id]
    life.suspend(guest.settings, guest.id)
    with pytest.raises(LimitReached):
        life.resume(guest.settings.using(machines_memory_mib=1000), guest.id)
    with pytest.raises(MachineRefused, match="is suspended"):
        capture_machine(guest.settings, guest.id)
    assert life.resume(guest.settings.using(machines_max=1), guest.id).state == "running"


def test_a_machine_that_nobody_uses_is_suspended_but_never_while_a_cell_runs(
    guest: Guest, tmp_path: Path
) -> None:
    settings = guest.settings.using(idle_minutes=0.02)
    watch = IdleWatch(settings)
    code = "import time; time.sleep(6); open('done.txt', 'w').write('x')"
    cell = threading.Thread(target=guest.run, args=(code,))
    cell.start()
    kernels = "kernels?no_track_activity=1"
    assert wait_until(lambda: "busy" in guest.ask("GET", kernels).text, 60)
    assert wait_until(lambda: watch.look() == [guest.id], 120, 0.5)
    assert guest.ask("GET", "contents/done.txt?content=0").ok, "it was found idle before its cell had ended"
    cell.join()
    for minutes in (60, 0):
        patient = IdleWatch(guest.settings.using(idle_minutes=minutes))
        assert [patient.look(), patient.look()] == [[], []]

    assert not suspend_idle(guest.settings, guest.id)
    server = SimpleNamespace(flows=Flows(settings), desk=JobDesk(Journal(tmp_path / "jobs"), workers=1))
    try:
        assert wait_until(lambda: bool(asyncio.run(look_once(server))), 60, 0.5)
        assert wait_until(lambda: all(job.state == "done" for job in server.desk.jobs()), 60)
    finally:
        server.desk.close()
    assert guest.state == "suspended"


async def look_once(server: Any) -> list[Any]:
    await look(server, logging.getLogger(__name__))
    return list(server.desk.jobs())


def test_what_this_host_can_do_is_told_and_remembered(guest: Guest) -> None:
    first = doctor(guest.settings)
    assert first.can_restore
    assert first.accelerator == guest.spec.accelerator
    verdicts = {finding.what: finding for finding in first.findings}
    assert {"architecture", "QEMU", "libvirt", "emulation", "KVM", "memory", "disk"} <= set(verdicts)
    assert all(finding.fix for finding in first.findings if finding.verdict != "good")
    ran = timed(lambda: doctor(guest.settings, again=True))
    assert timed(lambda: doctor(guest.settings)) < ran


def timed(call: Callable[[], Any]) -> float:
    since = datetime.datetime.now()
    call()
    return (datetime.datetime.now() - since).total_seconds()
