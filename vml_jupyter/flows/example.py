"""The example: a notebook that finds the J/psi and the upsilons in a sample of pairs of muons.

<parent>/vml-example/    a new folder; vml-example-2 where that name is taken
    dimuon.ipynb
    dimuon.csv
"""

from __future__ import annotations

import shutil
from pathlib import Path

from vml_jupyter.errors import BadArea, of_system
from vml_jupyter.flows.beside import free_name

NOTEBOOK = "dimuon.ipynb"
_FILES = (NOTEBOOK, "dimuon.csv")
_PACKAGE = Path(__file__).parent.parent
_SOURCES = (_PACKAGE / "example", _PACKAGE.parent / "notebooks")  # of a wheel, and of a checkout


def lay_example(parent: Path) -> Path:
    """Copy the example into a new folder below ``parent``, and return that folder.

    Raises:
        BadArea: This installation has no example.
        DiskFull, HostError: It cannot be written.
    """
    source = next((folder for folder in _SOURCES if all((folder / name).is_file() for name in _FILES)), None)
    if source is None:
        raise BadArea("this installation came without the example", "Open a notebook of your own.")
    folder = free_name(parent / "vml-example")
    try:
        folder.mkdir()
        for name in _FILES:
            shutil.copyfile(source / name, folder / name)
    except OSError as error:
        raise of_system(error) from error
    return folder
