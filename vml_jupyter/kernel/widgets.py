"""Widgets for notebooks, Voila and VS Code: ``vml.Logbook()`` and ``vml.Machine(id)``; standard ipywidgets only."""

from vml_jupyter.kernel.logbook_widget import Logbook
from vml_jupyter.kernel.machine_widget import Machine

__all__ = ["Logbook", "Machine"]
