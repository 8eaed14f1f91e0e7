"""Entries on top of repository and snapshot."""

from vml_jupyter.logbook.default import made_mark, open_or_create_default
from vml_jupyter.logbook.document import checked
from vml_jupyter.logbook.logbook import Logbook
from vml_jupyter.logbook.selection import Listed

__all__ = ["Listed", "Logbook", "checked", "made_mark", "open_or_create_default"]
