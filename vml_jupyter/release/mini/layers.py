"""Lay the systems' Python packages out as the folders that are stacked on the base (see stacks.py).

locks/<tag>.txt -> *.whl -> <folder>/usr/local/{bin,lib/python3.11/dist-packages,share}
"""

from __future__ import annotations

from pathlib import Path

from vml_jupyter.building import wheels as packages
from vml_jupyter.building.programs import Runner
from vml_jupyter.release.mini.recipe import System
from vml_jupyter.release.mini.stacks import folder_of

UNUSED = (
    *packages.UNUSED,
    # Reads every setting of Notebook 6 at each start, which imports all of IPython.
    "etc/jupyter/jupyter_server_config.d/notebook_shim.json",
    "**/dist-packages/numpy/*/tests",
    "**/dist-packages/matplotlib/mpl-data/sample_data",
)


def download(system: System, folder: Path, runner: Runner) -> None:
    """Download the wheels that ``system`` pins into ``folder``, whatever Python runs this.

    Raises:
        HostError: pip failed.
    """
    pinned = ["--require-hashes", f"--requirement={system.lock_file}"]
    packages.download(f"pip-{system.version}", pinned, folder, runner)


def lay(wheels: Path, layers: Path, runner: Runner) -> None:
    """Install every wheel of ``wheels/*/`` under ``<layers>/<its folder>/usr/local``.

    Raises:
        ToolMissing: The Python package ``installer`` is not there.
    """
    files = sorted({file.name: file for file in wheels.glob("*/*.whl")}.values())
    for done, wheel in enumerate(files):
        runner.progress.advance(done, len(files), "wheels")
        packages.install(wheel, layers / folder_of(wheel), "vml-mini")
    for local in layers.glob("*/*/usr/local"):
        packages.remove_unused(local, UNUSED)
