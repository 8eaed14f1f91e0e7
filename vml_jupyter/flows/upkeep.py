"""The upkeep of the logbook: is it whole, how is room freed, who may open it."""

from __future__ import annotations

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.flows.bin import empty_expired
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook, document
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Affected, Finding, KeyRecord, Pruned, Report

_AREA = "/area/"
_RECORD = "/entry.json"


_NEW_CONFIG = (
    "wrote a new config. The number by which restic cuts files was lost with the old one, so what restic backs up from "
    "here on may be stored a second time, but for files that did not change; entries of VML are not concerned"
)


def check(
    settings: Settings,
    *,
    read_data: bool = False,
    repair_index: bool = False,
    repair_config: bool = False,
    progress: Progress = SILENT,
) -> Report:
    """Look for what is hurt, and name the entries and files that need it.

    Args:
        settings: Which logbook.
        read_data: Read all content, too.
        repair_index: Then make the index anew where it does not fit.
        repair_config: Write a new config before, where it is lost or damaged.
        progress: Told the bytes read, and what was written.

    Raises:
        LogbookMissing, WrongPassword: It cannot be opened.
        LogbookLocked: Somebody removes something from it just now.
    """
    try:
        if repair_config:
            _repair_config(settings, progress)
        with opened(settings) as logbook:
            upkeep = logbook.repository.upkeep
            look = upkeep.repair_index if repair_index else upkeep.check
            return _with_entries(logbook, look(progress, read_data=read_data))
    except LogbookDamaged as error:
        if repair_index or repair_config:
            raise
        finding = Finding(severity="damage", kind="unreadable", object="keys", message=error.message)
        return Report(findings=(finding,), snapshots=0, packs=0, blobs=0, bytes=0, read_bytes=0)


def prune(
    settings: Settings, *, dry_run: bool = False, max_unused_percent: float, progress: Progress = SILENT
) -> Pruned:
    """Free the room of what no snapshot needs, and of what was in the bin for long enough.

    Errors are those of ``repository.pruning.prune``. A dry run leaves the bin as it is.
    """
    with opened(settings) as logbook:
        if not dry_run:
            with logbook.repository.lock():
                for entry in empty_expired(logbook, settings):
                    progress.note(
                        f"{entry.id} was in the bin for more than {settings.bin_days} days: {entry.title}"
                    )
        return logbook.repository.upkeep.prune(
            progress, max_unused_percent=max_unused_percent, dry_run=dry_run
        )


def unlock(settings: Settings, *, remove_all: bool = False) -> int:
    """Remove the locks that nobody stands behind, or every one, and return how many."""
    with opened(settings) as logbook:
        return logbook.repository.upkeep.unlock(remove_all)


def list_keys(settings: Settings) -> list[KeyRecord]:
    """Return the logbook's keys, oldest first."""
    with opened(settings) as logbook:
        return logbook.repository.keys.list()


def add_key(settings: Settings, password: str) -> KeyRecord:
    """Give the logbook one more password."""
    with opened(settings) as logbook:
        return logbook.repository.keys.add(password)


def remove_key(settings: Settings, key_id: str) -> KeyRecord:
    """Take a password away; errors as for ``repository.keys.Keys.remove``."""
    with opened(settings) as logbook:
        return logbook.repository.keys.remove(key_id)


def _repair_config(settings: Settings, progress: Progress) -> None:
    with opened(settings) as logbook:
        written = logbook.repository.upkeep.repair_config()
    progress.note(_NEW_CONFIG if written else "the config is whole, so it stays as it is")


def _with_entries(logbook: Logbook, report: Report) -> Report:
    """Name entries instead of snapshots, and their files as the working area has them."""
    if not any(finding.affected for finding in report.findings):
        return report
    entries = {
        snapshot.id: document.entry_id_of(snapshot) or "" for snapshot in logbook.repository.snapshots()
    }
    findings = (
        msgspec.structs.replace(
            finding, affected=tuple(_name(affected, entries) for affected in finding.affected)
        )
        for finding in report.findings
    )
    return msgspec.structs.replace(report, findings=tuple(findings))


def _name(affected: Affected, entries: dict[str, str]) -> Affected:
    entry = entries.get(affected.snapshot, "")
    if not entry:
        return affected
    return msgspec.structs.replace(affected, entry=entry, files=tuple(map(_file, affected.files)))


def _file(path: str) -> str:
    if path == _RECORD:
        return "(the entry's record)"
    return path.removeprefix(_AREA) or "(all files)" if path != "/" else "(all files)"
