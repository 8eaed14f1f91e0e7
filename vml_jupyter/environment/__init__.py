"""What a notebook runs in: the CernVM release if it is one, the system, its software, Python and its packages."""

from vml_jupyter.environment.describe import describe

__all__ = ["describe"]
