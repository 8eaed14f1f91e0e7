"""Bring an entry up in an ordinary cloud image that the user added: ``python -m cloud``, in tests/soak.

    Debian's packages -> debian-12-cloud.qcow2 -> vml releases add -> vml snapshot -> vml restore -> a notebook run

First as it is: it has no Jupyter, so the restore must say so soon, and what to do. Then with a set-up that puts Jupyter
in; the machine is stopped and started again, and runs the notebook again. ``--with-jupyter`` does the same with the
set-up that VML brings, which takes JupyterLab from PyPI and so needs a network.

Takes about eight minutes without KVM and needs root, so it is no part of ``make test``: the image takes a minute and a
half to build, and cloud-init starts Python four times before a machine is ready. ``VML_CLOUD_IMAGE=FILE`` takes an
image that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from cloud.image import build
from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import load
from vml_jupyter.machine.session import end_daemon
from vml_jupyter.release import digest

NOTEBOOKS = Path(__file__).parent.parent.parent.parent / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))
from demo import environment_text, results, run_here  # noqa: E402 - found by the line above

NAME = "debian-12"
SETUP = "#!/bin/sh\nset -e\nln -s /srv/jupyter/bin/jupyter* /usr/local/bin/\necho put in >>/var/lib/put-in\n"
# Looked for by the machine itself, so it comes as soon as its agent runs.
UNTOLD = "there is no Jupyter in this system"


class _Lines:
    """Tell a terminal the stages."""

    def stage(self, name: str, title: str) -> None:
        print(title, flush=True)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        return None

    def note(self, text: str) -> None:
        print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m cloud")
    parser.add_argument(
        "--with-jupyter", action="store_true", help="put Jupyter in from the network, as VML does by itself"
    )
    from_network = parser.parse_args().with_jupyter
    kept = Path(os.environ["VML_CLOUD_IMAGE"]) if os.environ.get("VML_CLOUD_IMAGE") else None
    with tempfile.TemporaryDirectory(prefix="vml-cloud-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # root's machines run as an ordinary user
        image = kept or build(folder, _Lines())
        environ = {
            **os.environ,
            "VML_DATA": str(folder / "data"),
            "VML_CONFIG": str(folder / "config"),
            "VML_RELEASE_URLS": "http://127.0.0.1:9",
        }
        try:
            return _judge(folder, image, environ, from_network)
        finally:
            settings = load(environ)
            for machine in machines.list_machines(settings):
                machines.delete(settings, machine.id)
            if os.geteuid() == 0:
                end_daemon(settings.data)


def _judge(folder: Path, image: Path, environ: dict[str, str], from_network: bool) -> int:
    area = folder / "dimuon"
    area.mkdir()
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, area)
    captured = run_here(area / "dimuon.ipynb")
    sha256 = digest(image)
    adding = ("releases", "add", NAME, image, "--sha256", sha256, "--what", "Debian 12 with cloud-init")
    _vml(environ, *adding)
    entry = _vml(environ, "snapshot", area, "--notebook", "dimuon.ipynb", "--release", NAME)["entry"]
    _refused(environ, entry)

    setup = folder / "setup.sh"
    setup.write_text(SETUP)
    _vml(environ, *adding, *(("--with-jupyter",) if from_network else ("--setup", setup)))
    restored = _vml(environ, "restore", entry)
    print(json.dumps(restored["seconds"]))
    _same_results(environ, restored["machine"], captured)
    _vml(environ, "stop", restored["machine"])
    since = time.monotonic()
    _vml(environ, "start", restored["machine"])
    print(f"started again in {time.monotonic() - since:.0f} s")
    _same_results(environ, restored["machine"], captured)
    _vml(environ, "delete", restored["machine"])
    assert digest(image) == sha256, "the user's image was written to"
    print(
        "An ordinary cloud image brought the notebook up, and again after a stop; its results are those captured."
    )
    return 0


def _refused(environ: dict[str, str], entry: str) -> None:
    """Restore into the image as it is published: that must fail with what was looked for and what to do."""
    since = time.monotonic()
    done = _run(environ, "restore", entry)
    seconds = time.monotonic() - since
    error = json.loads(done.stdout)["error"] if done.returncode == 1 else {}
    print(f"refused after {seconds:.0f} s: {error}")
    assert UNTOLD in error["message"], done.stdout + done.stderr
    assert "jupyter-lab" in error["message"]
    assert "--with-jupyter" in error["hint"]
    assert seconds < float(load(environ).ready_timeout_s), "it was waited for in vain"
    assert machines.list_machines(load(environ)) == []


def _same_results(environ: dict[str, str], machine: str, captured: NotebookNode) -> None:
    executed = machines.execute(load(environ), machine, "dimuon.ipynb")
    print(environment_text(executed))
    assert "no CernVM" in environment_text(executed)
    assert results(executed) == results(captured) != []


def _vml(environ: dict[str, str], *words: str | Path) -> Any:
    done = _run(environ, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def _run(environ: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words), "--json"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=3600)


if __name__ == "__main__":
    sys.exit(main())
