"""Bring an entry up in an ordinary cloud image that the user added: ``python -m cloud``, in tests/soak.

    Debian's packages -> debian-12-cloud.qcow2 -> vml releases add -> vml snapshot -> vml restore -> a notebook run

Takes about four minutes without KVM and needs root, so it is no part of ``make test``: the image takes a minute and a
half to build, and cloud-init starts Python four times before a machine is ready.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cloud.image import build
from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import load
from vml_jupyter.machine.session import end_daemon
from vml_jupyter.release import digest

NOTEBOOKS = Path(__file__).parent.parent.parent.parent / "notebooks"
sys.path.insert(0, str(NOTEBOOKS))
from demo import environment_text, results, run_here  # noqa: E402 - found by the line above

NAME = "debian-12"


class _Lines:
    """Tell a terminal the stages."""

    def stage(self, name: str, title: str) -> None:
        print(title, flush=True)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        return None

    def note(self, text: str) -> None:
        print(text, flush=True)


def main() -> int:
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
            "VML_READY_TIMEOUT": "420",
        }
        try:
            return _judge(folder, image, environ)
        finally:
            settings = load(environ)
            for machine in machines.list_machines(settings):
                machines.delete(settings, machine.id)
            if os.geteuid() == 0:
                end_daemon(settings.data)


def _judge(folder: Path, image: Path, environ: dict[str, str]) -> int:
    area = folder / "dimuon"
    area.mkdir()
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, area)
    captured = run_here(area / "dimuon.ipynb")
    sha256 = digest(image)
    _vml(environ, "releases", "add", NAME, image, "--sha256", sha256, "--what", "Debian 12 with cloud-init")
    entry = _vml(environ, "snapshot", area, "--notebook", "dimuon.ipynb", "--release", NAME)["entry"]
    restored = _vml(environ, "restore", entry)
    print(json.dumps(restored["seconds"]))
    executed = machines.execute(load(environ), restored["machine"], "dimuon.ipynb")
    print(environment_text(executed))
    assert "no CernVM" in environment_text(executed)
    assert results(executed) == results(captured) != []
    assert digest(image) == sha256, "the user's image was written to"
    _vml(environ, "stop", restored["machine"])
    _vml(environ, "start", restored["machine"])
    _vml(environ, "delete", restored["machine"])
    print(
        "An ordinary cloud image brought the notebook up, and again after a stop; its results are those captured."
    )
    return 0


def _vml(environ: dict[str, str], *words: str | Path) -> Any:
    command = [sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words), "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
