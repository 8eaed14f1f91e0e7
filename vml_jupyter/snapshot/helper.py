"""How the processes that read and write files for a snapshot are started.

    python("vml_jupyter.snapshot.hand", "7")  ->  [python, -I, -S, -c, "... import main; main(...)", "7", *path]

Isolated: the current folder is often the working area, and a module that lies there must not be taken for one of
Python's. What this process imports from is handed on instead, which also spares the others to look for it.
"""

from __future__ import annotations

import os
import sys


def python(module: str, *arguments: str) -> list[str]:
    """Return the command of a process that calls ``main`` of a module with ``arguments``."""
    path = [folder for folder in sys.path if os.path.isabs(folder)]  # noqa: PTH117 - not Paths
    end = len(arguments) + 1
    begin = f"import sys; sys.path[:] = sys.argv[{end}:]; from {module} import main; main(*sys.argv[1:{end}])"
    return [sys.executable, "-I", "-S", "-c", begin, *arguments, *path]
