"""Ask the Python of a notebook's kernel for its version and its search path, where it is not this process.

It is started as the kernel would be, with the kernel's variables: a software stack gives its packages through
``PYTHONPATH``, which an isolated interpreter (``-I``) would not look into. Nothing is imported from the
working area: it runs in ``/``.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.environment import remembered
from vml_jupyter.environment.remembered import Told
from vml_jupyter.parsing import parse

if TYPE_CHECKING:
    from types import TracebackType

    from vml_jupyter.environment.asking import Question
    from vml_jupyter.environment.kernelspec import Kernel

# Python 2 understands it as well. What site customisations print comes before the last line.
_SCRIPT = "import json, sys; print(json.dumps([sys.version.split()[0], sys.path[1:]]))"
_WITHIN_S = 10.0  # on a cold network disk; a list that is missing would be worse than a wait
_LIMIT_BYTES = 1 << 20


class Interpreter:
    """The Python of a kernel; it is asked when this is entered, unless the answer is remembered.

    Args:
        kernel: The kernel.
        cache: The folder in which the answer is kept for the next time.
    """

    def __init__(self, kernel: Kernel, cache: Path | None = None) -> None:
        self._program = kernel.interpreter
        self._environ = kernel.environ
        self._cache = cache
        self._about: list[str] = []
        self._recalled: Told | None = None
        self._question: Question | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Interpreter:
        if self._program is None:
            return self
        variables = (f"{name}={self._environ[name]}" for name in sorted(self._environ) if _matters(name))
        self._about = [str(self._program), *variables]
        self._recalled = remembered.recall(self._cache, self._about) if self._cache else None
        if self._recalled is None:
            self._ask(self._program)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def told(self) -> Told | None:
        """Wait for the answer; None where none came, or none that makes sense."""
        if self._program is None:
            return Told(sys.version.split()[0], sys.path)
        if self._recalled or self._question is None:
            return self._recalled
        lines = self._question.answer().splitlines()
        if self._question.status != 0 or not lines:
            return None
        try:
            version, path = parse(lines[-1], tuple[str, list[str]])
        except msgspec.DecodeError:
            return None
        told = Told(version, [folder for folder in path if folder.startswith("/")])
        if self._cache:
            remembered.remember(self._cache, self._about, self._program, told)
        return told

    def _ask(self, program: Path) -> None:
        from vml_jupyter.environment.asking import Question

        command = [str(program), "-c", _SCRIPT]
        try:
            question = Question(command, self._environ, within_s=_WITHIN_S, limit_bytes=_LIMIT_BYTES)
        except (OSError, ValueError):
            return
        self._question = self._stack.enter_context(question)


def _matters(variable: str) -> bool:
    return variable.startswith("PYTHON") or variable in ("HOME", "LD_LIBRARY_PATH", "__PYVENV_LAUNCHER__")
