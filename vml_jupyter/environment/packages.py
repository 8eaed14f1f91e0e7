"""List the Python distributions of this interpreter, or of the one that a notebook's kernel starts.

    kernels/<name>/kernel.json: {"argv": ["/path/to/python", "-m", "ipykernel_launcher", ...]}

Only Jupyter's own data folders are searched for the kernel, and only an absolute path to a Python is asked,
so this starts nothing that opening the notebook would not start.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.environment import remembered

if TYPE_CHECKING:
    from importlib import metadata

_ASK = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.path]))"
_ASK_TIMEOUT_S = (
    10.0  # a Python on a busy computer or a cold network disk; a wrong list would be worse than a wait
)
_LIMIT = 5000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class _Kernel(msgspec.Struct):
    argv: list[str] = []


def packages_here(cache: Path | None = None) -> dict[str, str]:
    """Return name and version of every distribution that this interpreter can import, sorted by name.

    Args:
        cache: The folder in which the answer is kept for the next time.
    """
    file = cache / "packages.json" if cache else None
    stamps = remembered.stamps_of(sys.path)
    known = remembered.recall(file, stamps) if file else None
    if known is not None:
        return known
    from importlib import metadata  # takes as long to import as an unchanged area to look through

    found = list(metadata.distributions())
    packages = _named(found)
    if file and all(_is_settled(distribution) for distribution in found):
        remembered.remember(file, stamps, packages)
    return packages


def _is_settled(distribution: metadata.Distribution) -> bool:
    """Tell whether another version of a distribution would have another name in its folder."""
    return distribution.read_text("METADATA") is not None


def packages_of(interpreter: Path) -> tuple[str, dict[str, str]] | None:
    """Return the Python version and the distributions of another interpreter, None where it does not answer."""
    import subprocess
    from importlib import metadata

    try:
        answer = subprocess.run(
            [str(interpreter), "-c", _ASK],
            capture_output=True,
            timeout=_ASK_TIMEOUT_S,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout
        version, path = msgspec.json.decode(answer, type=tuple[str, list[str]])
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return version, _named(metadata.distributions(path=[folder for folder in path if folder]))


def interpreter_of(kernelspec: str) -> Path | None:
    """Return the Python that a kernel starts, None where it is this one or no Python at all."""
    if not _NAME.fullmatch(kernelspec):
        return None
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("kernels"):
        file = Path(folder) / kernelspec / "kernel.json"
        try:
            kernel = msgspec.json.decode(file.read_bytes(), type=_Kernel)
        except (OSError, ValueError):
            continue
        program = Path(kernel.argv[0]) if kernel.argv else Path()
        other = program.is_absolute() and program.is_file() and "python" in program.name
        return program if other and not _is_this(program) else None
    return None


def _is_this(program: Path) -> bool:
    # Two environments may share one interpreter file through links, so the links are not followed.
    return program.parent == Path(sys.executable).parent and program.samefile(sys.executable)


def _named(distributions: Iterable[metadata.Distribution]) -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in distributions:
        name, version = _heading(distribution)
        # The first on the path is the one that is imported.
        if name and name not in found:
            found[name] = version
        if len(found) >= _LIMIT:
            break
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _heading(distribution: metadata.Distribution) -> tuple[str, str]:
    """Return name and version from the first lines of the metadata.

    ``Distribution.name`` and ``.version`` parse the whole document, long description included, once for each.
    """
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    fields: dict[str, str] = {}
    for line in text.split("\n", 40)[:40]:
        key, colon, value = line.partition(":")
        if not colon:
            break
        fields.setdefault(key.lower(), value.strip())
    name = fields.get("name", "")
    return (name, fields.get("version", "")) if _NAME.fullmatch(name) else ("", "")
