"""What this process runs in: the CernVM release if it is one, the system, Python and its packages."""

from vml_jupyter.environment.cernvm import running_release
from vml_jupyter.environment.describe import describe

__all__ = ["describe", "running_release"]
