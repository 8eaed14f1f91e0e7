"""Lay the systems' Python packages out as the folders that are stacked on the base (see stacks.py).

    locks/<tag>.txt -> pip download -> *.whl -> <folder>/usr/local/{bin,lib/python3.11/dist-packages,share}

pip chooses the wheels, the package ``installer`` lays them out: neither runs anything of the guest.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path

from vml_jupyter.errors import ToolMissing
from vml_jupyter.release.mini.programs import Runner
from vml_jupyter.release.mini.recipe import PYTHON, System
from vml_jupyter.release.mini.stacks import folder_of

GLIBC_MINORS = (35, 34, 31, 28, 27, 26, 24, 17, 12, 5)
"""Which ``manylinux_2_N`` wheels Debian 12 (glibc 2.36) runs, among those that projects publish."""

UNUSED = (
    # Reads every setting of Notebook 6 at each start, which imports all of IPython.
    "etc/jupyter/jupyter_server_config.d/notebook_shim.json",
    "share/man",
    "share/jupyter/lab/static/*.map",
    "share/jupyter/labextensions/**/*.map",
    "**/*.js.map",
    "**/dist-packages/*/tests",
    "**/dist-packages/numpy/*/tests",
    "**/dist-packages/matplotlib/mpl-data/sample_data",
    "**/dist-packages/jedi/third_party/django-stubs",
    "**/dist-packages/babel/locale-data/[!er]*.dat",
    "**/dist-packages/babel/locale-data/e[!n]*.dat",
)


def download(system: System, folder: Path, runner: Runner) -> None:
    """Download the wheels that ``system`` pins into ``folder``, whatever Python runs this.

    Raises:
        HostError: pip failed.
    """
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC_MINORS]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--require-hashes", "--implementation=cp", f"--python-version={PYTHON}"]
    command += [f"--abi={abi}" for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none")]
    command += [f"--platform={platform}" for platform in platforms]
    command += [f"--requirement={system.lock_file}", f"--dest={folder}"]
    runner.run(f"pip-{system.version}", command)


def lay(wheels: Path, layers: Path, runner: Runner) -> None:
    """Install every wheel of ``wheels/*/`` under ``<layers>/<its folder>/usr/local``.

    Raises:
        ToolMissing: The Python package ``installer`` is not there.
    """
    files = sorted({file.name: file for file in wheels.glob("*/*.whl")}.values())
    for done, wheel in enumerate(files):
        runner.progress.advance(done, len(files), "wheels")
        _install(wheel, layers / folder_of(wheel))
    for local in layers.glob("*/*/usr/local"):
        _remove_unused(local)


def _install(wheel: Path, layer: Path) -> None:
    try:
        from installer import install
        from installer.destinations import SchemeDictionaryDestination
        from installer.sources import WheelFile
    except ImportError as missing:
        raise ToolMissing(
            "A mini release cannot be built because the Python package installer is not there",
            "Install it: pip install vml_jupyter[mini]",
        ) from missing
    packages = f"/usr/local/lib/python{PYTHON}/dist-packages"
    scheme = {
        "purelib": packages,
        "platlib": packages,
        "scripts": "/usr/local/bin",
        "data": "/usr/local",
        "headers": "/usr/local/include",
    }
    destination = SchemeDictionaryDestination(
        scheme, interpreter="/usr/bin/python3", script_kind="posix", destdir=str(layer)
    )
    with WheelFile.open(wheel) as source, warnings.catch_warnings():
        # numpy 1.26 ships one compiled file, which installer skips and mentions.
        warnings.simplefilter("ignore", RuntimeWarning)
        install(source, destination, additional_metadata={"INSTALLER": b"vml-mini\n"})


def _remove_unused(local: Path) -> None:
    for pattern in UNUSED:
        for path in list(local.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
