"""The logbook as the user's settings name it: open it, list it, find in it, edit what stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from vml_jupyter.errors import LogbookMissing, Usage, WouldOverwrite, WrongPassword
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Listed, Logbook, made_mark, open_or_create_default
from vml_jupyter.model import Entry, Query
from vml_jupyter.model.address import masked
from vml_jupyter.repository import local_folder

_MOMENT = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d)?)?)?)?)?", re.ASCII)
_TIMES = ("since", "until")


@contextmanager
def opened(settings: Settings) -> Iterator[Logbook]:
    """Open the logbook for the time of a ``with`` block.

    Raises:
        LogbookMissing: There is none yet.
        WrongPassword: None is known for it, or the known one opens nothing.
    """
    local_folder(settings.logbook)  # a URL with a secret in it is refused before anything shows it
    logbook = Logbook.open(settings.logbook, known_password(settings), cache=settings.cache)
    try:
        yield logbook
    finally:
        logbook.close()


def known_password(settings: Settings) -> str:
    """Return the password of the logbook that the settings name.

    Raises:
        LogbookMissing: There is no such logbook yet.
        WrongPassword: It is there, but this user has no password for it.
    """
    password = settings.password()
    if password is None:
        raise _unopenable(settings)
    return password


@contextmanager
def opened_or_created(settings: Settings) -> Iterator[Logbook]:
    """Open the logbook, making it first where nothing is there yet; a local one makes its own password."""
    logbook = _created(settings)
    try:
        yield logbook
    finally:
        logbook.close()


def was_made(settings: Settings) -> bool:
    """Tell whether this user had the logbook once: where it is not, its disk is probably not mounted."""
    return made_mark(settings.password_file()).exists()


def gone(settings: Settings) -> LogbookMissing:
    """Return the error that says so."""
    return LogbookMissing(
        f"the logbook in {masked(settings.logbook)} was there before and is not now",
        "Mount the disk on which it lies; nothing else is wrong.",
    )


def list_entries(settings: Settings, query: Query | None = None) -> list[Entry]:
    """Return the entries that are asked for, newest first, without the packages of their environments."""
    return listed(settings, query).entries


def listed(settings: Settings, query: Query | None = None) -> Listed:
    """Return the same with what is damaged; a logbook that does not exist yet has no entries.

    Raises:
        Usage: A time in ``query`` is none.
    """
    asked = _checked(query or Query())
    try:
        with opened(settings) as logbook:
            return logbook.listed(asked)
    except LogbookMissing:
        return Listed((), ())


def find_entry(settings: Settings, entry_id: str) -> Entry:
    """Return the entry, whole, with this id or unambiguous beginning of an id."""
    with opened(settings) as logbook:
        return counted(logbook, logbook.find(entry_id))


def counted(logbook: Logbook, entry: Entry) -> Entry:
    """Return an entry with the number of its files and bytes, which for what restic wrote its trees tell alone."""
    if not entry.writer:
        return entry
    from vml_jupyter.snapshot.layered import count

    files, size_bytes = count(logbook.repository, entry.tree)
    return msgspec.structs.replace(entry, files=files, bytes=size_bytes)


def edit(
    settings: Settings,
    entry_id: str,
    *,
    title: str | None = None,
    note: str | None = None,
    project: str | None = None,
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
) -> Entry:
    """Change what a person wrote about an entry, and return it; None leaves as it is.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        NotAllowed: It is a snapshot of restic's.
        Usage: A text is too long, or the title is empty.
    """
    if title is not None and not title.strip():
        raise Usage("an entry's title cannot be empty", "Give one, or leave --title out.")
    with opened(settings) as logbook:
        entry = logbook.find_own(entry_id)
        changed = msgspec.structs.replace(
            entry,
            title=entry.title if title is None else title.strip(),
            note=entry.note if note is None else note,
            project=entry.project if project is None else project.strip(),
            tags=_tags(entry.tags, add_tags, remove_tags),
        )
        return entry if changed == entry else logbook.edit(changed)


def _tags(former: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> tuple[str, ...]:
    kept = [tag for tag in former if tag not in remove]
    return tuple(dict.fromkeys([*kept, *(tag.strip() for tag in add if tag.strip())]))


def _checked(query: Query) -> Query:
    times = {name: getattr(query, name).strip().replace(" ", "T").removesuffix("Z") for name in _TIMES}
    for name, text in times.items():
        if text and not _MOMENT.fullmatch(text):
            raise Usage(
                f"{getattr(query, name)!r} is no time for --{name}", "Write 2026-02-03, or 2026-02-03T16:30."
            )
    return msgspec.structs.replace(query, **times)


def _created(settings: Settings) -> Logbook:
    password = settings.logbook_password
    folder = local_folder(settings.logbook)
    if password is None and folder:
        return open_or_create_default(folder, settings.password_file(), settings.cache)
    password = password or settings.password()
    if password is None:
        raise _unopenable(settings)
    try:
        return Logbook.open(settings.logbook, password, cache=settings.cache)
    except LogbookMissing:
        pass
    try:
        return Logbook.create(settings.logbook, password, cache=settings.cache)
    except WouldOverwrite:  # somebody else was faster
        return Logbook.open(settings.logbook, password, cache=settings.cache)


def _unopenable(settings: Settings) -> LogbookMissing | WrongPassword:
    """Tell a logbook that was never made from one whose password this user does not have."""
    folder = local_folder(settings.logbook)
    if folder and not any((folder / name).exists() for name in ("config", "keys")):
        return LogbookMissing(
            f"there is no logbook at {settings.logbook} yet", "Take a snapshot: the first one makes it."
        )
    return WrongPassword(
        f"no password is known for the logbook at {settings.logbook}",
        "Set VML_LOGBOOK_PASSWORD, or give --password-file.",
    )
