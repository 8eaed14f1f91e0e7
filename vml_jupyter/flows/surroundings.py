"""Describe what an entry taken now would record of its surroundings, and write nothing."""

from __future__ import annotations

from pathlib import Path

from vml_jupyter.environment import describe
from vml_jupyter.flows import notebooks
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Environment


def surroundings(settings: Settings, area: Path, *, notebook: str | None = None) -> Environment:
    """Return the environment of a notebook's kernel, or of this process where no notebook is named.

    Raises:
        BadArea, BadNotebook: The area or notebook is not one.
    """
    area = notebooks.checked_area(area)
    file = area / notebooks.checked_notebook(area, notebook) if notebook else None
    return describe(notebook=file, area=area, cache=settings.cache)
