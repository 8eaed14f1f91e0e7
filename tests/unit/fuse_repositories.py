"""Mount CernVM-FS repositories that answer, and such that never do, then print what is told of them.

    unshare --mount --propagation private python fuse_repositories.py ROOT live:sft.cern.ch dead:atlas.cern.ch ...
    -> {"mounts": [...], "seconds": s, "left_behind": processes that even a kill did not end}

A real FUSE file system in the kernel, served by this process with CernVM-FS's magic attributes. It is
mounted in a namespace of its own and ends with this process, so nothing of it stays. A ``dead`` one takes the
question and keeps it: who asked waits where no signal reaches. A ``stuck`` one does not even take it.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
import threading
import time
from pathlib import Path

import msgspec

from vml_jupyter.environment import asking
from vml_jupyter.environment.cvmfs import Mounts

INIT, GETATTR, GETXATTR, FORGET, BATCH_FORGET, INTERRUPT = 26, 3, 22, 2, 42, 36
ENOSYS, ENODATA = 38, 61
ATTRIBUTES = {"revision": "12345", "root_hash": "ab" * 20, "tag": "trunk-previous"}


def mount(path: Path) -> int:
    """Mount a FUSE file system at ``path`` and return the descriptor that serves it."""
    path.mkdir(parents=True)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"cvmfs2", os.fsencode(path), b"fuse", 1 | 2 | 4, options) != 0:  # ro, nosuid, nodev
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    return device


def serve(device: int, kind: str, fqrn: str) -> None:
    """Answer the kernel until the process ends."""
    values = {"fqrn": fqrn, **ATTRIBUTES}
    while True:
        request = os.read(device, 1 << 17)
        operation, unique = struct.unpack_from("<IQ", request, 4)
        if operation in (FORGET, BATCH_FORGET, INTERRUPT):
            continue
        if operation == INIT:
            body = struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0)
            if kind == "stuck":
                reply(device, unique, body)
                return
        elif operation == GETATTR:
            body = struct.pack("<QII", 1, 0, 0) + struct.pack("<6Q10I", 1, *[0] * 8, 0o40555, 2, *[0] * 5)
        elif operation == GETXATTR and kind == "dead":
            continue
        elif operation == GETXATTR:
            name = request[48:].split(b"\0")[0].decode().removeprefix("user.")
            if name not in values:
                reply(device, unique, b"", ENODATA)
                continue
            body = values[name].encode()
        else:
            reply(device, unique, b"", ENOSYS)
            continue
        reply(device, unique, body)


def reply(device: int, unique: int, body: bytes, error: int = 0) -> None:
    os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)


def main() -> None:
    root = Path(sys.argv[1])
    for word in sys.argv[2:]:
        kind, _, fqrn = word.partition(":")
        device = mount(root / "cvmfs" / fqrn)
        threading.Thread(target=serve, args=(device, kind, fqrn), daemon=True).start()
    (root / "proc").mkdir()
    (root / "proc/mounts").write_text(Path("/proc/self/mounts").read_text().replace(str(root), ""))
    begun = time.monotonic()
    with Mounts(root) as mounts:
        told = mounts.told()
    seconds = time.monotonic() - begun
    left_behind = len(asking._left_behind)
    print(json.dumps({"mounts": msgspec.to_builtins(told), "seconds": seconds, "left_behind": left_behind}))


if __name__ == "__main__":
    main()
