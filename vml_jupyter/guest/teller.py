"""The teller: one file of Python's standard library (3.6 and later) that runs as root in a machine.

The agent forks for a capture and calls ``tell``. That tells what lies in the overlay's upper folder,
which is what changed since the restore, and reads out the files that the host asks for. Where there is no overlay it
tells all that lies in the working area, and the host compares.

    /dev/virtio-ports/org.vml.changes.0     frames: kind (1 byte), length (4 bytes, big-endian), payload (at most 1 MiB)

    -> VMLT <nonce>          <- VMLH <nonce>          what an earlier capture left in the port is skipped up to here
    -> h {"v": 1, "how": "upper", "uid": 1000, "mark": "...", "top": [...]}
    <- l                                              list
    -> f {"path": "a/b", "opaque": false, "error": "", "rows": [row, ...]} ...   a folder before those in it
    -> z                                              that was all
    <- r [[number, path, [[bytes, sha256], ...]], ...]   read these files, of which the host has such pieces
    -> o [number, row]  d <bytes>  s [first, count]  c [number, changed, error]
    -> w                                              the overlay holds what is not understood: all is told instead
    <- e {"notebook": "a.ipynb", "variables": [...]}  find out what it runs in, meanwhile
    <- E                                              ... and tell
    -> E {...}
    <- m {"entry": "..."}                             it is captured now: keep that name with the disk
    -> m
    <- q

    row     [name, kind, permissions, inode, size, mtime_ns, ctime_ns, links, target of a link, {attribute: base64},
            which attributes are not told, and why]
    kind    f file, d folder, l link, p pipe, w removed here, x something that is not told of

Names are bytes, each as the character of that number. Frames may fill the port before they are read: nothing here
waits longer than it is given: a minute, or what the host says where a network lies between.
"""

# pathlib would cost time, and annotations are comments where they name what is only imported for them.
# ruff: noqa: PTH104, PTH113, PTH115, PTH116, PTH118, PTH119, PTH123, PTH208

import base64
import errno
import hashlib
import http.client
import json
import os
import pwd
import re
import select
import signal
import stat
import struct
import subprocess
import sys
import threading
import time

TYPE_CHECKING = False  # typing itself would only cost time
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

HEADER = struct.Struct(">cI")
FRAME_LIMIT = 1 << 20
FOLDER_BYTES = 200000
OUT_BYTES = 256 * 1024
READ_BYTES = 256 * 1024
LONGEST_PIECE = 64 << 20
HASHED_PER_S = 50e6
PATIENCE_S = 60.0
HUNG_UP_S = 3.0
ATTRIBUTES_BYTES = 64 * 1024
LACKING_LENGTH = 900
NO_ATTRIBUTES = (errno.ENODATA, errno.ENOTSUP, errno.ENOENT, errno.ENOTDIR)
ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")
TEXT_BYTES = 64 * 1024
PYTHON_S = 30.0
RPM_S = 10.0
FIVE = "/etc/cernvm/cernvm_config"  # only CernVM 5 has it
OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
STRANGE = (
    "trusted.overlay.redirect",
    "user.overlay.redirect",
    "trusted.overlay.metacopy",
    "user.overlay.metacopy",
)
TEXTS = (
    "etc/os-release",
    "usr/lib/os-release",
    "etc/redhat-release",
    "etc/cernvm-release",
    "etc/issue",
    "proc/sys/kernel/osrelease",
    "proc/cpuinfo",
    "mnt/.rw/aux/ucernvm-version",
    "mnt/.rw/aux/cvmfs_snapshot",
    "mnt/.rw/context/ucontext",
    "etc/cernvm/cernvm_config",
)
ASK_PYTHON = "import json, sys; print(json.dumps([sys.version.split()[0], sys.path[1:]]))"


class Gone(Exception):
    """Nobody is at the other end any more."""


class Strange(Exception):
    """The overlay holds what this does not read; the working area itself is told instead."""


# --- frames


class Link:
    """Frames over a descriptor that neither end has to itself: a virtio-serial port, or in tests a socket."""

    def __init__(self, fd: int, patience_s: float = PATIENCE_S) -> None:
        self._fd = fd
        self._patience_s = patience_s
        self._received = bytearray()
        self._out = bytearray()
        os.set_blocking(fd, False)

    def greet(self, nonce: str) -> None:
        """Say that we are here, and skip what is not meant for us."""
        self._out += b"VMLT" + nonce.encode("ascii")
        self.flush()
        wanted = b"VMLH" + nonce.encode("ascii")
        while wanted not in self._received:
            del self._received[: -len(wanted)]
            self._fill()
        del self._received[: self._received.index(wanted) + len(wanted)]

    def put(self, kind: bytes, payload: bytes = b"") -> None:
        self._out += HEADER.pack(kind, len(payload)) + payload
        if len(self._out) >= OUT_BYTES:
            self.flush()

    def put_json(self, kind: bytes, value: "Any") -> None:
        self.put(kind, json.dumps(value, separators=(",", ":")).encode("ascii"))

    def take(self) -> "tuple[bytes, bytes]":
        """Return kind and payload of the next frame; what was put is sent before it is waited for."""
        self.flush()
        while len(self._received) < HEADER.size:
            self._fill()
        kind, length = HEADER.unpack_from(self._received)
        if length > FRAME_LIMIT:
            raise Gone("a frame is too long")
        while len(self._received) < HEADER.size + length:
            self._fill()
        payload = bytes(self._received[HEADER.size : HEADER.size + length])
        del self._received[: HEADER.size + length]
        return kind, payload

    def flush(self) -> None:
        view = memoryview(bytes(self._out))
        del self._out[:]
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        deadline = time.time() + self._patience_s
        while view:
            events = poll.poll(1000)
            written = 0
            if events and not events[0][1] & select.POLLHUP:
                written = self._write(view)
            view = view[written:]
            if written:
                deadline = time.time() + self._patience_s
            elif time.time() > deadline:
                raise Gone("the host does not read")
            elif events:
                time.sleep(0.01)  # hung up, or full: poll() returns at once

    def _write(self, view: memoryview) -> int:
        try:
            return os.write(self._fd, view[:OUT_BYTES])
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise
            return 0

    def _fill(self) -> None:
        """Read what there is; the port may look hung up for a moment after the host opened it."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        deadline, closed = time.time() + self._patience_s, time.time() + HUNG_UP_S
        while time.time() < min(deadline, closed):
            events = poll.poll(1000)
            if not events:
                closed = time.time() + HUNG_UP_S
                continue
            try:
                data = os.read(self._fd, 65536) if events[0][1] & select.POLLIN else b""
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EINTR):
                    raise
                continue
            if data:
                self._received += data
                return
            time.sleep(0.01)
        raise Gone("the host is silent")


# --- what lies there


def as_text(name: bytes) -> str:
    return name.decode("latin-1")


def row_of(name: bytes, path: bytes, status: os.stat_result, upper: bool) -> "list[Any]":
    """Return how a thing is told of; see the head of this file."""
    target = ""
    kind = kind_of(path, status, upper)
    if kind == "l":
        target = as_text(os.readlink(path))
    attributes, lacking = attributes_of(path) if kind in "fd" else ({}, "")
    return [
        as_text(name),
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_nlink,
        target,
        attributes,
        lacking,
    ]


def kind_of(path: bytes, status: os.stat_result, upper: bool) -> str:
    mode = status.st_mode
    if upper and stat.S_ISCHR(mode) and status.st_rdev == 0:
        return "w"
    if (
        upper
        and stat.S_ISREG(mode)
        and not status.st_size
        and attribute(path, "trusted.overlay.whiteout") is not None
    ):
        return "w"
    if upper and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        for name in STRANGE:
            if attribute(path, name) is not None:
                raise Strange(name)
    for kind, test in (("f", stat.S_ISREG), ("d", stat.S_ISDIR), ("l", stat.S_ISLNK), ("p", stat.S_ISFIFO)):
        if test(mode):
            return kind
    return "x"


def attribute(path: bytes, name: str) -> "bytes | None":
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return None


def attributes_of(path: bytes) -> "tuple[dict[str, str], str]":
    """Return the attributes that a user sets, and which of them are not told, and why.

    Those of the overlay and of the system's security are no part of the work. An access list names users of this
    machine, who are nobody elsewhere.
    """
    found, lacking, size = {}, [], 0  # type: tuple[dict[str, str], list[str], int]
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        return {}, "" if error.errno in NO_ATTRIBUTES else f"its extended attributes: {error.strerror}"
    for name in names:
        if name in ACCESS_LISTS:
            lacking.append("its access list, which names users of the machine")
        if not name.startswith("user.") or name.startswith("user.overlay."):
            continue
        shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
        try:
            value = os.getxattr(path, name, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_ATTRIBUTES:
                lacking.append(f"its attribute {shown}: {error.strerror}")
            continue
        size += len(value)
        if size > ATTRIBUTES_BYTES:
            lacking.append(f"its attribute {shown}: there are more than {ATTRIBUTES_BYTES} bytes of them")
            continue
        found[name.encode("utf-8", "surrogateescape").decode("latin-1")] = base64.b64encode(value).decode(
            "ascii"
        )
    return found, ", ".join(lacking)[:LACKING_LENGTH]


def list_folder(link: Link, root: bytes, path: bytes, upper: bool, device: int) -> "list[bytes]":
    """Tell what is in a folder, and return the paths of the folders in it."""
    folder = os.path.join(root, path) if path else root
    told = {"path": as_text(path), "opaque": False, "error": "", "rows": []}  # type: dict[str, Any]
    if upper and any(attribute(folder, name) == b"y" for name in OPAQUE):
        told["opaque"] = True
    below, size = [], 0
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        told["error"], names = error.strerror or "cannot be read", []
    for name in names:
        full = os.path.join(folder, name)
        try:
            status = os.lstat(full)
            row = row_of(name, full, status, upper)
        except OSError:
            continue  # removed since it was listed
        if row[1] == "d" and status.st_dev == device:
            below.append(os.path.join(path, name) if path else name)
        told["rows"].append(row)
        size += len(name) + 200 + sum(map(len, row[9].values())) + len(row[8]) + len(row[10])
        if size > FOLDER_BYTES:
            link.put_json(b"f", told)
            told["rows"], size = [], 0
    link.put_json(b"f", told)
    return below


def list_all(link: Link, root: bytes, upper: bool) -> None:
    device = os.lstat(root).st_dev
    waiting = [b""]
    while waiting:
        waiting.extend(reversed(list_folder(link, root, waiting.pop(), upper, device)))
    link.put(b"z")


# --- reading


def tell_file(link: Link, root: bytes, number: int, path: bytes, pieces: "list[Any]") -> None:
    full = os.path.join(root, path)
    error, changed = "", False
    try:
        fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as problem:
        link.put_json(b"c", [number, False, problem.strerror or "cannot be opened"])
        return
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            error = "is no file any more"
        else:
            link.put_json(b"o", [number, row_of(os.path.basename(path), full, status, False)])
            changed = not tell_content(link, fd, status.st_size, pieces) or stamp(os.fstat(fd)) != stamp(
                status
            )
    except OSError as problem:
        error = problem.strerror or "cannot be read"
    finally:
        os.close(fd)
    link.put_json(b"c", [number, changed, error])


def stamp(status: os.stat_result) -> "tuple[int, int, int]":
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def tell_content(link: Link, fd: int, left: int, pieces: "list[Any]") -> bool:
    """Tell a file's bytes, of pieces that the host has only that; False where it ends early."""
    if left > FRAME_LIMIT and not hashes_quickly():
        pieces = []  # an emulated processor hashes slower than the channel takes it
    for place, (length, digest) in enumerate(pieces):
        if not 0 < length <= min(left, LONGEST_PIECE):
            break
        data = read_exactly(fd, length)
        left -= len(data)
        if len(data) < length:
            put_data(link, data)
            return False
        if hashlib.sha256(data).hexdigest() == digest:
            link.put_json(b"s", [place, 1])
        else:
            put_data(link, data)
    while left:
        data = os.read(fd, min(left, READ_BYTES))
        if not data:
            return False
        left -= len(data)
        link.put(b"d", data)
    return True


def hashes_quickly(probe_bytes: int = 1 << 17) -> bool:
    """Tell whether comparing pieces takes less time than sending them."""
    begun = time.perf_counter()
    hashlib.sha256(bytes(probe_bytes)).digest()
    return probe_bytes / max(time.perf_counter() - begun, 1e-9) > HASHED_PER_S


def read_exactly(fd: int, length: int) -> bytes:
    parts = []
    while length:
        data = os.read(fd, length)
        if not data:
            break
        parts.append(data)
        length -= len(data)
    return b"".join(parts)


def put_data(link: Link, data: bytes) -> None:
    view = memoryview(data)
    for start in range(0, len(view), READ_BYTES):
        link.put(b"d", bytes(view[start : start + READ_BYTES]))


# --- what it runs in


class Finding(threading.Thread):
    """Finds out what the machine runs, beside the telling of changes: another Python must be asked for it."""

    def __init__(self, order: "dict[str, Any]", asked: "dict[str, Any]") -> None:
        super().__init__(daemon=True)
        self._order, self._asked = order, asked
        self.found = {}  # type: dict[str, Any]

    def run(self) -> None:
        self.found = environment(self._order, self._asked["notebook"], self._asked["variables"])


def environment(order: "dict[str, Any]", notebook: str, variables: "list[str]") -> "dict[str, Any]":
    """Return what the machine is, and the Python of the notebook's kernel with its packages."""
    kernel = kernel_process(order, notebook)
    program, environ, spec = kernel or ("", {}, "")
    version, folders = python_of(program, environ, order) if program else ("", [])
    return {
        "texts": {path: text_of("/" + path) for path in TEXTS if os.path.isfile("/" + path)},
        "markers": sorted(name for name in os.listdir("/") if name.startswith(".installed_cernvm-system-"))[
            :100
        ],
        "five": version_five(),
        "architecture": os.uname().machine,
        "mounts": repositories(),
        "interpreter": program,
        "kernelspec": spec,
        "environ": {name: environ[name][:10000] for name in variables if name in environ},
        "python": version,
        "folders": folders,
    }


def version_five() -> str:
    """Return the version of CernVM 5's system, which is that of its package; '' where this is none."""
    if not os.path.isfile(FIVE):
        return ""
    asked = ["rpm", "-q", "--qf", "%{VERSION}", "cernvm-system-default"]
    quiet = subprocess.DEVNULL
    try:
        with subprocess.Popen(asked, cwd="/", stdin=quiet, stdout=subprocess.PIPE, stderr=quiet) as process:
            try:
                answer = process.communicate(timeout=RPM_S)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                return ""
    except OSError:
        return ""
    return answer[:100].decode("ascii", "replace").strip() if process.returncode == 0 else ""


def text_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(TEXT_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def repositories() -> "list[list[Any]]":
    """Return path, fqrn, revision, root hash and tag of every mounted repository; a dead one is given up."""
    told = []  # type: list[list[Any]]
    for line in text_of("/proc/mounts").splitlines():
        source, path = [*line.split(" "), "", ""][:2]
        if source != "cvmfs2" or len(told) >= 100:
            continue
        values = []  # type: list[str]
        asking = threading.Thread(target=ask_mount, args=(path, values), daemon=True)
        asking.start()
        asking.join(2.0)
        told.append([path] + (values[:4] if len(values) == 4 else ["", "", "", ""]))
    return told


def ask_mount(path: str, values: "list[str]") -> None:
    for name in ("user.fqrn", "user.revision", "user.root_hash", "user.tag"):
        value = attribute(os.fsencode(path), name) or b""
        values.append(value[:256].rstrip(b"\0").decode("utf-8", "replace").strip())


def kernel_process(order: "dict[str, Any]", notebook: str) -> "tuple[str, dict[str, str], str] | None":
    """Return interpreter, variables and kernelspec of the notebook's kernel, else of any kernel that runs."""
    wanted, names = "", {}  # type: str, dict[str, str]
    for session in ask_jupyter(order, "api/sessions"):
        kernel = session.get("kernel") or {}
        names[str(kernel.get("id"))] = str(kernel.get("name", ""))
        if session.get("path") == notebook:
            wanted = str(kernel.get("id"))
    running = dict(kernel_processes())
    number = running.get(wanted) or (sorted(running.values()) or [0])[0]
    if not number:
        return None
    identity = next(each for each, process in running.items() if process == number)
    try:
        program = os.fsencode(os.readlink(f"/proc/{number}/exe"))
        with open(f"/proc/{number}/cmdline", "rb") as file:
            first = file.read(4096).split(b"\0")[0]
        with open(f"/proc/{number}/environ", "rb") as file:
            pairs = [line.partition(b"=") for line in file.read(1 << 18).split(b"\0") if b"=" in line]
    except OSError:
        return None
    program = first if first.startswith(b"/") else program  # a virtual environment's is a link to another
    environ = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    return os.fsdecode(program), environ, names.get(identity, "")


def kernel_processes() -> "Iterator[tuple[str, int]]":
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/" + name + "/cmdline", "rb") as file:
                found = re.search(rb"kernel-([0-9a-f-]{36})\.json", file.read(65536))
        except OSError:
            continue
        if found:
            yield found.group(1).decode("ascii"), int(name)


def ask_jupyter(order: "dict[str, Any]", what: str) -> "list[dict[str, Any]]":
    try:
        link = http.client.HTTPConnection("127.0.0.1", order["jupyter_port"], timeout=5)
        headers = {"Authorization": "token " + order["token"]}
        link.request("GET", order["base_url"] + what + "?no_track_activity=1", headers=headers)
        answered = json.loads(link.getresponse().read(1 << 20).decode("utf-8"))
        link.close()
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        return []
    return [each for each in answered if isinstance(each, dict)] if isinstance(answered, list) else []


def python_of(program: str, environ: "dict[str, str]", order: "dict[str, Any]") -> "tuple[str, list[Any]]":
    """Return an interpreter's version and its search path with what is installed there; '' where it is no Python.

    What it said once is kept until the machine is started again; what is installed is looked at each time.
    """
    matters = sorted(
        name for name in environ if name.startswith("PYTHON") or name in ("HOME", "LD_LIBRARY_PATH")
    )
    key = json.dumps([program, os.stat(program).st_mtime, [[name, environ[name]] for name in matters]])
    try:
        with open(order["pythons"]) as file:
            known = json.load(file)
    except (OSError, ValueError, RecursionError):
        known = {}
    if key not in known:
        answer = ask_python(program, environ, order["user"])
        if answer is None:
            return "", []
        known[key] = answer
        with open(order["pythons"] + ".new", "w") as file:
            json.dump(known, file)
        os.rename(order["pythons"] + ".new", order["pythons"])
    version, path = known[key]
    return version, [[folder, distributions_in(folder)] for folder in path[:1000]]


def distributions_in(folder: str) -> "list[str]":
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))[:20000]


def ask_python(program: str, environ: "dict[str, str]", user: str) -> "list[Any] | None":
    """Ask an interpreter for its version and search path, as the machine's user."""
    account = pwd.getpwnam(user) if user else None

    def become_user() -> None:
        if account is not None and os.geteuid() == 0:
            os.initgroups(account.pw_name, account.pw_gid)
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)

    try:
        process = subprocess.Popen(
            [program, "-c", ASK_PYTHON],
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=become_user,
        )
    except (OSError, ValueError):
        return None
    try:
        answer = process.communicate(timeout=PYTHON_S)[0]
        version, path = json.loads(answer.decode("utf-8", "replace").splitlines()[-1])
        return [str(version), [str(folder) for folder in path]]
    except (subprocess.TimeoutExpired, ValueError, RecursionError, IndexError, TypeError):
        process.kill()
        process.wait()
        return None


# --- all of it


def serve(link: Link, order: "dict[str, Any]") -> None:
    upper = os.fsencode(order["upper"]) if order["upper"] else b""
    how = "upper" if upper else "walk"
    root = upper or os.fsencode(order["target"])
    top = row_of(b".", root, os.lstat(root), False)
    mark = text_of(order["mark"]).strip() if order["mark"] else ""
    link.put_json(b"h", {"v": 1, "how": how, "mark": mark, "top": top})
    finding = None  # type: Finding | None
    while True:
        kind, payload = link.take()
        if kind == b"l" and how == "upper":
            try:
                list_all(link, root, True)
            except Strange:
                how, root = "walk", os.fsencode(order["target"])
                link.put(b"w")
                list_all(link, root, False)
        elif kind == b"l":
            list_all(link, root, False)
        elif kind == b"r":
            for number, path, pieces in json.loads(payload.decode("utf-8")):
                tell_file(link, root, number, path.encode("latin-1"), pieces)
        elif kind == b"e":
            finding = Finding(order, json.loads(payload.decode("utf-8")))
            finding.start()
        elif kind == b"E" and finding is not None:
            finding.join()
            link.put_json(b"E", finding.found)
        elif kind == b"m":
            keep_mark(order["mark"], json.loads(payload.decode("utf-8"))["entry"])
            link.put(b"m")
        else:
            return


def keep_mark(path: str, entry: str) -> None:
    """Keep the entry's id with the disk, so that it goes back when the disk does."""
    if path:
        with open(path + ".new", "w") as file:
            file.write(entry + "\n")
        os.rename(path + ".new", path)


def tell(order: "dict[str, Any]") -> None:
    """Tell one host what it asks, then return; this process is for nothing else."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    port = order["port"]
    try:
        fd = port if isinstance(port, int) else os.open(port, os.O_RDWR | os.O_NONBLOCK)
        link = Link(fd, float(order.get("patience") or PATIENCE_S))
        link.greet(order["nonce"])
        try:
            serve(link, order)
        except (OSError, ValueError, KeyError, TypeError) as error:
            link.put_json(b"x", {"error": f"{type(error).__name__}: {error}"})
        link.flush()
    except (Gone, OSError) as error:
        os.write(2, f"vml-teller: {error}\n".encode("utf-8", "replace"))


if __name__ == "__main__":
    tell(json.load(sys.stdin))
