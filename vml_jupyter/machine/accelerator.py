"""Which accelerator runs guests here: found out by running one, never by looking at /dev/kvm.

A nested /dev/kvm may open, answer and create machines, and yet run no Linux or run it slower than emulation. So a
guest of one boot sector is started twice, under emulation and under KVM with the CPU model that machines use:

    real mode -> protected mode -> FPU, multiply 100 million times -> write 0x10 to port 0xf4 -> QEMU exits 33

Protected mode and the FPU are where half-working KVMs stop; the loop takes about 1.2 s emulated and a sixth of that on
real hardware, and KVM must clearly win. The answer is remembered, one file:

    <cache>/accelerator.json      {"<16 hex of QEMU version, CPU model, kernel, /dev/kvm>": {"name": ..., "why": ...,
                                   "trials": [{"name": "tcg", "seconds": 1.2}, {"name": "kvm", "why": ...}]}}
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec

from vml_jupyter.errors import NoAccelerator, ToolMissing
from vml_jupyter.parsing import parse

QEMU = "qemu-system-x86_64"

_DEADLINE_S = (
    40.0  # thirty times what a quiet computer needs: a busy one must not be told that nothing runs here
)
_PATIENCE_S = 4.0  # for KVM where emulation works: more than a useful KVM needs, even on a busy computer
_CLEARLY = 0.6  # KVM must need at most this share of the time that emulation needs
_ANSWER = 33  # what isa-debug-exit makes of 0x10: (value << 1) | 1


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the test guest fared with one accelerator: its seconds, or None and why it did not get through."""

    name: str
    seconds: float | None = None
    why: str = ""


class Accelerator(msgspec.Struct, frozen=True, kw_only=True):
    """How machines run here: ``name`` is ``kvm`` or ``tcg``, ``cpu_model`` as QEMU calls it, ``why`` for people."""

    name: str
    cpu_model: str
    why: str
    trials: tuple[Trial, ...] = ()


CPU_MODELS = {"kvm": "host", "tcg": "max"}


def probe_accelerator(cache_dir: Path, *, again: bool = False) -> Accelerator:
    """Return the accelerator to use here, from the cache where nothing changed since.

    Takes about two seconds the first time on a quiet computer, and leaves no process behind.

    Args:
        cache_dir: Where the answer is remembered; need not exist.
        again: Do not believe what is remembered.

    Raises:
        ToolMissing: QEMU is not installed.
        NoAccelerator: Not even emulation runs a guest.
    """
    program = shutil.which(QEMU)
    if program is None:
        raise ToolMissing(f"{QEMU} is not installed", "On Debian: apt install qemu-system-x86")
    key = _key(program)
    path = cache_dir / "accelerator.json"
    known = _read(path)
    if key in known and not again:
        return known[key]
    found = _decide(program)
    cache_dir.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.encode({**known, key: found}))
    temporary.replace(path)
    return found


def _decide(program: str) -> Accelerator:
    emulated_s, why_not = _run(program, "tcg", _DEADLINE_S)
    if emulated_s is None:  # it crashes now and then as it starts
        emulated_s, why_not = _run(program, "tcg", _DEADLINE_S)
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        missing = "not yours to use: join the group kvm" if Path("/dev/kvm").exists() else "absent"
        kvm_s, why_no_kvm = None, f"/dev/kvm is {missing}"
    else:
        kvm_s, why_no_kvm = _run(program, "kvm", _PATIENCE_S if emulated_s else _DEADLINE_S)
    if kvm_s is not None and (emulated_s is None or kvm_s <= emulated_s * _CLEARLY):
        return _accelerator("kvm", f"a test guest ran in {kvm_s:.1f} s with KVM", emulated_s, why_not, kvm_s)
    if emulated_s is None:
        raise NoAccelerator(
            f"no guest runs here: emulation: {why_not}; KVM: {why_no_kvm}", "Reinstall qemu-system-x86."
        )
    if kvm_s is not None:
        why_no_kvm = f"a test guest took {kvm_s:.1f} s with it and {emulated_s:.1f} s without"
    why = f"machines are emulated, as KVM is of no use here: {why_no_kvm}"
    return _accelerator("tcg", why, emulated_s, why_not, kvm_s, why_no_kvm)


def _accelerator(
    name: str, why: str, emulated_s: float | None, why_not: str, kvm_s: float | None, why_no_kvm: str = ""
) -> Accelerator:
    trials = (
        Trial(name="tcg", seconds=emulated_s, why=why_not),
        Trial(name="kvm", seconds=kvm_s, why=why_no_kvm),
    )
    return Accelerator(name=name, cpu_model=CPU_MODELS[name], why=why, trials=trials)


def _run(program: str, name: str, deadline_s: float) -> tuple[float | None, str]:
    """Run the boot sector; return its seconds, or None and the reason."""
    with tempfile.TemporaryDirectory(prefix="vml-probe-") as folder:
        image = Path(folder) / "boot.img"
        image.write_bytes(boot_sector())
        since = time.monotonic()
        try:  # on time-out, and on any interruption, run() kills the guest by its id and waits for it
            done = subprocess.run(
                _command(program, name, image),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            return None, _reason(
                error.stderr or b"", f"a test guest did not get through in {deadline_s:.0f} s"
            )
        if done.returncode != _ANSWER:
            return None, _reason(done.stderr, f"QEMU ended with status {done.returncode}")
        return time.monotonic() - since, ""


def _reason(errors: bytes, otherwise: str) -> str:
    lines = [line for line in errors.decode("utf-8", "replace").splitlines() if "warning" not in line]
    if any("KVM internal error" in line for line in lines):
        return "it cannot run the ordinary instructions of a test guest"
    return f"QEMU says: {lines[0].removeprefix(QEMU + ': ')[:160]}" if lines else otherwise


def _command(program: str, name: str, image: Path) -> list[str]:
    return [
        program,
        *("-machine", "q35", "-accel", name, "-cpu", CPU_MODELS[name], "-m", "64"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
        *(
            "-blockdev",
            msgspec.json.encode({"driver": "file", "filename": str(image), "node-name": "d"}).decode(),
        ),
        *("-device", "virtio-blk-pci,drive=d,bootindex=1"),
    ]


def qemu_version() -> str:
    """Return QEMU's version as it tells it; '' where it is not installed or says nothing."""
    try:
        shown = subprocess.run([QEMU, "--version"], capture_output=True, timeout=_DEADLINE_S, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    first = shown.stdout.decode("utf-8", "replace").partition("\n")[0]
    return first.removeprefix("QEMU emulator version ").strip()


def boot_sector() -> bytes:
    """Return the guest: a boot sector of 70 bytes of code, on a disk of 1 MiB (SeaBIOS boots no smaller one)."""
    code = bytes.fromhex(
        "fa"  # 7c00  cli
        "31c0 8ed8"  # 7c01  xor ax, ax; mov ds, ax
        "0f0116 407c"  # 7c05  lgdt [0x7c40]
        "0f20c0 6683c801 0f22c0"  # 7c0a  mov eax, cr0; or eax, 1; mov cr0, eax
        "ea 197c 0800"  # 7c14  jmp 0x08:0x7c19, which is 32-bit code
        "dbe3 d9e8 d9e8"  # 7c19  fninit; fld1; fld1
        "b9 00e1f505"  # 7c1f  mov ecx, 100000000
        "d8c9 49 75fb"  # 7c24  again: fmul st1; dec ecx; jnz again
        "b010 e6f4"  # 7c29  mov al, 0x10; out 0xf4, al
        "f4 ebfd"  # 7c2d  hlt, for ever
    )
    table = bytes(8) + bytes.fromhex("ffff0000009acf00")  # 7c30  nothing; 4 GiB of code from 0
    pointer = bytes.fromhex("0f00 307c0000")  # 7c40  its limit and address
    sector = (code + table + pointer).ljust(510, b"\0") + b"\x55\xaa"
    return sector.ljust(1 << 20, b"\0")


def _key(program: str) -> str:
    shown = subprocess.run([program, "--version"], capture_output=True, timeout=_DEADLINE_S, check=False)
    facts = [shown.stdout, CPU_MODELS["kvm"], platform.release(), os.access("/dev/kvm", os.R_OK | os.W_OK)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Accelerator]:
    try:
        return parse(path.read_bytes(), dict[str, Accelerator])
    except (OSError, msgspec.DecodeError):
        return {}
