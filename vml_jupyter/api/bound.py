"""Which settings a call works with: those that were given, else the user's own as they are now."""

from __future__ import annotations

from vml_jupyter.flows.settings import Settings, load


def settings(**changes: object) -> Settings:
    """Return the user's settings (environment, configuration file, defaults), with some of them changed.

    Args:
        changes: Fields of ``Settings`` and their values, e.g. ``logbook="s3://group/logbook"``.

    Raises:
        Usage: The configuration file or a variable is not what it must be.
    """
    return load().using(**changes)


def bound(given: Settings | None) -> Settings:
    """Return the settings that were given, else the user's, read anew: they may have changed since the last call."""
    return given or load()
