"""The verbs of warm states: warm, warm_list, warm_remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.machine import Kept


def warm(
    release: str, *, again: bool = False, settings: Settings | None = None, progress: Progress = SILENT
) -> list[Kept]:
    """Keep a release as a saved machine, so that restores into it take seconds; return what is kept of it.

    Args:
        release: ``4.5.1.0``, or the name of an added image.
        again: Make it anew though there is one.
        settings: Where it is kept, and how large machines are.
        progress: Who listens.

    Raises:
        ReleaseError: There is no such release, or it cannot be had.
        LimitReached: Another process makes one just now, or there is no room.
        MachineError, HostError: It did not come up, or could not be saved.
    """
    from vml_jupyter.flows import warming

    return warming.warm(bound(settings), release, again=again, progress=progress)


def warm_list(release: str = "", *, settings: Settings | None = None) -> list[Kept]:
    """Return the warm states of a release, or all of them, the one that was last used first.

    Raises:
        NotFound: There is none of that release.
    """
    from vml_jupyter.flows import warming

    return warming.states(bound(settings), release)


def warm_remove(release: str = "", *, settings: Settings | None = None) -> list[Kept]:
    """Remove the warm states of a release, or all of them, and return them; machines made from them stay.

    Raises:
        NotFound: There is none of that release.
    """
    from vml_jupyter.flows import warming

    return warming.remove(bound(settings), release)
