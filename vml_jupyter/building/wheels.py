"""Download Python packages for Debian 12 whatever Python runs this, and lay them out in a root.

    requirements -> pip download -> *.whl -> <root>/usr/local/{bin,lib/python3.11/dist-packages,share}

pip chooses the wheels, the package ``installer`` lays them out: neither runs anything of the guest.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from vml_jupyter.building.programs import Runner
from vml_jupyter.errors import ToolMissing

PYTHON = "3.11"
PACKAGES = f"/usr/local/lib/python{PYTHON}/dist-packages"

GLIBC_MINORS = (35, 34, 31, 28, 27, 26, 24, 17, 12, 5)
"""Which ``manylinux_2_N`` wheels Debian 12 (glibc 2.36) runs, among those that projects publish."""

UNUSED = (
    "share/man",
    "share/jupyter/lab/static/*.map",
    "share/jupyter/labextensions/**/*.map",
    "**/*.js.map",
    "**/dist-packages/*/tests",
    "**/dist-packages/jedi/third_party/django-stubs",
    "**/dist-packages/babel/locale-data/[!er]*.dat",
    "**/dist-packages/babel/locale-data/e[!n]*.dat",
)
"""What packages bring and no notebook opens, below ``/usr/local``."""


def download(name: str, arguments: Sequence[str], folder: Path, runner: Runner) -> None:
    """Download wheels into ``folder``: those that are named, without what they depend on.

    Args:
        name: What the log is called.
        arguments: Requirements, or pip's options that name them.
        folder: Where they come.
        runner: What runs pip.

    Raises:
        HostError: pip failed.
    """
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC_MINORS]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--implementation=cp", f"--python-version={PYTHON}"]
    command += [f"--abi={abi}" for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none")]
    command += [f"--platform={platform}" for platform in platforms]
    runner.run(name, [*command, f"--dest={folder}", *arguments])


def install(wheel: Path, root: Path, installer_name: str) -> None:
    """Lay one wheel out below ``<root>/usr/local``.

    Raises:
        ToolMissing: The Python package ``installer`` is not there.
    """
    try:
        from installer import install as lay
        from installer.destinations import SchemeDictionaryDestination
        from installer.sources import WheelFile
    except ImportError as missing:
        raise ToolMissing(
            "This cannot be built because the Python package installer is not there",
            "Install it: pip install vml_jupyter[mini]",
        ) from missing
    scheme = {
        "purelib": PACKAGES,
        "platlib": PACKAGES,
        "scripts": "/usr/local/bin",
        "data": "/usr/local",
        "headers": "/usr/local/include",
    }
    destination = SchemeDictionaryDestination(
        scheme, interpreter="/usr/bin/python3", script_kind="posix", destdir=str(root)
    )
    with WheelFile.open(wheel) as source, warnings.catch_warnings():
        # numpy 1.26 ships one compiled file, which installer skips and mentions.
        warnings.simplefilter("ignore", RuntimeWarning)
        lay(source, destination, additional_metadata={"INSTALLER": f"{installer_name}\n".encode()})


def remove_unused(local: Path, patterns: Iterable[str]) -> None:
    """Remove what matches below ``local``, a ``/usr/local``."""
    for pattern in patterns:
        for path in list(local.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
