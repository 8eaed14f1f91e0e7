"""The VML VM's way to its web page, beside a bare boot of the same image to JupyterLab: ``make bench-appliance``.

    bare     the same image without VML: no data disk, no extension, no greeting; JupyterLab is started as it is
    first    the VML VM with a new data disk, which it formats
    again    the VML VM with the data disk of before

    --runs N          how often each, in turn; the median counts (3)

All run under emulation with two processors. Prints a table in Markdown, and ends with status 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vml_vm import new_disk, running

from bench.measure import Spread
from bench.table import machine
from vml_jupyter import appliance
from vml_jupyter.building.partitions import SECTOR_BYTES
from vml_jupyter.flows.settings import load
from vml_jupyter.progress import SILENT

DEADLINE_S = 300.0
LIMIT = 1.15
MOST_BYTES = 400_000_000
_SECOND_PARTITION = 446 + 16 + 8
_LAB = "#!/bin/sh\ncd /home/vml\nmkdir -p notebooks\nexport JUPYTER_TOKEN=bare\nexec /usr/bin/python3 -m jupyterlab\n"
_SERVICE = """\
[Unit]
Description=JupyterLab

[Service]
User=vml
Environment=HOME=/home/vml SHELL=/bin/bash LANG=C.UTF-8
ExecStart=/usr/lib/vml/lab

[Install]
WantedBy=multi-user.target
"""
_UNITS = "/etc/systemd/system"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    image = appliance.build(load().data, SILENT)
    seconds: dict[str, list[float]] = {"bare": [], "first": [], "again": []}
    with tempfile.TemporaryDirectory(prefix="vml-bench-") as folder:
        plain = bare(image, Path(folder))
        for number in range(runs):
            print(f"round {number + 1} of {runs}", file=sys.stderr)
            data = new_disk(Path(folder) / f"data-{number}.qcow2", "20G")
            seconds["bare"].append(booted(plain, data, Path(folder), "lab"))
            seconds["first"].append(booted(image, data, Path(folder), "vml/"))
            seconds["again"].append(booted(image, data, Path(folder), "vml/"))
    return report({name: Spread(tuple(found)) for name, found in seconds.items()}, image.stat().st_size)


def bare(image: Path, folder: Path) -> Path:
    """Return the same image with VML taken out of its start, compressed in the same way."""
    raw, plain = folder / "bare.raw", folder / "bare.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(image), str(raw)], check=True)
    (folder / "lab").write_text(_LAB)
    (folder / "vml-lab.service").write_text(_SERVICE)
    commands = [
        *(f"rm {_UNITS}/multi-user.target.wants/vml-{unit}.service" for unit in ("data", "console")),
        "rm /usr/local/etc/jupyter/jupyter_server_config.d/vml_jupyter.json",
        *("rm /usr/lib/vml/lab", f"write {folder}/lab /usr/lib/vml/lab", "sif /usr/lib/vml/lab mode 0100755"),
        *(f"rm {_UNITS}/vml-lab.service", f"write {folder}/vml-lab.service {_UNITS}/vml-lab.service"),
    ]
    (folder / "commands").write_text("".join(f"{line}\n" for line in commands))
    with raw.open("rb") as disk:
        disk.seek(_SECOND_PARTITION)
        (start,) = struct.unpack("<I", disk.read(4))
    system = f"{raw}?offset={start * SECTOR_BYTES}"
    subprocess.run(["/usr/sbin/debugfs", "-w", "-f", str(folder / "commands"), system], check=True)
    compressed = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd"]
    subprocess.run([*compressed, str(raw), str(plain)], check=True)
    raw.unlink()
    return plain


def booted(image: Path, data: Path, folder: Path, page: str) -> float:
    """Boot once, and return the seconds until its page comes."""
    system = new_disk(folder / "system.qcow2", "", backing=image)
    since = time.perf_counter()
    with running(system, data, folder / "console.log") as vm:
        while not vm.answers(page):
            if time.perf_counter() - since > DEADLINE_S:
                raise SystemExit(f"it did not come up:\n{vm.said()[-2000:]}")
            time.sleep(0.05)
        return time.perf_counter() - since


def report(seconds: dict[str, Spread], size: int) -> int:
    """Print the tables; fail where a limit is missed."""
    print(f"{machine()}\n\n| from power-on to the page, s | | ratio | at most | |\n|---|---|---|---|---|")
    held = size <= MOST_BYTES
    for name, what in (
        ("bare", "JupyterLab, the same image without VML"),
        ("first", "VML VM, its first start"),
        ("again", "VML VM, a later start"),
    ):
        spread = seconds[name]
        told = f"{spread.median:.1f} ({spread.least:.1f}-{spread.most:.1f})"
        if name == "bare":
            print(f"| {what} | {told} | | | |")
            continue
        ratio = spread.median / seconds["bare"].median
        held &= ratio <= LIMIT
        print(f"| {what} | {told} | {ratio:.2f} | {LIMIT} | {'held' if ratio <= LIMIT else '**missed**'} |")
    print(f"\nThe image to download: {size / 1e6:.0f} MB (at most {MOST_BYTES / 1e6:.0f} MB).")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
