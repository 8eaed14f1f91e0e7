"""A real S3 server for tests: Ceph's gateway with one monitor and one OSD in memory, on 127.0.0.1.

    <folder>/ceph.conf  keyring  monmap     what the daemons are told
    <folder>/mon/  osd/                     their data; the OSD's objects are in memory
    <folder>/*.log  *.pid  *.asok           all that they leave

Three daemons in the foreground are children of the test and end with it. cephx stays on, because the gateway
never gets past authentication without it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import obstore
import requests
from obstore.store import S3Store

_DEADLINE_S = 120.0
_REGION = "default"

_CONFIGURATION = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]
mon_initial_members = a
public_addr = 127.0.0.1
ms_bind_ipv6 = false
keyring = {folder}/keyring
run_dir = {folder}
log_file = {folder}/$name.log
pid_file = {folder}/$name.pid
admin_socket = {folder}/$name.asok
crash_dir = {folder}/crash
mon_cluster_log_file = {folder}/cluster.log
mon_data = {folder}/mon
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = {memory_bytes}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_pool_default_pg_num = 8
mon_max_pg_per_osd = 1000
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_enable_usage_log = false
"""

_CAPABILITIES = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *", "mgr": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}


@dataclass(frozen=True)
class Gateway:
    """A gateway that answers, and the keys of its only user."""

    port: int
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environ(self) -> dict[str, str]:
        """Return what a process that uses the gateway finds in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": _REGION,
        }

    def make_bucket(self) -> str:
        """Make a new bucket and return its name."""
        name = f"vml-{secrets.token_hex(6)}"
        config = {
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "region": _REGION,
            "endpoint": self.endpoint,
        }
        store = S3Store(name, config=config, client_options={"allow_http": True})
        # obstore makes no buckets, but signs the request that does.
        answer = requests.put(obstore.sign(store, "PUT", "", timedelta(minutes=1)), timeout=60)
        answer.raise_for_status()
        return name


@contextmanager
def gateway(folder: Path, memory_bytes: int = 4 << 30) -> Iterator[Gateway]:
    """Run a gateway for the length of a ``with``; about 13 s to start.

    Args:
        folder: An empty folder with a short path: sockets lie in it.
        memory_bytes: How much it can hold.
    """
    port, mon_v2, mon_v1 = _free_ports(3)
    fsid = str(uuid.uuid4())
    (folder / "mon").mkdir()
    (folder / "osd").mkdir()
    (folder / "ceph.conf").write_text(
        _CONFIGURATION.format(
            fsid=fsid, folder=folder, port=port, mon_v2=mon_v2, mon_v1=mon_v1, memory_bytes=memory_bytes
        )
    )
    ceph = _Ceph(folder)
    ceph.make_keyring()
    with ExitStack() as stack:
        ceph.start_monitor(stack, fsid, mon_v2, mon_v1)
        ceph.start_osd(stack)
        keys = secrets.token_hex(10), secrets.token_hex(20)
        ceph.make_user(*keys)
        ceph.start(stack, "radosgw", "-n", "client.rgw")
        _wait_for("the gateway", lambda: _answers(port))
        yield Gateway(port, *keys)


class _Ceph:
    """Ceph's programs, told by the file in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Nothing of the user's own set-up of Ceph may be seen.
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("CEPH_")}

    def run(self, program: str, *words: str | Path, timeout_s: float = 60.0) -> str:
        command = [program, *self._told(program), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, env=self._environ, timeout=timeout_s)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
        return done.stdout

    def start(self, stack: ExitStack, program: str, *words: str) -> None:
        """Start a daemon in the foreground; it ends when ``stack`` is left."""
        with (self._folder / f"{program}.out").open("wb") as out:
            process = subprocess.Popen(
                [program, *self._told(program), "-f", *words], stdout=out, stderr=out, env=self._environ
            )
        stack.callback(_end, process)

    def make_keyring(self) -> None:
        for name, capabilities in _CAPABILITIES.items():
            caps = [word for daemon, text in capabilities.items() for word in ("--cap", daemon, text)]
            create = [] if name != "mon." else ["--create-keyring"]
            self.run("ceph-authtool", self._folder / "keyring", *create, "--gen-key", "-n", name, *caps)

    def start_monitor(self, stack: ExitStack, fsid: str, v2: int, v1: int) -> None:
        monmap = self._folder / "monmap"
        address = f"[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]"
        self.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self.start(stack, "ceph-mon", "-i", "a")
        self.run("ceph", "--connect-timeout", "60", "auth", "import", "-i", self._folder / "keyring")

    def start_osd(self, stack: ExitStack) -> None:
        id = str(uuid.uuid4())
        self.run("ceph", "osd", "new", id)
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", id)
        self.start(stack, "ceph-osd", "-i", "0")
        _wait_for(
            "the OSD", lambda: json.loads(self.run("ceph", "osd", "stat", "-f", "json"))["num_up_osds"] == 1
        )

    def make_user(self, access_key: str, secret_key: str) -> None:
        self.run(
            "radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=test", "--display-name=test",
            f"--access-key={access_key}", f"--secret-key={secret_key}",
        )  # fmt: skip

    def _told(self, program: str) -> list[str | Path]:
        return [] if program in ("ceph-authtool", "monmaptool") else ["-c", str(self._folder / "ceph.conf")]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # nothing of it is kept, and asking nicely takes the gateway seconds
    process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(16).startswith(b"HTTP/1.")
    except OSError:
        return False


def _wait_for(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come up"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
