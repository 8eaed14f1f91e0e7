"""The logbook as the user's settings name it: open it, list it, find in it, forget from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vml_jupyter.errors import LogbookMissing, WouldOverwrite, WrongPassword
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook, open_or_create_default
from vml_jupyter.model import Entry
from vml_jupyter.repository import local_folder


@contextmanager
def opened(settings: Settings) -> Iterator[Logbook]:
    """Open the logbook for the time of a ``with`` block.

    Raises:
        LogbookMissing: There is none yet.
        WrongPassword: None is known for it, or the known one opens nothing.
    """
    local_folder(settings.logbook)  # a URL with a secret in it is refused before anything shows it
    password = settings.password()
    if password is None:
        raise _unopenable(settings)
    logbook = Logbook.open(settings.logbook, password)
    try:
        yield logbook
    finally:
        logbook.close()


@contextmanager
def opened_or_created(settings: Settings) -> Iterator[Logbook]:
    """Open the logbook, making it first where nothing is there yet; a local one makes its own password."""
    logbook = _created(settings)
    try:
        yield logbook
    finally:
        logbook.close()


def list_entries(settings: Settings) -> list[Entry]:
    """Return every entry, newest first; a logbook that does not exist yet has none."""
    try:
        with opened(settings) as logbook:
            return logbook.entries()
    except LogbookMissing:
        return []


def find_entry(settings: Settings, entry_id: str) -> Entry:
    """Return the entry with this id or unambiguous beginning of an id."""
    with opened(settings) as logbook:
        return logbook.find(entry_id)


def forget(settings: Settings, entry_id: str) -> Entry:
    """Take an entry out of the logbook and return what it was."""
    with opened(settings) as logbook:
        entry = logbook.find(entry_id)
        logbook.forget(entry.id)
        return entry


def _created(settings: Settings) -> Logbook:
    password = settings.logbook_password
    folder = local_folder(settings.logbook)
    if password is None and folder:
        return open_or_create_default(folder, settings.password_file())
    password = password or settings.password()
    if password is None:
        raise _unopenable(settings)
    try:
        return Logbook.open(settings.logbook, password)
    except LogbookMissing:
        pass
    try:
        return Logbook.create(settings.logbook, password)
    except WouldOverwrite:  # somebody else was faster
        return Logbook.open(settings.logbook, password)


def _unopenable(settings: Settings) -> LogbookMissing | WrongPassword:
    """Tell a logbook that was never made from one whose password this user does not have."""
    folder = local_folder(settings.logbook)
    if folder and not (folder / "config").exists():
        return LogbookMissing(
            f"there is no logbook at {settings.logbook} yet", "Take a snapshot: the first one makes it."
        )
    return WrongPassword(
        f"no password is known for the logbook at {settings.logbook}",
        "Set VML_LOGBOOK_PASSWORD, or give --password-file.",
    )
