"""A widget with the link to a machine's notebook; see ``door`` for what its state may and may not have."""

from __future__ import annotations

from html import escape

import ipywidgets

from vml_jupyter import api
from vml_jupyter.flows.settings import Settings
from vml_jupyter.kernel.door import DOOR

_TEXT = "Open the notebook in its machine"


class OpenLink(ipywidgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """A link that is there while ``shown``, and new after each use."""

    def __init__(self, machine: str, settings: Settings | None = None) -> None:
        super().__init__()
        self._machine, self._settings = machine, settings
        self._link = ""

    def show(self) -> None:
        """Show a link, unless one is there already."""
        if not self._link:
            self._renew()

    def hide(self) -> None:
        """Take the link away."""
        DOOR.forget(self._link)
        self._link = self.value = ""

    def close(self) -> None:
        DOOR.forget(self._link)
        super().close()

    def _renew(self) -> None:
        self._link = DOOR.link(self._address, self._renew)
        self.value = (
            f'<a href="{escape(self._link)}" target="_blank" rel="noopener noreferrer">{escape(_TEXT)}</a>'
        )

    def _address(self) -> str:
        return api.open(self._machine, settings=self._settings).url
