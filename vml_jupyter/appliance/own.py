"""Lay the VML that runs here into a root, as its wheel would: package, extensions, command, metadata.

    vml_jupyter/                                      -> /usr/local/lib/python3.11/dist-packages/vml_jupyter/
    <prefix>/share/jupyter/labextensions/vml-jupyter  -> /usr/local/share/jupyter/labextensions/vml-jupyter/
    <prefix>/etc/jupyter/.../vml_jupyter.json         -> /usr/local/etc/jupyter/.../vml_jupyter.json
    (its entry point)                                 -> /usr/local/bin/vml

From a wheel or from sources, installed is the same here, so neither sources nor the tools of a wheel are needed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import vml_jupyter
from vml_jupyter.appliance.pins import OWN
from vml_jupyter.building.wheels import PACKAGES
from vml_jupyter.errors import ToolMissing

_LAB = Path("share/jupyter/labextensions/vml-jupyter")
_SERVER = Path("etc/jupyter/jupyter_server_config.d/vml_jupyter.json")
_METADATA = ("METADATA", "entry_points.txt")
_COMMAND = """\
#!/usr/bin/python3
import sys

from vml_jupyter.cli.main import main

sys.exit(main())
"""


def files() -> dict[Path, Path]:
    """Return the files of this VML, by where they belong in a root (relative to it).

    Raises:
        ToolMissing: The part for JupyterLab is not installed here.
    """
    package = Path(vml_jupyter.__file__).parent
    found = dict(_below(package, Path(PACKAGES[1:], OWN), leaving_out=("__pycache__", "labextension")))
    lab = Path(sys.prefix) / _LAB
    if not (lab / "package.json").is_file() or not (Path(sys.prefix) / _SERVER).is_file():
        raise ToolMissing(
            f"The VML VM cannot be built because VML's part for JupyterLab is not in {sys.prefix}",
            "Install vml_jupyter there; of sources, run `make packages lint` or `jlpm build:prod` first.",
        )
    found |= dict(_below(lab.resolve(), Path("usr/local", _LAB), leaving_out=("*.map",)))
    found[Path("usr/local", _SERVER)] = Path(sys.prefix) / _SERVER
    return found


def lay(root: Path) -> None:
    """Put everything into ``root``.

    Raises:
        ToolMissing: As for ``files``.
    """
    for inside, file in files().items():
        (root / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, root / inside)
    command = root / "usr/local/bin/vml"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(_COMMAND)
    command.chmod(0o755)
    distribution = metadata.distribution(OWN)
    told = root / PACKAGES[1:] / f"{OWN}-{distribution.version}.dist-info"
    told.mkdir()
    for name in _METADATA:
        (told / name).write_text(distribution.read_text(name) or "")


def _below(folder: Path, inside: Path, leaving_out: tuple[str, ...]) -> Iterator[tuple[Path, Path]]:
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder)
        if file.is_file() and not any(Path(part).match(each) for part in parts.parts for each in leaving_out):
            yield inside / parts, file
