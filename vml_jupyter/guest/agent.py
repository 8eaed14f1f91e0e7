"""The agent: one file of Python's standard library (3.6 and later) that runs as root inside a machine.

It mounts the working area, starts Jupyter in it as the machine's user, keeps it running, and answers the host:

    /etc/vml/machine.json                      in:  token, base_url, user, area, origin, ... (mode 0600)
    /etc/vml/setup                             in:  a script that puts in what an image lacks, if need be; run once
    /var/log/vml-setup.log, /var/lib/vml/set-up          out: what the script said, and that it is done
    disk labelled VML_AREA                     in:  the working area, ISO 9660, mounted at /run/vml/area
    /mnt/.rw/vml or /var/lib/vml               out: upper/ and work/ of the overlay: what changed is exactly upper/
    /home/USER/AREA                            out: the overlay of the two, where Jupyter's root is
    /run/vml/labconfig/                        out: JupyterLab's defaults in a machine
    /run/vml/jupyter_config.py, jupyter_server_config.d/     out: what has Jupyter load vml_*.py, and who may frame it
    /run/vml/jupyter.json, jupyter.log         out: Jupyter's configuration (mode 0600, the user's), and what it says
    /dev/virtio-ports/org.vml.agent.0          JSON lines, at most 64 KiB each:

        <- {"v": 1, "id": 7, "do": "state"}
        -> {"v": 1, "id": 7, "state": {"stage": "ready", "detail": "", "area": "overlay", "release": {...}, ...}}
        <- {"v": 1, "id": 8, "do": "shutdown"}           or "kernel": start the notebook's kernel ahead of the browser
        <- {"v": 1, "id": 8, "do": "clock", "time": s}   after a rest: what time it is, in seconds since 1970
        <- {"v": 1, "id": 8, "do": "tell", "nonce": ..., "patience": s}   start the teller, which tells what changed
        -> {"v": 1, "id": 8, "done": true}
        <- {"v": 1, "id": 9, "do": "adopt", "config": {...}, "time": s, "entropy": "hex"}     to a warm machine only
        -> {"v": 1, "id": 9, "error": "unknown request"}

Stages: starting, setup (where there is one), area, jupyter, ready; or failed, with the reason in ``detail`` and, in
``lacks``, what the system has not got that its user can put there: ``jupyter``, or a ``setup`` that works. The token
is written to Jupyter's configuration and nowhere else: not to a command line, a log or the console.

A *warm* machine (``warm`` in machine.json) has no working area, no owner and no identity yet: ``starting``, then
``warm``, when its Jupyter runs for nobody, on the guest's own loopback only. In that state it is saved, and later
brought back many times. ``adopt`` tells each of them who it is: clock, entropy, machine-id, boot id, host name and host
keys are its own before Jupyter gets its token, its root and a port that can be reached (``jupyter_adopt.py``).
"""

# pathlib would cost time at every boot; Jupyter listens on all of the guest's addresses on purpose.
# ruff: noqa: PTH100, PTH101, PTH103, PTH104, PTH108, PTH110, PTH112, PTH114, PTH116, PTH118, PTH119, PTH120, PTH123
# ruff: noqa: PTH207, PTH208, S104

import binascii
import contextlib
import errno
import fcntl
import glob
import http.client
import importlib
import json
import os
import pwd
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from urllib.parse import quote

TYPE_CHECKING = False  # typing itself would only cost time at every boot
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    Config = dict[str, Any]  # what machine.json holds
    Jupyter: TypeAlias = "subprocess.Popen[bytes] | Kept"

CONFIG = "/etc/vml/machine.json"
SETUP = "/etc/vml/setup"
SETUP_LOG = "/var/log/vml-setup.log"
SETUP_DONE = "/var/lib/vml/set-up"
RUN = "/run/vml"
LABEL = b"VML_AREA"
PLACE_LABEL = b"VML_PLACE"  # on the disk in whose place a warm machine later finds its working area
PORT_NAME = "org.vml.agent.0"
TELLER_PORT = "org.vml.changes.0"
LINE_LIMIT = 64 * 1024
READ_BYTES = 256 * 1024
JUPYTER_PORT = 8888
EVERYWHERE = "0.0.0.0"  # the only way in is the port that the host forwards
RESTARTS = 3
DISK_WAIT_S = 30
USER_WAIT_S = 60
JUPYTER_WAIT_S = 600
SETUP_WAIT_S = 3600
KERNEL_WAIT_S = 20
GIVE_WAY_S = 1.5
LONGEST_SILENCE_S = 3600.0
SEND_WAIT_S = 3
STOP_WAIT_S = 3
FRAMING = """# Written at each start: who may show this Jupyter in a frame, and cookies that work in one.
from http.cookies import Morsel

for word, written in (("samesite", "SameSite"), ("partitioned", "Partitioned")):
    Morsel._reserved.setdefault(word, written)
Morsel._flags.add("partitioned")
cookie = {"samesite": "None", "secure": True, "partitioned": True}
shown = "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*"
settings = {"headers": {"Content-Security-Policy": shown}, "xsrf_cookie_kwargs": dict(cookie, path="/")}
for name in ("ServerApp", "NotebookApp"):
    c[name].tornado_settings = settings
    c[name].cookie_options = cookie
c.IdentityProvider.cookie_options = cookie
"""
ADOPT_WAIT_S = 20
WARM_UP_S = 300
MOUNT_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "bind": 4096}  # linux/mount.h
RNDADDENTROPY, RNDRESEEDCRNG = 0x40085203, 0x5207  # linux/random.h
TELLER_LATER_S = 60
VERSION = r"CERN Virtual Machine,? version (\d+(?:\.\d+){2,3})\b"
MARKER = r".*/\.installed_cernvm-system-(\d+(?:\.\d+)+)$"
HASH = r"[0-9a-f]{40}(-rmd160|-shake128)?$"
PROGRAMS = (("lab", "jupyter-lab"), ("notebook", "jupyter-notebook"), ("server", "jupyter-server"))
SEARCHED = "/usr/local/bin:/usr/bin:/bin:/opt/conda/bin:/usr/local/sbin:/usr/sbin:/sbin"
VIEWS = "/cvmfs/sft.cern.ch/lcg/views"
VIEWS_WAIT_S = 60
VIEWS_LOOKED_AT = 30
OS_RELEASE = "/etc/os-release"
ASKING = "/usr/lib/vml/jupyter"  # where vml_ask.py lies
LAB_EXTENSIONS = "/usr/lib/vml/labextensions"
SEARCHED_TOO = "/opt/*/bin"  # miniforge and virtual environments have names of their own


class Failed(Exception):
    """Something without which the machine is of no use; ``lacks`` names what its user can put there."""

    def __init__(self, why: str, lacks: str = "") -> None:
        Exception.__init__(self, why)
        self.lacks = lacks


def say(text: str) -> None:
    """Write a line to the journal and the console."""
    sys.stderr.write(f"vml-agent: {text}\n")
    sys.stderr.flush()


class State:
    """What the host is told; changed by the main thread, read by the channel's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._facts = {
            "stage": "starting",
            "detail": "",
            "lacks": "",
            "area": "",
            "app": "",
            "release": {},
            "versions": {},
        }  # type: dict[str, object]

    def set(self, **facts: object) -> None:
        with self._lock:
            self._facts.update(facts)
        if "stage" in facts:
            say(f"{facts['stage']} {facts.get('detail', '')}".rstrip())

    def get(self) -> "dict[str, object]":
        with self._lock:
            return dict(self._facts)


# --- the channel to the host


def find_port(name: str = PORT_NAME) -> "str | None":
    """Return the device of a virtio-serial port of ours, or None while its driver is not there yet."""
    path = "/dev/virtio-ports/" + name
    if os.path.exists(path):
        return path
    for name_file in glob.glob("/sys/class/virtio-ports/*/name"):  # where udev makes no links
        with open(name_file) as file:
            if file.read().strip() == name:
                return "/dev/" + name_file.split("/")[-2]
    return None


def answer(line: bytes, state: State, actions: "dict[str, Callable[..., None]]") -> "dict[str, object]":
    """Return the answer to one request line, as a dictionary."""
    try:
        request = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return {"v": 1, "id": None, "error": "not JSON"}
    if not isinstance(request, dict):
        return {"v": 1, "id": None, "error": "not an object"}
    number = request.get("id")
    reply = {"v": 1, "id": number if isinstance(number, int) else None}  # type: dict[str, object]
    if request.get("v") != 1:
        reply["error"] = "unknown version"
    elif request.get("do") == "state":
        reply["state"] = state.get()
    elif request.get("do") == "clock" and "clock" in actions and is_moment(request.get("time")):
        actions["clock"](request["time"])
        reply["done"] = True
    elif request.get("do") == "adopt" and "adopt" in actions and is_adoption(request):
        reply["done"] = True
        actions["adopt"](request)
    elif request.get("do") == "tell" and "tell" in actions and is_nonce(request.get("nonce")):
        actions["tell"](request["nonce"], patience_of(request))
        reply["done"] = True
    elif request.get("do") in actions and request["do"] not in ("adopt", "clock", "tell"):
        actions[request["do"]]()
        reply["done"] = True
    else:
        reply["error"] = "unknown request"
    return reply


def is_moment(value: object) -> bool:
    """Tell whether a value can be a time in seconds since 1970: some moment between 2001 and 2286."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 1e9 < value < 1e10


def is_adoption(request: "dict[str, object]") -> bool:
    """Tell whether a request holds all that a warm machine must know to become somebody's."""
    config = request.get("config")
    return (
        isinstance(config, dict)
        and bool(config.get("token"))
        and bool(config.get("machine"))
        and is_moment(request.get("time"))
        and isinstance(request.get("entropy"), str)
    )


def is_nonce(value: object) -> bool:
    """Tell whether a value can be the word that a teller begins with: 32 hexadecimal digits."""
    return isinstance(value, str) and re.match("[0-9a-f]{32}$", value) is not None


def patience_of(request: "dict[str, object]") -> float:
    """Return how many seconds a host that is to be told changes may be silent; 0 for what is usual."""
    value = request.get("patience")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LONGEST_SILENCE_S:
        return 0.0
    return float(value)


class Lines:
    """Cut a stream into lines; a line longer than the limit becomes one None, and is skipped to its end."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> "list[bytes | None]":
        lines = []  # type: list[bytes | None]
        parts = (self._rest + data).split(b"\n")
        self._rest = parts.pop()
        for part in parts:
            if self._skipping:
                self._skipping = False
            else:
                lines.append(part if len(part) <= self._limit else None)
        if self._skipping:
            self._rest = b""
        elif len(self._rest) > self._limit:
            self._rest = b""
            self._skipping = True
            lines.append(None)
        return lines

    def clear(self) -> None:
        self._rest = b""
        self._skipping = False


def serve_channel(state: State, actions: "dict[str, Callable[..., None]]") -> None:
    """Answer the host for ever; the host may go and come back at any time."""
    while True:
        path = find_port()
        if path is not None:
            try:
                fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            except OSError as error:
                say(f"cannot open {path}: {error.strerror}")
            else:
                try:
                    serve_fd(fd, state, actions)
                except OSError as error:
                    say(f"the channel broke: {error.strerror}")
                finally:
                    os.close(fd)
        time.sleep(0.1)


def serve_fd(fd: int, state: State, actions: "dict[str, Callable[..., None]]") -> None:
    """Serve one opening of the port. No host on the other side looks like POLLHUP and reading nothing."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    lines = Lines()
    while True:
        events = poll.poll(1000)
        if not events:
            continue
        try:
            data = os.read(fd, 16384) if events[0][1] & select.POLLIN else b""
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise
            continue
        if not data:
            lines.clear()
            time.sleep(0.05)  # poll() returns at once as long as nobody is there
            continue
        for line in lines.feed(data):
            if line is None:
                send(fd, {"v": 1, "id": None, "error": "line too long"})
            elif line.strip():
                send(fd, answer(line, state, actions))


def send(fd: int, reply: "dict[str, object]") -> None:
    """Write one answer; give it up when the host stays away or does not read.

    The port may look hung up for a moment after the host opened it: what tells of the opening comes another way than
    what the host says, and later on a busy guest.

    It begins with a line end, so that it stands alone even after an answer that was cut off.
    """
    data = b"\n" + json.dumps(reply).encode("ascii") + b"\n"
    deadline = time.time() + SEND_WAIT_S
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while data and time.time() < deadline:
        events = poll.poll(1000)
        if events and events[0][1] & select.POLLHUP:
            time.sleep(0.02)
            continue
        try:
            data = data[os.write(fd, data) :]
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise


# --- who and where


def find_user(wanted: str) -> pwd.struct_passwd:
    """Return the account that Jupyter runs as: the one asked for, else the first ordinary one, else root."""
    deadline = time.time() + USER_WAIT_S
    while wanted and time.time() < deadline:  # the context may make it while we start
        try:
            return pwd.getpwnam(wanted)
        except KeyError:
            time.sleep(0.5)
    ordinary = [
        entry for entry in pwd.getpwall() if 1000 <= entry.pw_uid < 60000 and os.path.isdir(entry.pw_dir)
    ]
    return min(ordinary, key=lambda entry: entry.pw_uid) if ordinary else pwd.getpwuid(0)


def identity(root: str = "/") -> "dict[str, str]":
    """Return which release this is, '' for what is not told: as the mounted system says, else as was written at boot.

    A system that was updated carries several markers, so the file that this boot wrote goes first.
    """
    name = first_line(root + "etc/cernvm-release")
    snapshot = root + "mnt/.rw/aux/cvmfs_snapshot"  # root hash; tag, which may be a rolling one or missing
    root_hash = mounted(root, "root_hash") or line_of(snapshot, 0)
    return {
        "system": version_in(name) or newest_marker(root) or version_in(first_line(root + "etc/issue")),
        "tag": mounted(root, "tag") or line_of(snapshot, 1),
        "root_hash": root_hash if re.match(HASH, root_hash) else "",
        "bootloader": first_line(root + "mnt/.rw/aux/ucernvm-version").split(".cernvm.")[0],
        "name": name,
    }


def version_in(text: str) -> str:
    found = re.search(VERSION, text)
    return found.group(1) if found else ""


def newest_marker(root: str) -> str:
    """Return the highest version for which there is a marker: 4.10 is newer than 4.9."""
    markers = [re.match(MARKER, path) for path in glob.glob(root + ".installed_cernvm-system-*")]
    versions = [found.group(1) for found in markers if found]
    return max(versions, key=lambda version: [int(part) for part in version.split(".")]) if versions else ""


def mounted(root: str, name: str) -> str:
    """Return what the mounted system says of itself, '' where it is none of CernVM-FS."""
    try:
        value = os.getxattr(root + "mnt/.ro", "user." + name)
    except OSError:
        return ""
    return value[:200].rstrip(b"\0").decode("utf-8", "replace").strip()


def first_line(path: str) -> str:
    return line_of(path, 0)


def line_of(path: str, number: int) -> str:
    """Return one of the first lines of a file, '' where there is none."""
    try:
        with open(path, errors="replace") as file:
            return [file.readline(1000) for _ in range(number + 1)][-1].strip()[:200]
    except OSError:
        return ""


def set_hostname(name: str) -> None:
    if name and name != socket.gethostname():
        socket.sethostname(name)
        with open("/etc/hosts", "a") as file:
            file.write(f"127.0.1.1\t{name}\n")


# --- the working area


def find_area_disk() -> str:
    """Return the block device whose ISO 9660 label is ours, read from the disk itself: udev may not be there yet."""
    deadline = time.time() + DISK_WAIT_S
    while True:
        name = disk_labelled(LABEL)
        if name:
            return "/dev/" + name
        if time.time() > deadline:
            raise Failed("there is no disk labelled " + LABEL.decode("ascii"))
        time.sleep(0.1)


def disk_labelled(label: bytes) -> str:
    """Return the name of the block device with this ISO 9660 label; '' for none."""
    for name in sorted(os.listdir("/sys/class/block"), reverse=True):
        if volume_label("/dev/" + name) == label:
            return name
    return ""


def volume_label(device: str) -> bytes:
    try:
        fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        descriptor = os.pread(fd, 72, 32768)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return descriptor[40:72].rstrip() if descriptor[1:6] == b"CD001" else b""


def area_folder(config: "Config", user: pwd.struct_passwd) -> str:
    """Make the folder where the working area is going to be."""
    target = os.path.join(user.pw_dir, os.path.basename(config.get("area") or "area"))
    make_folder(target, user)
    return target


def mount_area(config: "Config", user: pwd.struct_passwd, target: str) -> str:
    """Make the working area appear, writable; return how: ``overlay``, ``copy``, or ``empty`` where there is none."""
    if not config.get("disk", True):
        return "empty"
    if os.path.ismount(target):
        return "overlay"
    lower = os.path.join(RUN, "area")
    if not os.path.ismount(lower):
        os.makedirs(lower, exist_ok=True)
        # All of it belongs to the machine's user, whoever's it was: nothing needs to be copied up for that.
        options = f"uid={user.pw_uid},gid={user.pw_gid}"
        mount(find_area_disk(), lower, "iso9660", ("ro", "nosuid", "nodev"), options)
    base = writable_folder()
    upper, work = os.path.join(base, "upper"), os.path.join(base, "work")
    make_folder(upper, user, os.stat(lower).st_mode & 0o777 | 0o700)
    os.makedirs(work, exist_ok=True)
    try:
        options = f"lowerdir={lower},upperdir={upper},workdir={work}{plain_options()}"
        mount("vml", target, "overlay", ("nosuid", "nodev"), options)
    except Failed as error:
        say(f"no overlay: {error}; copying the working area")
        copy_once(lower, target, os.path.join(base, "copied"))
        return "copy"
    return "overlay"


def plain_options() -> str:
    """Return the options that keep the upper folder readable by itself, as far as this kernel knows them."""
    known = "/sys/module/overlay/parameters/"
    wanted = ("redirect_dir", "metacopy", "index")
    return "".join(f",{name}=off" for name in wanted if os.path.exists(known + name))


def writable_folder() -> str:
    """Return where the overlay's upper folder goes: on a disk, as the root may be an overlay itself."""
    return "/mnt/.rw/vml" if os.path.ismount("/mnt/.rw") else "/var/lib/vml"


def copy_once(lower: str, target: str, marker: str) -> None:
    if not os.path.exists(marker):
        run("cp", "-a", lower + "/.", target)
        open(marker, "w").close()


def make_folder(path: str, user: pwd.struct_passwd, mode: int = 0o755) -> None:
    if not os.path.isdir(path):
        os.makedirs(path)
        os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(path, mode)


def mount(source: str, target: str, kind: str, flags: "tuple[str, ...]", options: str = "") -> None:
    """Mount by the system call: the program for it takes a tenth of a second to start where a machine is emulated."""
    try:
        import ctypes
    except ImportError:  # a Python that was built without it
        run("mount", "-t", kind, "-o", ",".join((*flags, options) if options else flags), source, target)
        return
    library = ctypes.CDLL(None, use_errno=True)
    number = ctypes.c_ulong(sum(MOUNT_FLAGS[flag] for flag in flags))
    if library.mount(source.encode(), target.encode(), kind.encode(), number, options.encode()):
        raise Failed(f"mount {source}: {os.strerror(ctypes.get_errno())}")


def run(*command: str) -> None:
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = done.communicate()[0]
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {output.decode('utf-8', 'replace').strip()}")


# --- processes that outlive an agent


class Kept:
    """A process that an earlier agent has started, which was killed: nobody's child here, so it is looked after."""

    def __init__(self, pid: int, began: str) -> None:
        self.pid, self._began = pid, began
        self.returncode = None  # type: int | None

    def poll(self) -> "int | None":
        if self.returncode is None and began(self.pid) != self._began:
            self.returncode = -1  # only a parent is told with what it ended
        return self.returncode

    def wait(self, timeout: "float | None" = None) -> int:
        deadline = None if timeout is None else time.time() + timeout
        while self.poll() is None:
            if deadline is not None and time.time() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            time.sleep(0.2)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def began(pid: int) -> str:
    """Return when a process began, in the kernel's ticks; '' for one that is not there. Numbers are given again."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] in "ZX" else words[19]


def remember(name: str) -> None:
    """Write down this very process, for an agent that comes after this one was killed."""
    write_text(f"{RUN}/{name}.pid", f"{os.getpid()} {began(os.getpid())}\n")


def kept(name: str) -> "Kept | None":
    """Return what an earlier agent wrote down under that name, if it still runs."""
    pid, _, since = first_line(f"{RUN}/{name}.pid").partition(" ")
    found = Kept(int(pid), since) if pid.isdigit() and since else None
    return found if found is not None and found.poll() is None else None


# --- telling what changed


class Teller:
    """The process that tells the host what changed; one at a time, as the port is.

    It is a fork of this one, because a Python that starts takes an emulated machine seconds; its own code is loaded
    when everything else has had its time.
    """

    def __init__(self, config: "Config", user: pwd.struct_passwd, area: str, how: str) -> None:
        self._config, self._user, self._area, self._how = config, user, area, how
        self._module = None  # type: Any
        self._lock = threading.Lock()
        self._process = 0
        timer = threading.Timer(TELLER_LATER_S, self._prepare)
        timer.daemon = True
        timer.start()

    def start(self, nonce: str, patience_s: float) -> None:
        """Begin anew; the host may be silent for so long, where that is more than usual."""
        self._end()
        port = find_port(TELLER_PORT)
        if port is None:
            say("there is no port to tell changes through")
            return
        order = self._order(port, nonce)
        order["patience"] = patience_s
        module = self._load()
        self._process = os.fork()
        if not self._process:
            try:
                os.closerange(3, 256)
                remember("teller")
                module.tell(order)
            finally:
                os._exit(0)

    def _prepare(self) -> None:
        """Have what takes long ready before it is asked for: the code, and what the kernel's Python says of itself."""
        module = self._load()
        try:
            module.environment(self._order("", ""), self._config.get("notebook") or "", [])
        except (OSError, ValueError, KeyError) as error:
            say(f"nothing is known of the kernel yet: {type(error).__name__}")

    def _order(self, port: str, nonce: str) -> "dict[str, object]":
        base = writable_folder()
        return {
            "port": port,
            "nonce": nonce,
            "upper": os.path.join(base, "upper") if self._how == "overlay" else "",
            "target": self._area,
            "mark": os.path.join(base, "captured"),
            "pythons": RUN + "/pythons.json",
            "user": self._user.pw_name,
            "token": self._config["token"],
            "base_url": base_url_of(self._config),
            "jupyter_port": JUPYTER_PORT,
        }

    def _load(self) -> "Any":
        with self._lock:
            if self._module is None:
                sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
                self._module = importlib.import_module("teller")
            return self._module

    def _end(self) -> None:
        if self._process:
            try:
                os.kill(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)
            except OSError as error:
                say(f"the last teller: {error.strerror}")
            self._process = 0


# --- what an image lacks


def set_up(state: State) -> None:
    """Run the script that the image's user wrote for it, once in a machine's life; later boots pass it over."""
    if not os.path.exists(SETUP) or os.path.exists(SETUP_DONE):
        return
    state.set(stage="setup")
    left = kept("setup")
    if left is not None:  # of an agent that was killed: two at once would be in each other's way
        with contextlib.suppress(ProcessLookupError):
            os.killpg(left.pid, signal.SIGKILL)
        left.wait()
    with open(SETUP_LOG, "ab") as log:
        environment = {"PATH": SEARCHED, "HOME": "/root", "LANG": "C.UTF-8"}
        process = subprocess.Popen(
            [SETUP],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: remember("setup"),
            start_new_session=True,
        )
        try:
            status = process.wait(SETUP_WAIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise Failed(f"the image's set-up takes more than {SETUP_WAIT_S} s", lacks="setup") from None
    if status != 0:
        lines = last_lines(SETUP_LOG)
        for line in lines[-20:]:
            say(line)  # on the console, of which the host shows the end
        raise Failed(f"the image's set-up ended with status {status}: {lines[-1]}", lacks="setup")
    os.makedirs(os.path.dirname(SETUP_DONE), exist_ok=True)
    open(SETUP_DONE, "w").close()


# --- Jupyter


def find_jupyter(recorded: str = "") -> "tuple[str, str]":
    """Return (what it is, its program): the system's own, the recorded LCG view's, the newest view's."""
    own = own_jupyter()
    if own:
        return own
    looked = []  # type: list[str]
    for view in views(recorded):
        looked.append(view)
        found = (
            jupyter_in([os.path.join(view, "bin")])
            if os.path.exists(os.path.join(view, "setup.sh"))
            else None
        )
        if found:
            return found
    sought = " or ".join(program for _, program in PROGRAMS)
    raise Failed(
        f"there is no Jupyter in this system: no {sought} in {SEARCHED} or {SEARCHED_TOO}, nor in an LCG view for"
        f" {' or '.join(platforms()) or 'this system'} ({', '.join(looked) or 'none is in ' + VIEWS})",
        lacks="jupyter",
    )


def own_jupyter() -> "tuple[str, str] | None":
    return jupyter_in(SEARCHED.split(":") + sorted(glob.glob(SEARCHED_TOO)))


def jupyter_in(folders: "list[str]") -> "tuple[str, str] | None":
    for kind, program in PROGRAMS:
        for folder in folders:
            path = os.path.join(folder, program)
            if os.access(path, os.X_OK):
                return kind, path
    return None


def views(recorded: str) -> "list[str]":
    """Return the LCG views that may run here, the recorded one first, then the newest; a dead mount has none."""
    found = []  # type: list[str]
    looking = threading.Thread(target=lambda: found.extend(list_views(recorded)), daemon=True)
    looking.start()
    looking.join(VIEWS_WAIT_S)
    return list(found)


def list_views(recorded: str) -> "Iterator[str]":
    ours = tuple(name + "-" for name in platforms())
    if recorded and os.path.basename(recorded).startswith(ours) and os.path.isdir(recorded):
        yield recorded
    try:
        releases = [name for name in os.listdir(VIEWS) if re.match(r"LCG_\d+[a-z]?$", name)]
    except OSError:
        return
    releases.sort(key=lambda name: (int(re.findall(r"\d+", name)[0]), name), reverse=True)
    for release in releases[:VIEWS_LOOKED_AT]:
        try:
            names = sorted(os.listdir(os.path.join(VIEWS, release)), reverse=True)
        except OSError:
            continue
        for name in names:
            if name.startswith(ours) and name.endswith("-opt"):
                yield os.path.join(VIEWS, release, name)


def platforms() -> "list[str]":
    """Return how LCG calls this system, ``x86_64-centos7``: what its name must begin with."""
    try:
        with open(OS_RELEASE, errors="replace") as file:
            said = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', file.read(65536), re.MULTILINE))
    except OSError:
        return []
    number = said.get("VERSION_ID", "")
    major, machine = number.split(".")[0], os.uname().machine
    if said.get("ID") in ("debian", "ubuntu"):
        return [machine + "-" + said["ID"] + number.replace(".", "")]
    names = {"6": ["slc6"], "7": ["centos7", "el7"], "8": ["el8", "centos8"]}.get(major, ["el" + major])
    return [machine + "-" + name for name in names]


def jupyter_config(config: "Config", area: str, user: pwd.struct_passwd) -> "dict[str, object]":
    """Return Jupyter's configuration, for jupyter_server and for the classic notebook server alike."""
    token = config["token"]
    server = {
        "ip": EVERYWHERE,
        "port": JUPYTER_PORT,
        "port_retries": 0,
        "open_browser": False,
        "base_url": config.get("base_url") or "/",
        "token": token,
        "password": "",
        "allow_remote_access": True,
        "allow_root": user.pw_uid == 0,
        "quit_button": False,
    }
    if config.get("origin"):
        server["allow_origin"] = config["origin"]
    return {
        "ServerApp": dict(server, root_dir=area),
        "NotebookApp": dict(server, notebook_dir=area),
        "IdentityProvider": {"token": token},
        # Nobody installs extensions into a machine, and asking the network for news delays its first page.
        "LabApp": {
            "extension_manager": "readonly",
            "news_url": None,
            "extra_labextensions_path": [LAB_EXTENSIONS],
        },
    }


def write_private(path: str, text: str, user: pwd.struct_passwd) -> None:
    """Write a file that only the user can read, from its first byte on."""
    temporary = path + ".new"
    if os.path.exists(temporary):
        os.unlink(temporary)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        os.fchown(fd, user.pw_uid, user.pw_gid)
        file.write(text)
    os.rename(temporary, path)


def let_frame(config: "Config") -> None:
    """Let a Jupyter of the user's own show this one in a tab of its own; not where a proxy stands between.

    It is added to what ``write_asking`` wrote. The frame is of another site, so browsers keep its cookies only where
    they are marked as partitioned (CHIPS), a word that Python learnt in 3.14 and older ones are taught here. Other
    machines' pages are on ``*.localhost``, which is not on the list.
    """
    if (config.get("base_url") or "/") != "/" or config.get("origin"):
        return
    with open(os.path.join(RUN, "jupyter_config.py"), "a") as file:
        file.write(FRAMING)


def write_lab_defaults() -> None:
    """Have JupyterLab ask nothing when it opens: in a machine it would ask in every new one."""
    folder = os.path.join(RUN, "labconfig")
    os.makedirs(folder, exist_ok=True)
    notification = {"fetchNews": "false", "checkForUpdates": False}
    with open(os.path.join(folder, "default_setting_overrides.json"), "w") as file:
        json.dump({"@jupyterlab/apputils-extension:notification": notification}, file)


def write_asking(waiting: bool = False) -> None:
    """Have Jupyter load what takes wishes for a snapshot and keeps outputs, wherever its Python looks for modules."""
    folder = os.path.join(RUN, "jupyter_server_config.d")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "vml_ask.json"), "w") as file:
        there = os.path.isdir(ASKING)
        extensions = {"vml_ask": there, "vml_keep": there, "jupyter_adopt": waiting}
        json.dump({"ServerApp": {"jpserver_extensions": extensions}}, file)
    with open(os.path.join(RUN, "jupyter_config.py"), "w") as file:
        file.write(f"import sys\n\nsys.path.append({ASKING!r})\n")


def start_jupyter(
    program: str, user: pwd.struct_passwd, ear: "int | None" = None
) -> "subprocess.Popen[bytes]":
    """Start Jupyter as the user, with its log beside its configuration; ``ear`` is where it will hear who it is."""
    home = user.pw_dir
    environment = {
        "HOME": home,
        "USER": user.pw_name,
        "LOGNAME": user.pw_name,
        "SHELL": user.pw_shell or "/bin/sh",
        "PATH": os.path.dirname(program) + ":" + SEARCHED,
        "LANG": "C.UTF-8",
        "JUPYTER_CONFIG_DIR": os.path.join(home, ".jupyter"),
        "JUPYTER_CONFIG_PATH": RUN,
    }
    if ear is not None:
        environment["VML_EAR"] = str(ear)

    def become_user() -> None:
        remember("jupyter")
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.umask(0o022)

    command = [program, "--config=" + RUN + "/jupyter.json"]
    setup = os.path.join(os.path.dirname(os.path.dirname(program)), "setup.sh")
    if "/lcg/views/" in program:  # a view runs only where it was set up
        command = ["/bin/bash", "-c", 'source "$0"; exec "$@"', setup, *command]
    with open(RUN + "/jupyter.log", "ab") as log:
        os.fchmod(log.fileno(), 0o600)
        return subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=become_user,
            start_new_session=True,
            pass_fds=() if ear is None else (ear,),
        )


def jupyter_version(base_url: str) -> str:
    """Ask Jupyter's /api; return its version, '' while it does not answer."""
    try:
        with socket.create_connection(("127.0.0.1", JUPYTER_PORT), 5) as link:
            link.sendall(f"GET {base_url}api HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("ascii"))
            received = b""
            while len(received) < LINE_LIMIT:
                data = link.recv(4096)
                if not data:
                    break
                received += data
    except OSError:
        return ""
    head, _, body = received.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        return ""
    try:
        return str(json.loads(body.decode("utf-8")).get("version", "unknown"))
    except (ValueError, AttributeError, RecursionError):
        return ""


def base_url_of(config: "Config") -> str:
    return str(config.get("base_url") or "/").rstrip("/") + "/"


def start_kernel(config: "Config", area: str) -> None:
    """Start the notebook's kernel as the browser would, which then finds it running: the slow part of opening.

    The host asks for it when everything else is done. Jupyter answers nobody else while it starts its first kernel,
    several seconds where it is emulated, so the notebook is read first, and whoever wants to see it goes before. Where
    a kernel is refused (there is none of that kind), the browser will ask its user which one to take.
    """
    notebook = config.get("notebook")
    if not notebook:
        return
    try:
        with open(os.path.join(area, notebook), encoding="utf-8") as file:
            name = json.load(file)["metadata"]["kernelspec"]["name"]
        wish = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": name}}
        ask_jupyter(config, "GET", "contents/" + quote(notebook))
        time.sleep(GIVE_WAY_S)
        say(f"kernel: {ask_jupyter(config, 'POST', 'sessions', json.dumps(wish))}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError, http.client.HTTPException) as error:
        say(f"no kernel was started ahead: {type(error).__name__}")


def ask_jupyter(config: "Config", method: str, what: str, body: "str | None" = None) -> int:
    """Ask this machine's Jupyter for something and return the status of its answer, which is read and dropped."""
    link = http.client.HTTPConnection("127.0.0.1", JUPYTER_PORT, timeout=KERNEL_WAIT_S)
    headers = {"Authorization": "token " + config["token"], "Content-Type": "application/json"}
    link.request(method, f"{base_url_of(config)}api/{what}", body, headers)
    answered = link.getresponse()
    while answered.read(READ_BYTES):
        pass
    link.close()
    return answered.status


class Serving:
    """Jupyter, whichever process that is by now: one that died is started again."""

    def __init__(self, process: "Jupyter") -> None:
        self.process = process


@contextlib.contextmanager
def ended_with_the_machine(serving: Serving) -> "Iterator[None]":
    """Let no Jupyter outlive what is done meanwhile; where the machine goes down, it is asked to end first."""
    try:
        yield
    except SystemExit:
        serving.process.send_signal(signal.SIGTERM)
        try:
            serving.process.wait(timeout=STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            say("Jupyter does not end by itself")
        raise
    finally:
        end(serving.process)


def supervise(serving: Serving, config: "Config", user: pwd.struct_passwd, state: State) -> None:
    """Keep Jupyter running: start it again a few times when it dies."""
    base_url = base_url_of(config)
    for left in range(RESTARTS, -1, -1):
        process = serving.process
        if wait_for_jupyter(process, base_url, state):
            process.wait()
        end(process)
        why = f"Jupyter ended with status {process.returncode}: {log_tail(config['token'])}"
        say(why)
        if left:
            state.set(stage="jupyter", detail=why)
            serving.process = start_jupyter(find_jupyter(config.get("view") or "")[1], user)
    raise Failed(why)


def end(process: "Jupyter") -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_for_jupyter(process: "Jupyter", base_url: str, state: State) -> bool:
    deadline = time.time() + JUPYTER_WAIT_S
    while process.poll() is None and time.time() < deadline:
        version = jupyter_version(base_url)
        if version:
            state.set(stage="ready", detail="", versions=versions(version))
            return True
        time.sleep(0.1)
    return False


def versions(jupyter: str) -> "dict[str, str]":
    return {
        "jupyter": jupyter,
        "python": ".".join(map(str, sys.version_info[:3])),
        "kernel": os.uname().release,
    }


def log_tail(token: str) -> str:
    return last_lines(RUN + "/jupyter.log")[-1].replace(token, "...")


def last_lines(path: str) -> "list[str]":
    with open(path, errors="replace") as file:
        lines = file.read()[-4000:].strip().splitlines()
    return [line.strip() for line in lines] or ["it said nothing"]


# --- a warm machine: ready for anybody, and then somebody's


class WaitingJupyter:
    """A Jupyter that runs for nobody: only this guest reaches it, and nobody knows its token.

    It hears over a socket pair who it is; one that cannot be told (of another major version) is started afterwards.
    """

    def __init__(self, config: "Config") -> None:
        # No machine that is booted for somebody has to load it.
        from concurrent.futures import ThreadPoolExecutor

        self.user = find_user(config.get("user") or "")
        self._mouth, self._ear = socket.socketpair()
        self._heard = self._mouth.makefile("r", encoding="utf-8")
        self._token = random_hex(32)
        self._telling = None  # type: Any
        self.beside = ThreadPoolExecutor()  # for what the machine does at once when it wakes
        settings = jupyter_config({"token": self._token}, self.user.pw_dir, self.user)
        for app in ("ServerApp", "NotebookApp"):
            settings[app].update(ip="127.0.0.1")  # type: ignore[attr-defined]
        write_private(RUN + "/jupyter.json", json.dumps(settings), self.user)
        write_lab_defaults()
        write_asking(waiting=True)
        let_frame({})
        own = own_jupyter()  # a view's depends on whose the machine is
        self._process = start_jupyter(own[1], self.user, self._ear.fileno()) if own else None
        self._ear.close()

    def warm_up(self) -> bool:
        """Have it do once all that is slow at first; tell whether it can be told later who it is."""
        if self._process is None:
            return False
        deadline = time.time() + JUPYTER_WAIT_S
        while self._process.poll() is None and not jupyter_version("/") and time.time() < deadline:
            time.sleep(0.1)
        able = self._tell({"do": "warm"}, WARM_UP_S)
        for path in ("/lab", "/lab/api/settings", "/api/contents", "/api/kernelspecs", "/api/sessions"):
            self._get(path)
        if not able:
            end(self._process)
        return able

    def be_told(self, config: "Config") -> None:
        """Begin to tell it whose it is; until it is given to somebody, nobody outside reaches it."""
        # Where addresses begin is built into it when it starts.
        if self._process is not None and base_url_of(config) == "/" and self._process.poll() is None:
            wish = {"do": "adopt", "token": config["token"], "origin": config.get("origin") or ""}
            self._telling = self.beside.submit(self._tell, wish, ADOPT_WAIT_S)

    def given_to(self, area: str) -> "subprocess.Popen[bytes] | None":
        """Have it answer in the working area whoever it was told of; None where it has to be started anew."""
        if self._process is None:
            return None
        wish = {"do": "open", "root_dir": area, "port": JUPYTER_PORT, "ip": EVERYWHERE}
        if self._telling is not None and self._telling.result() and self._tell(wish, ADOPT_WAIT_S):
            return self._process
        say("this Jupyter cannot be told who it is, and is started anew")
        end(self._process)
        return None

    def _tell(self, wish: "dict[str, object]", patience_s: float) -> bool:
        try:
            self._mouth.settimeout(patience_s)
            self._mouth.sendall(json.dumps(wish).encode("ascii") + b"\n")
            answer = json.loads(self._heard.readline(LINE_LIMIT) or "{}")
        except (OSError, ValueError, RecursionError) as error:
            say(f"Jupyter does not listen: {error!r}")
            return False
        if answer.get("error"):
            say(f"Jupyter says: {answer['error']}")
        return bool(answer.get("done"))

    def _get(self, path: str) -> None:
        try:
            link = http.client.HTTPConnection("127.0.0.1", JUPYTER_PORT, timeout=WARM_UP_S)
            link.request("GET", path, headers={"Authorization": "token " + self._token})
            link.getresponse().read()
            link.close()
        except (OSError, http.client.HTTPException) as error:
            say(f"{path}: {error!r}")


def wait_for_owner(
    waiting: WaitingJupyter, state: State, actions: "dict[str, Callable[..., None]]"
) -> "Config":
    """Be warm until somebody adopts this machine; then become a machine of its own, and return its configuration."""
    able = waiting.warm_up()
    with contextlib.suppress(ImportError):
        importlib.import_module("ctypes")  # what is slow at first when the working area is mounted
    for module in ("isofs", "overlay"):
        with contextlib.suppress(OSError):
            subprocess.call(["modprobe", "-q", module], stderr=subprocess.DEVNULL)
    place = virtio_device(disk_labelled(PLACE_LABEL))
    forget_identity()
    os.sync()
    adopted = threading.Event()
    told = {}  # type: dict[str, Any]

    def adopt(request: "dict[str, Any]") -> None:
        told.update(request)
        adopted.set()

    actions["adopt"] = adopt
    state.set(stage="warm", detail="" if able else "Jupyter starts later", release=identity())
    adopted.wait()
    del actions["adopt"]
    state.set(stage="starting", detail="")
    config = told["config"]  # type: Config
    stir(binascii.unhexlify(told["entropy"]))
    set_clock(told["time"])
    # An emulated machine has two processors, too; all of it comes after the new random numbers.
    waiting.be_told(config)
    looking = waiting.beside.submit(look_anew, place) if config.get("disk", True) else None
    new_identity(config)
    if looking is not None:
        looking.result()
    return config


def forget_identity() -> None:
    """Remove what every machine must have for itself, so that it is not in what is saved."""
    for path in glob.glob("/etc/ssh/ssh_host_*"):
        os.unlink(path)
    if os.path.exists("/etc/ssh/sshd_config"):
        for unit in ("ssh.service", "ssh.socket", "sshd.service"):
            subprocess.call(["systemctl", "stop", unit], stderr=subprocess.DEVNULL)


def new_identity(config: "Config") -> None:
    """Take ids and a name that no other machine of the same saved memory has; keep the configuration for a restart."""
    write_text("/etc/machine-id", random_hex(16) + "\n")
    if os.path.exists("/var/lib/dbus/machine-id") and not os.path.islink("/var/lib/dbus/machine-id"):
        write_text("/var/lib/dbus/machine-id", random_hex(16) + "\n")
    text = random_hex(16)
    boot_id = "-".join([text[:8], text[8:12], "4" + text[13:16], "a" + text[17:20], text[20:]])
    write_text(RUN + "/boot_id", boot_id + "\n", 0o444)
    try:  # the kernel's own cannot be changed, only covered
        mount(RUN + "/boot_id", "/proc/sys/kernel/random/boot_id", "none", ("bind",))
    except Failed as error:
        say(str(error))
    write_text(CONFIG, json.dumps(config), 0o600)
    set_hostname(config.get("hostname") or "")
    if os.path.exists("/etc/ssh/sshd_config"):
        threading.Thread(target=new_host_keys, daemon=True).start()


def new_host_keys() -> None:
    """Make host keys and let sshd in again; it takes seconds, and nothing else waits for it."""
    subprocess.call(["ssh-keygen", "-A"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for unit in ("ssh.service", "sshd.service"):
        if subprocess.call(["systemctl", "start", unit], stderr=subprocess.DEVNULL) == 0:
            return


def stir(entropy: bytes) -> None:
    """Make the kernel's random numbers differ from those of every other machine of the same saved memory."""
    with open("/dev/urandom", "wb", 0) as device:
        device.write(entropy)
        try:
            fcntl.ioctl(device, RNDADDENTROPY, struct.pack("ii", len(entropy) * 8, len(entropy)) + entropy)
            fcntl.ioctl(device, RNDRESEEDCRNG)
        except OSError as error:  # kernels before 4.14 have no such order, and mix in what was written
            say(f"random numbers: {error.strerror}")


def virtio_device(block: str) -> str:
    """Return the virtio device behind a disk, as its driver names it: ``virtio3``."""
    return os.path.basename(os.path.realpath("/sys/class/block/" + block + "/device"))


def look_anew(device: str) -> None:
    """Have the driver of a disk forget it and find it again: what is in its place now is of another size."""
    driver = "/sys/bus/virtio/drivers/virtio_blk/"
    for what in ("unbind", "bind"):
        with open(driver + what, "w") as file:
            file.write(device)


def random_hex(size_bytes: int) -> str:
    return binascii.hexlify(os.urandom(size_bytes)).decode("ascii")


def write_text(path: str, text: str, mode: int = 0o644) -> None:
    """Replace a small file as a whole."""
    temporary = path + ".new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    os.rename(temporary, path)


# --- all of it


def set_clock(seconds: float) -> None:
    """Set the clock, which stood still while the machine was saved; where that is not allowed, say so."""
    try:
        time.clock_settime(time.CLOCK_REALTIME, seconds)
    except OSError as error:
        say(f"the clock stays as it is: {error.strerror}")


def power_off() -> None:
    """Power off in a moment, so that the answer gets out first."""
    threading.Timer(0.3, subprocess.call, (["systemctl", "poweroff"],)).start()


def bring_up(config: "Config", state: State, actions: "dict[str, Callable[..., None]]") -> None:
    """Start Jupyter, and give it its working area while it still reads its own code: that takes it much longer.

    An agent that was killed leaves Jupyter and its kernels running, and the next takes them over; but a waiting
    Jupyter heard of nobody else who it is.
    """
    running = kept("jupyter")
    if config.get("warm"):
        if running is not None:
            end(running)
        set_up(state)
        waiting = WaitingJupyter(config)
        config = wait_for_owner(waiting, state, actions)
    else:
        waiting = None
        set_hostname(config.get("hostname") or "")
        set_up(state)
    user = find_user(config.get("user") or "")
    area = area_folder(config, user)
    kind, program = find_jupyter(config.get("view") or "")
    write_private(RUN + "/jupyter.json", json.dumps(jupyter_config(config, area, user)), user)
    write_lab_defaults()
    write_asking()
    let_frame(config)
    if waiting is not None:
        # Jupyter may be answered from now on, so the working area comes first.
        how = mount_area(config, user, area)
        state.set(stage="area", app=kind, release=identity(), area=how)
        serving = Serving(waiting.given_to(area) or start_jupyter(program, user))
    else:
        serving = Serving(running or start_jupyter(program, user))
    actions["kernel"] = lambda: threading.Thread(
        target=start_kernel, args=(config, area), daemon=True
    ).start()
    with ended_with_the_machine(serving):
        if waiting is None:
            state.set(stage="area", app=kind, release=identity())
            how = mount_area(config, user, area)
        actions["tell"] = Teller(config, user, area, how).start
        state.set(stage="jupyter", area=how)
        supervise(serving, config, user, state)


def main() -> None:
    os.makedirs(RUN, mode=0o755, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    left = kept("teller")
    if left is not None:
        end(left)  # it has the port
    state = State()
    actions = {"shutdown": power_off, "clock": set_clock}  # type: dict[str, Callable[..., None]]
    threading.Thread(target=serve_channel, args=(state, actions), daemon=True).start()
    try:
        with open(CONFIG) as file:
            bring_up(json.load(file), state, actions)
    except Exception as error:  # noqa: BLE001 - whatever it is, the host is told; systemd would try for ever
        told = str(error) if isinstance(error, Failed) else repr(error)
        state.set(stage="failed", detail=told, lacks=getattr(error, "lacks", ""))
        signal.pause()  # the host asks why


if __name__ == "__main__":
    main()
