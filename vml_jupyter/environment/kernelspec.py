"""Find the kernel that a notebook runs in: its kernelspec, its variables, and the Python that it starts.

    <area>/a.ipynb: metadata.kernelspec.name  ->  kernels/<name>/kernel.json: argv, env, language

Only Jupyter's own data folders are searched, and only a program that is called python is ever asked, so this
starts nothing that opening the notebook would not start.
Source: jupyter_client's documentation, "Kernel specs"; its rule for a bare ``python`` in argv.
"""

from __future__ import annotations

import os
import re
import string
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from vml_jupyter.parsing import parse

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}"
_THIS = frozenset(("python", "python{}".format(*sys.version_info), "python{}.{}".format(*sys.version_info)))
_PYTHON = r"python(\d+(\.\d+)?)?t?"


class _Named(msgspec.Struct):
    name: str = ""


class _Metadata(msgspec.Struct):
    kernelspec: _Named | None = None


class _Notebook(msgspec.Struct):
    """The little of a notebook that is needed here; its cells are skipped, not built."""

    metadata: _Metadata | None = None


class _Spec(msgspec.Struct):
    argv: list[str] = []
    env: dict[str, str] = {}
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A notebook's kernel as far as it can be told.

    ``interpreter`` is another Python than this process, None where it is this one; where ``is_python`` is False
    it is neither, or nobody knows. ``environ`` is what the kernel is started with. ``note`` says what could not
    be told.
    """

    name: str = ""
    language: str = ""
    interpreter: Path | None = None
    is_python: bool = True
    environ: Mapping[str, str] = field(repr=False)
    note: str = ""


def kernel_of(notebook: Path | None, environ: Mapping[str, str], *, in_kernel: bool = False) -> Kernel:
    """Return the kernel that a notebook names.

    Args:
        notebook: The notebook file; without one this process stands for its kernel.
        environ: The variables of this process, which a kernel inherits.
        in_kernel: This process is the notebook's kernel, whatever the file says.
    """
    name = kernelspec_of(notebook) if notebook else ""
    if in_kernel or not name:
        return Kernel(name=name, environ=environ)
    spec = _installed(name)
    if spec is None:
        if name == "python3":  # Jupyter's own, which needs no file
            return Kernel(name=name, environ=environ)
        return Kernel(
            name=name,
            environ=environ,
            note=f"no kernel {_shown(name)} is installed here: Python and packages are those of {sys.executable}",
        )
    return _started_by(name, spec, environ)


def kernelspec_of(notebook: Path) -> str:
    """Return the name of the kernel that a notebook was written for, '' where it does not say."""
    try:
        document = parse(notebook.read_bytes(), _Notebook)
    except (OSError, msgspec.DecodeError):
        return ""
    if document.metadata is None or document.metadata.kernelspec is None:
        return ""
    return document.metadata.kernelspec.name


def _installed(name: str) -> _Spec | None:
    if not re.fullmatch(_NAME, name):
        return None
    from jupyter_core.paths import jupyter_path

    for folder in jupyter_path("kernels"):
        try:
            return parse((Path(folder) / name / "kernel.json").read_bytes(), _Spec)
        except (OSError, ValueError):
            continue
    return None


def _started_by(name: str, spec: _Spec, environ: Mapping[str, str]) -> Kernel:
    added = {key: string.Template(value).safe_substitute(environ) for key, value in spec.env.items()}
    environ = {**environ, **added}
    program = _program(spec.argv[0] if spec.argv else "", environ)
    if program is None or not re.fullmatch(_PYTHON, program.name):
        what = spec.language if spec.language.lower() not in ("", "python") else "no Python that can be asked"
        starter = program or (spec.argv[0] if spec.argv else "nothing")
        note = f"the kernel {name} is {what}, started by {starter}: its packages are not in this record"
        return Kernel(name=name, language=spec.language, is_python=False, environ=environ, note=note)
    altered = any(key.startswith("PYTHON") for key in added)
    other = None if _is_this(program) and not altered else program
    return Kernel(name=name, language=spec.language, interpreter=other, environ=environ)


def _program(word: str, environ: Mapping[str, str]) -> Path | None:
    """Return the program that a kernel starts, None where there is none."""
    if word in _THIS:
        return Path(sys.executable)
    folders = [""] if "/" in word else environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in folders:
        program = Path(folder, word)
        if word and program.is_absolute() and program.is_file() and os.access(program, os.X_OK):
            return program
    return None


def _shown(name: str) -> str:
    """Return a name from somebody's notebook as a terminal may see it."""
    return name if name.isprintable() else ascii(name)


def _is_this(program: Path) -> bool:
    # Two environments may share one interpreter file through links, so the links are not followed.
    return program.parent == Path(sys.executable).parent and program.samefile(sys.executable)
