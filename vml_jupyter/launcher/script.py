#!/usr/bin/env python3
"""Start the machine of one logbook entry on this computer: the right CernVM, with the working area in it.

    python3 vml-launch-<entry>.py [start|status|capture|suspend|resume|stop|remove] [--dry-run] [--yes]
                                  [--offline FILE.vml]

It needs Python 3.8 and QEMU, nothing else, and asks before it does anything. Everything it makes is in one folder:

    <folder>/launch.json     what the machine is, with its tokens           mode 0600
             context.iso     what tells the machine what it is for          mode 0600
             image.hdd       the CernVM image, if it had to be downloaded; image.part while it comes
             scratch.raw     the only disk the machine can write to
             console.log qemu.log relay.log net.log
             *.pid *.sock    QEMU, passt (network), the relay of the working area, what changed in it
             memory          the machine's memory while it is suspended

It talks to the servers that are named in CONFIG and to nobody else, and tells them: the digest of this file, which
stage it is in, and which accelerator it found; with `capture`, which is only done when you say so, what changed in the
machine's working area and what the machine runs. Whatever a server answers is bounded and checked, and never becomes
the name of a file.
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import hashlib
import hmac
import html
import http.client
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

CONFIG: dict[str, Any] = {}

QEMU = "qemu-system-x86_64"
GUEST_PORT = 8888
PIECE = 1 << 20
CHUNK = 256 << 10
CHUNKS = 256
JSON_LIMIT = 1 << 20
CONTEXT_LIMIT = 32 << 20
SHORT_S, LONG_S = 10.0, 900.0
PAUSE_S = 2.0
LAST_S = 10.0
READY_S = 900.0
PROBE_S = 60.0
CLEARLY = 0.6
# fmt: off
FILES = (
    "launch.json", "launch.json.new", "context.iso", "context.iso.new", "image.hdd", "image.part", "scratch.raw",
    "memory", "memory.new", "console.log", "qemu.log", "relay.log", "net.log", "qemu.pid", "relay.pid", "net.pid",
    "qmp.sock", "agent.sock", "tell.sock", "net.sock", "area.sock",
)
# fmt: on


BEGUN: list[Any] = []


class Refused(Exception):
    """What cannot be done, and what to do about it."""

    def __init__(self, message: str, hint: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.hint = hint
        self.status = status


class Unreachable(Exception):
    """The server does not answer now; it may again. Some of what was asked for may have come before."""

    def __init__(self, message: str, some_came: bool = False) -> None:
        super().__init__(message)
        self.some_came = some_came


def say(text: str) -> None:
    """Print one line; what a terminal would obey is not printed, as some of it comes from elsewhere."""
    print("".join(each if each.isprintable() else "?" for each in text), flush=True)


# --- what servers say, looked at before it is used


def field(record: Any, name: str, pattern: str) -> str:
    """Return a text of a foreign record that must look like this."""
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise Refused(
            f"the answer has no sound {name!r}", "The server is not what it was; ask for a new script."
        )
    return value


def number(record: Any, name: str, least: int, most: int) -> int:
    """Return a number of a foreign record within bounds."""
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Refused(
            f"the answer has no sound {name!r}", "The server is not what it was; ask for a new script."
        )
    return value


SHA256 = "[0-9a-f]{64}"
ID = "[0-9a-z]{12}"
ENTRY = "[0-9A-Za-z_-]{1,64}"
TOKEN = "[A-Za-z0-9_-]{20,128}"  # noqa: S105 - what one looks like


class Server:
    """The VML server: one of its addresses, a certificate that was named with the script, and a token."""

    def __init__(self, config: dict[str, Any], token: str) -> None:
        self.addresses = [str(each) for each in config.get("servers", [])]
        self.certificate = str(config.get("certificate", ""))
        self.token = token

    def connect(self, address: str, timeout_s: float) -> http.client.HTTPConnection:
        """Open a connection; with a certificate that was pinned, before a byte is sent, nobody else's will do."""
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname or ""
        if parts.scheme != "https":
            if host not in ("127.0.0.1", "::1", "localhost"):
                raise Refused(
                    f"{address} is neither this computer nor https", "Ask for a script with an https address."
                )
            return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout_s)
        context = ssl.create_default_context()
        if self.certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        link = http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout_s, context=context)
        try:
            link.connect()
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"the certificate of {host} is not to be trusted: {error.verify_message}"
            ) from error
        seen = hashlib.sha256(link.sock.getpeercert(True) or b"").hexdigest()
        if self.certificate and not hmac.compare_digest(seen, self.certificate):
            link.close()
            raise Refused(
                f"{host} shows another certificate than the one that this script was made with",
                "Somebody may be in between. If the server has a new certificate, ask it for a new script.",
            )
        return link

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = SHORT_S,
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask once, at the first address that answers; bytes are sent as they are, all else as JSON."""
        why = "it has no address"
        for address in self.addresses:
            base = urllib.parse.urlsplit(address).path.rstrip("/")
            link = None
            try:
                link = self.connect(address, timeout_s)
                raw = isinstance(body, bytes)
                data = body if body is None or raw else json.dumps(body).encode()
                sent = {
                    "Authorization": "Bearer " + self.token,
                    "Content-Type": "application/octet-stream" if raw else "application/json",
                    **(headers or {}),
                }
                link.request(method, base + "/vml/launches" + path, data, sent)
                answer = link.getresponse()
                self.judge(answer)
            except (OSError, http.client.HTTPException, ValueError) as error:
                why = str(error) or type(error).__name__
                if link is not None:
                    link.close()
                continue
            except BaseException:
                if link is not None:
                    link.close()
                raise
            try:
                yield answer
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(str(error) or type(error).__name__) from error
            finally:
                link.close()
            return
        raise Unreachable(why)

    def judge(self, answer: http.client.HTTPResponse) -> None:
        """Tell a server that says no from one that is not there."""
        if answer.status in (200, 206):
            return
        message, hint, code = "the server says no (%d)" % answer.status, "", ""
        with contextlib.suppress(ValueError, AttributeError, RecursionError):
            said = json.loads(answer.read(JSON_LIMIT))
            message, hint = str(said.get("message", message))[:500], str(said.get("hint", ""))[:500]
            code = str(said.get("code", ""))
        # What is wrong with a logbook, say, will not be right in a minute; what a proxy says may be.
        known = answer.status == 500 and code and code != "unexpected"
        if not known and (answer.status >= 500 or answer.status == 429 or 300 <= answer.status < 400):
            raise OSError("it answers %d" % answer.status)
        raise Refused(message, hint, answer.status)

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Ask until there is an answer, and return its JSON."""

        def once() -> Any:
            with self.ask(method, path, body) as answer:
                raw = answer.read(JSON_LIMIT + 1)
            if len(raw) > JSON_LIMIT:
                raise Refused("the server's answer is too long")
            try:
                return json.loads(raw.decode("utf-8"))
            except (ValueError, RecursionError) as error:
                raise Refused(f"the server's answer is not understood: {error}") from error

        return patiently(once, "the VML server")

    def read(self, path: str, start: int, length: int, for_ever: bool = False) -> bytes:
        """Ask until there is an answer, and return a part of a file."""

        def once() -> bytes:
            wanted = "bytes=%d-%d" % (start, start + length - 1)
            with self.ask("GET", path, headers={"Range": wanted}) as answer:
                data = answer.read(length + 1)
            if answer.status != 206 or len(data) != length:
                raise Unreachable("it sent %d bytes instead of %d" % (len(data), length))
            return data

        patience = [float("inf")] if for_ever else []
        return bytes(patiently(once, "the VML server", *patience))

    def tell(self, path: str, body: Any, method: str = "POST") -> None:
        """Say something once; if nobody listens now, nothing is lost but the news."""
        with contextlib.suppress(Unreachable, Refused), self.ask(method, path, body, timeout_s=3.0) as answer:
            answer.read(JSON_LIMIT)


def patiently(work: Callable[[], Any], who: str, patience_s: float = LONG_S) -> Any:
    """Do something that needs a network; while that is away, wait and say so."""
    deadline, told = 0.0, False
    while True:
        try:
            result = work()
        except Unreachable as error:
            if not deadline or error.some_came:
                deadline = time.monotonic() + patience_s
            if time.monotonic() > deadline:
                raise Refused(f"{who} does not answer: {error}", "Run this again when it does.") from error
            if not told:
                say(f"{who} does not answer ({error}); waiting for it ...")
                told = True
            time.sleep(PAUSE_S)
            continue
        except Refused:
            if told:
                say(f"{who} answers again.")
            raise
        if told:
            say(f"{who} answers again.")
        return result


# --- the folder


class Folder:
    """Everything that is made here. Names are those in FILES, never a server's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard = -1  # how many lines the relay's log had when this started one, which QEMU waits for

    def file(self, name: str) -> Path:
        assert name in FILES, name
        return self.path / name

    def load(self) -> dict[str, Any]:
        """Return what is known of the machine; nothing where there is none."""
        try:
            record = json.loads(self.file("launch.json").read_text("utf-8"))
            fields = dict(record.items())
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, RecursionError) as error:
            raise Refused(
                "{} is damaged: {}".format(self.file("launch.json"), error), "Say remove, and start again."
            ) from error
        if fields.get("entry") != CONFIG["entry"]:
            raise Refused(f"{self.path} is the folder of another entry", "Name another with --folder.")
        return fields

    def save(self, record: dict[str, Any]) -> None:
        self.write("launch.json", json.dumps(record, indent=1).encode())

    def write(self, name: str, content: bytes) -> None:
        """Replace a file as a whole; readable by its owner only from its first byte."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.file(name + ".new")
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        descriptor = os.open(str(draft), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        draft.replace(self.file(name))

    def remove(self) -> None:
        """Remove what this script made, and the folder if nothing else is in it."""
        for name in FILES:
            with contextlib.suppress(FileNotFoundError):
                self.file(name).unlink()
        with contextlib.suppress(FileNotFoundError, OSError):
            self.path.rmdir()

    def pid(self, name: str) -> int:
        """Return the process id in a file if that process is still the one, else 0."""
        try:
            number = int(self.file(name + ".pid").read_text().split()[0])
            # One that has ended, and that nobody has asked about, has no words there any more.
            words = Path("/proc/%d/cmdline" % number).read_bytes() if Path("/proc/self").exists() else None
            os.kill(number, 0)
        except (OSError, ValueError, IndexError):
            return 0
        return number if words is None or os.fsencode(self.path) in words else 0

    def end(self, name: str) -> None:
        """End a process that was started here."""
        number = self.pid(name)
        for kind, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            if number:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, kind)
                wait(lambda: not self.pid(name), patience_s)
                number = self.pid(name)
        with contextlib.suppress(FileNotFoundError):
            self.file(name + ".pid").unlink()

    def begin(self, name: str, argv: list[str]) -> None:
        """Start a process that stays; one of its arguments names the folder, by which it is known again."""
        assert any(str(self.path) in word for word in argv)
        with self.file(name + ".log").open("ab") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=str(self.path),
            )
        self.file(name + ".pid").write_text("%d\n" % process.pid)
        BEGUN.append(process)

    def dial(self, link: socket.socket, name: str) -> None:
        """Connect to a socket in the folder, however long its path: one may have 107 bytes only."""
        handle = os.open(str(self.path), os.O_RDONLY)
        try:
            short = Path(f"/proc/self/fd/{handle}")
            link.connect(str((short if short.exists() else self.path) / self.file(name).name))
        finally:
            os.close(handle)

    def log(self, name: str) -> str:
        """Return the last line of a log, '' where there is none."""
        return (self.lines(name) or [""])[-1]

    def lines(self, name: str) -> list[str]:
        """Return the lines of a log, shortened."""
        try:
            text = self.file(name + ".log").read_text("utf-8", "replace")
        except OSError:
            return []
        return [line[:300] for line in text.splitlines() if line.strip()]


def wait(condition: Callable[[], bool], patience_s: float) -> bool:
    """Wait until something holds; tell whether it does."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        for process in BEGUN:
            process.poll()  # or what has ended would stay as a zombie
        time.sleep(0.05)
    return True


# --- an export, for work without a server


class Bundle:
    """A file of ``vml export --with-release``: a plain tar; its files are used where they lie in it."""

    NAMES = re.compile(
        r"manifest\.json|machine/(?:launch\.json|context\.iso|area\.iso)|release/[A-Za-z0-9._~-]{1,90}"
    )

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.members: dict[str, tuple[int, int]] = {}
        try:
            with self.path.open("rb") as stream:
                self.look(stream)
        except (OSError, ValueError) as error:
            raise Refused(
                f"{path} cannot be used: {error}", "Name a file that `vml export` wrote."
            ) from error

    def look(self, stream: BinaryIO) -> None:
        size = os.fstat(stream.fileno()).st_size
        at = 0
        while True:
            stream.seek(at)
            block = stream.read(512)
            if len(block) < 512:
                raise ValueError("it was cut")
            if not block.strip(b"\0"):
                return
            name = block[:100].rstrip(b"\0").decode("ascii", "replace")
            if block[257:262] != b"ustar":
                raise ValueError("it is no archive")
            length = int(block[124:136].rstrip(b"\0 ") or b"0", 8)
            at += 512
            if not 0 <= length <= size - at:
                raise ValueError(f"{name!r} reaches beyond its end")
            if self.NAMES.fullmatch(name) and block[156:157] in (b"0", b"\0"):
                self.members[name] = (at, length)
            at += length + -length % 512

    def read(self, name: str, limit: int) -> bytes:
        offset, length = self.place(name)
        if length > limit:
            raise Refused(f"{name} in {self.path} is too large")
        with self.path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)

    def place(self, name: str) -> tuple[int, int]:
        if name not in self.members:
            raise Refused(f"{self.path} has no {name}", "Export it with --with-release.")
        return self.members[name]

    def disk(self, name: str) -> dict[str, Any]:
        """Return the part of the file as QEMU reads it."""
        offset, length = self.place(name)
        return {"driver": "raw", "offset": offset, "size": length, "file": file_node(self.path)}


def file_node(path: Path) -> dict[str, Any]:
    return {"driver": "file", "filename": str(path)}


def digest_of(path: Path, offset: int = 0, length: int | None = None) -> str:
    """Return the SHA-256 of a file, or of a part of it."""
    digest = hashlib.sha256()
    left = path.stat().st_size - offset if length is None else length
    with path.open("rb") as stream:
        stream.seek(offset)
        while left > 0:
            piece = stream.read(min(PIECE, left))
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


# --- what this computer can do


def accelerator() -> tuple[str, str]:
    """Return kvm or tcg and why: found by running a guest of one sector, as /dev/kvm may open and then hang."""
    there = os.access("/dev/kvm", os.R_OK | os.W_OK)
    seconds = race(["tcg", "kvm"] if there else ["tcg"])
    if not seconds:  # QEMU's emulation crashes now and then as it starts
        seconds = race(["tcg"])
    emulated, with_kvm = seconds.get("tcg"), seconds.get("kvm")
    if with_kvm is not None and (emulated is None or with_kvm < CLEARLY * emulated):
        return "kvm", "a test guest ran with it"
    if emulated is None:
        raise Refused("QEMU runs no guest here", "Install QEMU again, or a newer one.")
    if not there:
        return "tcg", "there is no /dev/kvm that is yours to use"
    return "tcg", "a test guest does not run with KVM here, or not clearly faster"


def race(kinds: list[str]) -> dict[str, float]:
    """Run the test guest with each accelerator at once, until it is clear which to take; return their seconds."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="vml-probe-") as folder:
        disk = Path(folder) / "boot.img"
        disk.write_bytes(bytes.fromhex(CONFIG["probe"]).ljust(1 << 20, b"\0"))
        quiet = subprocess.DEVNULL
        since = time.monotonic()
        running = {
            kind: subprocess.Popen(probe_command(kind, disk), stdin=quiet, stdout=quiet, stderr=quiet)
            for kind in kinds
        }
        try:
            while running and time.monotonic() < since + PROBE_S:
                elapsed = time.monotonic() - since
                ended = {kind: process.poll() for kind, process in running.items()}
                for kind, status in ended.items():
                    if status is not None:
                        del running[kind]
                        found.update({kind: elapsed} if status == 33 else {})
                # KVM that is of use needs much less than emulation; one that is of none may hang: nobody waits for it.
                if "tcg" in found or elapsed > found.get("kvm", PROBE_S) / CLEARLY:
                    break
                time.sleep(0.01)
            else:
                if "tcg" in running:  # on a computer that is very busy; it does run
                    found["tcg"] = PROBE_S
        finally:
            for process in running.values():
                process.kill()
                process.wait()
    return found


def probe_command(kind: str, disk: Path) -> list[str]:
    argv = [QEMU, "-accel", kind, "-cpu", CONFIG["cpu"][kind], "-m", "64", "-nodefaults", "-display", "none"]
    argv += ["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    return [*argv, "-drive", f"file={disk},format=raw,if=ide"]


def preflight(folder: Folder, size_bytes: int) -> tuple[str, list[str]]:
    """Return the accelerator, and what stands in the way here, each with what to do about it."""
    wrong, kind = [], ""
    if shutil.which(QEMU) is None:
        wrong.append(
            "QEMU is not installed. On Debian and Ubuntu: apt install qemu-system-x86; Fedora: dnf install qemu-kvm"
        )
    else:
        try:
            kind, why = accelerator()
            say(f"Accelerator: {kind}, as {why}.")
            if kind == "tcg":
                say(
                    "  Without hardware acceleration a machine takes a minute to come up, and computes slowly."
                )
        except Refused as error:
            wrong.append(f"{error}. {error.hint}")
    if os.name != "posix":
        wrong.append("this needs Unix sockets, which Python has on Linux and macOS")
    elif os.geteuid() == 0 and not CONFIG.get("allow_root"):
        wrong.append(
            "this is root, and a machine needs no such rights. Run it as an ordinary user, or say --allow-root"
        )
    above = folder.path
    while not above.exists():
        above = above.parent
    free = shutil.disk_usage(str(above)).free
    if free < size_bytes + (1 << 30):
        wrong.append("%s has %d MiB free, and %d are needed" % (above, free >> 20, (size_bytes >> 20) + 1024))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
        if memory < CONFIG["shape"]["memory_mib"] + 256:
            wrong.append("this computer has %d MiB of memory. Say --memory MIB" % memory)
    try:
        free_port()
    except Refused as error:
        wrong.append(f"{error}. End what listens on so many")
    return kind, wrong


def free_port(wanted: int = 0) -> int:
    for port in (wanted, 0) if wanted else (0,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Refused("no port on 127.0.0.1 is free")


# --- the image


def find_image(folder: Folder, images: list[Path], bundle: Bundle | None) -> dict[str, Any] | None:
    """Return where the image lies on this computer, by content, as QEMU reads it; None where it does not."""
    wanted = CONFIG["image"]
    if bundle is not None:
        for name, (offset, length) in bundle.members.items():
            fits = name.startswith("release/") and length == wanted["size_bytes"]
            if fits and digest_of(bundle.path, offset, length) == wanted["sha256"]:
                return bundle.disk(name)
    places = [folder.path, Path.home() / "Downloads", *images, *pools()]
    for place in places:
        files = [place] if place.is_file() else sorted(place.glob("*")) if place.is_dir() else []
        for file in files:
            with contextlib.suppress(OSError):
                if (
                    file.is_file()
                    and file.stat().st_size == wanted["size_bytes"]
                    and digest_of(file) == wanted["sha256"]
                ):
                    say(f"The image is here: {file}")
                    return {"driver": "raw", "file": file_node(file.resolve())}
    return None


def pools() -> list[Path]:
    """Return the folders of libvirt's storage pools: the usual ones, and those that its descriptions name."""
    home = Path.home()
    found = [Path("/var/lib/libvirt/images"), home / ".local/share/libvirt/images"]
    for place in (Path("/etc/libvirt/storage"), home / ".config/libvirt/storage"):
        with contextlib.suppress(OSError):
            for file in sorted(place.glob("*.xml")):
                text = file.read_text("utf-8", "replace")[:JSON_LIMIT]
                for named in re.findall(r"<target>\s*<path>([^<]{1,4000})</path>", text):
                    found.append(Path(html.unescape(named.strip())))
    return [each for each in found if each.is_absolute() and os.access(str(each), os.R_OK | os.X_OK)]


def seen(image: dict[str, Any]) -> list[int]:
    """Return size and time of the file that an image lies in, by which a change is noticed; [] where there is none."""
    try:
        found = Path(image["file"]["filename"]).stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def fetch_image(folder: Folder, server: Server | None, path: str) -> dict[str, Any]:
    """Download the image, from the VML server, else from the mirrors; what arrived stays, and is gone on with."""
    wanted = CONFIG["image"]
    sources: list[Callable[[int], Any]] = []
    if server is not None:
        sources.append(lambda start: server.ask("GET", path, headers={"Range": "bytes=%d-" % start}))
    sources += [lambda start, url=url: mirror(url, start) for url in CONFIG.get("mirrors", [])]  # type: ignore[misc]
    reasons = []
    for source in sources:
        try:
            patiently(lambda source=source: download(folder, source), "the release server")  # type: ignore[misc]
        except Refused as error:
            reasons.append(str(error))
            continue
        part = folder.file("image.part")
        say("Verifying the image ...")
        if digest_of(part) == wanted["sha256"]:
            part.replace(folder.file("image.hdd"))
            return {"driver": "raw", "file": file_node(folder.file("image.hdd"))}
        part.unlink()
        reasons.append("what came is not the image that this script names (its SHA-256 differs)")
    raise Refused(
        "the image of {} cannot be had: {}".format(
            CONFIG["label"], "; ".join(reasons) or "no server is named"
        ),
        "Put the file with the SHA-256 {} into ~/Downloads.".format(wanted["sha256"]),
    )


def download(folder: Folder, source: Callable[[int], Any]) -> None:
    part, size = folder.file("image.part"), CONFIG["image"]["size_bytes"]
    start = part.stat().st_size if part.exists() else 0
    if start > size:
        part.unlink()
        start = 0
    if start == size:
        return
    with source(start) as answer, part.open("ab") as stream:
        if answer.status == 200 and start:
            stream.truncate(0)
            start = 0
        done, shown = start, -1
        while done < size:
            try:
                piece = answer.read(min(PIECE, size - done))
            except (OSError, http.client.HTTPException) as error:
                raise Unreachable(f"it broke off: {error}", done > start) from error
            if not piece:
                raise Unreachable("it broke off after %d of %d bytes" % (done, size), done > start)
            stream.write(piece)
            done += len(piece)
            if done * 10 // size != shown:
                shown = done * 10 // size
                say("  %d of %d MB" % (done // 1000000, size // 1000000))


@contextlib.contextmanager
def mirror(url: str, start: int) -> Iterator[Any]:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise Refused(f"{url} is no web address")
    request = urllib.request.Request(url, headers={"Range": "bytes=%d-" % start})  # noqa: S310 - looked at above
    try:
        answer = urllib.request.urlopen(request, timeout=30)  # noqa: S310
    except urllib.error.HTTPError as error:
        raise Refused("%s answers %d" % (url, error.code)) from error
    except OSError as error:
        raise Unreachable(str(error)) from error
    with answer:
        yield answer


# --- the relay: the working area, from the VML server to QEMU, as a disk that is read as it is needed


def relay(folder: Folder) -> None:
    """Serve the working area to QEMU over a socket in the folder (NBD), for as long as QEMU runs.

    Source of the protocol: nbd's doc/proto.md. A network that is away is waited for: the guest waits meanwhile.
    """
    record = folder.load()
    server = Server(CONFIG, record["token"])
    area = Area(server, "/{}/area.iso".format(record["machine"]), record["area_bytes"])
    path = folder.file("area.sock")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.umask(0o077)
    listener.bind("area.sock")
    listener.listen(1)
    listener.settimeout(5.0)
    patience = 60
    while patience > 0:
        try:
            link, _ = listener.accept()
        except socket.timeout:  # noqa: UP041 - no TimeoutError before Python 3.10
            patience = 12 if folder.pid("qemu") else patience - 1
            continue
        with link, contextlib.suppress(OSError, EOFError):
            link.settimeout(None)
            serve(link, area)
        patience = 2
    if folder.pid("relay") == os.getpid():
        # Whoever stops a machine ends this process first: so it went down by itself.
        server.tell("/{}/status".format(record["machine"]), {"stage": "ended"})


class Area:
    """The bytes of the working area's disk, of which some are kept in memory."""

    def __init__(self, server: Server, path: str, size: int) -> None:
        self.server, self.path, self.size = server, path, size
        self.chunks: collections.OrderedDict[int, bytes] = collections.OrderedDict()

    def read(self, offset: int, length: int) -> bytes:
        first, last = offset // CHUNK, (offset + length - 1) // CHUNK
        found = b"".join(self.chunk(number) for number in range(first, last + 1))
        start = offset - first * CHUNK
        return found[start : start + length]

    def chunk(self, number: int) -> bytes:
        if number not in self.chunks:
            start = number * CHUNK
            data = self.server.read(self.path, start, min(CHUNK, self.size - start), for_ever=True)
            self.chunks[number] = data
            if len(self.chunks) > CHUNKS:
                self.chunks.popitem(last=False)
        self.chunks.move_to_end(number)
        return self.chunks[number]


def serve(link: socket.socket, area: Area) -> None:
    """Answer one NBD client until it goes."""
    if not agree(link, area.size):
        return
    while True:
        magic, _, kind, handle, offset, length = struct.unpack(">IHHQQI", receive(link, 28))
        if magic != 0x25609513 or kind == 2:
            return
        error, data = 0, b""
        if kind != 0 or length > 64 << 20 or offset + length > area.size:
            error = 0 if kind == 3 else 22
        else:
            try:
                data = area.read(offset, length)
            except (
                Refused
            ) as why:  # it says no, which waiting does not change: the machine sees a broken disk
                say(f"The working area cannot be read: {why}")
                error = 5
        link.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + data)


def agree(link: socket.socket, size: int) -> bool:
    """Come to terms with an NBD client; tell whether it goes on to read."""
    link.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
    no_zeroes = struct.unpack(">I", receive(link, 4))[0] & 2
    flags = 1 | 2 | 256  # has flags, read-only, several connections see the same
    while True:
        magic, option, length = struct.unpack(">8sII", receive(link, 16))
        if magic != b"IHAVEOPT" or length > 65536:
            return False
        receive(link, length)
        if option == 1:  # EXPORT_NAME
            link.sendall(struct.pack(">QH", size, flags) + (b"" if no_zeroes else bytes(124)))
            return True
        if option in (6, 7):  # INFO, GO
            answer(link, option, 3, struct.pack(">HQH", 0, size, flags))
            answer(link, option, 1)
            if option == 7:
                return True
        elif option == 2:  # ABORT
            answer(link, option, 1)
            return False
        else:
            answer(link, option, (1 << 31) + 1)


def answer(link: socket.socket, option: int, kind: int, data: bytes = b"") -> None:
    link.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data)


def receive(link: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = link.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


# --- the machine


def qemu_command(folder: Folder, record: dict[str, Any], network: str) -> list[str]:
    """Return QEMU's command line: the same machine as the Jupyter server makes by libvirt."""
    kind = record["accelerator"]
    boot = dict(record["image"], **{"node-name": "boot", "read-only": True})
    context = {
        "driver": "raw",
        "node-name": "context",
        "read-only": True,
        "file": file_node(folder.file("context.iso")),
    }
    scratch = {
        "driver": "raw",
        "node-name": "scratch",
        "discard": "unmap",
        "file": file_node(folder.file("scratch.raw")),
    }
    area = dict(record["area"], **{"node-name": "area", "read-only": True})
    argv = [
        QEMU,
        "-name",
        "vml-{},debug-threads=off".format(record["machine"]),
        "-no-user-config",
        "-nodefaults",
        "-display",
        "none",
    ]
    argv += ["-machine", f"q35,accel={kind}", "-cpu", CONFIG["cpu"][kind], "-smp", str(record["cpus"])]
    argv += [
        "-m",
        str(record["memory_mib"]),
        "-rtc",
        "base=utc,driftfix=slew",
        "-pidfile",
        str(folder.file("qemu.pid")),
    ]
    argv += ["-chardev", "file,id=console,path=console.log,append=on", "-serial", "chardev:console"]
    argv += ["-qmp", "unix:qmp.sock,server=on,wait=off", "-device", "virtio-serial-pci"]
    for place, name in enumerate(("agent", "tell")):
        channel = CONFIG["channels"][place]
        argv += ["-chardev", f"socket,id={name},path={name}.sock,server=on,wait=off"]
        argv += ["-device", f"virtserialport,chardev={name},name={channel}"]
    for node in (boot, scratch, area, context):
        argv += ["-blockdev", json.dumps(node)]
    if CONFIG["image"]["cd"]:
        argv += ["-device", "ide-cd,drive=boot,bus=ide.1,bootindex=1"]
    else:
        argv += ["-device", "virtio-blk-pci,drive=boot,bootindex=1"]
    # The working area in a thread of its own, beside QEMU's main loop, which an emulated processor needs, too.
    argv += ["-device", "virtio-blk-pci,drive=scratch", "-object", "iothread,id=io"]
    argv += ["-device", "virtio-blk-pci,drive=area,iothread=io"]
    argv += [
        "-device",
        "ide-cd,drive=context,bus=ide.0",
        "-netdev",
        network,
        "-device",
        "virtio-net-pci,netdev=net,mac={},romfile=".format(CONFIG["mac"]),
    ]
    argv += ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"]
    return [*argv, "-device", "virtio-balloon-pci", "-daemonize"]


def qemu_version() -> tuple[int, int]:
    """Return QEMU's version; (0, 0) where it does not tell one."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            [QEMU, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
        )
        found = re.search(rb"version (\d{1,4})\.(\d{1,4})", done.stdout)
        if found:
            return int(found[1]), int(found[2])
    return 0, 0


def start_network(folder: Folder, port: int) -> str:
    """Return QEMU's network: passt where there is one, as with QEMU's own a guest reaches this computer's loopback."""
    with contextlib.suppress(FileNotFoundError):
        folder.file("net.sock").unlink()
    if shutil.which("passt") and os.geteuid() != 0 and qemu_version() >= (7, 2):
        argv = [
            "passt",
            "--foreground",
            "--one-off",
            "--quiet",
            "--no-map-gw",
            "-t",
            "127.0.0.1/%d:%d" % (port, GUEST_PORT),
        ]
        # Its paths are relative, but for the one by which the process is known again.
        folder.begin(
            "net", [*argv, "-u", "none", "--socket", "net.sock", "--pid", str(folder.file("net.pid"))]
        )
        if wait(lambda: folder.file("net.sock").exists() or not folder.pid("net"), 10.0) and folder.pid(
            "net"
        ):
            return "stream,id=net,server=off,addr.type=unix,addr.path=net.sock"
    say("Without passt the machine can reach services on this computer's loopback address.")
    return "user,id=net,hostfwd=tcp:127.0.0.1:%d-:%d" % (port, GUEST_PORT)


def run_qemu(folder: Folder, record: dict[str, Any]) -> None:
    """Start what a machine needs, then the machine; from its memory where that was put to disk."""
    if record["area"]["driver"] == "nbd":
        folder.end("relay")
        with contextlib.suppress(FileNotFoundError):
            folder.file("area.sock").unlink()
        script = str(Path(__file__).resolve())
        folder.heard = len(folder.lines("relay"))
        folder.begin("relay", [sys.executable, "-I", script, "relay", "--folder", str(folder.path)])
        if not wait(folder.file("area.sock").exists, 20.0):
            raise Refused("the working area cannot be served: {}".format(folder.log("relay")))
    record["port"] = free_port(record.get("port", 0))
    folder.save(record)
    argv = qemu_command(folder, record, start_network(folder, record["port"]))
    memory = folder.file("memory")
    descriptors: tuple[int, ...] = ()
    if memory.exists():
        descriptors = (os.open(str(memory), os.O_RDONLY),)
        argv += ["-incoming", "fd:%d" % descriptors[0]]
    try:
        done = subprocess.run(
            argv,
            cwd=str(folder.path),
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
        )
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    folder.file("qemu.log").write_bytes(done.stdout)
    if done.returncode != 0:
        raise Refused("QEMU does not start: {}".format(folder.log("qemu")))
    if memory.exists():
        if not wait(lambda: qmp(folder, "query-status").get("status") != "inmigrate", 300.0):
            raise Refused("its memory cannot be read back", "Say stop, and start it without.")
        memory.unlink()  # before it goes on: from then on the disk is another than the one that fits this memory
        qmp(folder, "cont")


def qmp(folder: Folder, command: str, descriptor: int = -1, **arguments: Any) -> Any:
    """Ask QEMU something over its own socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(60.0)
        folder.dial(link, "qmp.sock")
        stream = link.makefile("rb")
        stream.readline(JSON_LIMIT)
        result = None
        commands: list[dict[str, Any]] = [{"execute": "qmp_capabilities"}]
        if descriptor >= 0:
            commands.append({"execute": "getfd", "arguments": {"fdname": "memory"}})
        for each in [*commands, {"execute": command, "arguments": arguments}]:
            data = json.dumps(each).encode() + b"\n"
            if each["execute"] == "getfd":
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))]
                link.sendmsg([data], rights)
            else:
                link.sendall(data)
            while True:
                said = json.loads(stream.readline(JSON_LIMIT) or b'{"error": {"desc": "QEMU ended"}}')
                if "error" in said:
                    raise Refused("QEMU says: {}".format(said["error"].get("desc", "")))
                if "return" in said:
                    result = said["return"]
                    break
        return result


def agent(folder: Folder, verb: str, timeout_s: float = 3.0, **words: Any) -> dict[str, Any]:
    """Ask the agent inside the machine; nothing where it does not answer. It may run anything: bounded and typed."""
    asked = secrets.randbelow(1 << 31)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(timeout_s)
            folder.dial(link, "agent.sock")
            link.sendall(json.dumps(dict(words, v=1, id=asked, do=verb)).encode() + b"\n")
            stream, deadline = link.makefile("rb"), time.monotonic() + timeout_s
            while time.monotonic() < deadline:
                line = stream.readline(65536)
                if not line:
                    return {}
                with contextlib.suppress(ValueError, RecursionError):
                    said = json.loads(line.decode("utf-8", "replace"))
                    if isinstance(said, dict) and said.get("id") == asked:
                        return said
    except OSError:
        pass
    return {}


def is_up(record: dict[str, Any]) -> bool:
    """Tell whether the machine's Jupyter answers."""
    link = http.client.HTTPConnection("127.0.0.1", record["port"], timeout=2.0)
    try:
        link.request("GET", "/api", headers={"Authorization": "token " + record["jupyter_token"]})
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def await_ready(folder: Folder, record: dict[str, Any], patience_s: float) -> None:
    deadline, stage = time.monotonic() + patience_s, ""
    heard = folder.heard if folder.heard >= 0 else len(folder.lines("relay"))
    while True:
        for line in folder.lines("relay")[heard:]:  # it says when the server is away
            heard += 1
            say(f"  {line}")
        if not folder.pid("qemu"):
            raise Refused("the machine ended: %s" % (folder.log("qemu") or "its console.log may tell why"))
        state = agent(folder, "state").get("state") or {}
        now = state.get("stage") if isinstance(state, dict) else ""
        if now == "failed":
            raise Refused(
                "the machine gave up: {}".format(str(state.get("detail", ""))[:300]), "See console.log."
            )
        if isinstance(now, str) and now and now != stage:
            stage = now
            say(f"  in the machine: {stage[:40]}")
        if now == "ready" and is_up(record):
            return
        if time.monotonic() > deadline:
            raise Refused(
                "the machine did not come up in %d s" % patience_s,
                "See {}".format(folder.file("console.log")),
            )
        time.sleep(0.2)


def address(record: dict[str, Any]) -> str:
    notebook = urllib.parse.quote(CONFIG["notebook"])
    page = "lab/tree/" + notebook if notebook else "lab"
    return "http://%s.localhost:%d/%s?token=%s" % (
        record["machine"],
        record["port"],
        page,
        record["jupyter_token"],
    )


# --- the verbs


class Launch:
    """One run of this script."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = Folder(options.folder)
        self.record = self.folder.load()
        self.bundle = Bundle(options.offline) if options.offline else None
        self.server = (
            None
            if self.bundle or self.record.get("offline")
            else Server(CONFIG, self.record.get("token", ""))
        )

    def stage(self, name: str, text: str) -> None:
        say(text)
        if self.server is not None and self.record.get("paired"):
            self.server.tell(
                "/{}/status".format(self.record["machine"]),
                {"stage": name, "accelerator": self.record.get("accelerator", "")},
            )

    def start(self) -> int:
        if self.folder.pid("qemu"):
            return self.open()
        if self.record.get("made"):
            return self.resume()
        self.explain()
        kind, wrong = preflight(self.folder, CONFIG["image"]["size_bytes"])
        for each in wrong:
            say(f"In the way: {each}")
        if self.options.dry_run:
            return 1 if wrong else 0
        if wrong:
            raise Refused("this cannot be done here", "See above.")
        if not self.options.yes and not agreed():
            say("Nothing was done.")
            return 1
        try:
            self.make(kind)
        except Refused:
            self.stage("failed", "This came to nothing.")
            raise
        return self.bring_up()

    def explain(self) -> None:
        say(
            'This starts the machine of "{}" (entry {}) with {}:'.format(
                CONFIG["title"], CONFIG["entry"], CONFIG["label"]
            )
        )
        source = (
            str(self.bundle.path)
            if self.bundle
            else ", ".join(CONFIG["servers"]) or "nowhere (say --offline FILE.vml)"
        )
        image = CONFIG["image"]
        for each in CONFIG.get("differs", []):
            say(f"  (not as recorded: {each})")
        say(
            "  1. look for its image (%d MB, SHA-256 %s...), else download it"
            % (image["size_bytes"] // 1000000, image["sha256"][:16])
        )
        say(f"  2. get what the machine is told, and its working area, from {source}")
        if CONFIG.get("signature"):
            say("     the server that made this script found: {}".format(CONFIG["signature"]))
        say(
            "  3. run QEMU with %d processors and %d MiB of memory" % (self.options.cpus, self.options.memory)
        )
        say(
            "  4. open the notebook in your browser%s"
            % (" (not asked for)" if self.options.no_browser else "")
        )
        say(f"Everything is kept in {self.folder.path}; `remove` removes it.")
        if not self.bundle:
            say("The server is told which stage this is in, the accelerator, and the digest of this script.")

    def make(self, kind: str) -> None:
        """Pair, get everything that the machine needs, and write it down; ``kind`` is the accelerator."""
        self.folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.record:
            token = secrets.token_urlsafe(32)
            self.record = {
                "entry": CONFIG["entry"],
                "token": token,
                "cpus": self.options.cpus,
                "memory_mib": self.options.memory,
            }
            self.folder.save(self.record)
        context = self.unpack() if self.bundle is not None else self.pair()
        self.folder.write("context.iso", context)
        self.record["accelerator"] = kind
        self.record["image"] = self.image()
        with self.folder.file("scratch.raw").open("wb") as disk:
            disk.truncate(CONFIG["shape"]["scratch_gib"] << 30)
        self.record["made"] = True
        self.folder.save(self.record)

    def image(self) -> dict[str, Any]:
        """Return the image as QEMU reads it: the one that is here, else downloaded."""
        self.stage("image", "Looking for the image of {} ...".format(CONFIG["label"]))
        image = find_image(self.folder, self.options.images, self.bundle)
        if image is None:
            self.stage("fetch", "Downloading the image ...")
            image = fetch_image(self.folder, self.server, "/{}/image".format(self.record["machine"]))
        self.record["image_seen"] = seen(image)
        return image

    def pair(self) -> bytes:
        """Exchange the script's token for the machine's own, once, and get the context."""
        assert self.server is not None
        if not self.record.get("paired"):
            say("Pairing with the VML server ...")
            pairing = Server(CONFIG, CONFIG["pairing"])
            script = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
            # Our own token, chosen here: if the answer is lost, asking again with it gives the same machine.
            said = pairing.json("POST", "", {"token": self.record["token"], "script": script})
            self.record["machine"] = field(said, "machine", ID)
            self.record["jupyter_token"] = field(said, "jupyter_token", TOKEN)
            self.record["context"] = {
                "sha256": field(said.get("context"), "sha256", SHA256),
                "size_bytes": number(said.get("context"), "size_bytes", 1, CONTEXT_LIMIT),
            }
            self.record["area_bytes"] = number(said, "area_bytes", 1, 1 << 50)
            self.record["area"] = {
                "driver": "nbd",
                "server": {"type": "unix", "path": "area.sock"},
                "reconnect-delay": 600,
            }
            self.record["paired"] = True
            self.folder.save(self.record)
        self.server.token = self.record["token"]
        wanted = self.record["context"]
        context = self.server.read("/{}/context.iso".format(self.record["machine"]), 0, wanted["size_bytes"])
        if hashlib.sha256(context).hexdigest() != wanted["sha256"]:
            raise Refused("the context is not the one that the server named")
        return context

    def unpack(self) -> bytes:
        """Take from a bundle what a server would give, with a token that nobody else knows."""
        assert self.bundle is not None
        try:
            told = json.loads(self.bundle.read("machine/launch.json", JSON_LIMIT).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise Refused(f"{self.bundle.path} is damaged: {error}") from error
        if field(told, "entry", ENTRY) != CONFIG["entry"]:
            raise Refused(f"{self.bundle.path} holds another entry")
        self.record["machine"] = field(told, "machine", ID)
        self.record["jupyter_token"] = secrets.token_urlsafe(32)
        self.record["area"] = self.bundle.disk("machine/area.iso")
        self.record["offline"] = True
        context = self.bundle.read("machine/context.iso", CONTEXT_LIMIT)
        return with_token(context, told, self.record["jupyter_token"])

    def bring_up(self) -> int:
        self.stage("start", "Starting {} ...".format(CONFIG["label"]))
        try:
            run_qemu(self.folder, self.record)
            self.stage("ready", "Waiting for the machine and its Jupyter ...")
            await_ready(self.folder, self.record, self.options.timeout)
        except BaseException:
            self.end_all()
            self.stage("failed", "The machine did not come up.")
            raise
        agent(self.folder, "clock", time=time.time())
        agent(self.folder, "kernel")
        self.stage("running", "The machine runs.")
        return self.open()

    def open(self) -> int:
        url = address(self.record)
        say(f"The notebook is at {url}")
        if not self.options.no_browser:
            webbrowser.open(url)
        return 0

    def resume(self) -> int:
        """Start a machine that is there again, from its memory if it has one."""
        if not self.record.get("made"):
            raise Refused("there is no machine", "Run this without a verb to make it.")
        if self.folder.pid("qemu"):
            return self.open()
        # It lies where it was found, so it may have been changed or moved since.
        if not self.record.get("image_seen") or seen(self.record["image"]) != self.record["image_seen"]:
            self.record["image"] = self.image()
            self.folder.save(self.record)
        return self.bring_up()

    def stop(self) -> int:
        if self.folder.pid("qemu"):
            say("Stopping the machine ...")
            agent(self.folder, "shutdown")
            if not wait(lambda: not self.folder.pid("qemu"), 30.0):
                with contextlib.suppress(Refused, OSError, ValueError):
                    qmp(self.folder, "quit")
                wait(lambda: not self.folder.pid("qemu"), 10.0)
        self.end_all()
        self.stage("stopped", "The machine is stopped; `resume` starts it again.")
        return 0

    def capture(self) -> int:
        """Write what changed in the machine into the logbook that its entry came from; it goes on meanwhile."""
        if self.server is None:
            raise Refused(
                "this machine was started without a server, so there is no logbook to write to",
                "Download what is to be kept in the machine's own Jupyter.",
            )
        if not self.folder.pid("qemu"):
            raise Refused("the machine does not run", "Say resume first.")
        self.stage("capture", "Asking the machine what changed ...")
        base = "/{}/captures".format(self.record["machine"])
        # A word of our own: if an answer is lost and we ask again, nothing is captured twice.
        wish = {"wish": secrets.token_hex(8), "title": self.options.title, "note": self.options.note}
        for _ in range(5):
            told = self.server.json("POST", base, wish)
            entry = told.get("entry") if isinstance(told, dict) else None
            entry = field(told, "entry", ENTRY) if entry else self.carry(base, told)
            if entry:
                self.stage("captured", f"It is in the logbook, as entry {entry}.")
                return 0
            say("The server knows nothing of this capture any more; beginning anew ...")
        raise Refused("the server ended each time", "Look at what it says there.")

    def carry(self, base: str, told: Any) -> str:
        """Carry bytes between the machine and the server until there is an entry; '' where the server was restarted."""
        assert self.server is not None
        path = base + "/" + field(told, "capture", "[0-9a-f]{16}")
        nonce = field(told, "nonce", "[0-9a-f]{32}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            try:
                self.folder.dial(link, "tell.sock")
            except OSError as error:
                raise Refused(f"the machine has no way to tell its changes: {error}") from error
            if not agent(self.folder, "tell", 30.0, nonce=nonce, patience=LONG_S).get("done"):
                raise Refused("the machine's agent does not answer", "Try again in a moment.")
            try:
                return converse(link, self.server, path)
            except Refused as error:
                if error.status == 404:
                    return ""
                self.server.tell(path, None, "DELETE")
                raise
            except OSError as error:
                self.server.tell(path, None, "DELETE")
                raise Refused(f"the machine ended while it told its changes: {error}") from error
            except KeyboardInterrupt:
                self.server.tell(path, None, "DELETE")
                raise

    def suspend(self) -> int:
        if not self.folder.pid("qemu"):
            raise Refused("the machine does not run")
        self.stage("suspend", "Suspending the machine ...")
        draft = self.folder.file("memory.new")
        descriptor = os.open(str(draft), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            qmp(self.folder, "stop")
            qmp(self.folder, "migrate", descriptor, uri="fd:memory")
            while True:
                status = qmp(self.folder, "query-migrate").get("status")
                if status == "completed":
                    break
                if status not in ("setup", "active", "device"):
                    raise Refused(f"its memory could not be written: {status}")
                time.sleep(0.1)
            os.fsync(descriptor)
        except BaseException:
            draft.unlink()
            with contextlib.suppress(Refused, OSError, ValueError):
                qmp(self.folder, "cont")
            raise
        finally:
            os.close(descriptor)
        draft.replace(self.folder.file("memory"))
        self.end_all()
        self.stage("suspended", "The machine is suspended; `resume` goes on.")
        return 0

    def end_all(self) -> None:
        for name in ("qemu", "net", "relay"):
            self.folder.end(name)

    def status(self) -> int:
        if not self.record.get("made"):
            say(f"There is no machine in {self.folder.path}.")
        elif self.folder.pid("qemu"):
            say(f"The machine runs. {address(self.record)}")
        else:
            say("The machine is %s." % ("suspended" if self.folder.file("memory").exists() else "stopped"))
        return 0

    def remove(self) -> int:
        if self.folder.path.exists():
            if not self.options.yes and not agreed("Remove the machine and what was changed in it? [y/N] "):
                return 1
            self.end_all()
            self.stage("removed", f"Removing {self.folder.path} ...")
            self.folder.remove()
        say(f"Nothing is left in {self.folder.path}.")
        return 0

    def relay(self) -> int:
        os.chdir(str(self.folder.path))
        relay(self.folder)
        return 0


def converse(link: socket.socket, server: Server, path: str) -> str:
    """Pass on what a machine says and what it is told, until the server has an entry of it; return that.

    Both directions are numbered by bytes: what was lost on the way is sent again, and nothing counts twice.
    """
    said, at, heard, stage, over = b"", 0, 0, "", 0.0
    while True:
        if over:
            time.sleep(0.1)
        elif len(said) < PIECE and select.select([link], [], [], 0.0 if said else 0.2)[0]:
            data = link.recv(PIECE - len(said))
            over = 0.0 if data else time.monotonic() + LAST_S
            said += data
        reply = server.json("POST", path + "?at=%d&heard=%d" % (at, heard), said)
        taken = number(reply, "taken", at, at + len(said))
        said, at = said[taken - at :], taken
        told = bytes_of(reply)
        if not over:
            link.sendall(told)
        heard += len(told)
        if field(reply, "stage", "(?s).{0,200}") != stage:
            stage = reply["stage"]
            say(f"  {stage}")
        if is_done(reply) and not told:
            return field(reply, "entry", ENTRY)
        if over and time.monotonic() > over:
            raise Refused("the machine ended while it told its changes")


def bytes_of(reply: Any) -> bytes:
    """Return what a machine is to be told."""
    try:
        return base64.b64decode(field(reply, "said", "[A-Za-z0-9+/]{0,400000}={0,2}"))
    except ValueError as error:
        raise Refused(f"the server's answer is not understood: {error}") from error


def is_done(reply: Any) -> bool:
    """Tell whether a capture is done; one that came to nothing is refused with the reason."""
    state = field(reply, "state", "queued|running|done|failed|cancelled")
    if state == "failed":
        why = field(reply, "message", "(?s).{0,1000}")
        raise Refused(f"nothing was captured: {why}", str(reply.get("hint", ""))[:500])
    if state == "cancelled":
        raise Refused("nothing was captured: it was cancelled")
    return state == "done"


def with_token(context: bytes, told: Any, token: str) -> bytes:
    """Put a token of our own into a context: it stands there as it is, as its archive is stored and not compressed."""
    placeholder = field(told, "placeholder", TOKEN).encode()
    start = number(told, "pickup_offset", 0, CONTEXT_LIMIT)
    length = number(told, "pickup_bytes", 18, CONTEXT_LIMIT)
    pickup = context[start : start + length]
    if len(placeholder) != len(token) or pickup.count(placeholder) != 1 or len(pickup) != length:
        raise Refused("the context in the bundle is damaged")
    import zlib

    changed = pickup.replace(placeholder, token.encode())
    plain = zlib.decompressobj(-zlib.MAX_WBITS).decompress(changed[10:], 4 * CONTEXT_LIMIT)
    return (
        context[:start]
        + changed[:-8]
        + struct.pack("<I", zlib.crc32(plain))
        + changed[-4:]
        + context[start + length :]
    )


def agreed(question: str = "Go on? [y/N] ") -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def options_of(argv: list[str] | None) -> argparse.Namespace:
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = ("start", "status", "capture", "suspend", "resume", "stop", "remove")
    parser.add_argument(
        "verb",
        nargs="?",
        default="start",
        choices=[*verbs, "relay"],
        metavar="{{{}}}".format(",".join(verbs)),
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and whether it can be"
    )
    parser.add_argument(
        "--folder", type=Path, default=home / "vml-launch" / CONFIG["entry"], help="where everything is kept"
    )
    parser.add_argument(
        "--images", type=Path, action="append", default=[], help="where the image may already lie"
    )
    parser.add_argument(
        "--offline", type=Path, metavar="FILE.vml", help="an export with its release, instead of the server"
    )
    parser.add_argument("-m", "--title", default="", help="of what is captured; else as it was")
    parser.add_argument("--note", default="", help="likewise")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--cpus", type=int, default=CONFIG["shape"]["cpus"])
    parser.add_argument("--memory", type=int, default=CONFIG["shape"]["memory_mib"], metavar="MIB")
    parser.add_argument(
        "--timeout", type=float, default=READY_S, metavar="S", help="how long the machine may take to come up"
    )
    parser.add_argument("--allow-root", action="store_true", help="run QEMU as root, if this is root")
    options = parser.parse_args(argv)
    options.folder = options.folder.expanduser().absolute()
    CONFIG["allow_root"] = options.allow_root
    CONFIG["shape"]["memory_mib"] = options.memory
    return options


def main(argv: list[str] | None = None) -> int:
    if not CONFIG:
        print("This file is made for one entry by `vml launcher` or a VML server.", file=sys.stderr)
        return 2
    try:
        return int(getattr(Launch(options_of(argv)), options_of(argv).verb)())
    except Refused as error:
        print("vml-launch: {}{}".format(error, ". " + error.hint if error.hint else ""), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("vml-launch: interrupted; run it again to go on, or say remove", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
