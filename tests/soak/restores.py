"""Thirty restores and deletes in a row, mixed cold, warm and cancelled, five with their process killed: nothing leaks.

    python tests/soak/restores.py [--runs 30] [--kills 5] [--seed N]

Prints what each run was and, before and after all, domains, processes, files, ports and memory; ends with status 1
where something is left. Each restore is a process of its own, as from a shell.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vml_jupyter.flows import machines, warming
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.flows.warm import sweep_if_free
from vml_jupyter.machine import Host
from vml_jupyter.machine.runtime import runtime_folder
from vml_jupyter.machine.session import end_daemon
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
LONGEST_S = 600.0
SETTLES_S = 90.0
MAY_GROW_MB = 60.0


def main() -> int:
    arguments = parsed()
    chance = random.Random(arguments.seed)
    with (
        tempfile.TemporaryDirectory(prefix="vml-soak-") as name,
        served(mini.build(load().data, SILENT)) as url,
    ):
        top = Path(name)
        environ = {
            "VML_DATA": str(top / "data"),
            "VML_CONFIG": str(top / "config"),
            "VML_RELEASE_URLS": url,
        }
        settings = load(environ)
        entry = captured(settings, top)
        warming.warm(settings, "4.5.1.0")
        # Twice before counting: what is loaded and remembered at the first is no leak.
        for warm in (True, True):
            once(settings, environ, entry, "warm" if warm else "cold")
        before = counted(settings)
        print(f"before: {before}", flush=True)
        for number, kind in enumerate(kinds(arguments, chance), 1):
            told = once(settings, environ, entry, kind, chance.random())
            print(f"{number:3} {kind:<10} {told}", flush=True)
        wait_until(lambda: leaks(before, swept(settings)) == [], SETTLES_S, 1.0)
        after = counted(settings)
        print(f"after:  {after}")
        found = leaks(before, after)
        if os.geteuid() == 0:
            end_daemon(settings.data)
    print("\n".join(f"leaked: {leak}" for leak in found) or "nothing leaked")
    return 1 if found else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def kinds(arguments: argparse.Namespace, chance: random.Random) -> list[str]:
    """Return what each run is to be: kills as asked for, a third of the others cancelled, most of the rest warm."""
    others = arguments.runs - arguments.kills
    made = ["killed"] * arguments.kills + ["cancelled"] * (others // 3)
    made += ["cold" if number % 4 == 0 else "warm" for number in range(arguments.runs - len(made))]
    chance.shuffle(made)
    return made


def captured(settings: Settings, top: Path) -> str:
    area = top / "dimuon"
    area.mkdir()
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, area)
    return capture(settings, area, notebook="dimuon.ipynb", release="4.5.1.0").id


def once(settings: Settings, environ: dict[str, str], entry: str, kind: str, when: float = 0.0) -> str:
    """Restore once in a process of its own and delete what it made; return how it went."""
    quota = "0" if kind == "cold" or (kind in ("killed", "cancelled") and when > 0.6) else "4096"
    command = [sys.executable, "-m", "vml_jupyter.cli.main", "restore", entry, "--json"]
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environ, "VML_WARM_QUOTA_MIB": quota},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if kind in ("killed", "cancelled"):
        after_s = 0.3 + when * (5.0 if quota != "0" else 25.0)
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL if kind == "killed" else signal.SIGINT)
    out, _ = process.communicate(timeout=LONGEST_S)
    seconds = time.monotonic() - begun
    told: dict[str, Any] = json.loads(out) if process.returncode == 0 else {}
    if kind in ("warm", "cold"):
        assert told, f"a {kind} restore failed with status {process.returncode}"
        assert told["warm"] == (kind == "warm"), f"a {kind} restore was not {kind}"
    for machine in machines.list_machines(settings):
        machines.delete(settings, machine.id)
    return f"status {process.returncode} after {seconds:.1f} s{', ready' if told else ''}"


def swept(settings: Settings) -> dict[str, float]:
    """Return what there is after what the next restore does first."""
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        host.sweep()
        sweep_if_free(settings, host)
    return counted(settings)


def counted(settings: Settings) -> dict[str, float]:
    """Return what there is of ours now."""
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        domains = sum(str(settings.data) in domain.record for domain in host.hypervisor.domains())
    return {
        "domains": domains,
        "processes": len(pids_naming(settings.data)),
        "files": sum(1 for path in settings.data.rglob("*") if "cache" not in path.parts),
        "sockets": len(list(runtime_folder().glob("*/*.sock"))),
        "ports": listening(pids_naming(settings.data)),
        "own memory, MB": round(resident_mb(os.getpid()), 1),
        "libvirt's memory, MB": round(sum(map(resident_mb, daemons(settings))), 1),
    }


def leaks(before: dict[str, float], after: dict[str, float]) -> list[str]:
    return [
        f"{name}: {before[name]} -> {after[name]}"
        for name in before
        if after[name] > before[name] + (MAY_GROW_MB if "MB" in name else 0)
    ]


def pids_naming(text: Path) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(text) in file.read_bytes():
                found.append(int(file.parent.name))
        except OSError:
            continue
    return found


def listening(pids: list[int]) -> int:
    """Return on how many TCP ports these processes listen."""
    inodes = set()
    for pid in pids:
        try:
            links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[3] == "0A" and line[9] in inodes for line in lines)


def daemons(settings: Settings) -> list[int]:
    files = runtime_folder().glob("*/libvirt/libvirtd.pid")
    mine = [file for file in files if (file.parent.parent / "config").resolve() == settings.data / "libvirt"]
    return [int(file.read_text()) for file in mine]


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
