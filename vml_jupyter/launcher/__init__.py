"""The host-side script: ``script.py`` is its text, ``written`` makes it the one of an entry."""

from vml_jupyter.launcher.written import Written, written

__all__ = ["Written", "written"]
