"""The verb config: the settings, what they are now and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vml_jupyter.flows.config import Configured


def config_list() -> list[Configured]:
    """Return every setting with its value and where that comes from: environment, file or default.

    Raises:
        Usage: The configuration file or a variable is not what it must be.
    """
    from vml_jupyter.flows.config import listing

    return listing()


def config_get(setting: str) -> Configured:
    """Return one setting, or one line of a table: ``logbooks.group``.

    Raises:
        NotFound: There is no such setting or line.
    """
    from vml_jupyter.flows.config import get

    return get(setting)


def config_set(setting: str, *value: str) -> Configured:
    """Write a setting into the configuration file, and return how it is now: a variable may still beat it.

    Args:
        setting: Its name, or a line of a table: ``logbooks.group``.
        value: Its value as a person writes it: a word, several for a list, or JSON.

    Raises:
        NotFound: There is no such setting.
        Usage: It cannot have that value; nothing was changed.
    """
    from vml_jupyter.flows.config import set

    return set(setting, value)


def config_unset(setting: str) -> Configured | None:
    """Take a setting out of the configuration file and return how it is now; None for a line of a table.

    Raises:
        NotFound: There is no such setting, or the file does not say it.
    """
    from vml_jupyter.flows.config import unset

    return unset(setting)
